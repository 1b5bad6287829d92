//! A full device: what is refused, what still works, and the way back.

use super::device::SmallDevice;
use super::{keys, noise, open, put};
use crate::model::{ChunkId, SpaceId};
use crate::store::engine::{Engine, Purpose};
use crate::store::{BackingFiles, RocksStore, StoreRole};
use crate::sync::{Batch, Durability, Kv, Store, WriteError};
use std::sync::Arc;

const MIB: u64 = 1024 * 1024;

/// Writes past the check that spares RocksDB the end of the device, until it has met that. Returns how many
/// writes it took.
fn overrun(store: &RocksStore) -> u64 {
    for number in 0u64..1024 {
        let key = [b"fill".as_slice(), &number.to_be_bytes()].concat();
        let value = noise(number, 256 * 1024);
        match store.engine().write(Purpose::Overrun, false, &|_, batch| batch.put(&key, &value)) {
            Ok(()) => {}
            Err(error) => {
                assert_eq!(error, WriteError::Full);
                return number;
            }
        }
    }
    panic!("the device never gets full");
}

#[test]
fn a_nearly_full_device_refuses_a_commit_before_rocksdb_meets_its_end() {
    let Some(device) = SmallDevice::mount(128) else { return };
    let store = open(&device.path().join("db"));
    put(&store, b"before", b"1").unwrap();
    let filler = device.fill(12 * MIB, || put(&store, b"before", b"1") == Err(WriteError::Full));
    assert_eq!(
        store.chunks().put_many(SpaceId([1; 16]), &[(ChunkId([1; 32]), vec![1])]),
        Err(WriteError::Full)
    );
    assert_eq!(keys(&store), [b"before"]);
    // What only removes may use more of what is left.
    store.commit(Batch::from([(b"before".to_vec(), None)]), Durability::Power).unwrap();
    assert!(keys(&store).is_empty());
    std::fs::remove_file(filler).unwrap();
    put(&store, b"after", b"1").unwrap();
    assert_eq!(keys(&store), [b"after"]);
}

/// What the log says while `work` runs.
fn logged(work: impl FnOnce()) -> String {
    let log = Arc::new(parking_lot::Mutex::new(Vec::new()));
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || Lines(writer.clone())).finish();
    tracing::subscriber::with_default(subscriber, work);
    let bytes = log.lock().clone();
    String::from_utf8(bytes).unwrap()
}

struct Lines(Arc<parking_lot::Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_log_says_once_that_the_device_is_full_and_once_that_it_no_longer_is() {
    let Some(device) = SmallDevice::mount(128) else { return };
    let store = open(&device.path().join("db"));
    put(&store, b"before", b"1").unwrap();
    let log = logged(|| {
        let filler = device.fill(12 * MIB, || put(&store, b"before", b"1") == Err(WriteError::Full));
        for _ in 0..3 {
            assert_eq!(put(&store, b"refused", b"1"), Err(WriteError::Full));
        }
        // What only removes finds room, which says nothing of what adds.
        store.commit(Batch::from([(b"before".to_vec(), None)]), Durability::Process).unwrap();
        assert_eq!(put(&store, b"refused", b"1"), Err(WriteError::Full));
        std::fs::remove_file(filler).unwrap();
        (0..3).for_each(|_| put(&store, b"after", b"1").unwrap());
    });
    let lines: Vec<&str> =
        log.lines().map(|line| if line.contains("WARN") { "full" } else { "room" }).collect();
    assert_eq!(lines, ["full", "room"], "{log}");
}

#[test]
fn a_store_that_met_a_full_device_reads_on_and_writes_again_when_there_is_room() {
    let Some(device) = SmallDevice::mount(96) else { return };
    let path = device.path().join("db");
    let store = open(&path);
    put(&store, b"before", b"1").unwrap();
    let filler = device.fill(40 * MIB, || true);
    let count = overrun(&store);
    assert_eq!(put(&store, b"refused", b"1"), Err(WriteError::Full));
    assert_eq!(store.get(b"before"), Some(b"1".to_vec()));
    std::fs::remove_file(filler).unwrap();
    put(&store, b"after", b"2").unwrap();
    assert_eq!(store.get(b"after"), Some(b"2".to_vec()));
    assert_eq!(store.get(b"refused"), None);
    assert_eq!(store.scan_prefix(b"fill").count() as u64, count);
    drop(store);
    let store = open(&path);
    assert_eq!(store.get(b"after"), Some(b"2".to_vec()));
    assert_eq!(store.get(b"refused"), None);
    assert_eq!(store.scan_prefix(b"fill").count() as u64, count);
}

#[test]
fn a_reader_that_lasts_only_delays_the_way_back() {
    let Some(device) = SmallDevice::mount(96) else { return };
    let path = device.path().join("db");
    let store = open(&path);
    put(&store, b"before", b"1").unwrap();
    let filler = device.fill(40 * MIB, || true);
    overrun(&store);
    assert_eq!(put(&store, b"refused", b"1"), Err(WriteError::Full));
    let mut scan = store.scan(b"a", b"z");
    std::fs::remove_file(filler).unwrap();
    let meanwhile = put(&store, b"meanwhile", b"1");
    assert_eq!(scan.next(), Some((b"before".to_vec(), b"1".to_vec())));
    drop(scan);
    put(&store, b"after", b"1").unwrap();
    assert_eq!(store.get(b"meanwhile").is_some(), meanwhile.is_ok());
    assert_eq!(store.get(b"after"), Some(b"1".to_vec()));
}

#[test]
fn a_full_device_is_named_so_when_files_are_written() {
    let Some(device) = SmallDevice::mount(8) else { return };
    let files = BackingFiles::open(device.path()).unwrap();
    let staging = files.stage().unwrap();
    let error =
        (0..16).map(|mib| staging.write_at(mib * MIB, &noise(mib, MIB as usize))).find_map(Result::err);
    assert!(error.unwrap().is_full());
    assert_eq!(files.stage().unwrap().write_at(0, &noise(1, 65536)).unwrap_err().errno(), libc::ENOSPC);
    drop(staging);
    files.stage().unwrap().write_at(0, &noise(1, MIB as usize)).unwrap();
}

#[test]
fn a_store_cannot_be_made_without_room_and_says_so() {
    let Some(device) = SmallDevice::mount(1) else { return };
    let _filler = device.fill(0, || true);
    let error = Engine::open(&device.path().join("db"), StoreRole::Hub).err().unwrap();
    assert!(error.is_full(), "{error}");
}
