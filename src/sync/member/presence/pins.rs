//! Pins: a file's content stays here, and that of all files below a directory, those that come later too.

use super::super::keys;
use super::super::state::{Effects, LocalError, Replica, Work};
use crate::model::NodeId;
use crate::ops::Tree;
use crate::sync::kv::{Durability, Kv, Store};
use crate::wire::Row;

/// How a node is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pinned {
    Itself,
    /// It is below this directory, which is pinned.
    Below(NodeId),
}

/// Directories above one another, at most: more are a cycle, which no tree has.
const DEPTH_MAX: usize = 4096;

impl<S: Store> Replica<S> {
    /// Pins nodes; with pins of their own already nothing changes. Contents below are asked for by whoever walks there.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn pin(&mut self, nodes: &[NodeId]) -> Result<(), LocalError> {
        self.state.presence.has_pins = true;
        self.transact_quietly(Durability::Power, |work| {
            nodes.iter().for_each(|node| work.txn.put(keys::pin(*node), Vec::new()));
            Ok(())
        })
    }

    /// Takes pins away. What is here stays until the room is needed.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn unpin(&mut self, nodes: &[NodeId]) -> Result<(), LocalError> {
        self.transact_quietly(Durability::Power, |work| {
            nodes.iter().for_each(|node| work.txn.remove(keys::pin(*node)));
            Ok(())
        })
    }

    /// All nodes with a pin of their own.
    pub fn pins(&self) -> Vec<NodeId> {
        self.store.scan_prefix(&[keys::PIN]).map(|(key, _)| keys::node_of(&key)).collect()
    }

    /// How a node is pinned, if it is.
    pub fn pinned(&mut self, node: NodeId) -> Option<Pinned> {
        self.transact_now(|work| Ok(work.pinned(node))).ok().and_then(|(pinned, _)| pinned)
    }

    /// Directories that have come below another since the last call and are pinned there: their contents may be
    /// missing.
    pub fn take_moved(&mut self) -> Vec<NodeId> {
        let moved = std::mem::take(&mut self.state.presence.moved);
        moved.into_iter().filter(|node| self.pinned(*node).is_some()).collect()
    }

    /// Wants what is missing of these nodes, where it is fetched unasked.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn want_all(&mut self, nodes: &[NodeId]) -> Result<Effects, LocalError> {
        let wanted = self.transact_now(|work| {
            nodes.iter().for_each(|node| work.want(*node));
            Ok(())
        });
        wanted.map(|((), effects)| effects)
    }
}

impl<S: Store> Work<'_, S> {
    pub fn is_pinned(&self, node: NodeId) -> bool {
        self.pinned(node).is_some()
    }

    /// A file with several names is pinned by any of them.
    fn pinned(&self, node: NodeId) -> Option<Pinned> {
        if !self.state.presence.has_pins {
            return None;
        }
        let has_pin = |node: NodeId| self.txn.get(&keys::pin(node)).is_some();
        if has_pin(node) {
            return Some(Pinned::Itself);
        }
        let tree = self.shown();
        for place in tree.places(node) {
            let (mut at, mut depth) = (place.parent, 0);
            while depth < DEPTH_MAX {
                if has_pin(at) {
                    return Some(Pinned::Below(at));
                }
                let Some(above) = tree.places(at).first().map(|place| place.parent) else { break };
                (at, depth) = (above, depth + 1);
            }
        }
        None
    }

    /// A pin goes with its node.
    pub fn drop_pin(&mut self, node: NodeId) {
        if self.state.presence.has_pins {
            self.txn.remove(keys::pin(node));
        }
    }

    /// A pin goes on with the node that has taken the place of its own.
    pub fn carry_pin(&mut self, from: NodeId, to: NodeId) {
        if self.state.presence.has_pins && from != to && self.txn.get(&keys::pin(from)).is_some() {
            self.txn.remove(keys::pin(from));
            self.txn.put(keys::pin(to), Vec::new());
        }
    }

    /// What has come to another place may be below a pin there.
    pub fn note_places(&mut self) {
        if !self.state.presence.has_pins {
            return;
        }
        let placed = self.effects.changed.iter().filter_map(|row| match row {
            Row::Place(node, _) => Some(*node),
            _ => None,
        });
        for node in placed.collect::<Vec<_>>() {
            self.note_moved(node);
        }
    }

    /// The tree is another than it was: what is pinned is to be looked through.
    pub fn look_below_pins(&mut self) {
        let pins = self.txn.scan_prefix(&[keys::PIN]).map(|(key, _)| keys::node_of(&key));
        let pins: Vec<NodeId> = pins.collect();
        self.state.presence.moved.extend(pins);
    }

    pub fn note_moved(&mut self, node: NodeId) {
        if !self.state.presence.has_pins {
            return;
        }
        match self.view().node(node) {
            Some(row) if !row.is_directory() => self.want(node),
            Some(_) if !self.view().is_empty(node) => _ = self.state.presence.moved.insert(node),
            _ => {}
        }
    }
}
