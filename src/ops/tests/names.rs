//! Make, link and drop: names come, nodes end, tombstones remain, removed nodes come back.

use super::*;
use crate::model::{Body, DeviceNumber, NodeId, Owner, Special, Version, Xattrs};

#[test]
fn a_make_gives_a_node_its_first_version_and_touches_its_parent() {
    let tree = tree([dir(1, 0, "d"), file(2, 1, "f"), symlink(3, 1, "l")]);
    assert_eq!(lookup(&tree, "d/f"), Some(node(2)));
    assert_eq!(state(&tree, 2), Some((1, 2)));
    assert_eq!(tree.node(node(3)).map(|link| link.version), Some(Version(1)));
    let directory = tree.node(node(1)).unwrap();
    assert_eq!((directory.version, directory.mtime), (Version(0), NOW));
    assert_eq!(tree.node(NodeId::ROOT).unwrap().mtime, NOW);
    assert_eq!(tree.node(node(2)).unwrap().mtime, mtime(7));
}

#[test]
fn a_node_made_without_owner_takes_its_parents() {
    let owner = Owner { uid: 10, gid: 20 };
    let mut owned = make(node(1), at(node(0), "d"), Body::Directory);
    owned.owner = Some(owner);
    let tree = tree([Verb::Make(owned), file(2, 1, "f")]);
    assert_eq!(tree.node(node(2)).unwrap().owner, owner);
}

#[test]
fn every_kind_of_node_can_be_made_and_dropped() {
    let device = DeviceNumber(0x0103);
    let bodies = [
        Body::File(content(1)),
        Body::Directory,
        Body::Symlink(b"x".to_vec()),
        Body::Special(Special::Fifo),
        Body::Special(Special::Socket),
        Body::Special(Special::CharDevice(device)),
        Body::Special(Special::BlockDevice(device)),
    ];
    for body in bodies {
        let place = at(node(0), "x");
        let made = tree([Verb::Make(make(node(1), place.clone(), body.clone()))]);
        assert_eq!(made.node(node(1)).unwrap().body, body);
        let version = made.node(node(1)).unwrap().version;
        let gone =
            tree([Verb::Make(make(node(1), place.clone(), body.clone())), drop_name(1, place, version.0)]);
        assert_eq!((gone.names.len(), gone.nodes.len(), gone.tombstones.len()), (0, 1, 1));
    }
}

#[test]
fn a_make_is_refused_where_it_does_not_fit() {
    let other = Verb::Make(make(bobs(9), at(node(0), "x"), Body::Directory));
    check_refused(vec![
        ("a name taken", vec![file(1, 0, "x")], file(2, 0, "x"), Rejection::NameTaken(node(1))),
        ("a number used", vec![file(1, 0, "x")], file(1, 0, "y"), Rejection::Exists(node(1))),
        ("no such parent", vec![], file(1, 5, "x"), Rejection::Missing(node(5))),
        ("a parent that is a file", vec![file(1, 0, "x")], file(2, 1, "y"), Rejection::NotDirectory(node(1))),
        ("another member's number", vec![], other, Rejection::ForeignNumber(bobs(9))),
        (
            "the root",
            vec![],
            Verb::Make(make(NodeId::ROOT, at(node(0), "r"), Body::Directory)),
            Rejection::Exists(NodeId::ROOT),
        ),
    ]);
}

#[test]
fn a_link_is_one_more_name_and_only_the_last_drop_ends_the_node() {
    let (first, second) = (at(node(0), "a"), at(node(1), "b"));
    let mut tree = tree([dir(1, 0, "d"), file(2, 0, "a"), link(2, second.clone())]);
    assert_eq!((lookup(&tree, "a"), lookup(&tree, "d/b")), (Some(node(2)), Some(node(2))));
    assert_eq!(state(&tree, 2), Some((1, 2)));
    // Only the last name checks the version.
    step(&mut tree, BOB, drop_name(2, first, 99)).unwrap();
    assert_eq!(state(&tree, 2), Some((1, 2)));
    let stale = Rejection::Stale { node: node(2), now: Version(1) };
    assert_eq!(step(&mut tree, BOB, drop_name(2, second.clone(), 99)), Err(stale));
    step(&mut tree, BOB, drop_name(2, second.clone(), 1)).unwrap();
    let tombstone = tree.tombstone(node(2)).unwrap();
    assert_eq!((tombstone.node.version, tombstone.place, tombstone.successor), (Version(2), second, None));
}

