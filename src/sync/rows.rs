//! A tree as rows in a key-value space, under a prefix.

use super::kv::{Kv, Txn};
use crate::model::{MemberNumber, Name, Node, NodeId, Place, Tombstone};
use crate::ops::{Change, ConflictRow, Tree, TreeMut};
use crate::wire::{Row, RowKey, Rows, decode, decode_row_key, encode};
use serde::de::DeserializeOwned;

/// The tree whose rows stand under `prefix`.
pub struct RowTree<'a, K: Kv + ?Sized> {
    pub kv: &'a K,
    pub prefix: &'a [u8],
}

impl<K: Kv + ?Sized> RowTree<'_, K> {
    fn key(&self, key: Vec<u8>) -> Vec<u8> {
        [self.prefix, &key].concat()
    }

    fn read<T: DeserializeOwned>(&self, key: Vec<u8>) -> Option<T> {
        self.kv.get(&self.key(key)).map(|value| decode("row", &value).expect("rows of ours decode"))
    }

    fn rows(&self, from: Vec<u8>) -> impl Iterator<Item = (Row, Vec<u8>)> + '_ {
        let skip = self.prefix.len();
        let pairs = self.kv.scan_prefix(&self.key(from));
        pairs.map(move |(key, value)| (decode_row_key(&key[skip..]).expect("keys of ours decode"), value))
    }

    /// Names of a directory after position `order` of its listing, in the listing's order.
    pub fn list(&self, parent: NodeId, order: u64) -> impl Iterator<Item = (Name, NodeId)> + '_ {
        let skip = self.prefix.len();
        let end = super::kv::prefix_end(&self.key(RowKey::names_of(parent)));
        let pairs = self.kv.scan(&self.key(RowKey::names_after(parent, order)), &end);
        pairs.filter_map(move |(key, value)| {
            match decode_row_key(&key[skip..]).expect("keys of ours decode") {
                Row::Name(place) => {
                    Some((place.name, decode("name row", &value).expect("rows of ours decode")))
                }
                _ => None,
            }
        })
    }

    /// The number of directories directly in a directory.
    pub fn subdirectories(&self, directory: NodeId) -> u64 {
        self.read(RowKey::subdirectories(directory)).unwrap_or(0)
    }

    /// The number of names that a node has.
    pub fn links(&self, node: NodeId) -> u64 {
        self.kv.scan_prefix(&self.key(RowKey::places_of(node))).count() as u64
    }

    /// All open conflicts.
    pub fn conflicts(&self) -> impl Iterator<Item = ConflictRow> + '_ {
        self.rows(RowKey::conflicts()).map(|(_, value)| decode("conflict row", &value).expect("rows decode"))
    }
}

impl<K: Kv + ?Sized> Tree for RowTree<'_, K> {
    fn node(&self, id: NodeId) -> Option<Node> {
        self.read(RowKey::node(id))
    }

    fn tombstone(&self, id: NodeId) -> Option<Tombstone> {
        self.read(RowKey::tombstone(id))
    }

    fn child(&self, parent: NodeId, name: &Name) -> Option<NodeId> {
        self.read(RowKey::name(parent, name))
    }

    fn places(&self, id: NodeId) -> Vec<Place> {
        let rows = self.rows(RowKey::places_of(id));
        rows.filter_map(|(row, _)| if let Row::Place(_, place) = row { Some(place) } else { None }).collect()
    }

    fn is_empty(&self, directory: NodeId) -> bool {
        self.rows(RowKey::names_of(directory)).next().is_none()
    }

    fn conflict(&self, node: NodeId, member: MemberNumber) -> Option<ConflictRow> {
        self.read(RowKey::conflict(node, member))
    }

    fn conflicts_of(&self, node: NodeId) -> Vec<MemberNumber> {
        let rows = self.rows(RowKey::conflicts_of(node));
        rows.filter_map(|(row, _)| if let Row::Conflict(_, member) = row { Some(member) } else { None })
            .collect()
    }

    fn conflict_of_copy(&self, copy: NodeId) -> Option<(NodeId, MemberNumber)> {
        self.read(RowKey::copy(copy))
    }
}

