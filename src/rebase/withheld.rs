//! The policy `hold`: where two contents of one file meet, this member's stays under the name, and is not sent.
//!
//! A withheld content is a pending `Put` on top of the accepted one, which every replay does again and no commit takes.
//! It carries its conflict. Whatever else this member puts into the file replaces it; names and attributes of the file
//! go on as always.
//!
//! Invariant: no op that comes out and is sent was based on a withheld content.

use super::content::Content;
use super::replay::{NO_VERSION, Rebase, Spot};
use super::{Pending, Policy};
use crate::model::{Conflict, ConflictKind, Manifest, Node, NodeId, Timestamp};
use crate::ops::{Change, Move, Op, Put, TreeMut, Verb, apply, shapes_succession};

/// A file whose content is withheld.
pub(super) struct Withheld {
    /// The file as it was accepted.
    accepted: Node,
    /// What is in the new view, and the conflict.
    put: Put,
    time: Timestamp,
    tag: u64,
}

impl<T: TreeMut, O: TreeMut> Rebase<'_, '_, T, O> {
    pub(super) fn is_withheld(&self, node: NodeId) -> bool {
        self.withheld.contains_key(&node)
    }

    /// Tells whether a conflict about a node is withheld instead of kept in a copy.
    pub(super) fn withholds(&self, node: NodeId) -> bool {
        self.replayer.policy == Policy::Hold && self.tree.conflict_of_copy(node).is_none()
    }

    /// A content that was withheld until now.
    pub(super) fn put_withheld(&mut self, put: Put) {
        let old = (put.node, put.base.next());
        let spot = self.locate(put.node, put.base);
        let Put { manifest, mtime, attributes, conflict, .. } = put;
        let content = Content { attributes, ..Content::plain(manifest, mtime) };
        let stands = match self.tree.node(spot.node) {
            // Two handles that were cut off from one file each have a content of their own.
            Some(shown) if self.is_withheld(spot.node) && !holds(&shown, &content.manifest) => {
                let conflict = self.conflict(ConflictKind::PutPut, spot.node, NO_VERSION);
                self.make_copy(spot.node, shown, content, conflict)
            }
            Some(accepted) if self.withholds(spot.node) && !holds(&accepted, &content.manifest) => {
                let (node, remote) = (spot.node, accepted.version);
                // A version of another node is no base of this one's.
                let base_of = |conflict: &Conflict| conflict.base.filter(|_| conflict.node == node);
                let carried =
                    |conflict: Conflict| Conflict { node, remote, base: base_of(&conflict), ..conflict };
                let new = || self.conflict(ConflictKind::PutPut, node, spot.version);
                let conflict = conflict.map_or_else(new, carried);
                self.withhold(node, content, conflict)
            }
            // Equal by now, removed, or the policy is another: as any content based on one that is not there.
            _ => self.deliver(Spot { version: NO_VERSION, ..spot }, content, ConflictKind::PutPut),
        };
        self.stands_at(old, stands);
    }

    /// Tells whether what came out of a withheld op is the same op.
    pub(super) fn withholds_still(&self, op: &Op) -> bool {
        let Verb::Put(put) = &op.verb else { return false };
        self.withheld.get(&put.node).is_some_and(|withheld| withheld.put == *put)
    }

    /// Puts a content into the new view alone, in the place of what was withheld of the file before.
    pub(super) fn withhold(&mut self, node: NodeId, content: Content, conflict: Conflict) -> Spot {
        let earlier = self.give_up_withheld(node);
        let Some(accepted) = self.tree.node(node) else { return self.spot(node) };
        let Content { manifest, mtime, attributes, .. } = content;
        // Attributes go on as always; those of a file that only came under the same name are its own.
        let attributes = attributes.filter(|_| conflict.kind == ConflictKind::PutPut);
        self.take_over_attributes(node, &accepted, attributes);
        let (base, mut carried) = (accepted.version, Some(conflict));
        match earlier {
            Some(earlier) => carried = earlier.conflict,
            None => self.result.conflicts.extend(carried.clone()),
        }
        self.edited.insert(node);
        let attributes = None;
        let mut put = Put { node, base, manifest, mtime, attributes, came_from: None, conflict: None };
        let op = Op { time: self.time, verb: Verb::Put(put.clone()) };
        // A put on the version that is there applies.
        let changes = apply(self.tree, self.replayer.author, &op).unwrap_or_default();
        self.tree.write(changes);
        put.conflict = carried;
        self.withheld.insert(node, Withheld { accepted, put, tag: self.tag, time: self.time });
        self.spot(node)
    }

    /// Gives a withheld content up: the file has what was accepted. Attributes set since stay.
    pub(super) fn give_up_withheld(&mut self, node: NodeId) -> Option<Put> {
        let Withheld { accepted, put, .. } = self.withheld.remove(&node)?;
        let now = self.tree.node(node)?;
        let Node { body, version, mtime, .. } = accepted;
        self.tree.write(vec![Change::Node(node, Some(Node { body, version, mtime, ..now }))]);
        Some(put)
    }

    /// A file with a withheld content was renamed over another: the content is withheld of that one from now on. What
    /// was accepted meanwhile, and nobody here has seen, stays under the name it had.
    pub(super) fn hand_withheld_over(
        &mut self,
        rename: &Move,
        node: NodeId,
    ) -> Option<(NodeId, Option<Spot>)> {
        let expected = rename.replaces.filter(|_| self.meant.is_some() && self.is_withheld(node))?;
        let there = self.node_of(expected.node);
        if !shapes_succession(self.tree, node, there) {
            return None;
        }
        let base = self.locate(expected.node, expected.version).version;
        let put = self.give_up_withheld(node)?;
        self.record(ConflictKind::DropPut, node, NO_VERSION);
        let conflict = self.conflict(ConflictKind::PutPut, there, base);
        let spot = self.withhold(there, Content::plain(put.manifest, put.mtime), conflict);
        Some((there, Some(spot)))
    }

    /// The withheld ops, to follow all others.
    pub(super) fn withheld_ops(&mut self) -> Vec<Pending> {
        let pending = |Withheld { put, time, tag, .. }| {
            let op = Op { time, verb: Verb::Put(put) };
            Pending { op, tag, withheld: true }
        };
        std::mem::take(&mut self.withheld).into_values().map(pending).collect()
    }
}

fn holds(node: &Node, manifest: &Manifest) -> bool {
    node.manifest().is_some_and(|now| now.same_content(manifest))
}