#[test]
fn a_link_is_refused_where_it_does_not_fit() {
    let place = |name| at(node(0), name);
    check_refused(vec![
        ("a directory", vec![dir(1, 0, "d")], link(1, place("e")), Rejection::IsDirectory(node(1))),
        ("nothing", vec![], link(1, place("e")), Rejection::Missing(node(1))),
        ("a name taken", vec![file(1, 0, "f")], link(1, place("f")), Rejection::NameTaken(node(1))),
        ("no such parent", vec![file(1, 0, "f")], link(1, at(node(8), "g")), Rejection::Missing(node(8))),
        (
            "a file as parent",
            vec![file(1, 0, "f")],
            link(1, at(node(1), "g")),
            Rejection::NotDirectory(node(1)),
        ),
    ]);
}

#[test]
fn a_drop_is_refused_where_it_does_not_fit() {
    let place = |name| at(node(0), name);
    let stale = Rejection::Stale { node: node(1), now: Version(2) };
    check_refused(vec![
        ("content seen is old", vec![file(1, 0, "f"), put(1, 1, 9)], drop_name(1, place("f"), 1), stale),
        ("another name", vec![file(1, 0, "f")], drop_name(1, place("g"), 1), Rejection::NotThere(node(1))),
        (
            "another node's name",
            vec![file(1, 0, "f"), file(2, 0, "g")],
            drop_name(1, place("g"), 1),
            Rejection::NotThere(node(1)),
        ),
        (
            "a directory with something in it",
            vec![dir(1, 0, "d"), file(2, 1, "f")],
            drop_name(1, place("d"), 0),
            Rejection::NotEmpty(node(1)),
        ),
        (
            "twice",
            vec![file(1, 0, "f"), drop_name(1, place("f"), 1)],
            drop_name(1, place("f"), 2),
            Rejection::Missing(node(1)),
        ),
        ("the root", vec![], drop_name(0, place("f"), 0), Rejection::NotThere(NodeId::ROOT)),
    ]);
}

#[test]
fn a_removed_file_comes_back_and_its_version_goes_on() {
    let place = at(node(0), "f");
    let mut tree = tree([file(1, 0, "f"), put(1, 1, 5), drop_name(1, place.clone(), 2)]);
    assert_eq!(tree.tombstone(node(1)).unwrap().node.version, Version(3));
    let back = make(node(1), at(node(0), "again"), Body::File(content(6)));
    step(&mut tree, BOB, Verb::Make(back)).unwrap();
    assert_eq!(state(&tree, 1), Some((4, 6)));
    assert_eq!((tree.tombstone(node(1)), lookup(&tree, "f")), (None, None));
}

#[test]
fn a_removed_directory_comes_back_as_the_same_node() {
    let mut tree = tree([dir(1, 0, "d"), drop_name(1, at(node(0), "d"), 0)]);
    step(&mut tree, BOB, dir(1, 0, "d")).unwrap();
    assert_eq!(tree.node(node(1)).unwrap().version, Version(0));
    assert_eq!(path_of(&tree, node(1)).unwrap().len(), 1);
}

#[test]
fn a_removed_node_does_not_come_back_as_another_kind() {
    let other_kind = || Rejection::Limit("a removed node comes back as another kind");
    let gone = |verb, version| vec![verb, drop_name(1, at(node(0), "x"), version)];
    check_refused(vec![
        ("a file as a directory", gone(file(1, 0, "x"), 1), dir(1, 0, "x"), other_kind()),
        ("a directory as a file", gone(dir(1, 0, "x"), 0), file(1, 0, "x"), other_kind()),
        ("a file as a symlink", gone(file(1, 0, "x"), 1), symlink(1, 0, "x"), other_kind()),
    ]);
}

#[test]
fn set_meta_changes_what_it_names_and_no_version() {
    let mut first = set(1);
    (first.mode, first.uid, first.gid, first.mtime) = (Some(0o4755), Some(3), Some(4), Some(mtime(99)));
    first.xattrs = vec![(b"user.a".to_vec(), Some(b"1".to_vec())), (b"user.b".to_vec(), Some(b"2".to_vec()))];
    let mut second = set(1);
    second.xattrs = vec![(b"user.a".to_vec(), None), (b"user.never".to_vec(), None)];
    let tree = tree([file(1, 0, "f"), Verb::SetMeta(first), Verb::SetMeta(second)]);
    let node = tree.node(node(1)).unwrap();
    assert_eq!((node.mode, node.owner, node.mtime), (0o4755, Owner { uid: 3, gid: 4 }, mtime(99)));
    assert_eq!(node.xattrs, Xattrs::from([(b"user.b".to_vec(), b"2".to_vec())]));
    assert_eq!(node.version, Version(1));
    check_refused(vec![("nothing", vec![], Verb::SetMeta(set(1)), Rejection::Missing(super::node(1)))]);
}
