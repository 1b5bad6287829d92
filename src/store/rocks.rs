//! Rows on disk: the key-value seam of [`crate::sync`] over RocksDB.

use super::chunks::Chunks;
use super::cursor::{Cursor, Frozen};
use super::engine::{Engine, Purpose};
use super::tuning::ROWS;
use super::{StoreError, StoreRole};
use crate::sync::kv::prefix_end;
use crate::sync::{Batch, Durability, Kv, Pair, Store, WriteError};
use rocksdb::{ReadOptions, WriteBatch};
use std::path::Path;
use std::sync::Arc;

/// A durable ordered key-value space; clones share it, and any thread may use it.
#[derive(Clone)]
pub struct RocksStore {
    engine: Arc<Engine>,
}

impl RocksStore {
    /// Opens the store in `path`, or makes one there. The directory above must exist, and the caller holds the
    /// state directory's lock.
    ///
    /// # Errors
    /// [`StoreError::Newer`], [`StoreError::Older`] and [`StoreError::OtherRole`] for a store that is not ours to open,
    /// [`StoreError::Full`] where opening needs room, [`StoreError::Unusable`] for all else.
    pub fn open(path: &Path, role: StoreRole) -> Result<RocksStore, StoreError> {
        Ok(RocksStore { engine: Arc::new(Engine::open(path, role)?) })
    }

    /// Completes once the store is closed, and may be opened anew, as its last user has gone.
    pub fn until_closed(&self) -> impl Future<Output = ()> + use<> {
        self.engine.until_closed()
    }

    #[cfg(test)]
    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The chunks kept beside the rows. What was put there survives power loss with the next commit that does.
    pub fn chunks(&self) -> Chunks {
        Chunks::new(self.engine.clone())
    }

    /// The rows of this moment, whatever is written later. While it lives, a store that met a full device stays
    /// without writes.
    pub fn snapshot(&self) -> StoreSnapshot {
        StoreSnapshot { frozen: Frozen::new(&self.engine) }
    }

    /// As [`Store::commit`], for a caller that needs the batch afterwards.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is written then.
    pub fn write_rows(&self, batch: &Batch, durability: Durability) -> Result<(), WriteError> {
        let sync = durability == Durability::Power;
        let purpose = if batch.values().all(Option::is_none) { Purpose::Remove } else { Purpose::Keep };
        self.engine.write(purpose, sync, &|_, writes| put_rows(writes, batch))
    }

    /// Removes every key that begins with `prefix`, at a cost that does not grow with their number.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is removed then.
    pub fn remove_prefix(&self, prefix: &[u8], durability: Durability) -> Result<(), WriteError> {
        let sync = durability == Durability::Power;
        let end = prefix_end(prefix);
        self.engine.write(Purpose::Remove, sync, &|_, writes| writes.delete_range(prefix, &end))
    }

    /// The last key that begins with `prefix`.
    ///
    /// # Panics
    /// Where the device does not give back what was written.
    pub fn last_key(&self, prefix: &[u8]) -> Option<Vec<u8>> {
        let last = self.engine.read(|db| {
            let mut options = ReadOptions::default();
            options.set_iterate_upper_bound(prefix_end(prefix));
            let mut iterator = db.raw_iterator_opt(options);
            iterator.seek_to_last();
            iterator.status()?;
            Ok(iterator.key().map(<[u8]>::to_vec))
        });
        self.engine.or_panic(last).filter(|key| key.starts_with(prefix))
    }

    /// Makes all earlier commits survive the loss of power if `sync`, else the death of this process (which they
    /// do already).
    ///
    /// # Errors
    /// [`WriteError`]; how much of it survives power loss is not known then.
    pub fn flush_wal(&self, sync: bool) -> Result<(), WriteError> {
        self.engine.flush_wal(sync)
    }
}

impl Kv for RocksStore {
    /// # Panics
    /// Where the device does not give back what was written.
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.engine.or_panic(self.engine.read(|db| db.get(key)))
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a> {
        Box::new(Cursor::new(&self.engine, ROWS, from, to))
    }
}

impl Store for RocksStore {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), WriteError> {
        self.write_rows(&batch, durability)
    }
}

pub(super) fn put_rows(writes: &mut WriteBatch, rows: &Batch) {
    for (key, value) in rows {
        match value {
            Some(value) => writes.put(key, value),
            None => writes.delete(key),
        }
    }
}

/// The rows of one moment, to read.
pub struct StoreSnapshot {
    frozen: Frozen,
}

impl Kv for StoreSnapshot {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.frozen.get(key)
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a> {
        Box::new(self.frozen.scan(from, to))
    }
}
