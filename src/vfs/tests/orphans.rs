//! Inodes that lost their last name while somebody holds them.

use super::support::{Fixture, READ, ROOT, WRITE};
use crate::sync::member::Ino;
use crate::vfs::{RenameMode, SetAttributes, VfsError};

#[test]
fn an_unlinked_file_lives_on_in_its_handles() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"content");
    let file = fixture.open("a", WRITE);
    fixture.volume.unlink(Ino::ROOT, b"a").unwrap();
    assert!(matches!(fixture.volume.lookup(Ino::ROOT, b"a"), Err(VfsError::NotFound)));
    let stat = fixture.volume.stat(ino).unwrap();
    assert_eq!((stat.links, stat.size), (0, 7));
    assert_eq!(fixture.read_from(file), b"content");
    fixture.put(file, 7, b" and more");
    let set = SetAttributes { mode: Some(0o600), size: Some(12), ..SetAttributes::default() };
    let stat = fixture.volume.set_attributes(ROOT, ino, Some(file), set).unwrap();
    assert_eq!((stat.mode, stat.size), (0o600, 12));
    assert_eq!(fixture.read_from(file), b"content and ");
    fixture.volume.set_xattr(ino, b"user.x", b"1", crate::vfs::XattrMode::Create).unwrap();
    assert_eq!(fixture.volume.xattr(ino, b"user.x").unwrap(), b"1");
    fixture.volume.close(file);
    fixture.volume.forget(ino);
    assert!(matches!(fixture.volume.stat(ino), Err(VfsError::Gone)));
}

#[test]
fn an_unlinked_file_gives_its_room_back() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    let ino = fixture.ino("a");
    fixture.put(file, 0, b"x");
    fixture.volume.unlink(Ino::ROOT, b"a").unwrap();
    assert_eq!(fixture.backing_files(), 1);
    fixture.volume.close(file);
    fixture.volume.forget(ino);
    assert_eq!(fixture.backing_files(), 0);
}

#[test]
fn unsent_content_stays_although_its_file_is_gone() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"unsent");
    fixture.volume.unlink(Ino::ROOT, b"a").unwrap();
    fixture.volume.forget(ino);
    let needed: Vec<usize> = (0..fixture.journal().len())
        .filter(|index| fixture.journal()[*index].verb.manifest().is_some())
        .collect();
    for index in &needed {
        assert_eq!(fixture.pending_bytes(*index).as_deref(), Some(&b"unsent"[..]));
    }
    let left = if needed.is_empty() { 0 } else { 1 };
    assert_eq!(fixture.backing_files(), left);
}

#[test]
fn a_file_renamed_over_lives_on_in_its_handles() {
    let fixture = Fixture::default();
    let old = fixture.write("a", b"old");
    let new = fixture.write("tmp", b"new");
    let file = fixture.open("a", READ);
    fixture.volume.rename((Ino::ROOT, b"tmp"), (Ino::ROOT, b"a"), RenameMode::Replace).unwrap();
    assert_eq!(fixture.read_from(file), b"old");
    assert_eq!(fixture.volume.stat(old).unwrap().links, 0);
    // The name leads to the newcomer's inode, although the node is the old one.
    assert_eq!(fixture.ino("a"), new);
    assert_eq!(fixture.read("a"), b"new");
    fixture.volume.close(file);
    fixture.volume.forget(old);
    assert_eq!(fixture.read("a"), b"new");
}

#[test]
fn a_save_by_backup_keeps_inode_and_content() {
    let fixture = Fixture::default();
    fixture.write("a", b"old");
    fixture.volume.rename((Ino::ROOT, b"a"), (Ino::ROOT, b"a~"), RenameMode::Replace).unwrap();
    let new = fixture.write("a", b"new");
    let before = fixture.volume.stat(new).unwrap();
    fixture.after_a_tick();
    fixture.volume.unlink(Ino::ROOT, b"a~").unwrap();
    assert_eq!(fixture.ino("a"), new);
    assert_eq!(fixture.read("a"), b"new");
    assert_eq!(fixture.names(Ino::ROOT), ["a"]);
    assert_eq!(fixture.volume.stat(new).unwrap().ctime, before.ctime, "nothing happened to it");
}

#[test]
fn a_removed_directory_is_empty_and_takes_nothing() {
    let fixture = Fixture::default();
    let directory = fixture.make_directory("d");
    fixture.volume.remove_directory(Ino::ROOT, b"d").unwrap();
    assert_eq!(fixture.volume.stat(directory).unwrap().links, 0);
    assert_eq!(fixture.volume.list(directory, 0, 10).unwrap(), []);
    let made = fixture.volume.create(ROOT, (directory, b"x"), 0o644, WRITE);
    assert!(matches!(made, Err(VfsError::NotFound)));
}

#[test]
fn a_file_removed_while_its_capture_waits_leaves_nothing() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", &vec![7; 2 << 20]);
    fixture.volume.unlink(Ino::ROOT, b"a").unwrap();
    fixture.volume.forget(ino);
    fixture.volume.stop_captures();
    fixture.volume.run_captures();
    assert!(fixture.volume.open.all().is_empty());
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
    assert_eq!(fixture.backing_files(), 0);
}

#[test]
fn the_last_writer_of_an_unlinked_file_takes_nothing_from_its_readers() {
    let fixture = Fixture::default();
    let (writer, reader) = (fixture.create("a"), fixture.open("a", READ));
    let ino = fixture.ino("a");
    fixture.volume.unlink(Ino::ROOT, b"a").unwrap();
    fixture.put(writer, 0, b"content");
    fixture.volume.close(writer);
    assert_eq!(fixture.volume.stat(ino).unwrap().size, 7);
    assert_eq!(fixture.read_from(reader), b"content");
    fixture.volume.close(reader);
}

#[test]
fn a_backup_removed_while_its_successor_is_new_and_open_ends_in_one_file() {
    let fixture = Fixture::default();
    fixture.write("a", b"old");
    fixture.volume.rename((Ino::ROOT, b"a"), (Ino::ROOT, b"a~"), RenameMode::Replace).unwrap();
    let file = fixture.create("a");
    fixture.put(file, 0, b"new");
    fixture.volume.unlink(Ino::ROOT, b"a~").unwrap();
    fixture.put(file, 3, b"er");
    fixture.volume.close(file);
    assert_eq!(fixture.names(Ino::ROOT), ["a"]);
    assert_eq!(fixture.read("a"), b"newer");
    assert_eq!(fixture.verbs(), ["make", "move", "make", "drop", "put"]);
}

#[test]
fn a_new_open_file_that_is_renamed_over_enters_the_log_first() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    fixture.after_a_tick();
    fixture.write("b", b"new");
    fixture.volume.rename((Ino::ROOT, b"b"), (Ino::ROOT, b"a"), RenameMode::Replace).unwrap();
    fixture.put(file, 0, b"lost with its name");
    fixture.volume.close(file);
    // The directory's mtime is that of what was made last, which entered the log first.
    assert_eq!(fixture.verbs(), ["make", "make", "set", "move"]);
    assert_eq!(fixture.read("a"), b"new");
}
