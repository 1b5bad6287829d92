//! Names, attributes and listings.

use super::support::{Fixture, OTHER, ROOT, WRITE};
use crate::model::{Body, Owner};
use crate::sync::MemoryKv;
use crate::sync::member::Ino;
use crate::vfs::{Caller, NewNode, OpenMode, RenameMode, SetAttributes, Settings, VfsError, XattrMode};
use std::collections::BTreeSet;
use tempfile::TempDir;

#[test]
fn a_listing_goes_on_where_it_stopped_whatever_happened() {
    let fixture = Fixture::default();
    let names: Vec<String> = (0..100).map(|n| format!("f{n}")).collect();
    for name in &names {
        fixture.write(name, b"");
    }
    let first = fixture.volume.list(Ino::ROOT, 0, 40).unwrap();
    assert_eq!(first[..2].iter().map(|entry| entry.name.as_slice()).collect::<Vec<_>>(), [b".", &b".."[..]]);
    for entry in &first[2..20] {
        fixture.volume.unlink(Ino::ROOT, &entry.name).unwrap();
    }
    let mut seen: BTreeSet<Vec<u8>> = first[2..].iter().map(|entry| entry.name.clone()).collect();
    let mut cookie = first.last().unwrap().cookie;
    loop {
        let more = fixture.volume.list(Ino::ROOT, cookie, 7).unwrap();
        let Some(last) = more.last() else { break };
        cookie = last.cookie;
        assert!(more.into_iter().all(|entry| seen.insert(entry.name)), "a name came twice");
    }
    assert_eq!(seen, names.into_iter().map(String::into_bytes).collect());
}

#[test]
fn links_are_counted() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"x");
    assert_eq!(fixture.volume.link(ino, Ino::ROOT, b"b").unwrap().links, 2);
    fixture.volume.unlink(Ino::ROOT, b"a").unwrap();
    assert_eq!(fixture.volume.stat(ino).unwrap().links, 1);
    fixture.make_directory("d");
    fixture.make_directory("e");
    assert_eq!(fixture.volume.stat(Ino::ROOT).unwrap().links, 4);
}

#[test]
fn renaming_a_file_onto_its_other_name_does_nothing() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"x");
    fixture.volume.link(ino, Ino::ROOT, b"b").unwrap();
    let before = fixture.verbs();
    fixture.volume.rename((Ino::ROOT, b"a"), (Ino::ROOT, b"b"), RenameMode::Replace).unwrap();
    assert_eq!(fixture.names(Ino::ROOT), ["a", "b"]);
    assert_eq!(fixture.verbs(), before);
}

#[test]
fn renames_refuse_what_posix_refuses() {
    let fixture = Fixture::default();
    let (d, _) = (fixture.make_directory("d"), fixture.write("f", b"x"));
    fixture.make_directory("e");
    let sub = fixture.volume.make(ROOT, d, b"sub", NewNode { body: Body::Directory, mode: 0o755 }).unwrap();
    let rename = |from: (Ino, &[u8]), to: (Ino, &[u8]), mode| {
        fixture.volume.rename(from, to, mode).map_err(|error| error.errno())
    };
    let root = Ino::ROOT;
    assert_eq!(rename((root, b"d"), (sub.ino, b"x"), RenameMode::Replace), Err(libc::EINVAL));
    assert_eq!(rename((root, b"e"), (root, b"d"), RenameMode::Replace), Err(libc::ENOTEMPTY));
    assert_eq!(rename((root, b"f"), (root, b"d"), RenameMode::Replace), Err(libc::EISDIR));
    assert_eq!(rename((root, b"d"), (root, b"f"), RenameMode::Replace), Err(libc::ENOTDIR));
    assert_eq!(rename((root, b"d"), (root, b"e"), RenameMode::NoReplace), Err(libc::EEXIST));
    assert_eq!(rename((root, b"d"), (root, b"g"), RenameMode::Exchange), Err(libc::ENOENT));
    assert_eq!(rename((root, b"g"), (root, b"h"), RenameMode::Replace), Err(libc::ENOENT));
    assert_eq!(rename((root, b"d"), (root, b"f"), RenameMode::Exchange), Ok(()));
    assert_eq!(fixture.names(fixture.ino("f")), ["sub"]);
    assert_eq!(fixture.read("d"), b"x");
    assert_eq!(rename((root, b"f"), (root, b"e"), RenameMode::Replace), Ok(()));
}

