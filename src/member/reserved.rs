//! The member's store with room kept for it: what a full device must not stop is deletion and capture.

use super::fronts::Fronts;
use crate::store::{Reserve, RocksStore};
use crate::sync::kv::{Batch, Durability, Kv, Pair, Store, WriteError};
use std::sync::Arc;

/// A store that gives up the reserve when the device is full, and tries once more.
pub struct ReservedStore {
    rocks: RocksStore,
    reserve: Arc<Reserve>,
    fronts: Fronts,
}

impl ReservedStore {
    pub fn new(rocks: RocksStore, reserve: Arc<Reserve>) -> ReservedStore {
        ReservedStore { rocks, reserve, fronts: Fronts::default() }
    }
}

impl Kv for ReservedStore {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.rocks.get(key)
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a> {
        Box::new(self.fronts.scan(from, |from| self.rocks.scan(from, to)))
    }
}

impl Store for ReservedStore {
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), WriteError> {
        self.fronts.written(&batch);
        match self.rocks.commit(batch.clone(), durability) {
            Err(WriteError::Full) => match self.reserve.release() {
                Ok(true) => self.rocks.commit(batch, durability),
                Ok(false) => Err(WriteError::Full),
                Err(error) => Err(WriteError::Failed(error.to_string())),
            },
            done => done,
        }
    }
}
