//! A volume that another process goes on with after the first one was killed.

use super::captures::firsts;
use super::support::{Fixture, READ, ROOT, WRITE};
use crate::model::Body;
use crate::sync::member::Ino;
use crate::vfs::{
    Change, FileId, LedgerKind, NewNode, OpenMode, RenameMode, RequestId, SetAttributes, VfsError,
};

const FIRST: RequestId = RequestId { number: 10, again: false };
const AGAIN: RequestId = RequestId { number: 10, again: true };
const OTHER: RequestId = RequestId { number: 12, again: false };

/// Runs a change as the adapter does, in a process that is killed before the answer if it is told so.
fn once(fixture: &Fixture, change: Change<'_>, act: impl FnOnce() -> Result<(), VfsError>) -> Fixture {
    // The record goes with the answer, so the next process is looked at from within.
    fixture.volume.once(FIRST, change, |done| {
        assert!(!done);
        act().unwrap();
        fixture.after_kill()
    })
}

fn is_done(fixture: &Fixture, change: Change<'_>) -> bool {
    fixture.volume.once(AGAIN, change, |done| done)
}

#[test]
fn an_open_file_goes_on_under_its_number() {
    let before = Fixture::default();
    let file = before.create_for(FIRST, "a");
    before.put(file, 0, b"one ");
    let after = before.after_kill();
    after.put(file, 4, b"two");
    assert_eq!(after.read_from(file), b"one two");
    assert_eq!(after.volume.stat(after.ino("a")).unwrap().size, 7);
    assert_eq!(after.journal(), [], "what is still being written is captured by nobody");
    after.volume.close(file);
    assert_eq!(after.verbs(), ["make"], "one version, with the content of both");
    assert!(matches!(after.volume.flush(file), Err(VfsError::BadHandle)));
    assert!(matches!(after.after_kill().volume.flush(file), Err(VfsError::BadHandle)), "closed is closed");
}

#[test]
fn numbers_of_files_that_were_closed_are_never_given_again() {
    let before = Fixture::default();
    let file = before.create_for(FIRST, "a");
    before.volume.close(file);
    let after = before.after_kill();
    let other = after.open("a", READ);
    assert_ne!(file, other);
    // A release that was carried out before and is sent again.
    after.volume.close(file);
    assert_eq!(after.read_from(other), b"");
}

#[test]
fn a_file_opened_for_a_request_that_comes_again_is_opened_once() {
    let before = Fixture::default();
    let file = before.create_for(FIRST, "a");
    let after = before.after_kill();
    assert_eq!(after.volume.opened_before(AGAIN), Some((file, after.ino("a"))));
    assert_eq!(after.volume.opened_before(OTHER), None);
    after.put(file, 0, b"x");
    after.volume.close(file);
    assert_eq!(after.verbs(), ["make"], "no handle is left over that keeps it open");
}

#[test]
fn content_closed_just_before_the_kill_is_captured_and_what_is_open_is_not() {
    let before = Fixture::default();
    let closed = before.create_for(FIRST, "closed");
    before.put(closed, 0, b"whole");
    let open = before.create_for(OTHER, "open");
    before.put(open, 0, b"half");
    // The kill came before the capture: only the handle was gone.
    before.volume.ledger().remove(LedgerKind::Handle, closed.0);
    let after = before.after_kill();
    assert_eq!(after.file_verbs(), ["make"]);
    assert_eq!(after.read("closed"), b"whole");
}

#[test]
fn a_large_file_closed_just_before_the_kill_holds_up_nobody() {
    let before = Fixture::default();
    before.write("large", &vec![7; 2 << 20]);
    let after = before.after_kill();
    let ino = after.ino("large");
    assert!(after.volume.replica().is_dirty(ino));
    assert_eq!(after.volume.stat(ino).unwrap().size, 2 << 20);
    assert_eq!(after.read("large")[..8], [7; 8]);
    after.volume.stop_captures();
    after.volume.run_captures();
    assert_eq!(after.file_verbs(), ["make"]);
    assert!(after.volume.replica().dirty_inodes().is_empty());
}

#[test]
fn an_unlinked_file_lives_on_with_what_is_written_to_it() {
    let before = Fixture::default();
    let file = before.create_for(FIRST, "a");
    before.put(file, 0, b"content");
    let ino = before.ino("a");
    before.volume.unlink(Ino::ROOT, b"a").unwrap();
    let middle = before.after_kill();
    assert_eq!(middle.read_from(file), b"content");
    let stat = middle.volume.stat(ino).unwrap();
    assert_eq!((stat.links, stat.size), (0, 7));
    middle.put(file, 7, b" and more");
    let set = SetAttributes { mode: Some(0o600), ..SetAttributes::default() };
    middle.volume.set_attributes(ROOT, ino, Some(file), set).unwrap();
    let after = middle.after_kill();
    assert_eq!(after.read_from(file), b"content and more");
    let stat = after.volume.stat(ino).unwrap();
    assert_eq!((stat.links, stat.size, stat.mode), (0, 16, 0o600));
    after.volume.close(file);
    after.volume.forget(ino);
    assert_eq!(after.backing_files(), 0);
    assert!(matches!(after.after_kill().volume.stat(ino), Err(VfsError::Gone)));
}