#[test]
fn a_set_group_id_directory_hands_down_its_group() {
    let fixture = Fixture::default();
    let directory = fixture.make_directory("d");
    let set = SetAttributes { gid: Some(77), mode: Some(0o2777), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, directory, None, set).unwrap();
    let make = |name: &[u8], new| fixture.volume.make(OTHER, directory, name, new).unwrap();
    let file = make(b"f", NewNode::file(0o644));
    assert_eq!((file.owner, file.mode), (Owner { uid: 1000, gid: 77 }, 0o644));
    let sub = make(b"s", NewNode { body: Body::Directory, mode: 0o755 });
    assert_eq!((sub.owner.gid, sub.mode), (77, 0o2755));
}

#[test]
fn changing_owners_ends_set_id_bits() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"x");
    let set = SetAttributes { mode: Some(0o6755), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, ino, None, set).unwrap();
    let stat = fixture.volume.set_attributes(ROOT, ino, None, SetAttributes::default()).unwrap();
    assert_eq!(stat.mode, 0o755);
}

#[test]
fn attributes_have_modes_and_limits() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"x");
    let set = |name: &[u8], value: &[u8], mode| {
        fixture.volume.set_xattr(ino, name, value, mode).map_err(|error| error.errno())
    };
    assert_eq!(set(b"user.a", b"1", XattrMode::Replace), Err(libc::ENODATA));
    assert_eq!(set(b"user.a", b"1", XattrMode::Create), Ok(()));
    assert_eq!(set(b"user.a", b"2", XattrMode::Create), Err(libc::EEXIST));
    assert_eq!(set(b"user.a", b"", XattrMode::Any), Ok(()));
    assert_eq!(fixture.volume.xattr(ino, b"user.a").unwrap(), b"");
    assert_eq!(set(b"user.b", &vec![0; 65537], XattrMode::Any), Err(libc::E2BIG));
    assert_eq!(set(b"user.", b"1", XattrMode::Any), Err(libc::EINVAL));
    assert_eq!(set(b"security.selinux", b"1", XattrMode::Any), Err(libc::EOPNOTSUPP));
    assert_eq!(set(b"trusted.t", b"1", XattrMode::Any), Ok(()));
    (0..3).for_each(|n| set(format!("user.big{n}").as_bytes(), &vec![0; 65000], XattrMode::Any).unwrap());
    assert_eq!(set(b"user.more", &vec![0; 65536], XattrMode::Any), Ok(()));
    assert_eq!(set(b"user.last", &vec![0; 65536], XattrMode::Any), Err(libc::ENOSPC));
    fixture.volume.remove_xattr(ino, b"user.a").unwrap();
    assert!(matches!(fixture.volume.remove_xattr(ino, b"user.a"), Err(VfsError::NoAttribute)));
    assert!(fixture.volume.xattr_names(ino).unwrap().starts_with(b"trusted.t\0user.big0\0"));
}

#[test]
fn an_unprivileged_mount_shows_one_owner_and_sends_none() {
    let owner = Owner { uid: 1000, gid: 100 };
    let settings = Settings { shown_as: Some(owner) };
    let fixture = Fixture::with(MemoryKv::default(), TempDir::new().unwrap(), settings);
    let ino = fixture.write("a", b"x");
    assert_eq!(fixture.volume.stat(ino).unwrap().owner, owner);
    assert!(matches!(&fixture.journal()[0].verb, crate::ops::Verb::Make(make) if make.owner.is_none()));
    let chown = |uid| {
        let set = SetAttributes { uid: Some(uid), ..SetAttributes::default() };
        fixture.volume.set_attributes(OTHER, ino, None, set).map_err(|error| error.errno())
    };
    assert_eq!(chown(0), Err(libc::EPERM));
    assert!(chown(1000).is_ok());
    let trusted = fixture.volume.set_xattr(ino, b"trusted.t", b"1", XattrMode::Any);
    assert!(matches!(trusted, Err(VfsError::Unsupported)));
    let list = fixture.volume.set_acl(OTHER, ino, ACCESS, &list(5));
    assert!(matches!(list, Err(VfsError::Unsupported)));
}

const ACCESS: &[u8] = b"system.posix_acl_access";
const DEFAULT: &[u8] = b"system.posix_acl_default";

/// `u::rw,u:1000:r,g::NAMED,m::rw,o::-`, the owning group with these permissions.
fn list(group: u8) -> Vec<u8> {
    let entry = |tag: u8, permissions: u8, id: u32| {
        let [a, b, c, d] = id.to_le_bytes();
        [tag, 0, permissions, 0, a, b, c, d]
    };
    let none = u32::MAX;
    let entries =
        [entry(1, 6, none), entry(2, 4, 1000), entry(4, group, none), entry(16, 6, none), entry(32, 0, none)];
    [2, 0, 0, 0].into_iter().chain(entries.concat()).collect()
}

