//! When content becomes an op, and what a crash leaves of it.

use super::support::{Fixture, OTHER, READ, ROOT, WRITE};
use crate::model::{Body, Timestamp};
use crate::ops::Verb;
use crate::sync::Kv;
use crate::sync::member::Ino;
use crate::vfs::{Allocation, Caller, OpenMode, SetAttributes};
use std::time::{Duration, Instant};

#[test]
fn a_new_file_that_is_written_and_closed_is_one_op() {
    let fixture = Fixture::default();
    fixture.write("a", b"hello");
    let journal = fixture.journal();
    let [Verb::Make(make)] = &journal.iter().map(|op| op.verb.clone()).collect::<Vec<_>>()[..] else {
        panic!("{journal:?}")
    };
    let Body::File(manifest) = &make.body else { panic!("{make:?}") };
    assert_eq!(manifest.length, 5);
    assert_eq!(manifest.md5.to_string(), "5d41402abc4b2a76b9719d911017c592");
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
}

#[test]
fn a_file_without_content_is_an_op_too() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    assert!(fixture.verbs().is_empty());
    fixture.volume.close(file);
    assert_eq!(fixture.verbs(), ["make"]);
}

#[test]
fn closing_one_of_two_writers_captures_nothing() {
    let fixture = Fixture::default();
    let (one, two) = (fixture.create("a"), fixture.open("a", WRITE));
    fixture.put(one, 0, b"x");
    fixture.volume.flush(one).unwrap();
    fixture.volume.close(one);
    assert!(fixture.verbs().is_empty());
    fixture.volume.close(two);
    assert_eq!(fixture.verbs(), ["make"]);
}

#[test]
fn closing_a_writer_captures_though_a_reader_stays() {
    let fixture = Fixture::default();
    let (writer, reader) = (fixture.create("a"), fixture.open("a", READ));
    fixture.put(writer, 0, b"x");
    fixture.volume.close(writer);
    assert_eq!(fixture.verbs(), ["make"]);
    assert_eq!(fixture.read_from(reader), b"x");
    fixture.volume.close(reader);
}

#[test]
fn content_equal_to_the_last_makes_no_op() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"same");
    let mtime = fixture.volume.stat(ino).unwrap().mtime;
    let file = fixture.open("a", WRITE);
    fixture.put(file, 0, b"same");
    let set = SetAttributes { mtime: Some(mtime), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, ino, None, set).unwrap();
    fixture.volume.close(file);
    assert_eq!(fixture.verbs(), ["make"]);
    assert_eq!(fixture.volume.stat(ino).unwrap().mtime, mtime);
}

#[test]
fn a_crash_in_the_middle_of_writing_loses_nothing_written() {
    let fixture = Fixture::default();
    fixture.write("old", b"first");
    let (new, old) = (fixture.create("new"), fixture.open("old", WRITE));
    fixture.put(new, 0, b"never closed");
    fixture.put(old, 0, b"FIR");
    let after = fixture.after_crash();
    assert_eq!(after.read("new"), b"never closed");
    assert_eq!(after.read("old"), b"FIRst");
    assert_eq!(after.verbs(), ["make", "put", "make"]);
    assert!(after.volume.replica().dirty_inodes().is_empty());
}

#[test]
fn a_crash_after_a_mere_opening_changes_nothing() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"first");
    let mtime = Timestamp { seconds: 1_000_000_000, nanos: 123_456_789 };
    let set = SetAttributes { mtime: Some(mtime), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, ino, None, set).unwrap();
    let _open = fixture.open("a", WRITE);
    let before = fixture.journal();
    let after = fixture.after_crash();
    assert_eq!(after.journal(), before);
    assert_eq!(after.volume.stat(ino).unwrap().mtime, mtime);
}

#[test]
fn bytes_that_a_pending_op_needs_are_kept_when_they_are_overwritten() {
    let fixture = Fixture::default();
    fixture.write("a", b"first");
    let file = fixture.open("a", WRITE);
    fixture.put(file, 0, b"SECOND");
    assert_eq!(fixture.pending_bytes(0).unwrap(), b"first");
    fixture.volume.close(file);
    let truncating = OpenMode { truncate: true, ..WRITE };
    fixture.volume.close(fixture.open("a", truncating));
    assert_eq!(fixture.pending_bytes(1).unwrap(), b"SECOND");
    assert_eq!(fixture.read("a"), b"");
    assert_eq!(fixture.verbs(), ["make", "put", "put"]);
}

#[test]
fn what_a_program_closed_comes_before_what_it_did_next() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    fixture.put(file, 0, b"x");
    // The kernel releases a file some time after `close` has returned.
    fixture.volume.flush(file).unwrap();
    fixture.make_directory("d");
    fixture.volume.close(file);
    let journal = fixture.journal();
    let bodies: Vec<_> =
        journal.iter().map(|op| op.verb.manifest().map(|manifest| manifest.length)).collect();
    assert_eq!(bodies, [Some(1), None]);
}