#[test]
fn the_file_of_what_has_no_name_is_nobody_elses_after_a_kill_and_takes_nobodys_with_it() {
    let before = Fixture::default();
    before.volume.make(ROOT, Ino::ROOT, b"a", NewNode::file(0o644)).unwrap();
    let file = before.open("a", WRITE);
    let ino = before.ino("a");
    before.volume.keep_handle(FIRST, file, ino, WRITE);
    before.volume.unlink(Ino::ROOT, b"a").unwrap();
    before.put(file, 0, b"nameless");
    let after = before.after_kill();
    after.write("b", b"named");
    assert_eq!(after.read_from(file), b"nameless");
    after.volume.close(file);
    after.volume.forget(ino);
    assert_eq!(after.after_kill().read("b"), b"named");
}

#[test]
fn what_was_fsynced_before_a_kill_gets_into_the_log_before_what_is_fsynced_or_closed_after_it() {
    let before = Fixture::default();
    let (large, small) = (before.create_for(FIRST, "large"), before.create_for(OTHER, "small"));
    let closed = before.create("closed");
    before.put(large, 0, &vec![1; 2 << 20]);
    before.volume.sync_file(large, true).unwrap();
    before.put(large, 0, &[2; 8]);
    before.put(closed, 0, &[3; 8]);
    before.put(small, 0, &[4; 8]);
    let after = before.after_kill();
    after.volume.sync_file(small, true).unwrap();
    after.volume.stop_captures();
    after.volume.run_captures();
    assert_eq!(firsts(&after), [1, 3, 4]);
    after.volume.close(large);
    after.volume.close(small);
    after.volume.run_captures();
    assert_eq!(firsts(&after), [1, 3, 4, 2]);
    assert!(after.volume.replica().dirty_inodes().is_empty());
    assert!(after.volume.ledger().all(LedgerKind::Sealed).is_empty());
}

#[test]
fn content_that_waits_to_be_captured_after_a_kill_tells_its_own_size() {
    let before = Fixture::default();
    let (fsynced, small) = (before.create_for(FIRST, "fsynced"), before.create("small"));
    before.put(small, 0, b"short");
    before.volume.sync_file(small, true).unwrap();
    before.put(fsynced, 0, &vec![1; 2 << 20]);
    before.volume.sync_file(fsynced, true).unwrap();
    before.put(small, 0, b"not so short any more");
    let after = before.after_kill();
    let ino = after.ino("small");
    assert!(after.volume.replica().is_dirty(ino), "it comes after what was fsynced before it");
    assert_eq!(after.volume.stat(ino).unwrap().size, 21);
    after.volume.stop_captures();
    after.volume.run_captures();
    assert!(!after.volume.replica().is_dirty(ino));
    assert_eq!(after.volume.stat(ino).unwrap().size, 21);
}

#[test]
fn what_was_sealed_and_is_in_the_journal_already_is_not_taken_again_after_a_kill() {
    let before = Fixture::default();
    let file = before.create_for(FIRST, "a");
    before.put(file, 0, &vec![1; 2 << 20]);
    before.volume.sync_file(file, true).unwrap();
    let (number, record) = before.volume.ledger().all(LedgerKind::Sealed).remove(0);
    before.volume.stop_captures();
    before.volume.run_captures();
    assert!(before.volume.ledger().all(LedgerKind::Sealed).is_empty());
    // The process is killed before it can say so.
    before.volume.ledger().put(LedgerKind::Sealed, number, &record);
    let middle = before.after_kill();
    middle.volume.stop_captures();
    middle.volume.run_captures();
    assert_eq!(firsts(&middle), [1]);
    // Captured as it is, it has overtaken what was sealed.
    middle.put(file, 0, &[2; 8]);
    middle.volume.close(file);
    middle.volume.run_captures();
    middle.volume.ledger().put(LedgerKind::Sealed, number + 100, &record);
    let after = middle.after_kill();
    after.volume.stop_captures();
    after.volume.run_captures();
    assert_eq!(firsts(&after), [1, 2]);
    assert!(after.volume.ledger().all(LedgerKind::Sealed).is_empty());
}

