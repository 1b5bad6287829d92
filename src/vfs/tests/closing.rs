//! What is put off when programs close one new file after the other.

use super::captures::firsts;
use super::support::{Fixture, READ, ROOT, WRITE};
use crate::model::{Name, Timestamp};
use crate::ops::{Op, Tree, Verb};
use crate::sync::member::Ino;
use crate::vfs::{FileId, OpenMode, SetAttributes};
use std::thread;

const FILES: u8 = 100;

/// Closes a file as the kernel does.
fn close(fixture: &Fixture, file: FileId) {
    fixture.volume.flush(file).unwrap();
    fixture.volume.close(file);
}

fn name_of(number: u8) -> String {
    format!("{number:03}")
}

/// Files made in haste, with their own number in each; the last ones are not captured yet.
fn made_in_haste() -> Fixture {
    let fixture = Fixture::default();
    for number in 0..FILES {
        let file = fixture.create(&name_of(number));
        fixture.put(file, 0, &[number; 10]);
        close(&fixture, file);
    }
    assert!((1..usize::from(FILES) / 2).contains(&fixture.journal().len()), "{:?}", fixture.verbs());
    fixture
}

fn pause(fixture: &Fixture) {
    fixture.volume.stop_captures();
    fixture.volume.run_captures();
}

/// The names of the journal's ops, in order; a `+` behind that of content that is not the first.
fn journalled(fixture: &Fixture) -> Vec<String> {
    let replica = fixture.volume.replica();
    let text = |name: &Name| String::from_utf8(name.as_bytes().to_vec()).unwrap();
    let name = |op: Op| match op.verb {
        Verb::Make(make) => Some(text(&make.place.name)),
        Verb::Put(put) => Some(text(&replica.view().places(put.node)[0].name) + "+"),
        _ => None,
    };
    replica.journal().filter_map(|(_, op)| name(op)).collect()
}

fn all() -> Vec<String> {
    (0..FILES).map(name_of).collect()
}

#[test]
fn files_made_in_haste_are_captured_in_their_order_when_programs_pause() {
    let fixture = made_in_haste();
    pause(&fixture);
    assert_eq!(journalled(&fixture), all());
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
    assert_eq!(firsts(&fixture), (0..FILES).collect::<Vec<u8>>());
}

#[test]
fn a_directory_gets_its_time_back_once() {
    let fixture = made_in_haste();
    pause(&fixture);
    let times = fixture.verbs().iter().filter(|verb| **verb == "set").count();
    assert!(times <= 2, "{:?}", fixture.verbs());
}

#[test]
fn a_file_that_is_flushed_more_than_once_is_captured_once() {
    let fixture = Fixture::default();
    for number in 0..FILES {
        let file = fixture.create(&name_of(number));
        fixture.volume.flush(file).unwrap();
        fixture.put(file, 0, &[number; 10]);
        close(&fixture, file);
    }
    pause(&fixture);
    assert_eq!(journalled(&fixture), all());
    assert_eq!(firsts(&fixture), (0..FILES).collect::<Vec<u8>>());
}

#[test]
fn much_is_not_put_off() {
    let fixture = made_in_haste();
    for number in 0..20 {
        let file = fixture.create(&format!("large{number:02}"));
        fixture.put(file, 0, &vec![1; 1 << 20]);
        close(&fixture, file);
    }
    let captured = fixture.journal().len();
    assert!(captured > 110, "{captured}");
}

#[test]
fn patterns_hold_as_soon_as_they_are_there() {
    let fixture = made_in_haste();
    let list = fixture.create(".fl0wignore");
    // Somebody else has it read meanwhile.
    let file = fixture.create("other");
    close(&fixture, file);
    fixture.put(list, 0, b"secret\n");
    close(&fixture, list);
    let secret = fixture.create("secret");
    fixture.put(secret, 0, b"mine");
    close(&fixture, secret);
    pause(&fixture);
    assert!(!journalled(&fixture).contains(&"secret".to_owned()), "{:?}", journalled(&fixture));
}

#[test]
fn whoever_pauses_need_not_end() {
    let fixture = made_in_haste();
    thread::scope(|scope| {
        scope.spawn(|| fixture.volume.run_captures());
        while fixture.journal().len() < usize::from(FILES) {
            thread::yield_now();
        }
        fixture.volume.stop_captures();
    });
    assert_eq!(journalled(&fixture), all());
}

#[test]
fn what_is_done_later_comes_later() {
    let fixture = made_in_haste();
    fixture.make_directory("later");
    assert_eq!(journalled(&fixture), [all(), vec!["later".into()]].concat());
    let fixture = made_in_haste();
    fixture.volume.capture_all(std::time::Instant::now()).unwrap();
    assert_eq!(journalled(&fixture), all());
}

#[test]
fn content_that_was_closed_is_a_version_of_its_own() {
    let fixture = made_in_haste();
    let file = fixture.open("099", WRITE);
    fixture.put(file, 0, b"second");
    close(&fixture, file);
    let cut = SetAttributes { size: Some(3), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, fixture.ino("098"), None, cut).unwrap();
    let file = fixture.open("097", OpenMode { truncate: true, ..READ });
    close(&fixture, file);
    pause(&fixture);
    let versions = ["099+", "098+", "097+"].map(String::from);
    assert_eq!(journalled(&fixture), [all(), versions.to_vec()].concat());
}

