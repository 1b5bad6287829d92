//! Rows: the seam's contract, the stamp, durability.

use super::{keys, noise, open, put};
use crate::store::engine::Engine;
use crate::store::tuning::{COLUMN_FAMILIES, META};
use crate::store::{RocksStore, StoreError, StoreRole};
use crate::sync::{Batch, Durability, Kv, MemoryKv, Store};
use crate::wire::STORE_FORMAT;
use proptest::prelude::*;
use rocksdb::{DB, Options};
use std::path::Path;

#[test]
fn a_commit_is_read_back_in_order_and_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for key in [b"d", b"b", b"f"] {
        put(&store, key, &[1]).unwrap();
    }
    store
        .commit(Batch::from([(b"b".to_vec(), None), (b"e".to_vec(), Some(vec![2]))]), Durability::Power)
        .unwrap();
    assert_eq!(keys(&store), [b"d", b"e", b"f"]);
    drop(store);
    let store = open(directory.path());
    assert_eq!(keys(&store), [b"d", b"e", b"f"]);
    assert_eq!(store.get(b"e"), Some(vec![2]));
    assert_eq!(store.get(b"b"), None);
}

#[test]
fn a_new_store_has_no_rows_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert!(keys(&store).is_empty());
    store.commit(Batch::new(), Durability::Power).unwrap();
    assert!(keys(&store).is_empty());
}

#[test]
fn a_scan_ends_before_its_bound_and_sees_no_later_write() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    (0..200u8).for_each(|byte| put(&store, &[1, byte], &[byte]).unwrap());
    let mut scan = store.scan(&[1, 10], &[1, 13]);
    assert_eq!(scan.next(), Some((vec![1, 10], vec![10])));
    put(&store, &[1, 11, 0], &[]).unwrap();
    assert_eq!(scan.map(|(key, _)| key).collect::<Vec<_>>(), [[1, 11], [1, 12]]);
    assert_eq!(store.scan(&[1, 11], &[1, 12]).count(), 2);
    assert_eq!(store.scan_prefix(&[1]).count(), 201);
    assert_eq!(store.scan(&[2], &[1]).count(), 0);
}

#[test]
fn a_snapshot_outlives_the_store_value_that_made_it() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    put(&store, b"a", b"1").unwrap();
    let snapshot = store.snapshot();
    drop(store);
    assert_eq!(snapshot.get(b"a"), Some(b"1".to_vec()));
}

#[test]
fn a_snapshot_stays_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    put(&store, b"a", b"1").unwrap();
    let snapshot = store.snapshot();
    put(&store, b"a", b"2").unwrap();
    put(&store, b"b", b"2").unwrap();
    assert_eq!(keys(&snapshot), [b"a"]);
    assert_eq!(snapshot.get(b"a"), Some(b"1".to_vec()));
    assert_eq!(snapshot.get(b"b"), None);
    assert_eq!(keys(&store), [b"a", b"b"]);
}

#[test]
fn a_removed_prefix_is_gone_and_its_neighbours_are_not() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for key in [&b"a"[..], b"b", b"b\0", b"bz", b"b\xff\xff", b"c"] {
        put(&store, key, b"").unwrap();
    }
    store.remove_prefix(b"b", Durability::Power).unwrap();
    assert_eq!(keys(&store), [b"a", b"c"]);
    put(&store, b"bnew", b"").unwrap();
    assert_eq!(keys(&open_again(store, directory.path())), [&b"a"[..], b"bnew", b"c"]);
}

#[test]
fn the_last_key_of_a_prefix_is_found_in_the_buffer_and_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert_eq!(store.last_key(b"b"), None);
    for key in [&b"a"[..], b"b1", b"b7", b"b5", b"c"] {
        put(&store, key, b"").unwrap();
    }
    let store = open_again(store, directory.path());
    assert_eq!(store.last_key(b"b"), Some(b"b7".to_vec()));
    put(&store, b"b9", b"").unwrap();
    assert_eq!(store.last_key(b"b"), Some(b"b9".to_vec()));
    assert_eq!(store.last_key(b"bb"), None);
}

fn open_again(store: RocksStore, path: &Path) -> RocksStore {
    drop(store);
    open(path)
}

#[test]
fn clones_and_threads_share_one_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let store = store.clone();
            scope.spawn(move || (0..50u8).for_each(|byte| put(&store, &[thread, byte], &[byte]).unwrap()));
        }
    });
    assert_eq!(keys(&store).len(), 200);
}

