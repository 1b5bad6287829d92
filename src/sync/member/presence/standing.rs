//! How one node stands with the hub, in a word.

use super::super::keys;
use super::super::records::Ino;
use super::super::state::Replica;
use crate::model::NodeId;
use crate::ops::Tree;
use crate::sync::kv::Store;

/// How a node stands; where several are true, the first of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeStanding {
    /// On this machine alone.
    Ignored,
    /// The hub has refused work on it.
    Refused,
    /// Its content is kept here until somebody resolves the conflict.
    Held,
    Conflict,
    /// There is work on it that the hub has not accepted.
    Pending,
    Synced,
}

impl NodeStanding {
    /// The word for it, which scripts rely on.
    pub fn word(self) -> &'static str {
        match self {
            NodeStanding::Ignored => "ignored",
            NodeStanding::Refused => "refused",
            NodeStanding::Held => "held",
            NodeStanding::Conflict => "conflict",
            NodeStanding::Pending => "pending",
            NodeStanding::Synced => "synced",
        }
    }
}

impl<S: Store> Replica<S> {
    /// How a node stands that is or was this inode's.
    pub fn standing_of(&self, ino: Ino, node: NodeId) -> NodeStanding {
        let view = self.view();
        if node.is_unshared() {
            NodeStanding::Ignored
        } else if self.parked().iter().any(|parked| parked.op.verb.node() == node) {
            NodeStanding::Refused
        } else if self.withheld().iter().any(|withheld| withheld.node == node) {
            NodeStanding::Held
        } else if !view.conflicts_of(node).is_empty() || view.conflict_of_copy(node).is_some() {
            NodeStanding::Conflict
        } else if self.is_dirty(ino) || self.is_embryo(node) || self.has_pending_ops(node) {
            NodeStanding::Pending
        } else {
            NodeStanding::Synced
        }
    }

    fn has_pending_ops(&self, node: NodeId) -> bool {
        let is_about = |op: &crate::ops::Op| op.verb.node() == node;
        self.store.scan_prefix(&keys::pending_of(node)).next().is_some()
            || self.sealed().is_some_and(|sealed| sealed.commit.ops.iter().any(is_about))
    }
}
