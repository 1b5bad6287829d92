//! Ops that make one node what a row of the past says.

use crate::model::{Body, Manifest, Node, NodeId, Place, Timestamp, Version};
use crate::ops::{Attributes, Drop, Make, Origin, Put, Restored, SetMeta, Tree, Verb};

/// One version of one node, to be put at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub node: NodeId,
    pub version: Version,
    pub manifest: Manifest,
    /// The file's mtime from now on: that of the version is not known.
    pub mtime: Timestamp,
}

/// The node as it was, under a name that is free: the same node, or another one made like it.
pub(super) fn make(node: NodeId, place: Place, (past, row): (NodeId, &Node)) -> Verb {
    let came_from = row.manifest().map(|_| restored(past, row.version));
    Verb::Make(Make { came_from, ..Make::like(row.clone(), node, place) })
}

/// The op that gives a live node the past's content or, where it has that, its attributes.
pub(super) fn adjust(node: NodeId, now: &Node, (past, row): (NodeId, &Node)) -> Option<Verb> {
    match (now.manifest(), row.manifest()) {
        (Some(has), Some(manifest)) if !has.same_content(manifest) => Some(Verb::Put(Put {
            node,
            base: now.version,
            manifest: manifest.clone(),
            mtime: row.mtime,
            attributes: attributes(now, row),
            came_from: Some(restored(past, row.version)),
            conflict: None,
        })),
        _ => set_meta(node, now, row),
    }
}

fn restored(node: NodeId, version: Version) -> Origin {
    Origin::Restored(Restored { node, version })
}

fn attributes(now: &Node, row: &Node) -> Option<Attributes> {
    let same = (now.mode, now.owner, &now.xattrs) == (row.mode, row.owner, &row.xattrs);
    (!same).then(|| Attributes::of(row))
}

/// The op that gives a node the attributes of `row`; None where it has them.
pub(super) fn set_meta(node: NodeId, now: &Node, row: &Node) -> Option<Verb> {
    SetMeta::towards(node, now, &Attributes::of(row), Some(row.mtime)).map(Verb::SetMeta)
}

pub(super) fn drop_name(node: NodeId, place: Place, now: &Node) -> Verb {
    Verb::Drop(Drop { node, place, version: now.version })
}

/// The op that puts one version at a place: into the file that is there, or as the node it was, or as a new one like
/// it. None where the file there has that content already; the caller has seen to it that nothing else is there.
pub fn restore_version(
    present: &impl Tree,
    place: Place,
    piece: &Piece,
    allocate: super::Allocate<'_>,
) -> Option<Verb> {
    let like = |row: Node| Node {
        body: Body::File(piece.manifest.clone()),
        version: piece.version,
        mtime: piece.mtime,
        ..row
    };
    let there = present.child(place.parent, &place.name);
    if let Some((id, now)) = there.and_then(|id| Some((id, present.node(id)?))) {
        let wanted = like(now.clone());
        return match now.manifest().is_some_and(|has| has.same_content(&piece.manifest)) {
            true => None,
            false => adjust(id, &now, (piece.node, &wanted)),
        };
    }
    let removed = present.tombstone(piece.node).filter(|_| present.node(piece.node).is_none());
    let (node, row) = match removed {
        Some(tombstone) => (piece.node, tombstone.node),
        None => (allocate(), present.node(piece.node)?),
    };
    Some(make(node, place, (piece.node, &like(row))))
}
