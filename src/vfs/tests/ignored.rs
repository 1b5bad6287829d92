//! Ignored files: they work like any, make no op, and cross over by renames and by patterns.

use super::support::{Fixture, READ, ROOT, WRITE};
use crate::model::{Body, Timestamp};
use crate::ops::Verb;
use crate::sync::MemoryKv;
use crate::sync::member::Ino;
use crate::vfs::{NewNode, OwnList, RenameMode, SetAttributes, Settings, VfsError};
use tempfile::TempDir;

const DIRECTORY: NewNode = NewNode { body: Body::Directory, mode: 0o755 };

/// A volume whose root ignores by these patterns, and whose journal has nothing but the list.
fn ignoring(patterns: &str) -> Fixture {
    let fixture = Fixture::default();
    fixture.write(".fl0wignore", patterns.as_bytes());
    assert_eq!(fixture.verbs(), ["make"]);
    fixture
}

fn rename(fixture: &Fixture, from: &str, to: &str) -> Result<(), VfsError> {
    let split = |path: &str| match path.rsplit_once('/') {
        Some((parent, name)) => (fixture.ino(parent), name.to_owned()),
        None => (Ino::ROOT, path.to_owned()),
    };
    let ((parent, name), (new_parent, new_name)) = (split(from), split(to));
    fixture.volume.rename((parent, name.as_bytes()), (new_parent, new_name.as_bytes()), RenameMode::Replace)
}

fn make_in(fixture: &Fixture, parent: Ino, name: &str) -> Ino {
    fixture.volume.make(ROOT, parent, name.as_bytes(), DIRECTORY).unwrap().ino
}

fn write_in(fixture: &Fixture, parent: Ino, name: &str, content: &[u8]) -> Ino {
    let (stat, file) = fixture.volume.create(ROOT, (parent, name.as_bytes()), 0o644, WRITE).unwrap();
    fixture.put(file, 0, content);
    fixture.volume.close(file);
    stat.ino
}

#[test]
fn an_ignored_file_works_like_any_and_makes_no_op() {
    let fixture = ignoring("*.o\n");
    let ino = fixture.write("a.o", b"object");
    assert_eq!(fixture.read("a.o"), b"object");
    assert_eq!(fixture.volume.stat(ino).unwrap().size, 6);
    let set = SetAttributes {
        mode: Some(0o600),
        mtime: Some(Timestamp { seconds: 7, nanos: 9 }),
        ..SetAttributes::default()
    };
    let stat = fixture.volume.set_attributes(ROOT, ino, None, set).unwrap();
    assert_eq!((stat.mode, stat.mtime), (0o600, Timestamp { seconds: 7, nanos: 9 }));
    let cut = SetAttributes { size: Some(3), ..SetAttributes::default() };
    assert_eq!(fixture.volume.set_attributes(ROOT, ino, None, cut).unwrap().size, 3);
    fixture.volume.set_xattr(ino, b"user.a", b"1", crate::vfs::XattrMode::Any).unwrap();
    assert_eq!(fixture.volume.link(ino, Ino::ROOT, b"b.o").unwrap().links, 2);
    rename(&fixture, "a.o", "c.o").unwrap();
    assert_eq!(fixture.ino("c.o"), ino);
    assert_eq!(fixture.names(Ino::ROOT), [".fl0wignore", "b.o", "c.o"]);
    let file = fixture.open("b.o", READ);
    fixture.volume.unlink(Ino::ROOT, b"b.o").unwrap();
    fixture.volume.unlink(Ino::ROOT, b"c.o").unwrap();
    assert_eq!(fixture.read_from(file), b"obj");
    assert_eq!(fixture.volume.stat(ino).unwrap().links, 0);
    fixture.volume.close(file);
    fixture.volume.forget(ino);
    assert_eq!(fixture.verbs(), ["make"]);
    assert_eq!(fixture.volume.replica().pending().ops, 1);
    assert_eq!(fixture.backing_files(), 1, "of the list alone");
}