#[test]
fn a_list_and_a_mode_are_one_thing() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"x");
    let mode = |mode| SetAttributes { mode: Some(mode), ..SetAttributes::default() };
    fixture.volume.set_attributes(ROOT, ino, None, mode(0o2644)).unwrap();
    fixture.volume.set_acl(OTHER, ino, ACCESS, &list(5)).unwrap();
    assert_eq!(fixture.volume.stat(ino).unwrap().mode, 0o660, "set-group-id is not for others to give");
    fixture.volume.set_attributes(ROOT, ino, None, mode(0o604)).unwrap();
    let mut masked = list(5);
    (masked[4 + 3 * 8 + 2], masked[4 + 4 * 8 + 2]) = (0, 4);
    assert_eq!(fixture.volume.xattr(ino, ACCESS).unwrap(), masked);
    assert_eq!(fixture.volume.xattr_names(ino).unwrap(), [ACCESS, b"\0"].concat());
    let plain: Vec<u8> = [&masked[..12], &masked[20..28], &masked[36..]].concat();
    fixture.volume.set_acl(ROOT, ino, ACCESS, &plain).unwrap();
    assert_eq!(fixture.volume.stat(ino).unwrap().mode, 0o654);
    assert!(matches!(fixture.volume.xattr(ino, ACCESS), Err(VfsError::NoAttribute)));
    assert!(matches!(fixture.volume.set_acl(ROOT, ino, ACCESS, b"list"), Err(VfsError::Unsupported)));
    fixture.volume.remove_xattr(ino, ACCESS).unwrap();
}

#[test]
fn what_is_made_takes_a_default_list_or_the_umask() {
    let fixture = Fixture::default();
    let masked = Caller { umask: 0o077, ..OTHER };
    let (plain, _) = fixture.volume.create(masked, (Ino::ROOT, b"plain"), 0o666, WRITE).unwrap();
    assert_eq!(plain.mode, 0o600);
    let directory = NewNode { body: Body::Directory, mode: 0o777 };
    let directory = fixture.volume.make(ROOT, Ino::ROOT, b"d", directory).unwrap().ino;
    fixture.volume.set_acl(ROOT, directory, DEFAULT, &list(7)).unwrap();
    let (made, _) = fixture.volume.create(masked, (directory, b"f"), 0o666, WRITE).unwrap();
    assert_eq!(made.mode, 0o660);
    assert_eq!(fixture.volume.xattr(made.ino, ACCESS).unwrap(), list(7));
    let below =
        fixture.volume.make(masked, directory, b"d", NewNode { body: Body::Directory, mode: 0o755 }).unwrap();
    assert_eq!(below.mode, 0o640);
    assert_eq!(fixture.volume.xattr(below.ino, DEFAULT).unwrap(), list(7));
    let link = NewNode { body: Body::Symlink(b"x".to_vec()), mode: 0o777 };
    assert_eq!(fixture.volume.make(masked, directory, b"l", link).unwrap().mode, 0o777);
}

#[test]
fn a_read_only_volume_changes_nothing() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"x");
    fixture.volume.replica().set_read_only(true);
    let open = |mode| fixture.volume.open(ROOT, ino, mode).map_err(|error| error.errno());
    assert_eq!(open(WRITE), Err(libc::EROFS));
    assert!(matches!(fixture.volume.unlink(Ino::ROOT, b"a"), Err(VfsError::ReadOnly)));
    let made = fixture.volume.create(ROOT, (Ino::ROOT, b"b"), 0o644, WRITE);
    assert!(matches!(made, Err(VfsError::ReadOnly)));
    let cut = SetAttributes { size: Some(0), ..SetAttributes::default() };
    assert!(matches!(fixture.volume.set_attributes(ROOT, ino, None, cut), Err(VfsError::ReadOnly)));
    assert_eq!(fixture.read("a"), b"x");
}

#[test]
fn creating_what_is_there_opens_it_unless_it_must_be_new() {
    let fixture = Fixture::default();
    let ino = fixture.write("a", b"x");
    let create = |mode| fixture.volume.create(ROOT, (Ino::ROOT, b"a"), 0o644, mode);
    let (stat, file) = create(OpenMode { truncate: true, ..WRITE }).unwrap();
    assert_eq!((stat.ino, stat.size), (ino, 0));
    fixture.volume.close(file);
    assert!(matches!(create(OpenMode { exclusive: true, ..WRITE }), Err(VfsError::Exists)));
}

#[test]
fn inode_numbers_stay_over_a_restart() {
    let fixture = Fixture::default();
    let (a, d) = (fixture.write("a", b"x"), fixture.make_directory("d"));
    let after = fixture.after_crash();
    assert_eq!((after.ino("a"), after.ino("d")), (a, d));
}
