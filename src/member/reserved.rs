//! The member's store: hot rows in memory before RocksDB, and room kept for what a full device must not stop, which is
//! deletion and capture.
//!
//! Order: a batch is in RocksDB before what is in memory follows. Reads and commits are ordered by the replica's lock.

use super::ends::Ends;
use super::fronts::Fronts;
use super::hot::HotRows;
use super::names::Names;
use super::resident::Tables;
use crate::store::{Reserve, RocksStore};
use crate::sync::kv::{Batch, Durability, Kv, Pair, Store, WriteError, prefix_end};
use std::sync::Arc;

/// A store that gives up the reserve when the device is full, and tries once more.
pub struct ReservedStore {
    rocks: RocksStore,
    reserve: Arc<Reserve>,
    fronts: Fronts,
    ends: Ends,
    names: Names,
    tables: Tables,
    hot: HotRows,
}

impl ReservedStore {
    pub fn new(rocks: RocksStore, reserve: Arc<Reserve>) -> ReservedStore {
        let (fronts, ends, names) = (Fronts::default(), Ends::default(), Names::default());
        let (tables, hot) = (Tables::default(), HotRows::default());
        ReservedStore { rocks, reserve, fronts, ends, names, tables, hot }
    }

    /// The rows on disk, for who syncs them while others work.
    pub fn rows(&self) -> &RocksStore {
        &self.rocks
    }

    fn read(&self, key: &[u8]) -> Option<Vec<u8>> {
        if self.ends.is_behind(key, |run| self.rocks.last_key(run)) || self.names.is_nowhere(key) {
            return None;
        }
        let value = self.rocks.get(key);
        if value.is_none() {
            self.names.missed(key, |directory| self.rocks.scan(directory, &prefix_end(directory)));
        }
        value
    }

    fn commit_or_make_room(&self, batch: &Batch, durability: Durability) -> Result<(), WriteError> {
        match self.rocks.write_rows(batch, durability) {
            Err(WriteError::Full) => match self.reserve.release() {
                Ok(true) => self.rocks.write_rows(batch, durability),
                Ok(false) => Err(WriteError::Full),
                Err(error) => Err(WriteError::Failed(error.to_string())),
            },
            done => done,
        }
    }
}

impl Kv for ReservedStore {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.tables.get(key, |from, to| self.rocks.scan(from, to)) {
            Some(value) => value,
            None => self.hot.get(key, |key| self.read(key)),
        }
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a> {
        if let Some(rows) = self.tables.scan(from, to, |from, to| self.rocks.scan(from, to)) {
            return Box::new(rows);
        }
        if let Some(rows) = self.hot.places(from, to, || self.rocks.scan(from, to)) {
            return Box::new(rows);
        }
        Box::new(self.fronts.scan(from, |from| self.rocks.scan(from, to)))
    }
}

impl Store for ReservedStore {
    fn commit(&self, mut batch: Batch, durability: Durability) -> Result<(), WriteError> {
        self.tables.drop_unchanged(&mut batch);
        self.hot.drop_unchanged(&mut batch);
        if batch.is_empty() && durability == Durability::Process {
            return Ok(());
        }
        self.fronts.written(&batch);
        self.ends.written(&batch);
        self.names.written(&batch);
        self.commit_or_make_room(&batch, durability)?;
        self.tables.written(&batch);
        self.hot.written(&batch, |key| self.tables.holds(key));
        Ok(())
    }
}
