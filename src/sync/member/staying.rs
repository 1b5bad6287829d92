//! What remote work means for unshared nodes: directories that hold some stay, names give way, and both follow
//! directories that went on as others.
//!
//! A directory that others removed stays here, unshared, while it holds something unshared. Where remote work takes
//! the name of an unshared node, two directories become one; anything else gives way to a conflict name beside and
//! stays unshared.

use super::keys::{self, Slot};
use super::records::Inode;
use super::state::Work;
use super::unshared::Kept;
use crate::model::{Name, Node, NodeId, Place};
use crate::ops::{Change, Tree};
use crate::rebase::conflict_name;
use crate::sync::kv::{Kv, Store};
use crate::sync::rows::RowTree;
use crate::wire::Row;
use std::collections::BTreeMap;

impl<S: Store> Work<'_, S> {
    /// Brings unshared nodes in line with the view: `nodes` are its nodes that changed, with their rows before and now.
    ///
    /// Order: before inodes follow, so that a directory that stays keeps its own.
    pub fn settle_unshared(&mut self, nodes: &[(NodeId, Option<Node>, Option<Node>)]) {
        if self.txn.scan_prefix(keys::UNSHARED).next().is_none() {
            return;
        }
        let mut stay = BTreeMap::new();
        for (id, _, now) in nodes {
            if now.is_none() && !self.unshared().is_empty(*id) {
                self.stay(*id, &mut stay);
            }
        }
        let names = self.effects.changed.iter().filter_map(|row| match row {
            Row::Name(place) => Some(place.clone()),
            _ => None,
        });
        for place in names.collect::<Vec<_>>() {
            self.make_way(&place);
        }
    }

    /// Lets a directory stay that the view has no more, with those above it that went too.
    fn stay(&mut self, id: NodeId, stay: &mut BTreeMap<NodeId, NodeId>) -> NodeId {
        if let Some(node) = stay.get(&id) {
            return *node;
        }
        let node = self.new_unshared();
        stay.insert(id, node);
        let (row, place) = self.as_it_was(id).unwrap_or_else(|| {
            let name = Name::new(id.to_string()).expect("digits and a dot are a name");
            (Node::root(), Place { parent: NodeId::ROOT, name })
        });
        let parent = match self.view().node(place.parent) {
            Some(_) => place.parent,
            None => self.stay(place.parent, stay),
        };
        let place = Place { parent, name: self.free_of_unshared(parent, &place.name) };
        self.write_unshared(vec![
            Change::Node(node, Some(row)),
            Change::Name { place: place.clone(), was: None, now: Some(node) },
        ]);
        self.keep(node, Kept::Directory);
        self.rebind_directory(id, node);
        self.carry_names(id, node);
        self.effects.changed.push(Row::Name(place.clone()));
        self.make_way(&place);
        // It may be one with another directory by now.
        let now = match self.unshared().node(node) {
            Some(_) => node,
            None => self.view().child(place.parent, &place.name).unwrap_or(node),
        };
        stay.insert(id, now);
        now
    }

    /// A directory as it was before this transaction.
    fn as_it_was(&self, id: NodeId) -> Option<(Node, Place)> {
        let before = self.txn.below();
        let slot = Slot(before.get(&keys::meta("slot")).map_or(0, |value| value[0]));
        let tree = RowTree { kv: before, prefix: slot.view_prefix() };
        let place = tree.places(id).into_iter().next();
        let gone = || self.view().tombstone(id).map(|tombstone| (tombstone.node, tombstone.place));
        tree.node(id).zip(place).or_else(gone).filter(|(row, _)| row.is_directory())
    }

    /// The directory's inode goes on with another node, unless that has one.
    fn rebind_directory(&mut self, from: NodeId, to: NodeId) {
        let Some(ino) = self.known_ino_of(from) else { return };
        let Some(inode) = self.inode(ino) else { return };
        if self.known_ino_of(to).is_some() {
            return self.remove_inode(ino);
        }
        self.txn.remove(keys::ino_of(from));
        self.bind(ino, Inode { node: to, ..inode });
    }

    /// Takes the unshared names of directories along that another stands for.
    pub fn carry_unshared<'n>(&mut self, nodes: impl IntoIterator<Item = (&'n NodeId, &'n NodeId)>) {
        for (old, new) in nodes {
            let is_directory = |row: Node| row.is_directory();
            if old != new && self.view().node(*new).is_some_and(is_directory) {
                self.carry_names(*old, *new);
            }
        }
    }

    /// Gives the unshared names in one directory to another.
    pub fn carry_names(&mut self, old: NodeId, new: NodeId) {
        let names: Vec<(Name, NodeId)> = self.unshared().list(old, 0).collect();
        for (name, child) in names {
            let place = Place { parent: old, name: name.clone() };
            self.write_unshared(vec![Change::Name { place, was: Some(child), now: None }]);
            let place = Place { parent: new, name: self.free_of_unshared(new, &name) };
            let named = Change::Name { place: place.clone(), was: None, now: Some(child) };
            self.write_unshared(vec![named]);
            self.effects.changed.push(Row::Name(place.clone()));
            self.make_way(&place);
        }
    }

    fn free_of_unshared(&self, parent: NodeId, name: &Name) -> Name {
        match self.unshared().child(parent, name) {
            None => name.clone(),
            Some(_) => self.name_beside(parent, name),
        }
    }

    fn name_beside(&self, parent: NodeId, name: &Name) -> Name {
        let member = self.state.identity.as_ref().map_or(&self.state.name, |identity| &identity.name);
        conflict_name(name, member, |name| self.shown().child(parent, name).is_some())
    }

    /// Ends it that one name leads to an unshared node and to one of the view.
    fn make_way(&mut self, place: &Place) {
        if place.parent.is_unshared() {
            return;
        }
        let Some(there) = self.view().child(place.parent, &place.name) else { return };
        let Some(node) = self.unshared().child(place.parent, &place.name) else { return };
        self.write_unshared(vec![Change::Name { place: place.clone(), was: Some(node), now: None }]);
        let is_directory = |row: Option<Node>| row.is_some_and(|row| row.is_directory());
        if is_directory(self.view().node(there)) && is_directory(self.unshared().node(node)) {
            self.carry_names(node, there);
            self.rebind_directory(node, there);
            self.write_unshared(vec![Change::Node(node, None)]);
            self.txn.remove(keys::kept(node));
            return;
        }
        let beside = Place { parent: place.parent, name: self.name_beside(place.parent, &place.name) };
        self.write_unshared(vec![Change::Name { place: beside.clone(), was: None, now: Some(node) }]);
        self.keep(node, Kept::Aside);
        self.effects.changed.push(Row::Name(beside));
    }
}
