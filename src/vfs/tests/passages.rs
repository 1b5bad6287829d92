//! Files that the kernel reads and writes by itself. Here the test is the kernel: it writes to the file it is given.

use super::support::{Fixture, LonelyHost, OTHER, PlainFiles, READ, ROOT, WRITE};
use crate::model::{MemberName, Timestamp};
use crate::sync::member::{Ino, Replica};
use crate::vfs::{FileId, LastEnd, OpenMode, RenameMode, SetAttributes, Settings, Volume};
use std::fs::{self, File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::atomic::{AtomicBool, Ordering};

const NOTHING: SetAttributes =
    SetAttributes { mode: None, uid: None, gid: None, size: None, atime: None, mtime: None };

fn passing() -> Fixture {
    let fixture = Fixture::default();
    fixture.volume.allow_passage(true);
    fixture
}

/// Opens the backing file of a handle as the kernel does.
fn kernel_file(fixture: &Fixture, file: FileId) -> File {
    let backing = fixture.volume.passage(file).expect("the handle passes");
    OpenOptions::new().read(true).write(true).open(format!("/proc/self/fd/{}", backing.as_raw_fd())).unwrap()
}

fn put(fixture: &Fixture, file: FileId, offset: u64, bytes: &[u8]) {
    kernel_file(fixture, file).write_all_at(bytes, offset).unwrap();
}

#[test]
fn what_the_kernel_writes_is_captured_at_the_last_close() {
    let fixture = passing();
    let file = fixture.create("a");
    put(&fixture, file, 0, b"hello");
    let ino = fixture.ino("a");
    let stat = fixture.volume.stat(ino).unwrap();
    assert_eq!((stat.size, stat.changes_unseen), (5, true));
    fixture.volume.close(file);
    assert_eq!(fixture.verbs(), ["make"]);
    assert_eq!(fixture.pending_bytes(0).unwrap(), b"hello");
    assert!(!fixture.volume.stat(ino).unwrap().changes_unseen);
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
}

#[test]
fn all_handles_of_an_inode_go_the_way_of_the_first_and_use_one_file() {
    let fixture = passing();
    fixture.write("a", &vec![1; 256 << 10]);
    let first = fixture.open("a", READ);
    let direct = fixture.open("a", OpenMode { direct: true, ..WRITE });
    let number = |file| fixture.volume.passage(file).unwrap().metadata().unwrap().ino();
    assert_eq!(number(first), number(direct));
    // One that is cut without a handle keeps its file too.
    let cut = SetAttributes { size: Some(0), ..NOTHING };
    fixture.volume.set_attributes(ROOT, fixture.ino("a"), None, cut).unwrap();
    assert_eq!(kernel_file(&fixture, first).metadata().unwrap().len(), 0);
    let again = fixture.open("a", OpenMode { truncate: true, ..WRITE });
    assert_eq!(number(again), number(first));
    [first, direct, again].into_iter().for_each(|file| fixture.volume.close(file));
    let by_daemon = fixture.open("a", OpenMode { direct: true, ..WRITE });
    let reader = fixture.open("a", READ);
    assert!(fixture.volume.passage(by_daemon).is_none() && fixture.volume.passage(reader).is_none());
    [by_daemon, reader].into_iter().for_each(|file| fixture.volume.close(file));
}

#[test]
fn a_small_file_that_is_only_read_goes_by_the_daemon_and_so_does_who_opens_it_meanwhile() {
    let fixture = passing();
    fixture.write("a", b"small");
    let reader = fixture.open("a", READ);
    let writer = fixture.open("a", WRITE);
    assert!(fixture.volume.passage(reader).is_none() && fixture.volume.passage(writer).is_none());
    [reader, writer].into_iter().for_each(|file| fixture.volume.close(file));
    let writer = fixture.open("a", WRITE);
    assert!(fixture.volume.passage(writer).is_some());
    fixture.volume.close(writer);
}

#[test]
fn what_the_kernel_does_not_take_goes_by_the_daemon() {
    let fixture = passing();
    let file = fixture.create("a");
    fixture.volume.allow_passage(false);
    assert!(fixture.volume.not_passed(file));
    assert!(fixture.volume.passage(file).is_none());
    let large = vec![1; 256 << 10];
    fixture.put(file, 0, &large);
    fixture.volume.close(file);
    assert_eq!(fixture.read("a"), large);
    fixture.volume.allow_passage(true);
    let files = [fixture.open("a", READ), fixture.open("a", READ)];
    assert!(!fixture.volume.not_passed(files[1]), "another one passes already");
    files.into_iter().for_each(|file| fixture.volume.close(file));
}

#[test]
fn opening_for_writing_alone_changes_nothing() {
    let fixture = passing();
    let ino = fixture.write("a", b"same");
    let mtime = Timestamp { seconds: 1_000_000_000, nanos: 123_456_789 };
    fixture.volume.set_attributes(ROOT, ino, None, SetAttributes { mtime: Some(mtime), ..NOTHING }).unwrap();
    let before = (fixture.journal(), fixture.volume.stat(ino).unwrap());
    fixture.after_a_tick();
    let file = fixture.open("a", WRITE);
    assert!(!fixture.volume.replica().dirty_inodes().is_empty(), "the kernel might write");
    let stat = fixture.volume.stat(ino).unwrap();
    assert_eq!((stat.mtime, stat.ctime), (before.1.mtime, before.1.ctime));
    let after = fixture.after_crash();
    assert_eq!((after.journal(), after.volume.stat(ino).unwrap().mtime), (before.0.clone(), mtime));
    fixture.volume.close(file);
    assert_eq!((fixture.journal(), fixture.volume.stat(ino).unwrap()), before);
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
    assert_eq!(fixture.read("a"), b"same");
}

#[test]
fn what_was_fsynced_is_kept_whatever_the_kernel_writes_later() {
    let fixture = passing();
    let file = fixture.create("a");
    put(&fixture, file, 0, b"first");
    fixture.volume.sync_file(file, false).unwrap();
    assert_eq!(fixture.verbs(), ["make"]);
    put(&fixture, file, 0, b"SECOND");
    assert_eq!(fixture.pending_bytes(0).unwrap(), b"first");
    assert_eq!(fixture.volume.stat(fixture.ino("a")).unwrap().size, 6);
    let after = fixture.after_crash();
    assert_eq!((after.read("a"), after.verbs()), (b"SECOND".to_vec(), vec!["make", "put"]));
    fixture.volume.close(file);
    assert_eq!(fixture.verbs(), ["make", "put"]);
    assert_eq!(fixture.pending_bytes(0).unwrap(), b"first");
    assert_eq!(fixture.pending_bytes(1).unwrap(), b"SECOND");
}

#[test]
fn what_has_not_changed_since_it_was_fsynced_is_not_read_again() {
    let fixture = passing();
    let file = fixture.create("a");
    put(&fixture, file, 0, b"once");
    fixture.volume.sync_file(file, false).unwrap();
    assert!(!fixture.volume.replica().dirty_inodes().is_empty());
    let files = fixture.backing_files();
    fixture.volume.sync_file(file, false).unwrap();
    assert_eq!(fixture.backing_files(), files, "there is no second copy");
    fixture.volume.close(file);
    assert_eq!(fixture.verbs(), ["make"]);
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
    assert_eq!(fixture.read("a"), b"once");
}

#[test]
fn a_file_that_is_open_does_not_keep_a_member_from_being_in_sync() {
    let fixture = passing();
    fixture.write("a", b"x");
    let (one, two) = (fixture.open("a", WRITE), fixture.create("b"));
    put(&fixture, two, 0, b"y");
    let deadline = std::time::Instant::now();
    fixture.volume.capture_all(deadline).unwrap();
    let idle = |fixture: &Fixture| {
        let replica = fixture.volume.replica();
        replica.dirty_inodes().len() == 2 && replica.pending().ops == 2
    };
    assert!(idle(&fixture));
    put(&fixture, one, 0, b"z");
    fixture.volume.capture_all(deadline).unwrap();
    assert_eq!(fixture.verbs(), ["make", "make", "put"]);
    [one, two].into_iter().for_each(|file| fixture.volume.close(file));
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
}

#[test]
fn set_id_bits_end_with_the_first_write_after_they_were_set() {
    let fixture = passing();
    let file = fixture.create("a");
    let ino = fixture.ino("a");
    put(&fixture, file, 0, b"x");
    let set_id = SetAttributes { mode: Some(0o4755), ..NOTHING };
    fixture.volume.set_attributes(ROOT, ino, None, set_id).unwrap();
    assert_eq!(fixture.volume.stat(ino).unwrap().mode, 0o4755);
    fixture.after_a_tick();
    put(&fixture, file, 0, b"y");
    assert_eq!(fixture.volume.stat(ino).unwrap().mode, 0o755);
    fixture.volume.set_attributes(ROOT, ino, None, set_id).unwrap();
    fixture.after_a_tick();
    put(&fixture, file, 0, b"z");
    fixture.volume.close(file);
    assert_eq!(fixture.volume.stat(ino).unwrap().mode, 0o755);
    fixture.volume.set_attributes(ROOT, ino, None, set_id).unwrap();
    let file = fixture.volume.open(OTHER, ino, WRITE).unwrap();
    assert!(fixture.volume.passage(file).is_none(), "the daemon has to see such writes");
    fixture.volume.close(file);
}

#[test]
fn a_file_without_a_name_is_written_on_and_leaves_nothing() {
    let fixture = passing();
    let file = fixture.create("a");
    put(&fixture, file, 0, b"first");
    fixture.volume.sync_file(file, false).unwrap();
    let ino = fixture.ino("a");
    fixture.volume.unlink(Ino::ROOT, b"a").unwrap();
    put(&fixture, file, 5, b" and more");
    assert_eq!(fixture.volume.stat(ino).unwrap().size, 14);
    assert_eq!(kernel_file(&fixture, file).metadata().unwrap().nlink(), 1);
    fixture.volume.close(file);
    fixture.volume.forget(ino);
    assert!(!fixture.verbs().contains(&"make"));
    assert_eq!(fixture.backing_files(), 0);
}

#[test]
fn a_file_that_is_never_left_alone_is_renamed_and_goes_by_the_daemon_later() {
    let fixture = passing();
    let file = fixture.create("a");
    let (writes, over) = (kernel_file(&fixture, file), AtomicBool::new(false));
    writes.write_all_at(b"begun", 0).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::SeqCst) {
                writes.write_all_at(&[b'x'; 4096], writes.metadata().unwrap().len() % 65536).unwrap();
            }
        });
        fixture.volume.rename((Ino::ROOT, b"a"), (Ino::ROOT, b"b"), RenameMode::Replace).unwrap();
        over.store(true, Ordering::SeqCst);
    });
    let content = fs::read(format!("/proc/self/fd/{}", writes.as_raw_fd())).unwrap();
    fixture.volume.close(file);
    assert_eq!(fixture.verbs()[..2], ["make", "move"]);
    assert_eq!(fixture.read("b"), content);
    let lengths: Vec<_> =
        fixture.journal().iter().filter_map(|op| Some(op.verb.manifest()?.length)).collect();
    if lengths[0] == 0 {
        let file = fixture.open("b", WRITE);
        assert!(fixture.volume.passage(file).is_none());
        fixture.volume.close(file);
    }
}

