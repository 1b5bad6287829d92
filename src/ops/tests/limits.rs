//! What an op may carry, whatever the tree.

use super::*;
use crate::model::{Body, ChunkId, ChunkList, Conflict, ConflictKind, Extent, Manifest, Timestamp, Version};

const BAD_TIME: Timestamp = Timestamp { seconds: 0, nanos: 1_000_000_000 };

fn limit_of(verb: Verb) -> Result<(), Rejection> {
    check_limits(&Op { time: NOW, verb })
}

fn made(body: Body) -> Make {
    make(node(1), at(node(0), "x"), body)
}

fn with_manifest(length: u64, chunks: ChunkList) -> Verb {
    Verb::Put(Put { manifest: Manifest { length, chunks, ..Manifest::empty() }, ..put_of(node(1), 1, 1) })
}

fn with_xattrs(xattrs: Vec<(Vec<u8>, Option<Vec<u8>>)>) -> Verb {
    Verb::SetMeta(SetMeta { xattrs, ..set(1) })
}

fn extent(length: u64) -> Extent {
    Extent { chunk: Some(ChunkId([1; 32])), length }
}

#[test]
fn the_largest_legal_op_of_each_kind_passes() {
    let extents = vec![extent(2); 1024];
    let legal = [
        ("symlink", Verb::Make(made(Body::Symlink(vec![b'x'; 4095])))),
        ("mode", Verb::Make(Make { mode: 0o7777, ..made(Body::Directory) })),
        ("extents", with_manifest(2048, ChunkList::Flat(extents.clone()))),
        (
            "a tree's list is shorter than its content",
            with_manifest(i64::MAX as u64, ChunkList::Tree(extents)),
        ),
        ("value", with_xattrs(vec![(vec![b'n'; 255], Some(vec![0; 65_536]))])),
        (
            "nanoseconds",
            Verb::SetMeta(SetMeta { mtime: Some(Timestamp { seconds: -5, nanos: 999_999_999 }), ..set(1) }),
        ),
    ];
    for (name, verb) in legal {
        assert_eq!(limit_of(verb), Ok(()), "{name}");
    }
}

#[test]
fn whatever_is_beyond_a_limit_is_refused_as_illegal() {
    let conflict = Conflict {
        node: node(1),
        member: BOB,
        kind: ConflictKind::Cycle,
        base: None,
        remote: Version(1),
        time: BAD_TIME,
    };
    let attributes = Attributes { mode: 0o10000, owner: None, xattrs: Default::default() };
    let illegal = [
        ("an empty target", Verb::Make(made(Body::Symlink(vec![])))),
        ("a long target", Verb::Make(made(Body::Symlink(vec![b'x'; 4096])))),
        ("a target with NUL", Verb::Make(made(Body::Symlink(b"a\0b".to_vec())))),
        ("a made mode", Verb::Make(Make { mode: 0o10000, ..made(Body::Directory) })),
        ("a brought mode", Verb::Put(Put { attributes: Some(attributes), ..put_of(node(1), 1, 1) })),
        ("a set mode", Verb::SetMeta(SetMeta { mode: Some(u16::MAX), ..set(1) })),
        ("an empty extent", with_manifest(2, ChunkList::Flat(vec![extent(2), extent(0)]))),
        ("a length beyond the extents", with_manifest(3, ChunkList::Flat(vec![extent(2)]))),
        ("extents that overflow", with_manifest(1, ChunkList::Flat(vec![extent(u64::MAX), extent(2)]))),
        ("a list that overflows", with_manifest(1, ChunkList::Tree(vec![extent(u64::MAX), extent(2)]))),
        ("too many extents", with_manifest(1025, ChunkList::Flat(vec![extent(1); 1025]))),
        ("too long a file", with_manifest(1 << 63, ChunkList::Flat(vec![extent(1 << 63)]))),
        ("an unnamed attribute", with_xattrs(vec![(vec![], None)])),
        ("an attribute named with NUL", with_xattrs(vec![(b"user.\0".to_vec(), None)])),
        ("a long attribute name", with_xattrs(vec![(vec![b'n'; 256], None)])),
        ("a long value", with_xattrs(vec![(b"user.x".to_vec(), Some(vec![0; 65_537]))])),
        (
            "long values together",
            with_xattrs((0..5).map(|at| (vec![b'a' + at], Some(vec![0; 65_000]))).collect()),
        ),
        (
            "an exchange with nothing",
            Verb::Move(Move { exchange: true, ..rename_of(1, at(node(0), "a"), at(node(0), "b")) }),
        ),
        ("a made time", Verb::Make(Make { mtime: BAD_TIME, ..made(Body::Directory) })),
        ("a put time", Verb::Put(Put { mtime: BAD_TIME, ..put_of(node(1), 1, 1) })),
        ("a set time", Verb::SetMeta(SetMeta { mtime: Some(BAD_TIME), ..set(1) })),
        ("a conflict's time", Verb::Record(conflict.clone())),
        ("a carried conflict's time", Verb::Put(Put { conflict: Some(conflict), ..put_of(node(1), 1, 1) })),
    ];
    for (name, verb) in illegal {
        let rejection = limit_of(verb).expect_err(name);
        assert!(matches!(rejection, Rejection::Limit(_)) && rejection.is_illegal(), "{name}: {rejection}");
    }
    let op = Op { time: BAD_TIME, verb: dir(1, 0, "d") };
    assert!(check_limits(&op).is_err());
}

#[test]
fn attributes_set_one_after_the_other_stay_within_the_limit_of_a_node() {
    let value = |at: u8| with_xattrs(vec![(vec![b'a' + at], Some(vec![0; 65_000]))]);
    let mut tree = tree([file(1, 0, "f"), value(0), value(1), value(2), value(3)]);
    let full = step(&mut tree, ANNE, value(4)).expect_err("a fifth is too much");
    assert!(full.is_illegal());
    let instead = with_xattrs(vec![(b"a".to_vec(), None), (b"e".to_vec(), Some(vec![0; 65_000]))]);
    assert_eq!(step(&mut tree, ANNE, instead), Ok(()));
}