#[test]
fn a_file_enters_the_log_before_it_is_renamed_or_linked() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    fixture.put(file, 0, b"half");
    fixture.volume.rename((Ino::ROOT, b"a"), (Ino::ROOT, b"b"), crate::vfs::RenameMode::Replace).unwrap();
    fixture.put(file, 4, b" and whole");
    fixture.volume.close(file);
    assert_eq!(fixture.verbs(), ["make", "move", "put"]);
    assert_eq!(fixture.read("b"), b"half and whole");
    let other = fixture.create("c");
    fixture.volume.link(fixture.ino("c"), Ino::ROOT, b"d").unwrap();
    fixture.volume.close(other);
    assert_eq!(fixture.verbs()[3..], ["make", "link"]);
}

#[test]
fn a_file_made_and_removed_unseen_leaves_no_node() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    fixture.put(file, 0, b"x");
    fixture.volume.unlink(Ino::ROOT, b"a").unwrap();
    fixture.volume.close(file);
    assert!(fixture.journal().iter().all(|op| matches!(op.verb, Verb::SetMeta(_))), "{:?}", fixture.verbs());
}

#[test]
fn attributes_set_while_writing_travel_with_the_first_version() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    let ino = fixture.ino("a");
    fixture.put(file, 0, b"x");
    let mtime = Timestamp { seconds: -5, nanos: 7 };
    let set = SetAttributes { mode: Some(0o600), mtime: Some(mtime), ..SetAttributes::default() };
    let stat = fixture.volume.set_attributes(ROOT, ino, None, set).unwrap();
    assert_eq!((stat.mode, stat.mtime, stat.size), (0o600, mtime, 1));
    fixture.volume.close(file);
    assert_eq!(fixture.verbs(), ["make"]);
    let stat = fixture.volume.stat(ino).unwrap();
    assert_eq!((stat.mode, stat.mtime, stat.size), (0o600, mtime, 1));
}

#[test]
fn change_time_never_goes_back_when_content_is_captured() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    fixture.put(file, 0, b"x");
    let written = fixture.volume.stat(fixture.ino("a")).unwrap();
    fixture.volume.close(file);
    let captured = fixture.volume.stat(fixture.ino("a")).unwrap();
    assert_eq!(captured.ctime, written.ctime);
    assert_eq!(captured.mtime, written.mtime);
}

#[test]
fn a_large_file_is_captured_by_the_worker_in_turn() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    let content: Vec<u8> = (0..3_000_000u32).flat_map(|n| n.to_le_bytes()).collect();
    fixture.put(file, 0, &content);
    fixture.volume.close(file);
    assert!(fixture.verbs().is_empty());
    fixture.volume.stop_captures();
    fixture.volume.run_captures();
    assert_eq!(fixture.verbs(), ["make"]);
    assert_eq!(fixture.journal()[0].verb.manifest().unwrap().length, content.len() as u64);
    assert_eq!(fixture.read("a")[..], content[..1 << 20]);
}

#[test]
fn a_large_file_that_is_written_anew_before_its_capture_is_not_captured_half_written() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    fixture.put(file, 0, &vec![7; 2 << 20]);
    fixture.volume.close(file);
    let again = fixture.open("a", WRITE);
    fixture.put(again, 0, b"half");
    fixture.volume.stop_captures();
    fixture.volume.run_captures();
    assert_eq!(fixture.verbs(), [""; 0], "what is captured now is what nobody has closed");
    fixture.put(again, 4, b" and half");
    fixture.volume.close(again);
    fixture.volume.capture_all(Instant::now()).unwrap();
    assert_eq!(fixture.verbs(), ["make"]);
}

#[test]
fn what_was_fsynced_comes_before_what_is_done_later() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    fixture.put(file, 0, &vec![7; 2 << 20]);
    fixture.volume.sync_file(file, true).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| fixture.volume.run_captures());
        fixture.make_directory("d");
        fixture.volume.stop_captures();
    });
    let lengths: Vec<_> =
        fixture.journal().iter().map(|op| op.verb.manifest().map(|manifest| manifest.length)).collect();
    assert_eq!(lengths, [Some(2 << 20), None]);
    fixture.volume.close(file);
}

#[test]
fn capturing_all_leaves_nothing_marked() {
    let fixture = Fixture::default();
    let (small, large) = (fixture.create("small"), fixture.create("large"));
    fixture.put(small, 0, b"x");
    fixture.put(large, 0, &vec![7; 2 << 20]);
    fixture.volume.capture_all(Instant::now() + Duration::from_secs(5)).unwrap();
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
    assert_eq!(fixture.file_verbs(), ["make", "make"]);
    // The mark comes back with the next write.
    fixture.put(small, 1, b"y");
    let small = fixture.ino("small");
    assert_eq!(fixture.volume.replica().dirty_inodes(), [small]);
}