#[test]
fn what_is_below_an_ignored_directory_is_ignored_and_counts_as_nothing_to_do() {
    let fixture = ignoring("/target/\n");
    let target = fixture.make_directory("target");
    let sub = make_in(&fixture, target, "debug");
    write_in(&fixture, sub, "kept", b"x");
    let link = NewNode { body: Body::Symlink(b"kept".to_vec()), mode: 0o777 };
    fixture.volume.make(ROOT, sub, b"link", link).unwrap();
    assert_eq!(fixture.volume.stat(Ino::ROOT).unwrap().links, 3);
    assert_eq!(fixture.volume.stat(target).unwrap().links, 3);
    assert_eq!(fixture.names(sub), ["kept", "link"]);
    assert!(matches!(fixture.volume.remove_directory(target, b"debug"), Err(VfsError::NotEmpty)));
    assert_eq!(fixture.verbs(), ["make"]);
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
}

#[test]
fn a_directory_that_holds_ignored_files_is_not_empty() {
    let fixture = ignoring("*.o\n");
    let directory = fixture.make_directory("d");
    fixture.make_directory("e");
    write_in(&fixture, directory, "a.o", b"x");
    assert!(matches!(fixture.volume.remove_directory(Ino::ROOT, b"d"), Err(VfsError::NotEmpty)));
    assert!(matches!(rename(&fixture, "e", "d"), Err(VfsError::NotEmpty)));
    rename(&fixture, "d", "f").unwrap();
    assert_eq!(fixture.read_path("f/a.o"), b"x", "it moves with its directory");
}

#[test]
fn ignored_files_survive_the_death_of_the_process_whatever_was_open() {
    let fixture = ignoring("*.o\n");
    let ino = fixture.write("a.o", b"closed");
    let file = fixture.create("b.o");
    fixture.put(file, 0, b"still open");
    let after = fixture.after_crash();
    assert_eq!(after.read("a.o"), b"closed");
    assert_eq!(after.read("b.o"), b"still open");
    assert_eq!(after.volume.stat(after.ino("b.o")).unwrap().size, 10);
    assert_eq!(after.ino("a.o"), ino);
    assert_eq!(after.verbs(), ["make"]);
    fixture.volume.close(file);
}

#[test]
fn after_the_loss_of_power_an_ignored_file_is_what_the_disk_has_of_it() {
    let fixture = ignoring("*.o\n");
    fixture.write("a.o", b"whole");
    fixture.write("b.o", b"whole");
    let numbers: Vec<u64> = ["a.o", "b.o"]
        .map(|name| {
            let replica = fixture.volume.replica();
            let node = replica.inode(Ino::ROOT).unwrap().node;
            let name = crate::model::Name::new(name.as_bytes()).unwrap();
            let child = crate::ops::Tree::child(&replica.tree(), node, &name).unwrap();
            let ino = replica.known_ino_of(child).unwrap();
            replica.inode(ino).unwrap().backing.unwrap().file
        })
        .to_vec();
    let after = fixture.after_power_loss(|files| {
        std::fs::write(files.join(numbers[0].to_string()), b"to").unwrap();
        std::fs::remove_file(files.join(numbers[1].to_string())).unwrap();
    });
    assert_eq!(after.read("a.o"), b"to");
    assert_eq!(after.read("b.o"), b"");
    assert_eq!(after.verbs(), ["make"]);
}

#[test]
fn a_rename_from_an_ignored_name_to_another_is_a_make_with_its_content() {
    let fixture = ignoring("*.tmp\n");
    let ino = fixture.write("a.tmp", b"content");
    rename(&fixture, "a.tmp", "a").unwrap();
    assert_eq!(fixture.verbs(), ["make", "make"]);
    assert_eq!(fixture.pending_bytes(1).as_deref(), Some(&b"content"[..]));
    assert_eq!((fixture.ino("a"), fixture.read("a")), (ino, b"content".to_vec()));
    let set = fixture.volume.stat(ino).unwrap();
    assert_eq!((set.size, set.links), (7, 1));
}

