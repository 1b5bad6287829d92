//! Readers that outlast the call that made them: iterators and snapshots that keep their database open.
//!
//! RocksDB's bindings tie both to a borrow of the database. Here they own a share of it instead, so that a scan
//! holds no lock and the engine can see whether anyone still reads.

use super::engine::Engine;
use super::tuning::ROWS;
use crate::sync::Pair;
use rocksdb::{DB, DBRawIterator, ReadOptions, Snapshot};
use std::sync::Arc;

/// Pairs of one column family in order, up to a bound, as they were when it was made.
pub struct Cursor {
    // Field order: the iterator is dropped before the database it reads.
    iterator: DBRawIterator<'static>,
    engine: Arc<Engine>,
    _db: Arc<DB>,
    started: bool,
}

impl Cursor {
    /// Begins at `from`, ends before `to`.
    pub fn new(engine: &Arc<Engine>, family: &str, from: &[u8], to: &[u8]) -> Cursor {
        Cursor::with_options(engine, engine.database(), ReadOptions::default(), (family, from, to))
    }

    fn with_options(
        engine: &Arc<Engine>,
        db: Arc<DB>,
        mut options: ReadOptions,
        (family, from, to): (&str, &[u8], &[u8]),
    ) -> Cursor {
        options.set_iterate_upper_bound(to);
        let handle = db.cf_handle(family).expect("opened with its column families");
        let mut iterator = db.raw_iterator_cf_opt(handle, options);
        iterator.seek(from);
        // SAFETY: the iterator borrows the database behind `db`, an allocation that does not move and that the
        // cursor keeps alive; nothing outside sees the 'static, and fields are dropped in order, iterator first.
        let iterator = unsafe { std::mem::transmute::<DBRawIterator<'_>, DBRawIterator<'static>>(iterator) };
        Cursor { iterator, engine: engine.clone(), _db: db, started: false }
    }
}

impl Iterator for Cursor {
    type Item = Pair;

    /// # Panics
    /// As [`Engine::or_panic`].
    fn next(&mut self) -> Option<Pair> {
        if std::mem::replace(&mut self.started, true) && self.iterator.valid() {
            self.iterator.next();
        }
        let Some((key, value)) = self.iterator.item() else {
            let status = self.iterator.status().map_err(|error| self.engine.unusable(error));
            self.engine.or_panic(status);
            return None;
        };
        Some((key.to_vec(), value.to_vec()))
    }
}

/// The rows as they were at one moment.
pub struct Frozen {
    // Field order: the snapshot is released before the database it belongs to.
    snapshot: Snapshot<'static>,
    engine: Arc<Engine>,
    db: Arc<DB>,
}

impl Frozen {
    pub fn new(engine: &Arc<Engine>) -> Frozen {
        let db = engine.database();
        let snapshot = db.snapshot();
        // SAFETY: as in `Cursor::with_options`.
        let snapshot = unsafe { std::mem::transmute::<Snapshot<'_>, Snapshot<'static>>(snapshot) };
        Frozen { snapshot, engine: engine.clone(), db }
    }

    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.engine.or_panic(self.snapshot.get(key).map_err(|error| self.engine.unusable(error)))
    }

    pub fn scan(&self, from: &[u8], to: &[u8]) -> Cursor {
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.snapshot);
        Cursor::with_options(&self.engine, self.db.clone(), options, (ROWS, from, to))
    }
}