/// Makes a type a [`Tree`] by the [`RowTree`] it reads through.
macro_rules! read_tree_through {
    ($type:ident, |$tree:ident| $read:expr) => {
        impl<K: $crate::sync::Kv + ?Sized> $crate::ops::Tree for $type<'_, '_, K> {
            fn node(&self, id: $crate::model::NodeId) -> Option<$crate::model::Node> {
                let $tree = self;
                $crate::ops::Tree::node(&$read, id)
            }

            fn tombstone(&self, id: $crate::model::NodeId) -> Option<$crate::model::Tombstone> {
                let $tree = self;
                $crate::ops::Tree::tombstone(&$read, id)
            }

            fn child(
                &self,
                parent: $crate::model::NodeId,
                name: &$crate::model::Name,
            ) -> Option<$crate::model::NodeId> {
                let $tree = self;
                $crate::ops::Tree::child(&$read, parent, name)
            }

            fn places(&self, id: $crate::model::NodeId) -> Vec<$crate::model::Place> {
                let $tree = self;
                $crate::ops::Tree::places(&$read, id)
            }

            fn is_empty(&self, directory: $crate::model::NodeId) -> bool {
                let $tree = self;
                $crate::ops::Tree::is_empty(&$read, directory)
            }

            fn conflict(
                &self,
                node: $crate::model::NodeId,
                member: $crate::model::MemberNumber,
            ) -> Option<$crate::ops::ConflictRow> {
                let $tree = self;
                $crate::ops::Tree::conflict(&$read, node, member)
            }

            fn conflicts_of(&self, node: $crate::model::NodeId) -> Vec<$crate::model::MemberNumber> {
                let $tree = self;
                $crate::ops::Tree::conflicts_of(&$read, node)
            }

            fn conflict_of_copy(
                &self,
                copy: $crate::model::NodeId,
            ) -> Option<($crate::model::NodeId, $crate::model::MemberNumber)> {
                let $tree = self;
                $crate::ops::Tree::conflict_of_copy(&$read, copy)
            }
        }
    };
}
pub(crate) use read_tree_through;

/// The tree under `prefix` of a transaction, to read and write.
pub struct RowTreeMut<'t, 'k, K: Kv + ?Sized> {
    pub txn: &'t mut Txn<'k, K>,
    pub prefix: &'t [u8],
}

impl<'k, K: Kv + ?Sized> RowTreeMut<'_, 'k, K> {
    fn count_subdirectories(&mut self, parent: NodeId, change: i64) {
        if change != 0 {
            let count = self.read().subdirectories(parent).saturating_add_signed(change);
            let key = [self.prefix, &RowKey::subdirectories(parent)].concat();
            self.txn.set(key, (count > 0).then(|| encode(&count)));
        }
    }

    fn read(&self) -> RowTree<'_, Txn<'k, K>> {
        RowTree { kv: self.txn, prefix: self.prefix }
    }
}

read_tree_through!(RowTreeMut, |tree| RowTree { kv: &*tree.txn, prefix: tree.prefix });

impl<K: Kv + ?Sized> TreeMut for RowTreeMut<'_, '_, K> {
    fn write(&mut self, changes: Vec<Change>) {
        for change in &changes {
            if let Change::Name { place, was, now } = change {
                // Order: a directory's name goes before its row does and comes after it.
                let is_directory =
                    |id: &Option<NodeId>| id.and_then(|id| self.node(id)).is_some_and(|n| n.is_directory());
                let change = i64::from(is_directory(now)) - i64::from(is_directory(was));
                self.count_subdirectories(place.parent, change);
            }
            let mut rows = Rows::new();
            Row::encode_change(change, &mut rows);
            rows.into_iter().for_each(|(key, value)| self.txn.set([self.prefix, &key].concat(), value));
        }
    }
}