#[test]
fn a_save_by_an_ignored_temporary_file_is_a_version_of_the_file() {
    let fixture = ignoring("*.tmp\n");
    fixture.write("a", b"old");
    let ino = fixture.write("a.tmp", b"newer");
    let mode = SetAttributes { mode: Some(0o600), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, ino, None, mode).unwrap();
    let old = fixture.open("a", READ);
    rename(&fixture, "a.tmp", "a").unwrap();
    assert_eq!(fixture.verbs(), ["make", "make", "set", "put"]);
    let (made, put) = (fixture.journal()[1].verb.node(), fixture.journal()[3].verb.node());
    assert_eq!(made, put, "the same node goes on");
    assert_eq!((fixture.ino("a"), fixture.read("a")), (ino, b"newer".to_vec()));
    assert_eq!(fixture.volume.stat(ino).unwrap().mode, 0o600);
    assert_eq!(fixture.read_from(old), b"old");
    fixture.volume.close(old);
}

#[test]
fn a_rename_to_an_ignored_name_is_a_drop_for_the_others() {
    let fixture = ignoring("*.o\n");
    let ino = fixture.write("a", b"content");
    let mtime = fixture.volume.stat(ino).unwrap().mtime;
    rename(&fixture, "a", "a.o").unwrap();
    assert_eq!(
        fixture.verbs().last(),
        Some(&"set"),
        "nobody has heard of it: nothing but a directory's mtime"
    );
    assert_eq!((fixture.ino("a.o"), fixture.read("a.o")), (ino, b"content".to_vec()));
    assert_eq!(fixture.volume.stat(ino).unwrap().mtime, mtime);
    let file = fixture.open("a.o", WRITE);
    fixture.put(file, 0, b"C");
    fixture.volume.close(file);
    assert_eq!(fixture.read("a.o"), b"Content");
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
    let after = fixture.after_crash();
    assert_eq!(after.read("a.o"), b"Content");
}

#[test]
fn a_directory_renamed_over_the_line_takes_along_what_is_in_it() {
    let fixture = ignoring("/out/\n*.o\n");
    let directory = fixture.make_directory("d");
    write_in(&fixture, directory, "a", b"shared");
    write_in(&fixture, directory, "b.o", b"ignored");
    let sub = make_in(&fixture, directory, "sub");
    write_in(&fixture, sub, "c", b"deep");
    let before = fixture.verbs().len();
    rename(&fixture, "d", "out").unwrap();
    for (path, content) in [("out/a", "shared"), ("out/b.o", "ignored"), ("out/sub/c", "deep")] {
        assert_eq!(fixture.read_path(path), content.as_bytes());
    }
    assert_eq!(fixture.ino("out"), directory);
    let dropped: Vec<&str> = fixture.verbs().into_iter().filter(|verb| *verb == "drop").collect();
    assert_eq!(dropped.len(), 2, "the directories: nobody has heard of the files");
    let between = fixture.verbs().len();
    assert!(between <= before + 4);
    rename(&fixture, "out", "back").unwrap();
    assert_eq!(fixture.verbs()[between..].iter().filter(|verb| **verb == "make").count(), 4);
    for (path, content) in [("back/a", "shared"), ("back/b.o", "ignored"), ("back/sub/c", "deep")] {
        assert_eq!(fixture.read_path(path), content.as_bytes());
    }
    assert_eq!(fixture.ino("back"), directory);
}

#[test]
fn what_is_shared_stays_shared_when_a_pattern_comes_to_match_it() {
    let fixture = Fixture::default();
    fixture.write("a.log", b"one");
    fixture.write(".fl0wignore", b"*.log\n");
    fixture.volume.tend_ignored();
    let file = fixture.open("a.log", WRITE);
    fixture.put(file, 0, b"two");
    fixture.volume.close(file);
    assert_eq!(fixture.verbs(), ["make", "make", "put"]);
    fixture.write("b.log", b"ignored");
    assert_eq!(fixture.verbs(), ["make", "make", "put"]);
    fixture.write("new", b"three");
    rename(&fixture, "new", "a.log").unwrap();
    assert_eq!(fixture.verbs().last(), Some(&"move"), "a save by rename of it as well");
}

