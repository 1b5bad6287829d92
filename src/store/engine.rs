//! One open RocksDB, and its recovery from a full device.
//!
//! RocksDB stops taking writes once one of them, or a flush in the background, found no room. Its own way back
//! polls every five seconds, and until then a write may wait for it without end. Three rules make that rare and
//! short:
//! (1) a batch is refused while less is free than its [`Purpose`] asks for, so that RocksDB hardly ever meets the
//! end of the device itself, and what only removes or orders is taken long after content is not; (2) no write waits inside RocksDB: while it asks for a pause, we look every
//! millisecond whether it is flushing or has failed; (3) where it failed for lack of room, it is opened anew at the
//! next write for which there is room.
//! Reads go on all the while. A failure other than a full device is not recovered from: what the device then
//! holds is not known, so each later write fails too until a restart has read it back.
//!
//! Lock order: `opened` is never held while a caller's code runs; cursors and snapshots hold the database itself.

use super::error::is_full;
use super::format::{check_stamp, refuse_unknown};
use super::tuning::Tuning;
use super::{Room, StoreError, StoreRole, free_space};
use crate::sync::WriteError;
use parking_lot::{Mutex, RwLock};
use rocksdb::{DB, ErrorKind, Options, WriteBatch, WriteOptions};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::watch;

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// Between two looks at whether RocksDB takes writes again.
const PAUSE: Duration = Duration::from_millis(1);

/// More room than one batch needs: what is said of room must not change with each, and what one purpose leaves is
/// not enough for another.
const PLENTY_BYTES: u64 = 32 * MIB;

/// Where so much more room was found than is wanted, it is not looked for again so soon: nobody fills it meanwhile.
const AMPLE_BYTES: u64 = 2 * GIB;
const AMPLE_FOR: Duration = Duration::from_millis(50);

/// What a batch is for, which decides how much room there must be beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It brings content, which may come in any amount: it leaves what the others need, and what RocksDB needs to
    /// turn full buffers into files.
    Content,
    /// It adds rows; then RocksDB needs room to turn its buffers into files.
    Keep,
    /// It only removes, and may use what the others leave.
    Remove,
    /// It is to meet the end of the device.
    #[cfg(test)]
    Overrun,
}

impl Purpose {
    /// Room for a batch of so many bytes on a device of `total_bytes`; for rows well below the reserve, so that
    /// giving that up helps.
    pub fn room_bytes_min(self, batch_bytes: u64, total_bytes: u64) -> u64 {
        match self {
            Purpose::Content => (total_bytes / 100).clamp(64 * MIB, GIB) + batch_bytes,
            Purpose::Keep => 24 * MIB + batch_bytes,
            Purpose::Remove => 8 * MIB + batch_bytes,
            #[cfg(test)]
            Purpose::Overrun => 0,
        }
    }
}

/// Puts writes into a batch; called again if the database had to be opened anew.
pub type Fill<'a> = dyn Fn(&DB, &mut WriteBatch) + 'a;

/// A database that may be opened anew under its users.
pub struct Engine {
    path: PathBuf,
    role: StoreRole,
    tuning: Tuning,
    opened: RwLock<Opened>,
    /// Set when a write or a flush found no room, until a write succeeds again.
    stopped: AtomicBool,
    /// RocksDB's count of failures in the background when a write last succeeded.
    failures_seen: AtomicU64,
    /// The first failure that room does not cure; every later write is answered with it.
    failed: OnceLock<String>,
    /// Set from the first write that found no room to the first for which there is plenty again.
    short: AtomicBool,
    /// The room that was found last, and when.
    found: Mutex<Option<(Instant, Room)>>,
    /// Dropped after the database: the last field.
    open: watch::Sender<()>,
}

struct Opened {
    /// None only between closing and opening, and where neither way of opening worked.
    db: Option<Arc<DB>>,
    /// False where it could only be opened to read.
    writable: bool,
}

impl Opened {
    fn to_write(&self) -> Result<&DB, WriteError> {
        self.db.as_deref().filter(|_| self.writable).ok_or(WriteError::Full)
    }
}

/// Why a write was not made.
enum Refusal {
    /// RocksDB is behind with its flushes.
    Paused,
    Final(WriteError),
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Refusal {
        Refusal::Final(error)
    }
}

impl Engine {
    /// Opens or makes the database.
    pub fn open(path: &Path, role: StoreRole) -> Result<Engine, StoreError> {
        let tuning = Tuning::new(role);
        let db = open_database(path, role, &tuning)?;
        let opened = RwLock::new(Opened { db: Some(Arc::new(db)), writable: true });
        let (failures_seen, failed) = (AtomicU64::new(0), OnceLock::new());
        Ok(Engine {
            path: path.to_owned(),
            role,
            tuning,
            opened,
            stopped: AtomicBool::new(false),
            failures_seen,
            failed,
            short: AtomicBool::new(false),
            found: Mutex::new(None),
            open: watch::Sender::new(()),
        })
    }

