//! The reserve: there with room, given up without, and back again.

use super::device::SmallDevice;
use super::{keys, open, put};
use crate::store::{RESERVE_BYTES, Reserve, StateDirectory, free_space};
use crate::sync::WriteError;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const MIB: u64 = 1024 * 1024;

#[test]
fn the_reserve_takes_its_room_at_once_and_outlives_its_process() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("reserve");
    let reserve = Reserve::with_bytes(path.clone(), 2 * MIB);
    assert!(!reserve.is_held());
    assert!(reserve.ensure().unwrap());
    assert!(reserve.is_held());
    let metadata = path.metadata().unwrap();
    assert_eq!((metadata.len(), metadata.mode() & 0o7777), (2 * MIB, 0o600));
    assert!(metadata.blocks() * 512 >= 2 * MIB);
    drop(reserve);
    assert!(Reserve::with_bytes(path, 2 * MIB).is_held());
}

#[test]
fn a_file_cut_short_is_no_reserve_and_is_made_again() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("reserve");
    std::fs::write(&path, b"short").unwrap();
    let reserve = Reserve::with_bytes(path.clone(), MIB);
    assert!(!reserve.is_held());
    assert!(reserve.ensure().unwrap());
    assert_eq!(path.metadata().unwrap().len(), MIB);
    std::fs::File::create(&path).unwrap().set_len(MIB).unwrap();
    assert!(!Reserve::with_bytes(path, MIB).is_held(), "a hole is no room");
}

#[test]
fn a_released_reserve_is_not_there_and_releasing_twice_makes_no_more_room() {
    let root = tempfile::tempdir().unwrap();
    let reserve = Reserve::with_bytes(root.path().join("reserve"), MIB);
    assert!(reserve.ensure().unwrap());
    assert!(reserve.release().unwrap());
    assert!(!reserve.is_held());
    assert!(!reserve.release().unwrap());
    // Waits for the thread that would make it again.
    drop(reserve);
    assert!(!root.path().join("reserve").exists());
}

#[test]
fn no_reserve_is_made_where_it_would_take_the_last_room() {
    let Some(device) = SmallDevice::mount(100) else { return };
    let reserve = Reserve::new(device.path().join("reserve"));
    assert!(!reserve.ensure().unwrap());
    assert!(!reserve.is_held());
    assert!(free_space(device.path()).unwrap().free_bytes > 99 * MIB);
}

#[test]
fn what_the_reserve_gives_up_is_enough_to_commit() {
    let Some(device) = SmallDevice::mount(256) else { return };
    let directory = StateDirectory::open(device.path()).unwrap();
    let reserve = Reserve::new(directory.reserve());
    let store = open(&directory.database());
    assert!(reserve.ensure().unwrap());
    put(&store, b"before", b"1").unwrap();
    let filler = device.fill(0, || put(&store, b"before", b"1") == Err(WriteError::Full));
    assert!(reserve.release().unwrap());
    put(&store, b"deletion", b"1").unwrap();
    assert_eq!(keys(&store), [&b"before"[..], b"deletion"]);
    assert!(!reserve.ensure().unwrap(), "it takes room that is needed");
    std::fs::remove_file(filler).unwrap();
    assert!(reserve.ensure().unwrap());
    assert!(free_space(device.path()).unwrap().free_bytes > RESERVE_BYTES);
}

#[test]
fn a_released_reserve_comes_back_by_itself() {
    let root = tempfile::tempdir().unwrap();
    let reserve =
        Reserve::with_interval(root.path().join("reserve"), MIB, std::time::Duration::from_millis(5));
    assert!(reserve.ensure().unwrap());
    assert!(reserve.release().unwrap());
    reserve.join_keeper();
    assert!(reserve.is_held());
    assert!(reserve.release().unwrap(), "a second time");
    reserve.join_keeper();
    assert!(is_whole(&root.path().join("reserve")));
}

fn is_whole(path: &Path) -> bool {
    path.metadata().unwrap().blocks() * 512 >= MIB
}