#[test]
fn what_is_not_ignored_any_more_is_new() {
    let fixture = ignoring("*.o\n/target/\n");
    let ino = fixture.write("a.o", b"object");
    let target = fixture.make_directory("target");
    write_in(&fixture, target, "deep", b"deep");
    write_in(&fixture, target, "x.o", b"x");
    fixture.volume.tend_ignored();
    assert_eq!(fixture.verbs(), ["make"]);
    let list = fixture.open(".fl0wignore", crate::vfs::OpenMode { truncate: true, ..WRITE });
    fixture.put(list, 0, b"*.o\n");
    fixture.volume.close(list);
    fixture.volume.tend_ignored();
    assert_eq!(fixture.verbs()[2..], ["make", "make"], "the directory and one file");
    assert_eq!(fixture.read_path("target/x.o"), b"x");
    fixture.volume.unlink(Ino::ROOT, b".fl0wignore").unwrap();
    fixture.volume.tend_ignored();
    assert_eq!((fixture.ino("a.o"), fixture.read("a.o")), (ino, b"object".to_vec()));
    assert_eq!(fixture.verbs().iter().filter(|verb| **verb == "make").count(), 4);
    assert!(fixture.volume.replica().unshared_roots().is_empty());
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
}

#[test]
fn many_files_that_become_shared_tell_their_size_before_they_are_captured() {
    let fixture = ignoring("/out/\n");
    let out = fixture.make_directory("out");
    for number in 0..100 {
        write_in(&fixture, out, &number.to_string(), b"content");
    }
    rename(&fixture, "out", "in").unwrap();
    assert_eq!(fixture.volume.stat(fixture.ino("in/57")).unwrap().size, 7);
    assert_eq!(fixture.read_path("in/58"), b"content");
    fixture.volume.tend_ignored();
    assert_eq!(fixture.volume.stat(fixture.ino("in/57")).unwrap().size, 7);
    assert_eq!(fixture.verbs().iter().filter(|verb| **verb == "make").count(), 102);
}

#[test]
fn a_file_has_ignored_names_or_others_but_not_both() {
    let fixture = ignoring("*.o\n/out/\n");
    let ignored = fixture.write("a.o", b"x");
    let shared = fixture.write("a", b"y");
    let link = |ino, name: &[u8]| fixture.volume.link(ino, Ino::ROOT, name).map_err(|error| error.errno());
    assert_eq!(link(ignored, b"b").unwrap_err(), libc::EXDEV);
    assert_eq!(link(shared, b"b.o").unwrap_err(), libc::EXDEV);
    assert!(link(ignored, b"b.o").is_ok() && link(shared, b"b").is_ok());
    assert_eq!(rename(&fixture, "a.o", "c").unwrap_err().errno(), libc::EXDEV);
    assert_eq!(rename(&fixture, "a", "c.o").unwrap_err().errno(), libc::EXDEV);
    let exchange = fixture.volume.rename((Ino::ROOT, b"a"), (Ino::ROOT, b"a.o"), RenameMode::Exchange);
    assert_eq!(exchange.unwrap_err().errno(), libc::EXDEV);
    // All names of a file below a directory cross with it.
    let out = fixture.make_directory("out");
    let inside = write_in(&fixture, out, "one", b"linked");
    fixture.volume.link(inside, out, b"two").unwrap();
    rename(&fixture, "out", "in").unwrap();
    fixture.volume.tend_ignored();
    assert_eq!(fixture.volume.stat(fixture.ino("in/two")).unwrap().links, 2);
    assert_eq!(fixture.read_path("in/two"), b"linked");
    assert_eq!(fixture.verbs().iter().filter(|verb| **verb == "link").count(), 2);
    rename(&fixture, "in", "out").unwrap();
    assert_eq!(fixture.volume.stat(fixture.ino("out/two")).unwrap().links, 2);
    assert_eq!(fixture.read_path("out/two"), b"linked");
}

