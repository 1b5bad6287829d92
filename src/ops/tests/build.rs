//! Short words for nodes, places and ops, and a table runner.

use super::well_formed::check_well_formed;
use crate::model::{
    Body, ChunkId, ChunkList, Extent, Manifest, MemberNumber, Name, NodeId, Place, Timestamp, Version, Xattrs,
};
use crate::ops::{
    Drop, Link, Make, MemoryTree, Move, Op, Put, Rejection, Replaced, SetMeta, Tree, TreeMut, Verb, apply,
};

pub const ANNE: MemberNumber = MemberNumber(1);
pub const BOB: MemberNumber = MemberNumber(2);

/// The author's wall time of every op of a table; what it touches carries it.
pub const NOW: Timestamp = Timestamp { seconds: 1_000, nanos: 5 };

/// Anne's node of this counter; 0 is the root.
pub fn node(counter: u64) -> NodeId {
    if counter == 0 { NodeId::ROOT } else { NodeId { member: ANNE, counter } }
}

pub fn bobs(counter: u64) -> NodeId {
    NodeId { member: BOB, counter }
}

pub fn at(parent: NodeId, name: &str) -> Place {
    Place { parent, name: Name::new(name).expect("a legal name") }
}

/// A content of one chunk that only says which it is.
pub fn content(mark: u8) -> Manifest {
    let extent = Extent { chunk: Some(ChunkId([mark; 32])), length: u64::from(mark) + 1 };
    Manifest { length: extent.length, chunks: ChunkList::Flat(vec![extent]), ..Manifest::empty() }
}

pub fn mtime(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

pub fn make(node: NodeId, place: Place, body: Body) -> Make {
    let xattrs = Xattrs::new();
    Make {
        node,
        place,
        body,
        mode: 0o640,
        owner: None,
        mtime: mtime(7),
        xattrs,
        came_from: None,
        conflict: None,
    }
}

pub fn dir(counter: u64, parent: u64, name: &str) -> Verb {
    Verb::Make(make(node(counter), at(node(parent), name), Body::Directory))
}

/// A file whose content is marked by its counter.
pub fn file(counter: u64, parent: u64, name: &str) -> Verb {
    Verb::Make(make(node(counter), at(node(parent), name), Body::File(content(counter as u8))))
}

pub fn symlink(counter: u64, parent: u64, name: &str) -> Verb {
    Verb::Make(make(node(counter), at(node(parent), name), Body::Symlink(b"target".to_vec())))
}

pub fn put_of(node: NodeId, base: u64, mark: u8) -> Put {
    let manifest = content(mark);
    Put {
        node,
        base: Version(base),
        manifest,
        mtime: mtime(8),
        attributes: None,
        came_from: None,
        conflict: None,
    }
}

pub fn put(counter: u64, base: u64, mark: u8) -> Verb {
    Verb::Put(put_of(node(counter), base, mark))
}

pub fn set(counter: u64) -> SetMeta {
    SetMeta { node: node(counter), mode: None, uid: None, gid: None, mtime: None, xattrs: Vec::new() }
}

pub fn link(counter: u64, place: Place) -> Verb {
    Verb::Link(Link { node: node(counter), place })
}

pub fn drop_name(counter: u64, place: Place, version: u64) -> Verb {
    Verb::Drop(Drop { node: node(counter), place, version: Version(version) })
}

pub fn rename_of(counter: u64, from: Place, to: Place) -> Move {
    Move { node: node(counter), from, to, replaces: None, exchange: false, keeps_owner: false }
}

pub fn rename(counter: u64, from: Place, to: Place) -> Verb {
    Verb::Move(rename_of(counter, from, to))
}

pub fn rename_over(counter: u64, from: Place, to: Place, over: (u64, u64)) -> Verb {
    let replaces = Some(Replaced { node: node(over.0), version: Version(over.1) });
    Verb::Move(Move { replaces, ..rename_of(counter, from, to) })
}

pub fn exchange(counter: u64, from: Place, to: Place, with: u64) -> Verb {
    let replaces = Some(Replaced { node: node(with), version: Version::default() });
    Verb::Move(Move { replaces, exchange: true, ..rename_of(counter, from, to) })
}

/// Applies one op, and checks what every op must keep: the tree stays well formed, or stays as it is.
pub fn step(tree: &mut MemoryTree, author: MemberNumber, verb: Verb) -> Result<(), Rejection> {
    let op = Op { time: NOW, verb };
    let changes = apply(tree, author, &op);
    assert_eq!(changes, apply(tree, author, &op), "the same op on the same tree");
    tree.write(changes?);
    check_well_formed(tree).unwrap_or_else(|fault| panic!("{fault} after {op:?}"));
    Ok(())
}

/// The tree after Anne's ops, all of which apply.
pub fn tree(verbs: impl IntoIterator<Item = Verb>) -> MemoryTree {
    let mut tree = MemoryTree::default();
    for verb in verbs {
        step(&mut tree, ANNE, verb.clone()).unwrap_or_else(|rejection| panic!("{rejection} for {verb:?}"));
    }
    tree
}

/// The node under a path of names separated by slashes.
pub fn lookup(tree: &MemoryTree, path: &str) -> Option<NodeId> {
    path.split('/').try_fold(NodeId::ROOT, |parent, name| tree.child(parent, &Name::new(name).ok()?))
}

/// Version and content mark of a live file.
pub fn state(tree: &MemoryTree, counter: u64) -> Option<(u64, u8)> {
    let node = tree.node(node(counter))?;
    let mark = node.manifest()?.length - 1;
    Some((node.version.0, mark as u8))
}

/// A name, ops that make a tree, an op, and the rejection it is to meet.
pub type Refused = (&'static str, Vec<Verb>, Verb, Rejection);

/// Checks that each case's op is rejected for its reason.
pub fn check_refused(cases: Vec<Refused>) {
    for (name, before, verb, reason) in cases {
        let mut tree = tree(before);
        let untouched = tree.clone();
        assert_eq!(step(&mut tree, ANNE, verb), Err(reason), "{name}");
        assert_eq!(tree, untouched, "{name}");
    }
}