    /// Completes once the database is closed, as its last user has gone.
    pub fn until_closed(&self) -> impl Future<Output = ()> + use<> {
        let mut open = self.open.subscribe();
        async move { while open.changed().await.is_ok() {} }
    }

    /// Reads in one step, without keeping the database.
    pub fn read<T>(&self, read: impl FnOnce(&DB) -> Result<T, rocksdb::Error>) -> Result<T, StoreError> {
        let opened = self.opened.read();
        let db = opened.db.as_ref().ok_or_else(|| self.closed())?;
        read(db).map_err(|error| self.unusable(error))
    }

    /// The database itself, for a reader that lasts; while one does, it is not opened anew.
    ///
    /// # Panics
    /// As [`Engine::or_panic`].
    pub fn database(&self) -> Arc<DB> {
        let db = self.opened.read().db.clone();
        self.or_panic(db.ok_or_else(|| self.closed()))
    }

    /// Unwraps what was read.
    ///
    /// # Panics
    /// Where the device does not give back what was written: state machines have no answer to half a state, and
    /// a restart is the only way to learn whether it lasts.
    pub fn or_panic<T>(&self, result: Result<T, StoreError>) -> T {
        result.unwrap_or_else(|error| panic!("{error}"))
    }

    /// Writes what `fill` puts into a batch: all of it or nothing.
    pub fn write(&self, purpose: Purpose, sync: bool, fill: &Fill<'_>) -> Result<(), WriteError> {
        let written = self.write_through(purpose, sync, fill);
        self.tell_of_room(&written);
        written
    }

    /// Says once that the device is full, and once that it no longer is, however many writes meet that. Content is
    /// the first to be refused and the last to be taken again.
    fn tell_of_room(&self, written: &Result<(), WriteError>) {
        match written {
            Err(WriteError::Full) if !self.short.swap(true, Ordering::AcqRel) => {
                tracing::warn!(path = %self.path.display(), "too little room is left on the store's device");
            }
            Ok(()) if self.short.load(Ordering::Acquire) => {
                let plenty = self.need_room(Purpose::Content, PLENTY_BYTES).is_ok();
                if plenty && self.short.swap(false, Ordering::AcqRel) {
                    tracing::info!(path = %self.path.display(), "there is room on the store's device again");
                }
            }
            _ => {}
        }
    }