#[test]
fn of_a_file_that_is_removed_nobody_hears() {
    let fixture = made_in_haste();
    let last = fixture.ino("099");
    fixture.volume.unlink(Ino::ROOT, b"099").unwrap();
    // The kernel may forget it before it comes to its capture, or after.
    fixture.volume.forget(last);
    fixture.volume.unlink(Ino::ROOT, b"098").unwrap();
    let mut left = all();
    left.truncate(usize::from(FILES) - 2);
    assert_eq!(journalled(&fixture), left);
    pause(&fixture);
    assert_eq!(journalled(&fixture), left);
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
    // Nothing is left to be waited for, nor open.
    assert!(!fixture.volume.closing.is_waiting());
}

#[test]
fn the_tag_of_what_was_closed_is_told() {
    let fixture = made_in_haste();
    assert!(fixture.volume.xattr(fixture.ino("099"), b"user.fl0w.md5").is_ok());
    assert_eq!(journalled(&fixture), all());
}

#[test]
fn nothing_is_lost_where_the_process_dies_before_the_capture() {
    let fixture = made_in_haste();
    for after in [fixture.after_kill(), fixture.after_crash()] {
        let mut found = journalled(&after);
        found.sort();
        assert_eq!(found, all());
        assert_eq!(after.read("099"), [99; 10]);
    }
}

/// Sets a file's mtime by its name, as whoever unpacks an archive or copies a tree does after the close.
fn set_mtime(fixture: &Fixture, name: &str, seconds: i64) -> Timestamp {
    let mtime = Timestamp { seconds, nanos: 7 };
    let set = SetAttributes { mtime: Some(mtime), ..SetAttributes::default() };
    assert_eq!(fixture.volume.set_attributes(ROOT, fixture.ino(name), None, set).unwrap().mtime, mtime);
    mtime
}

fn mtimes_made(fixture: &Fixture) -> Vec<Timestamp> {
    let time = |op: Op| match op.verb {
        Verb::Make(make) => Some(make.mtime),
        _ => None,
    };
    fixture.journal().into_iter().filter_map(time).collect()
}

#[test]
fn a_time_set_after_the_close_goes_with_the_first_version() {
    let fixture = made_in_haste();
    let mtime = set_mtime(&fixture, "099", -5);
    assert!(fixture.journal().len() < usize::from(FILES), "nobody hears of a file for its time");
    pause(&fixture);
    assert_eq!(mtimes_made(&fixture).last(), Some(&mtime));
    assert_eq!(fixture.volume.stat(fixture.ino("099")).unwrap().mtime, mtime);
    assert_eq!(journalled(&fixture), all());
}

#[test]
fn a_time_set_before_the_process_died_and_after_is_kept() {
    let fixture = made_in_haste();
    let early = set_mtime(&fixture, "098", -5);
    let after = fixture.after_kill();
    assert_eq!(after.volume.stat(after.ino("098")).unwrap().mtime, early);
    let late = set_mtime(&after, "099", -9);
    pause(&after);
    assert_eq!(after.volume.stat(after.ino("099")).unwrap().mtime, late);
}

#[test]
fn a_file_written_on_after_its_first_flush_comes_where_it_was_closed() {
    let fixture = Fixture::default();
    let first = fixture.create("first");
    fixture.put(first, 0, b"draft");
    // Somebody who got the descriptor with a fork ends.
    fixture.volume.flush(first).unwrap();
    let names: Vec<String> = (0..20).map(name_of).collect();
    for name in &names {
        let file = fixture.create(name);
        close(&fixture, file);
    }
    fixture.put(first, 0, b"tells of the others");
    close(&fixture, first);
    pause(&fixture);
    assert_eq!(journalled(&fixture), [names, vec!["first".into()]].concat());
}

#[test]
fn what_is_closed_after_an_fsync_comes_after_what_was_fsynced() {
    let fixture = Fixture::default();
    let (log, index) = (fixture.create("log"), fixture.create("index"));
    fixture.put(log, 0, &vec![7; 2 << 20]);
    fixture.volume.sync_file(log, true).unwrap();
    fixture.put(index, 0, b"tells of the log");
    close(&fixture, index);
    // As whoever makes an op does.
    fixture.volume.settle(&[]);
    assert!(fixture.journal().is_empty(), "{:?}", journalled(&fixture));
    pause(&fixture);
    assert_eq!(journalled(&fixture), ["log", "index"]);
    fixture.volume.close(log);
}

#[test]
fn what_was_closed_before_an_fsync_comes_before_what_is_fsynced() {
    let fixture = Fixture::default();
    let (before, log) = (fixture.create("before"), fixture.create("log"));
    fixture.put(before, 0, b"is told of by the log");
    // Its release is still on its way.
    fixture.volume.flush(before).unwrap();
    fixture.put(log, 0, &vec![7; 2 << 20]);
    fixture.volume.sync_file(log, true).unwrap();
    assert_eq!(journalled(&fixture), ["before"]);
    fixture.volume.close(before);
    fixture.volume.close(log);
    pause(&fixture);
    assert_eq!(journalled(&fixture), ["before", "log"]);
}

#[test]
fn whoever_opens_a_file_that_is_just_put_off_finds_it_captured() {
    let fixture = made_in_haste();
    let (_, taken) = fixture.volume.closing.take();
    let ino = fixture.ino("099");
    assert!(fixture.volume.closing.is_put_off(ino), "it is just being captured");
    assert!(!fixture.volume.closing.is_put_off(Ino::ROOT), "nobody else waits for that");
    drop(taken);
    assert!(!fixture.volume.closing.is_put_off(ino) && !fixture.volume.closing.is_waiting());
}
