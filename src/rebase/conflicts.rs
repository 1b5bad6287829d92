//! Conflicts of this member's: their names, and their records.

use super::replay::{NO_VERSION, Rebase};
use crate::model::{Conflict, ConflictKind, Manifest, Name, Node, NodeId, Place, Version};
use crate::ops::{TreeMut, Verb};

impl<T: TreeMut, O: TreeMut> Rebase<'_, '_, T, O> {
    /// A free conflict name beside `place`.
    pub(super) fn conflict_place(&self, place: &Place) -> Place {
        self.conflict_place_where(place, |_| true)
    }

    /// A conflict name beside `place` that is free or `node`'s already.
    pub(super) fn conflict_place_of(&self, node: NodeId, place: &Place) -> Place {
        self.conflict_place_where(place, |there| there != node)
    }

    fn conflict_place_where(&self, place: &Place, counts: impl Fn(NodeId) -> bool) -> Place {
        let taken = |name: &Name| self.tree.child(place.parent, name).is_some_and(&counts);
        let name = super::conflict_name(&place.name, self.replayer.member_name, taken);
        Place { parent: place.parent, name }
    }

    /// A conflict of this member's with a node, based on `base` where there was a common version.
    pub(super) fn conflict(&self, kind: ConflictKind, node: NodeId, base: Version) -> Conflict {
        let now = self.tree.node(node).or_else(|| Some(self.tree.tombstone(node)?.node));
        Conflict {
            node,
            member: self.replayer.author,
            kind,
            base: Some(base).filter(|base| *base != NO_VERSION),
            remote: now.map_or(NO_VERSION, |node: Node| node.version),
            time: self.time,
        }
    }

    /// Records a conflict that no other op carries.
    pub(super) fn record(&mut self, kind: ConflictKind, node: NodeId, base: Version) {
        if kind == ConflictKind::DropPut && (self.met_own_work(node, base) || self.has_copy(node)) {
            return;
        }
        let conflict = self.conflict(kind, node, base);
        self.result.conflicts.push(conflict.clone());
        // A record applies to any tree.
        let _ = self.emit(Verb::Record(conflict));
    }

    /// Tells whether a conflict of this member's with a node is open and has a copy: a record in its place would leave the
    /// copy to nobody.
    pub(super) fn has_copy(&self, node: NodeId) -> bool {
        let row = self.tree.conflict(node, self.replayer.author);
        row.and_then(|row| row.copy).is_some_and(|copy| self.tree.node(copy).is_some())
    }

    /// Tells whether what is in a file now is all this member's own: nobody else has seen the file, or all that was put into
    /// it since the version `base` came there in this replay, as contents that lost do in their copy.
    fn met_own_work(&self, node: NodeId, base: Version) -> bool {
        self.unseen.contains(&node) || self.put_from.get(&node).is_some_and(|from| *from <= base)
    }

    /// The conflict that a pending op carries, where what it is about is still there, and has not got the very content that
    /// the op brings.
    pub(super) fn conflict_today(
        &self,
        conflict: Option<Conflict>,
        brings: Option<&Manifest>,
    ) -> Option<Conflict> {
        let mut conflict = conflict?;
        conflict.node = self.node_of(conflict.node);
        let holds = conflict.holds(brings, &self.tree.node(conflict.node)?);
        holds.then_some(conflict)
    }
}