#[test]
fn who_outlived_the_last_mount_writes_to_nothing() {
    let fixture = passing();
    let file = fixture.create("a");
    put(&fixture, file, 0, b"written");
    let survivor = kernel_file(&fixture, file);
    // The process dies; the program that has the file open does not.
    let store = fixture.volume.replica().store().clone();
    let replica = Replica::open(store, MemberName::new("a").unwrap()).unwrap();
    let files = PlainFiles(fixture.directory.path().to_path_buf());
    let next = Volume::new(replica, files, Box::new(LonelyHost), Settings::default());
    next.recover(LastEnd::SameBoot).unwrap();
    survivor.write_all_at(b"TOO LATE", 0).unwrap();
    let ino = next.lookup(Ino::ROOT, b"a").unwrap().ino;
    let file = next.open(ROOT, ino, READ).unwrap();
    let mut found = [0; 16];
    let bytes = next.read(file, 0, &mut found).unwrap();
    assert_eq!(&found[..bytes], b"written");
    assert!(next.replica().dirty_inodes().is_empty());
}

#[test]
fn captures_of_what_the_kernel_writes_are_never_torn() {
    let fixture = passing();
    let file = fixture.create("a");
    let kernel = kernel_file(&fixture, file);
    let block = |n: u8| vec![n; 256 << 10];
    kernel.write_all_at(&block(0), 0).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| (1..40u8).for_each(|n| kernel.write_all_at(&block(n), 0).unwrap()));
        scope.spawn(|| (0..10).for_each(|_| fixture.volume.sync_file(file, true).unwrap()));
    });
    fixture.volume.close(file);
    let whole: Vec<_> = (0..40u8)
        .map(|n| {
            let other = Fixture::default();
            other.write("a", &block(n));
            other.journal()[0].verb.manifest().unwrap().md5.to_string()
        })
        .collect();
    let journal = fixture.journal();
    for manifest in journal.iter().filter_map(|op| op.verb.manifest()).filter(|manifest| manifest.length > 0)
    {
        assert!(whole.contains(&manifest.md5.to_string()));
    }
    assert_eq!(whole.last(), journal.last().map(|op| op.verb.manifest().unwrap().md5.to_string()).as_ref());
}
