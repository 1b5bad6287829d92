//! What a start makes of a state whose power went.

use super::support::{Fixture, WRITE};
use crate::model::Version;
use crate::ops::Verb;
use std::fs;
use std::path::Path;

/// Cuts every file to nothing, as a file system may leave what nobody synced.
fn empty_all(directory: &Path) {
    for entry in fs::read_dir(directory).unwrap() {
        fs::write(entry.unwrap().path(), b"").unwrap();
    }
}

#[test]
fn what_was_synced_is_believed() {
    let fixture = Fixture::default();
    fixture.write("a", b"synced");
    fixture.volume.prove().unwrap();
    assert!(fixture.volume.replica().unproven(10).is_empty());
    let after = fixture.after_power_loss(|_| {});
    assert_eq!(after.read("a"), b"synced");
    assert_eq!(after.journal(), fixture.journal());
}

#[test]
fn what_is_whole_although_nobody_synced_it_is_believed_after_a_look() {
    let fixture = Fixture::default();
    fixture.write("a", b"whole");
    assert_eq!(fixture.volume.replica().unproven(10).len(), 1);
    let after = fixture.after_power_loss(|_| {});
    assert_eq!(after.read("a"), b"whole");
    assert!(after.volume.replica().unproven(10).is_empty());
}

#[test]
fn an_op_whose_content_is_gone_goes_with_what_is_left() {
    let fixture = Fixture::default();
    fixture.write("a", b"gone");
    fixture.write("b", b"gone");
    let after = fixture.after_power_loss(empty_all);
    assert_eq!(after.read("a"), b"");
    assert_eq!(after.verbs(), ["make", "make"]);
    for op in after.journal() {
        assert_eq!(op.verb.manifest().unwrap().length, 0, "an op waits with content that nobody has");
    }
}

#[test]
fn what_was_being_written_stands_beside_what_was_there() {
    let fixture = Fixture::default();
    fixture.write("a.txt", b"before");
    fixture.volume.prove().unwrap();
    let file = fixture.open("a.txt", WRITE);
    fixture.put(file, 0, b"half");
    let after = fixture.after_power_loss(|_| {});
    let names = after.names(crate::sync::member::Ino::ROOT);
    assert_eq!(names, ["a (conflict a).txt", "a.txt"]);
    assert_eq!(after.read("a (conflict a).txt"), b"halfre");
    let ino = after.ino("a.txt");
    let replica = after.volume.replica();
    let row = crate::ops::Tree::node(&replica.view(), replica.inode(ino).unwrap().node).unwrap();
    drop(replica);
    assert_eq!((row.version, row.manifest().unwrap().length), (Version::FIRST, 6));
    assert!(after.journal().iter().any(|op| matches!(&op.verb, Verb::Make(make) if make.conflict.is_some())));
}

#[test]
fn a_new_file_that_was_being_written_is_what_is_left_of_it() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    fixture.put(file, 0, b"half");
    let after = fixture.after_power_loss(|_| {});
    assert_eq!(after.read("a"), b"half");
    assert_eq!(after.verbs(), ["make"]);
}

#[test]
fn many_files_are_synced_together() {
    let fixture = Fixture::default();
    for number in 0..40 {
        fixture.write(&number.to_string(), b"content");
    }
    assert_eq!(fixture.volume.replica().unproven(100).len(), 40);
    fixture.volume.prove().unwrap();
    assert!(fixture.volume.replica().unproven(100).is_empty());
}
