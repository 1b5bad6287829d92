//! A space's quota: what may still be written, and what counts.

use super::support::{Fixture, ROOT, WRITE};
use crate::model::Quota;
use crate::sync::member::{Ino, NoContents};
use crate::vfs::{Allocation, SetAttributes, VfsError, now};
use crate::wire::FromHub;
use std::collections::BTreeMap;

const KIB: u64 = 1024;

fn tell(fixture: &Fixture, limit_bytes: u64, used_bytes: u64) {
    let quota = FromHub::Quota(Some(Quota { limit_bytes, used_bytes }));
    fixture.volume.replica().handle(now(), quota, BTreeMap::new(), &mut NoContents).unwrap();
    fixture.volume.quota_told();
}

fn limited(limit_bytes: u64, used_bytes: u64) -> Fixture {
    let fixture = Fixture::default();
    tell(&fixture, limit_bytes, used_bytes);
    fixture
}

fn used(fixture: &Fixture) -> u64 {
    fixture.volume.quota().unwrap().used_bytes
}

fn write(fixture: &Fixture, name: &str, bytes: u64) -> Result<usize, VfsError> {
    let file = fixture.create(name);
    let written = fixture.volume.write(file, 0, &vec![7; bytes as usize], false, None);
    fixture.volume.close(file);
    written
}

fn is_over(result: Result<impl Sized, VfsError>) -> bool {
    matches!(result, Err(VfsError::OverQuota))
}

#[test]
fn what_fits_is_written_and_what_does_not_is_refused() {
    let fixture = limited(100 * KIB, 60 * KIB);
    write(&fixture, "a", 30 * KIB).unwrap();
    assert_eq!(used(&fixture), 90 * KIB);
    assert!(is_over(write(&fixture, "b", 11 * KIB)));
    write(&fixture, "c", 10 * KIB).unwrap();
    assert!(is_over(write(&fixture, "d", 1)));
    assert_eq!(VfsError::OverQuota.errno(), libc::EDQUOT);
}

#[test]
fn every_way_of_making_a_file_longer_is_counted() {
    let fixture = limited(100 * KIB, 0);
    write(&fixture, "a", 60 * KIB).unwrap();
    let file = fixture.open("a", WRITE);
    let (volume, ino) = (&fixture.volume, fixture.ino("a"));
    let longer = SetAttributes { size: Some(101 * KIB), ..SetAttributes::default() };
    assert!(is_over(volume.set_attributes(ROOT, ino, Some(file), longer)));
    let reserve = Allocation::Reserve { keeps_size: false };
    assert!(is_over(volume.allocate(ROOT, file, 60 * KIB, 41 * KIB, reserve)));
    assert!(is_over(volume.copy_range(ROOT, (file, 0), (file, 60 * KIB), 41 * KIB)));
    assert!(is_over(volume.write(file, 100 * KIB, &[1], false, None)));
    volume.write(file, 0, &vec![1; 60 * KIB as usize], false, None).unwrap();
    volume.write(file, 100 * KIB - 1, &[1], false, None).unwrap();
    assert_eq!(used(&fixture), 100 * KIB);
    volume.close(file);
    assert_eq!(used(&fixture), 100 * KIB);
}

#[test]
fn what_is_cut_or_removed_makes_room_at_once() {
    let fixture = limited(100 * KIB, 0);
    write(&fixture, "a", 100 * KIB).unwrap();
    assert!(is_over(write(&fixture, "b", 1)));
    let shorter = SetAttributes { size: Some(60 * KIB), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, fixture.ino("a"), None, shorter).unwrap();
    write(&fixture, "b", 40 * KIB).unwrap();
    assert!(is_over(write(&fixture, "c", 1)));
    fixture.volume.unlink(Ino::ROOT, b"a").unwrap();
    write(&fixture, "c", 60 * KIB).unwrap();
    assert!(is_over(write(&fixture, "d", 1)));
}

#[test]
fn a_file_without_a_name_does_not_count() {
    let fixture = limited(100 * KIB, 0);
    write(&fixture, "a", 90 * KIB).unwrap();
    let file = fixture.open("a", WRITE);
    fixture.volume.unlink(Ino::ROOT, b"a").unwrap();
    fixture.volume.write(file, 0, &vec![1; 500 * KIB as usize], false, None).unwrap();
    assert_eq!(used(&fixture), 0);
    write(&fixture, "b", 100 * KIB).unwrap();
}

#[test]
fn what_the_hub_tells_counts_at_once_and_is_kept() {
    let fixture = limited(100 * KIB, 100 * KIB);
    assert!(is_over(write(&fixture, "a", 1)));
    tell(&fixture, 200 * KIB, 100 * KIB);
    write(&fixture, "a", 10 * KIB).unwrap();
    // Somebody else was quicker.
    tell(&fixture, 200 * KIB, 160 * KIB);
    assert!(is_over(write(&fixture, "b", 31 * KIB)));
    tell(&fixture, 200 * KIB, 100 * KIB);
    write(&fixture, "b", 40 * KIB).unwrap();
    let after = fixture.after_crash();
    assert_eq!(after.volume.quota(), Some(Quota { limit_bytes: 200 * KIB, used_bytes: 150 * KIB }));
    assert!(is_over(write(&after, "c", 51 * KIB)));
    write(&after, "d", 50 * KIB).unwrap();
}
