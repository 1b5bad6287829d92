//! The room that files take, as `stat(2)` tells it.

use super::support::{Fixture, READ, ROOT, WRITE};
use crate::sync::member::Ino;
use crate::vfs::{Allocation, ContentFiles, FileId, SetAttributes};
use std::os::unix::fs::{FileExt, MetadataExt};

const SHORT_HOLE: u64 = 16 * 1024;
const DATA: [u8; 4096] = [1; 4096];

/// A file that is a hole, too short for a manifest to tell it, and a page behind it.
fn with_short_hole(fixture: &Fixture, name: &str) -> (Ino, FileId) {
    let file = fixture.create(name);
    fixture.put(file, SHORT_HOLE, &DATA);
    (fixture.ino(name), file)
}

fn in_manifest(fixture: &Fixture, ino: Ino) -> u64 {
    let row = fixture.volume.replica().attributes(ino).unwrap().row;
    row.manifest().unwrap().blocks()
}

fn in_file(fixture: &Fixture, ino: Ino) -> u64 {
    let backing = fixture.volume.replica().inode(ino).unwrap().backing.unwrap();
    fixture.volume.files().open_read(backing.file).unwrap().metadata().unwrap().blocks()
}

fn told(fixture: &Fixture, ino: Ino) -> u64 {
    fixture.volume.stat(ino).unwrap().blocks
}

#[test]
fn a_file_takes_the_same_room_before_and_after_it_is_captured_and_for_the_next_process() {
    let fixture = Fixture::default();
    let (ino, file) = with_short_hole(&fixture, "a");
    let written = told(&fixture, ino);
    fixture.volume.close(file);
    assert_eq!(told(&fixture, ino), written);
    assert!(written < in_manifest(&fixture, ino), "a manifest knows of no hole so short");
    let reader = fixture.open("a", READ);
    assert_eq!(told(&fixture, ino), written);
    fixture.volume.close(reader);
    let after = fixture.after_crash();
    assert_eq!(told(&after, after.ino("a")), written);
}

#[test]
fn the_room_follows_what_is_written_later() {
    let fixture = Fixture::default();
    let (ino, file) = with_short_hole(&fixture, "a");
    fixture.volume.close(file);
    let file = fixture.open("a", WRITE);
    fixture.put(file, 0, &[2; SHORT_HOLE as usize]);
    fixture.volume.close(file);
    assert_eq!((told(&fixture, ino), in_file(&fixture, ino)), (40, 40));
    let file = fixture.open("a", WRITE);
    fixture.volume.allocate(ROOT, file, 4096, 8192, Allocation::PunchHole).unwrap();
    fixture.volume.close(file);
    assert_eq!((told(&fixture, ino), in_file(&fixture, ino)), (24, 24));
    let set = SetAttributes { size: Some(0), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, ino, None, set).unwrap();
    assert_eq!(told(&fixture, ino), 0);
}

#[test]
fn room_reserved_behind_the_end_is_told() {
    let fixture = Fixture::default();
    let (file, reserve) = (fixture.create("a"), Allocation::Reserve { keeps_size: true });
    let ino = fixture.ino("a");
    fixture.volume.allocate(ROOT, file, 0, 1 << 20, reserve).unwrap();
    let reserved = told(&fixture, ino);
    fixture.volume.close(file);
    assert_eq!((told(&fixture, ino), fixture.volume.stat(ino).unwrap().size), (reserved, 0));
    assert!(reserved >= (1 << 20) / 512);
}

#[test]
fn a_file_that_the_kernel_wrote_takes_the_room_it_takes() {
    let fixture = Fixture::default();
    fixture.volume.allow_passage(true);
    let file = fixture.create("a");
    let ino = fixture.ino("a");
    let kernels = fixture.volume.passage(file).expect("the handle passes");
    kernels.write_all_at(&DATA, SHORT_HOLE).unwrap();
    let written = told(&fixture, ino);
    fixture.volume.sync_file(file, false).unwrap();
    assert_eq!(told(&fixture, ino), written, "open, and captured");
    fixture.volume.close(file);
    assert_eq!(told(&fixture, ino), written, "closed without another change");
    assert!(written < in_manifest(&fixture, ino));
}
