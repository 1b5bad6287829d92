//! Which encoding a store has and whose it is, written into it when it is made.

use super::StoreError;
use super::tuning::{COLUMN_FAMILIES, META};
use crate::wire::STORE_FORMAT;
use rocksdb::{DB, Options, WriteBatch, WriteOptions};
use std::fmt;
use std::path::Path;

const FORMAT_KEY: &[u8] = b"format";
const ROLE_KEY: &[u8] = b"role";

/// Which of the two processes a store belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreRole {
    Hub,
    Member,
}

impl StoreRole {
    fn byte(self) -> u8 {
        match self {
            StoreRole::Hub => b'h',
            StoreRole::Member => b'm',
        }
    }

    fn from_byte(byte: u8) -> Option<StoreRole> {
        [StoreRole::Hub, StoreRole::Member].into_iter().find(|role| role.byte() == byte)
    }
}

impl fmt::Display for StoreRole {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            StoreRole::Hub => "hub",
            StoreRole::Member => "member",
        })
    }
}

/// What a store says of itself.
struct Stamp {
    format: u16,
    role: StoreRole,
}

impl Stamp {
    /// Reads the stamp; none where the store was made this moment.
    fn read(db: &DB, path: &Path) -> Result<Option<Stamp>, StoreError> {
        let unusable = |detail: String| StoreError::Unusable { path: path.to_owned(), detail };
        let get = |key| match db.cf_handle(META) {
            Some(meta) => db.get_cf(meta, key).map_err(|error| unusable(error.into_string())),
            None => Ok(None),
        };
        let Some(format) = get(FORMAT_KEY)? else { return Ok(None) };
        let format = format.try_into().map_err(|_| unusable("its format is no number".to_owned()))?;
        let role = get(ROLE_KEY)?.and_then(|role| StoreRole::from_byte(*role.first()?));
        let role = role.ok_or_else(|| unusable("it does not say whose it is".to_owned()))?;
        Ok(Some(Stamp { format: u16::from_be_bytes(format), role }))
    }
}

/// Checks an open store's stamp, or stamps a new store.
pub fn check_stamp(db: &DB, path: &Path, wanted: StoreRole) -> Result<(), StoreError> {
    match Stamp::read(db, path)? {
        None => write_stamp(db, path, wanted),
        Some(stamp) if stamp.format > STORE_FORMAT => Err(newer(path, stamp.format)),
        Some(Stamp { format: found, .. }) if found < STORE_FORMAT => {
            Err(StoreError::Older { path: path.to_owned(), found, known: STORE_FORMAT })
        }
        Some(stamp) if stamp.role != wanted => {
            Err(StoreError::OtherRole { path: path.to_owned(), found: stamp.role, wanted })
        }
        Some(_) => Ok(()),
    }
}

fn newer(path: &Path, found: u16) -> StoreError {
    StoreError::Newer { path: path.to_owned(), found, known: STORE_FORMAT }
}

fn write_stamp(db: &DB, path: &Path, role: StoreRole) -> Result<(), StoreError> {
    let unusable = |error: rocksdb::Error| super::engine::open_error(path, error);
    let meta = db.cf_handle(META).expect("opened with its column families");
    let mut batch = WriteBatch::default();
    batch.put_cf(meta, FORMAT_KEY, STORE_FORMAT.to_be_bytes());
    batch.put_cf(meta, ROLE_KEY, [role.byte()]);
    let mut options = WriteOptions::default();
    options.set_sync(true);
    db.write_opt(batch, &options).map_err(unusable)?;
    // A table of its own, so that these two keys keep no log file alive.
    db.flush_cf(meta).map_err(unusable)
}

/// Looks into a store that has column families this program does not know, without changing it: a newer format
/// is named as such, anything else is unusable.
pub fn refuse_unknown(path: &Path, names: &[String]) -> Result<(), StoreError> {
    let Some(unknown) = names.iter().find(|name| !COLUMN_FAMILIES.contains(&name.as_str())) else {
        return Ok(());
    };
    let db = DB::open_cf_for_read_only(&Options::default(), path, names, false)
        .map_err(|error| super::engine::open_error(path, error))?;
    match Stamp::read(&db, path)? {
        Some(stamp) if stamp.format > STORE_FORMAT => Err(newer(path, stamp.format)),
        _ => Err(StoreError::Unusable {
            path: path.to_owned(),
            detail: format!("it has a column family {unknown:?} that no version up to this one makes"),
        }),
    }
}
