//! Tests of the disk edge that need more than one of its files: stores on real directories, and on devices that
//! are full.

mod backing;
mod chunks;
mod crash;
mod device;
mod full;
mod reserve;
mod rows;

use super::{RocksStore, StoreRole};
use crate::sync::{Batch, Durability, Kv, Store, WriteError};
use std::path::Path;

fn open(path: &Path) -> RocksStore {
    RocksStore::open(path, StoreRole::Member).unwrap()
}

fn put(store: &RocksStore, key: &[u8], value: &[u8]) -> Result<(), WriteError> {
    store.commit(Batch::from([(key.to_vec(), Some(value.to_vec()))]), Durability::Process)
}

fn keys(kv: &dyn Kv) -> Vec<Vec<u8>> {
    kv.scan(&[], &[u8::MAX]).map(|(key, _)| key).collect()
}

/// Bytes that do not compress, different for each seed.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    let mut reader = blake3::Hasher::new_derive_key("noise").update(&seed.to_be_bytes()).finalize_xof();
    reader.fill(&mut bytes);
    bytes
}
