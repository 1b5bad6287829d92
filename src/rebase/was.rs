//! What an op meant in the old view.

use super::replay::Spot;
use crate::model::{Body, Manifest, MemberNumber, Name, Node, NodeId, Place, Tombstone, Version};
use crate::ops::{Change, ConflictRow, Op, Tree, TreeMut, Verb, apply};

/// What an op found and did in the old view.
pub(super) struct Was {
    /// Names of the op's node before it.
    pub places: Vec<Place>,
    /// Version of the op's node before it; None where there was no such node.
    pub before: Option<Version>,
    /// Version of the op's node after it.
    pub after: Option<Version>,
    pub succession: Option<Succession>,
    /// The content in whose place the op puts another, where it does.
    pub based_on: Option<BasedOn>,
}

/// A file's content in the old view.
#[derive(Clone)]
pub(super) struct BasedOn {
    pub version: Version,
    pub manifest: Manifest,
}

/// A file that went on with another's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Succession {
    /// The node that ended,
    pub vanished: NodeId,
    /// the version of it that went on,
    pub content: Version,
    /// in this node,
    pub survivor: NodeId,
    /// as this version.
    pub version: Version,
}

impl Was {
    /// Applies `op` to the old view and tells what it did there.
    pub fn of(old: &mut impl TreeMut, author: MemberNumber, op: &Op) -> Was {
        let node = op.verb.node();
        let (before, places) = (version(old, node), old.places(node));
        let based_on = BasedOn::of(old, op);
        let changes = apply(old, author, op).unwrap_or_default();
        let succession = Succession::among(&changes);
        old.write(changes);
        Was { places, before, after: version(old, node), succession, based_on }
    }
}

impl BasedOn {
    fn of(old: &impl Tree, op: &Op) -> Option<BasedOn> {
        let file = match &op.verb {
            Verb::Put(put) => put.node,
            Verb::Move(rename) => rename.replaces.filter(|_| !rename.exchange)?.node,
            Verb::Drop(drop) => drop.node,
            _ => return None,
        };
        let Node { body: Body::File(manifest), version, .. } = old.node(file)? else { return None };
        Some(BasedOn { version, manifest })
    }
}

impl Succession {
    pub fn into_spot(self) -> Spot {
        Spot { node: self.survivor, version: self.version }
    }

    /// The succession that row changes make, if they make one.
    pub fn among(changes: &[Change]) -> Option<Succession> {
        changes.iter().find_map(|change| match change {
            Change::Tombstone(vanished, Some(Tombstone { node, successor: Some(successor), .. })) => {
                let content = content_version(node);
                let (survivor, version) = (successor.node, successor.version);
                Some(Succession { vanished: *vanished, content, survivor, version })
            }
            _ => None,
        })
    }
}

/// The version of the last content of a removed file; the removal is a version of its own.
pub(super) fn content_version(removed: &Node) -> Version {
    Version(removed.version.0.saturating_sub(1))
}

fn version(tree: &impl Tree, node: NodeId) -> Option<Version> {
    tree.node(node).map(|node| node.version)
}

/// A tree of which nothing is known any more.
pub(super) struct Forgotten;

impl Tree for Forgotten {
    fn node(&self, _: NodeId) -> Option<Node> {
        None
    }

    fn tombstone(&self, _: NodeId) -> Option<Tombstone> {
        None
    }

    fn child(&self, _: NodeId, _: &Name) -> Option<NodeId> {
        None
    }

    fn places(&self, _: NodeId) -> Vec<Place> {
        Vec::new()
    }

    fn is_empty(&self, _: NodeId) -> bool {
        true
    }

    fn conflict(&self, _: NodeId, _: MemberNumber) -> Option<ConflictRow> {
        None
    }

    fn conflicts_of(&self, _: NodeId) -> Vec<MemberNumber> {
        Vec::new()
    }

    fn conflict_of_copy(&self, _: NodeId) -> Option<(NodeId, MemberNumber)> {
        None
    }
}

impl TreeMut for Forgotten {
    fn write(&mut self, _: Vec<Change>) {}
}
