//! Put: a file's next content.

use super::*;
use crate::model::{Owner, Version, Xattrs};

#[test]
fn a_put_is_the_next_version_and_keeps_the_attributes() {
    let tree = tree([file(1, 0, "f"), put(1, 1, 50), put(1, 2, 51)]);
    assert_eq!(state(&tree, 1), Some((3, 51)));
    let node = tree.node(node(1)).unwrap();
    assert_eq!((node.mode, node.mtime), (0o640, mtime(8)));
}

#[test]
fn a_put_may_bring_the_attributes_of_the_file_it_came_from() {
    let owner = Owner { uid: 1, gid: 2 };
    let xattrs = Xattrs::from([(b"user.x".to_vec(), Vec::new())]);
    let with = |mode, owner| {
        let attributes = Some(Attributes { mode, owner, xattrs: xattrs.clone() });
        Verb::Put(Put { attributes, ..put_of(node(1), if mode == 1 { 1 } else { 2 }, 3) })
    };
    let tree = tree([file(1, 0, "f"), with(1, Some(owner)), with(2, None)]);
    let node = tree.node(node(1)).unwrap();
    assert_eq!((node.mode, node.owner, node.xattrs), (2, owner, xattrs));
}

#[test]
fn a_put_reaches_a_file_under_every_name() {
    let tree = tree([file(1, 0, "a"), link(1, at(node(0), "b")), put(1, 1, 9)]);
    assert_eq!(lookup(&tree, "a"), lookup(&tree, "b"));
    assert_eq!(state(&tree, 1), Some((2, 9)));
}

#[test]
fn a_put_is_refused_where_it_does_not_fit() {
    let gone = vec![file(1, 0, "f"), drop_name(1, at(node(0), "f"), 1)];
    check_refused(vec![
        (
            "content it came from is old",
            vec![file(1, 0, "f"), put(1, 1, 2)],
            put(1, 1, 3),
            Rejection::Stale { node: node(1), now: Version(2) },
        ),
        (
            "content it came from is not yet",
            vec![file(1, 0, "f")],
            put(1, 2, 3),
            Rejection::Stale { node: node(1), now: Version(1) },
        ),
        ("a directory", vec![dir(1, 0, "d")], put(1, 0, 3), Rejection::NotFile(node(1))),
        ("a symlink", vec![symlink(1, 0, "l")], put(1, 1, 3), Rejection::NotFile(node(1))),
        ("nothing", vec![], put(1, 1, 3), Rejection::Missing(node(1))),
        ("a removed file", gone, put(1, 2, 3), Rejection::Missing(node(1))),
    ]);
}