#[test]
fn holes_stay_holes() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    let ino = fixture.ino("a");
    let set = SetAttributes { size: Some(1 << 20), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, ino, Some(file), set).unwrap();
    fixture.put(file, 512 << 10, &[1; 4096]);
    fixture.volume.allocate(ROOT, file, 512 << 10, 4096, Allocation::PunchHole).unwrap();
    fixture.volume.close(file);
    let journal = fixture.journal();
    let manifest = journal[0].verb.manifest().unwrap();
    assert_eq!(manifest.length, 1 << 20);
    assert_eq!(manifest.chunk_ids().count(), 0);
    assert_eq!(fixture.volume.stat(ino).unwrap().blocks, 0);
}

#[test]
fn writing_by_others_takes_set_id_bits() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"x");
    let set = SetAttributes { mode: Some(0o6755), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, ino, None, set).unwrap();
    let file = fixture.open("a", WRITE);
    fixture.volume.write(file, 0, b"y", false, None).unwrap();
    assert_eq!(fixture.volume.stat(ino).unwrap().mode, 0o6755);
    fixture.volume.write(file, 0, b"z", false, Some(OTHER)).unwrap();
    assert_eq!(fixture.volume.stat(ino).unwrap().mode, 0o755);
    let set = SetAttributes { mode: Some(0o2644), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, ino, None, set).unwrap();
    let cut = SetAttributes { size: Some(0), ..SetAttributes::default() };
    let of_the_group = Caller { gid: 0, ..OTHER };
    fixture.volume.set_attributes(of_the_group, ino, None, cut).unwrap();
    assert_eq!(fixture.volume.stat(ino).unwrap().mode, 0o2644);
    fixture.volume.set_attributes(OTHER, ino, None, cut).unwrap();
    assert_eq!(fixture.volume.stat(ino).unwrap().mode, 0o644);
    fixture.volume.close(file);
}

#[test]
fn writers_at_the_same_time_as_captures_never_tear_a_version() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    let block = |n: u8| vec![n; 256 << 10];
    fixture.put(file, 0, &block(0));
    std::thread::scope(|scope| {
        scope.spawn(|| (1..40u8).for_each(|n| fixture.put(file, 0, &block(n))));
        scope.spawn(|| (0..20).for_each(|_| fixture.volume.sync_file(file, true).unwrap()));
    });
    fixture.volume.close(file);
    let whole: std::collections::BTreeSet<_> = (0..40u8)
        .map(|n| {
            let other = Fixture::default();
            other.write("a", &block(n));
            other.journal()[0].verb.manifest().unwrap().md5.to_string()
        })
        .collect();
    for op in fixture.journal() {
        assert!(whole.contains(&op.verb.manifest().unwrap().md5.to_string()));
    }
    assert_eq!(fixture.volume.replica().store().scan_prefix(b"D").count(), 0);
}

/// The first bytes of the journal's contents, in its order.
pub fn firsts(fixture: &Fixture) -> Vec<u8> {
    let brings = |at: &usize| fixture.journal()[*at].verb.manifest().is_some();
    let contents = (0..fixture.journal().len()).filter(brings);
    contents.map(|at| fixture.pending_bytes(at).unwrap()[0]).collect()
}

#[test]
fn what_was_fsynced_gets_into_the_log_as_it_was_then() {
    let fixture = Fixture::default();
    let (large, small) = (fixture.create("large"), fixture.create("small"));
    fixture.put(large, 0, &vec![1; 2 << 20]);
    fixture.volume.sync_file(large, true).unwrap();
    fixture.put(small, 0, &[2; 8]);
    fixture.volume.sync_file(small, true).unwrap();
    fixture.put(large, 0, &[3; 4096]);
    fixture.put(small, 0, &[4; 8]);
    fixture.volume.stop_captures();
    fixture.volume.run_captures();
    assert_eq!(firsts(&fixture), [1, 2]);
    fixture.volume.close(large);
    fixture.volume.close(small);
    fixture.volume.run_captures();
    assert_eq!(firsts(&fixture), [1, 2, 4, 3]);
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
}

#[test]
fn what_was_fsynced_twice_in_a_row_is_captured_once_and_nothing_is_left_of_the_first() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    let files = fixture.backing_files();
    for byte in 1..=3 {
        fixture.put(file, 0, &vec![byte; 2 << 20]);
        fixture.volume.sync_file(file, true).unwrap();
        assert_eq!(fixture.backing_files(), files + 1, "the file itself, and what was sealed last");
    }
    fixture.volume.stop_captures();
    fixture.volume.run_captures();
    assert_eq!(firsts(&fixture), [3]);
    fixture.volume.close(file);
    assert_eq!(firsts(&fixture), [3]);
}

#[test]
fn what_was_sealed_never_comes_after_what_the_file_held_later() {
    let fixture = Fixture::default();
    let file = fixture.create("a");
    fixture.put(file, 0, &vec![1; 2 << 20]);
    fixture.volume.sync_file(file, true).unwrap();
    fixture.put(file, 0, &[2; 8]);
    // As for a rename, which cannot wait.
    fixture.volume.capture_all(Instant::now()).unwrap();
    assert_eq!(firsts(&fixture), [2]);
    fixture.volume.stop_captures();
    fixture.volume.run_captures();
    assert_eq!(firsts(&fixture), [2]);
    fixture.volume.close(file);
}