#[test]
fn an_unlink_that_was_not_carried_out_leaves_the_file() {
    let before = Fixture::default();
    let file = before.create_for(FIRST, "a");
    before.put(file, 0, b"content");
    let ino = before.ino("a");
    let replica = before.volume.replica();
    let node = replica.inode(ino).unwrap().node;
    let _ = before.volume.orphan_to_be(&replica, node);
    drop(replica);
    let after = before.after_kill();
    assert_eq!(after.volume.stat(ino).unwrap().links, 1);
    after.volume.close(file);
    assert_eq!(after.read("a"), b"content");
}

#[test]
fn what_makes_a_name_is_carried_out_once() {
    let before = Fixture::default();
    let at = (Ino::ROOT, &b"made"[..]);
    let new = || NewNode { body: Body::Directory, mode: 0o755 };
    let after = once(&before, Change::Make(at), || before.volume.make(ROOT, at.0, at.1, new()).map(drop));
    assert!(is_done(&after, Change::Make(at)));
    assert!(!is_done(&after, Change::Make(at)), "answered, it is a request like any other");

    let at = (Ino::ROOT, &b"not made"[..]);
    let after = once(&before, Change::Make(at), || Ok(()));
    assert!(!is_done(&after, Change::Make(at)));
    let there = (Ino::ROOT, &b"made"[..]);
    assert!(
        !is_done(&before, Change::Make(there)),
        "a request nobody began is not done although the name is there"
    );
}

#[test]
fn what_takes_a_name_away_is_carried_out_once() {
    let before = Fixture::default();
    before.write("a", b"a");
    before.write("b", b"b");
    let (a, b) = ((Ino::ROOT, &b"a"[..]), (Ino::ROOT, &b"b"[..]));
    let not_yet = once(&before, Change::Drop(a), || Ok(()));
    assert!(!is_done(&not_yet, Change::Drop(a)));
    let after = once(&before, Change::Drop(a), || before.volume.unlink(a.0, a.1));
    assert!(is_done(&after, Change::Drop(a)));
    let moving = Change::Move { from: b, leaves_name: false };
    let not_yet = once(&before, moving, || Ok(()));
    assert!(!is_done(&not_yet, moving));
    let after = once(&before, moving, || before.volume.rename(b, (Ino::ROOT, b"c"), RenameMode::Replace));
    assert!(is_done(&after, moving));
}

#[test]
fn an_exchange_is_not_made_twice() {
    let before = Fixture::default();
    before.write("a", b"a");
    before.write("b", b"b");
    let (a, b) = ((Ino::ROOT, &b"a"[..]), (Ino::ROOT, &b"b"[..]));
    let change = Change::Move { from: a, leaves_name: true };
    let not_yet = once(&before, change, || Ok(()));
    assert!(!is_done(&not_yet, change));
    let after = once(&before, change, || before.volume.rename(a, b, RenameMode::Exchange));
    assert!(is_done(&after, change));
    assert_eq!(after.read("a"), b"b");
}

#[test]
fn a_link_is_made_once() {
    let before = Fixture::default();
    let ino = before.write("a", b"a");
    before.write("other", b"o");
    let change = Change::Link { ino, to: (Ino::ROOT, b"b") };
    let after = once(&before, change, || before.volume.link(ino, Ino::ROOT, b"b").map(drop));
    assert!(is_done(&after, change));
    let taken = Change::Link { ino, to: (Ino::ROOT, b"other") };
    let after = once(&before, taken, || Ok(()));
    assert!(!is_done(&after, taken), "a name that leads to another file is no link to this one");
}

#[test]
fn a_write_that_comes_again_goes_where_it_went() {
    let before = Fixture::default();
    let file = before.create("a");
    let append = OpenMode { append: true, ..WRITE };
    before.volume.keep_handle(FIRST, file, before.ino("a"), append);
    before.put(file, 0, b"line\n");
    let after = before.after_kill();
    after.volume.write(file, 0, b"line\n", true, None).unwrap();
    assert_eq!(after.read_from(file), b"line\n");
    assert_eq!(after.volume.write(FileId(file.0), 0, b"next\n", false, None).unwrap(), 5);
    assert_eq!(after.read_from(file), b"line\nnext\n");
}

#[test]
fn the_kernel_is_told_what_a_process_could_not_tell_it() {
    let before = Fixture::default();
    let ino = before.write("a", b"a");
    assert!(!before.after_kill().volume.is_kernel_behind());
    let changing = before.volume.changing();
    assert!(before.after_kill().volume.is_kernel_behind());
    let announced = before.volume.announce(&before.volume.replica(), &[]);
    drop(changing);
    let after = before.after_kill();
    assert!(after.volume.is_kernel_behind());
    assert!(after.volume.known_inodes().contains(&ino));
    before.volume.told(announced);
    assert!(!before.after_kill().volume.is_kernel_behind());
}