#[test]
fn a_store_of_the_other_role_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    let error = RocksStore::open(directory.path(), StoreRole::Hub).err().unwrap();
    let expected = (StoreRole::Member, StoreRole::Hub);
    assert!(matches!(error, StoreError::OtherRole { found, wanted, .. } if (found, wanted) == expected));
    put(&open(directory.path()), b"still", b"ours").unwrap();
}

fn stamp(path: &Path, format: u16) {
    let db = DB::open_cf(&Options::default(), path, COLUMN_FAMILIES).unwrap();
    db.put_cf(db.cf_handle(META).unwrap(), b"format", format.to_be_bytes()).unwrap();
}

#[test]
fn a_newer_store_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    stamp(directory.path(), STORE_FORMAT + 1);
    let error = RocksStore::open(directory.path(), StoreRole::Member).err().unwrap();
    assert!(
        matches!(error, StoreError::Newer { found, known: STORE_FORMAT, .. } if found == STORE_FORMAT + 1)
    );
}

#[test]
fn an_older_store_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    stamp(directory.path(), STORE_FORMAT - 1);
    let error = RocksStore::open(directory.path(), StoreRole::Member).err().unwrap();
    assert!(
        matches!(error, StoreError::Older { found, known: STORE_FORMAT, .. } if found == STORE_FORMAT - 1)
    );
}

#[test]
fn a_newer_store_with_column_families_of_its_own_is_refused_by_name() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path()));
    stamp(directory.path(), STORE_FORMAT + 7);
    let mut db = DB::open_cf(&Options::default(), directory.path(), COLUMN_FAMILIES).unwrap();
    db.create_cf("later", &Options::default()).unwrap();
    drop(db);
    let error = RocksStore::open(directory.path(), StoreRole::Member).err().unwrap();
    assert!(matches!(error, StoreError::Newer { found, .. } if found == STORE_FORMAT + 7), "{error}");
    stamp_with(directory.path(), STORE_FORMAT);
    let error = RocksStore::open(directory.path(), StoreRole::Member).err().unwrap();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
}

fn stamp_with(path: &Path, format: u16) {
    let names = COLUMN_FAMILIES.iter().copied().chain(["later"]);
    let db = DB::open_cf(&Options::default(), path, names).unwrap();
    db.put_cf(db.cf_handle(META).unwrap(), b"format", format.to_be_bytes()).unwrap();
}

#[test]
fn the_same_store_is_not_opened_twice() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert!(RocksStore::open(directory.path(), StoreRole::Member).is_err());
    put(&store, b"a", b"1").unwrap();
}

#[test]
fn what_is_there_but_no_store_is_an_error_and_stays() {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("CURRENT"), b"not a manifest name\n").unwrap();
    let error = RocksStore::open(directory.path(), StoreRole::Member).err().unwrap();
    assert!(matches!(error, StoreError::Unusable { .. }), "{error}");
}

#[test]
fn an_idle_store_is_small_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let engine = Engine::open(directory.path(), StoreRole::Hub).unwrap();
    let bytes: u64 =
        std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes < 256 * 1024, "{bytes} bytes");
    drop(engine);
}

#[test]
fn more_than_the_write_buffers_hold_is_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    for number in 0..700u64 {
        put(&store, &number.to_be_bytes(), &noise(number, 64 * 1024)).unwrap();
    }
    let store = open_again(store, directory.path());
    assert_eq!(keys(&store).len(), 700);
    for number in (0..700u64).step_by(97) {
        assert_eq!(store.get(&number.to_be_bytes()), Some(noise(number, 64 * 1024)));
    }
}

type Step = (Vec<(u8, Option<u8>)>, bool);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let write = (0u8..16, proptest::option::of(any::<u8>()));
    proptest::collection::vec((proptest::collection::vec(write, 0..6), any::<bool>()), 1..12)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn disk_and_memory_hold_the_same_after_the_same_commits(steps in steps(), from in 0u8..16, to in 0u8..17) {
        let directory = tempfile::tempdir().unwrap();
        let (memory, mut disk) = (MemoryKv::default(), open(directory.path()));
        for (writes, again) in steps {
            let batch: Batch = writes.into_iter().map(|(key, value)| (vec![key], value.map(|v| vec![v]))).collect();
            memory.commit(batch.clone(), Durability::Process).unwrap();
            disk.commit(batch, Durability::Process).unwrap();
            if again {
                disk = open_again(disk, directory.path());
            }
        }
        let (from, to) = (from.min(to), from.max(to));
        prop_assert_eq!(keys(&disk), keys(&memory));
        prop_assert_eq!(
            disk.scan(&[from], &[to]).collect::<Vec<_>>(),
            memory.scan(&[from], &[to]).collect::<Vec<_>>()
        );
    }
}
