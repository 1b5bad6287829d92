//! A tree held in memory: for tests, and for judging a few ops before anything is written.

use super::{Change, ConflictRow, Tree, TreeMut};
use crate::model::{MemberNumber, Name, Node, NodeId, Place, Tombstone};
use std::collections::{BTreeMap, BTreeSet};

/// The rows of a tree in ordered maps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryTree {
    pub nodes: BTreeMap<NodeId, Node>,
    pub tombstones: BTreeMap<NodeId, Tombstone>,
    pub names: BTreeMap<Place, NodeId>,
    places: BTreeSet<(NodeId, Place)>,
    pub conflicts: BTreeMap<(NodeId, MemberNumber), ConflictRow>,
}

impl Default for MemoryTree {
    fn default() -> MemoryTree {
        MemoryTree {
            nodes: BTreeMap::from([(NodeId::ROOT, Node::root())]),
            tombstones: BTreeMap::new(),
            names: BTreeMap::new(),
            places: BTreeSet::new(),
            conflicts: BTreeMap::new(),
        }
    }
}

impl TreeMut for MemoryTree {
    fn write(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Node(id, row) => set(&mut self.nodes, id, row),
                Change::Tombstone(id, row) => set(&mut self.tombstones, id, row),
                Change::Name { place, was, now } => {
                    was.map(|was| self.places.remove(&(was, place.clone())));
                    now.map(|now| self.places.insert((now, place.clone())));
                    set(&mut self.names, place, now);
                }
                Change::Conflict { node, member, now, .. } => set(&mut self.conflicts, (node, member), now),
            }
        }
    }
}

fn set<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl Tree for MemoryTree {
    fn node(&self, id: NodeId) -> Option<Node> {
        self.nodes.get(&id).cloned()
    }

    fn tombstone(&self, id: NodeId) -> Option<Tombstone> {
        self.tombstones.get(&id).cloned()
    }

    fn child(&self, parent: NodeId, name: &Name) -> Option<NodeId> {
        self.names.get(&Place { parent, name: name.clone() }).copied()
    }

    fn places(&self, id: NodeId) -> Vec<Place> {
        let places = self.places.iter().filter(|(node, _)| *node == id);
        places.map(|(_, place)| place.clone()).collect()
    }

    fn is_empty(&self, directory: NodeId) -> bool {
        !self.names.keys().any(|place| place.parent == directory)
    }

    fn conflict(&self, node: NodeId, member: MemberNumber) -> Option<ConflictRow> {
        self.conflicts.get(&(node, member)).cloned()
    }

    fn conflicts_of(&self, node: NodeId) -> Vec<MemberNumber> {
        let of_node = self.conflicts.keys().filter(|(about, _)| *about == node);
        of_node.map(|(_, member)| *member).collect()
    }

    fn conflict_of_copy(&self, copy: NodeId) -> Option<(NodeId, MemberNumber)> {
        self.conflicts.iter().find(|(_, row)| row.copy == Some(copy)).map(|(key, _)| *key)
    }
}