    fn write_through(&self, purpose: Purpose, sync: bool, fill: &Fill<'_>) -> Result<(), WriteError> {
        let mut opened_anew = false;
        loop {
            match self.write_once(purpose, sync, fill) {
                Err(Refusal::Paused) => std::thread::sleep(PAUSE),
                Err(Refusal::Final(WriteError::Full)) if self.is_stopped() && !opened_anew => {
                    self.open_anew(purpose)?;
                    opened_anew = true;
                }
                Err(Refusal::Final(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
    }

    fn write_once(&self, purpose: Purpose, sync: bool, fill: &Fill<'_>) -> Result<(), Refusal> {
        self.check_not_failed()?;
        let opened = self.opened.read();
        let db = opened.to_write()?;
        let mut batch = WriteBatch::default();
        fill(db, &mut batch);
        self.need_room(purpose, batch.size_in_bytes() as u64)?;
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        options.set_no_slowdown(true);
        let result = db.write_opt(batch, &options);
        match &result {
            Err(error) if error.kind() == ErrorKind::Incomplete && !says_full(error) => self.paused(db),
            Ok(()) if self.is_stopped() => {
                // RocksDB has come back by itself.
                self.failures_seen.store(failures(db), Ordering::Release);
                self.stopped.store(false, Ordering::Release);
                Ok(())
            }
            _ => Ok(self.answer(result)?),
        }
    }

    /// Tells a pause that ends by itself from one that does not.
    fn paused(&self, db: &DB) -> Result<(), Refusal> {
        if failures(db) > self.failures_seen.load(Ordering::Acquire) {
            self.stopped.store(true, Ordering::Release);
            return Err(WriteError::Full.into());
        }
        Err(Refusal::Paused)
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Makes what was written so far survive the loss of power, or only the death of this process.
    pub fn flush_wal(&self, sync: bool) -> Result<(), WriteError> {
        self.check_not_failed()?;
        let opened = self.opened.read();
        let db = opened.to_write()?;
        self.answer(db.flush_wal(sync))
    }

    /// Answers as a write of so many bytes would on a full device.
    pub fn need_room(&self, purpose: Purpose, bytes: u64) -> Result<(), WriteError> {
        let wanted_bytes = |room: Room| purpose.room_bytes_min(bytes, room.total_bytes);
        let is_ample = |room: Room| room.free_bytes >= wanted_bytes(room).saturating_add(AMPLE_BYTES);
        let mut found = self.found.lock();
        if found.is_some_and(|(at, room)| is_ample(room) && at.elapsed() < AMPLE_FOR) {
            return Ok(());
        }
        let room = free_space(&self.path)?;
        *found = Some((Instant::now(), room));
        if room.free_bytes < wanted_bytes(room) { Err(WriteError::Full) } else { Ok(()) }
    }

    /// Takes RocksDB's word.
    fn answer(&self, result: Result<(), rocksdb::Error>) -> Result<(), WriteError> {
        match result {
            Ok(()) => Ok(()),
            Err(error) if says_full(&error) => {
                self.stopped.store(true, Ordering::Release);
                Err(WriteError::Full)
            }
            Err(error) => Err(WriteError::Failed(self.failed.get_or_init(|| error.into_string()).clone())),
        }
    }

    fn check_not_failed(&self) -> Result<(), WriteError> {
        self.failed.get().map_or(Ok(()), |error| Err(WriteError::Failed(error.clone())))
    }

    /// Closes the database and opens it again, where nobody holds it and there is room.
    fn open_anew(&self, purpose: Purpose) -> Result<(), WriteError> {
        self.need_room(purpose, 0)?;
        let mut opened = self.opened.write();
        if !self.is_stopped() {
            return Ok(());
        }
        match opened.db.take().map(Arc::try_unwrap) {
            Some(Err(held)) => {
                opened.db = Some(held);
                return Err(WriteError::Full);
            }
            Some(Ok(unused)) => drop(unused),
            None => {}
        }
        let result = open_database(&self.path, self.role, &self.tuning);
        opened.writable = result.is_ok();
        self.failures_seen.store(0, Ordering::Release);
        match result {
            Ok(db) => {
                tracing::info!(path = %self.path.display(), "there is room again; the store was opened anew");
                opened.db = Some(Arc::new(db));
                self.stopped.store(false, Ordering::Release);
                Ok(())
            }
            Err(error) => {
                // The room may have gone again. Reads go on from a database that takes no writes.
                tracing::warn!(%error, "the store could not be opened anew");
                opened.db = self.open_to_read().map(Arc::new);
                Err(error.into())
            }
        }
    }

    fn open_to_read(&self) -> Option<DB> {
        let families = self.tuning.column_families();
        DB::open_cf_descriptors_read_only(&self.tuning.database(), &self.path, families, false)
            .inspect_err(|error| tracing::error!(%error, "the store cannot even be read"))
            .ok()
    }

    /// What RocksDB said while something was read.
    pub fn unusable(&self, error: rocksdb::Error) -> StoreError {
        StoreError::Unusable { path: self.path.clone(), detail: error.into_string() }
    }

    fn closed(&self) -> StoreError {
        StoreError::Unusable { path: self.path.clone(), detail: "it could not be opened again".to_owned() }
    }
}

fn open_database(path: &Path, role: StoreRole, tuning: &Tuning) -> Result<DB, StoreError> {
    let exists = path.join("CURRENT").try_exists().map_err(StoreError::io("look into", path))?;
    if exists {
        let names = DB::list_cf(&Options::default(), path).map_err(|error| open_error(path, error))?;
        refuse_unknown(path, &names)?;
    }
    let db = DB::open_cf_descriptors(&tuning.database(), path, tuning.column_families())
        .map_err(|error| open_error(path, error))?;
    check_stamp(&db, path, role)?;
    Ok(db)
}

/// How often a flush or a compaction failed since the database was opened.
fn failures(db: &DB) -> u64 {
    db.property_int_value("rocksdb.background-errors").ok().flatten().unwrap_or(0)
}

/// What RocksDB said while a store was opened.
pub fn open_error(path: &Path, error: rocksdb::Error) -> StoreError {
    let path = path.to_owned();
    if says_full(&error) {
        StoreError::Full { path }
    } else {
        StoreError::Unusable { path, detail: error.into_string() }
    }
}

/// RocksDB keeps the kernel's text of the first failure and repeats it while it takes no writes.
fn says_full(error: &rocksdb::Error) -> bool {
    let text: &str = error.as_ref();
    [libc::ENOSPC, libc::EDQUOT].iter().any(|errno| text.contains(&kernel_text(*errno)))
}

/// The text of strerror(3), without what Rust appends.
fn kernel_text(errno: i32) -> String {
    debug_assert!(is_full(errno));
    let text = std::io::Error::from_raw_os_error(errno).to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