#[test]
fn lists_deeper_in_the_tree_win_and_own_lists_come_last() {
    let fixture = ignoring("*.o\n");
    let directory = fixture.make_directory("d");
    write_in(&fixture, directory, ".fl0wignore", b"!keep.o\n*.x\n");
    let own = OwnList { name: "mine".into(), content: b"*.own\n!b.o\n[z-a]\n".to_vec() };
    fixture.volume.set_own_lists(vec![own]);
    let is_shared = |parent: Ino, name: &str| {
        let ino = write_in(&fixture, parent, name, b"");
        !fixture.volume.replica().inode(ino).unwrap().node.is_unshared()
    };
    assert!(is_shared(directory, "keep.o"));
    assert!(!is_shared(directory, "other.o"));
    assert!(!is_shared(directory, "a.x"));
    assert!(is_shared(Ino::ROOT, "a.x"));
    assert!(!is_shared(Ino::ROOT, "keep.o"));
    assert!(!is_shared(directory, "a.own"));
    assert!(!is_shared(Ino::ROOT, "b.o"), "what the space says goes before one's own");
    let bad = fixture.volume.bad_patterns();
    assert_eq!(bad.len(), 1);
    assert!(bad[0].starts_with("mine, line 3: "), "{bad:?}");
    fixture.volume.set_own_lists(Vec::new());
    fixture.volume.tend_ignored();
    let ino = fixture.ino("d/a.own");
    assert!(!fixture.volume.replica().inode(ino).unwrap().node.is_unshared());
}

#[test]
fn a_list_is_never_ignored_itself_unless_its_directory_is() {
    let fixture = ignoring("*\n!*/\n/out/\n");
    let directory = fixture.make_directory("d");
    let is_shared = |parent: Ino, name: &str| {
        let ino = write_in(&fixture, parent, name, b"");
        !fixture.volume.replica().inode(ino).unwrap().node.is_unshared()
    };
    assert!(is_shared(directory, ".fl0wignore"));
    assert!(!is_shared(directory, "else"));
    let out = fixture.make_directory("out");
    assert!(!is_shared(out, ".fl0wignore"));
}

#[test]
fn an_unprivileged_mount_shares_what_was_ignored_without_an_owner() {
    let owner = crate::model::Owner { uid: 1000, gid: 100 };
    let settings = Settings { shown_as: Some(owner) };
    let fixture = Fixture::with(MemoryKv::default(), TempDir::new().unwrap(), settings);
    fixture.write(".fl0wignore", b"*.tmp\n");
    let ino = fixture.write("a.tmp", b"x");
    assert_eq!(fixture.volume.stat(ino).unwrap().owner, owner);
    rename(&fixture, "a.tmp", "a").unwrap();
    assert!(matches!(&fixture.journal()[1].verb, Verb::Make(make) if make.owner.is_none()));
}

#[test]
fn handles_go_on_over_a_rename_across_the_line() {
    let fixture = ignoring("*.o\n");
    let file = fixture.create("a.o");
    fixture.put(file, 0, b"one");
    rename(&fixture, "a.o", "a").unwrap();
    fixture.put(file, 3, b"two");
    fixture.volume.close(file);
    assert_eq!(fixture.read("a"), b"onetwo");
    assert_eq!(fixture.pending_bytes(fixture.journal().len() - 1).as_deref(), Some(&b"onetwo"[..]));
    let file = fixture.open("a", WRITE);
    fixture.put(file, 0, b"ONE");
    let before = fixture.verbs().len();
    rename(&fixture, "a", "b.o").unwrap();
    fixture.put(file, 3, b"TWO");
    fixture.volume.close(file);
    assert_eq!(fixture.read("b.o"), b"ONETWO");
    assert!(fixture.verbs().len() <= before + 1);
    assert!(fixture.volume.replica().dirty_inodes().is_empty());
}
