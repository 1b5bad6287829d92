//! Unshared nodes: what patterns ignore, and what stays here for its sake.
//!
//! They stand in rows of their own beside the view, under ids that no member has. Entries, replays and snapshots
//! move the view and never meet them, so they cost nothing there; no op tells of them, nothing waits for them. What
//! the mount shows is both together ([`Shown`]). An unshared node may lie in a directory of the view, and moves with
//! it because its name is kept by the directory's id; nothing of the view ever lies in an unshared directory.
//!
//! Invariant: a name leads to one node, of the view or unshared. An unshared file's content, length and mtime are its
//! backing file's, at any time: there is nothing to capture, and a crash leaves what a local file system would leave.
//! `sharing.rs` makes unshared nodes shared and the reverse; `staying.rs` makes room for what others do.
//!
//! Which names are ignored is not known here: the caller says what a node is to be.

use super::keys;
use super::local::Makings;
use super::records::Ino;
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{Name, Node, NodeId, Place, Timestamp, Tombstone};
use crate::ops::{Change, ConflictRow, Op, Rejection, Replaced, Tree, TreeMut, Verb, apply};
use crate::sync::kv::{Durability, Kv, Store, Txn};
use crate::sync::rows::{RowTree, RowTreeMut};
use crate::wire::{Row, RowKey, decode, decode_row_key, encode};
use serde::{Deserialize, Serialize};

/// Why a node is not what patterns make of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// A directory that others removed, while it holds something unshared. What is made in it is judged by itself.
    Directory,
    /// Another node has its name; it and all below it stand beside that.
    Aside,
    /// A shared file under an ignored name, about to become unshared.
    Leaving,
}

/// What the mount shows: the view, and what only this member has.
pub struct Shown<'a, K: Kv + ?Sized> {
    view: RowTree<'a, K>,
    unshared: RowTree<'a, K>,
}

impl<K: Kv + ?Sized> Shown<'_, K> {
    fn of(&self, id: NodeId) -> &RowTree<'_, K> {
        if id.is_unshared() { &self.unshared } else { &self.view }
    }

    /// Names of a directory after position `order` of its listing, in the listing's order.
    pub fn list(&self, parent: NodeId, order: u64) -> Box<dyn Iterator<Item = (Name, NodeId)> + '_> {
        let mut unshared = self.unshared.list(parent, order).peekable();
        if parent.is_unshared() || unshared.peek().is_none() {
            return Box::new(unshared.chain(self.view.list(parent, order)));
        }
        let mut shared = self.view.list(parent, order).peekable();
        let key = |(name, _): &(Name, NodeId)| (RowKey::name_order(name), name.clone());
        Box::new(std::iter::from_fn(move || match (shared.peek().map(key), unshared.peek().map(key)) {
            (Some(first), Some(other)) if other < first => unshared.next(),
            (Some(_), _) => shared.next(),
            (None, _) => unshared.next(),
        }))
    }

    /// The number of directories directly in a directory.
    pub fn subdirectories(&self, directory: NodeId) -> u64 {
        self.view.subdirectories(directory) + self.unshared.subdirectories(directory)
    }

    /// The number of names that a node has.
    pub fn links(&self, node: NodeId) -> u64 {
        self.of(node).links(node)
    }
}

impl<K: Kv + ?Sized> Tree for Shown<'_, K> {
    fn node(&self, id: NodeId) -> Option<Node> {
        self.of(id).node(id)
    }

    fn tombstone(&self, id: NodeId) -> Option<Tombstone> {
        self.view.tombstone(id)
    }

    fn child(&self, parent: NodeId, name: &Name) -> Option<NodeId> {
        let shared = Some(parent).filter(|parent| !parent.is_unshared());
        shared.and_then(|parent| self.view.child(parent, name)).or_else(|| self.unshared.child(parent, name))
    }

    fn places(&self, id: NodeId) -> Vec<Place> {
        self.of(id).places(id)
    }

    fn is_empty(&self, directory: NodeId) -> bool {
        self.view.is_empty(directory) && self.unshared.is_empty(directory)
    }

    fn conflict(&self, node: NodeId, member: crate::model::MemberNumber) -> Option<ConflictRow> {
        self.view.conflict(node, member)
    }

    fn conflicts_of(&self, node: NodeId) -> Vec<crate::model::MemberNumber> {
        self.view.conflicts_of(node)
    }

    fn conflict_of_copy(&self, copy: NodeId) -> Option<(NodeId, crate::model::MemberNumber)> {
        self.view.conflict_of_copy(copy)
    }
}

fn roots_in<K: Kv>(kv: &K) -> impl Iterator<Item = (Place, NodeId)> + '_ {
    // Order: ids of unshared directories come after all others.
    let names = kv.scan_prefix(&[keys::UNSHARED, b"e"].concat());
    let placed = names.map(|(key, value)| match decode_row_key(&key[keys::UNSHARED.len()..]) {
        Ok(Row::Name(place)) => (place, decode("name row", &value).expect("rows of ours decode")),
        _ => unreachable!("keys of names are names"),
    });
    placed.take_while(|(place, _)| !place.parent.is_unshared())
}

impl<S: Store> Replica<S> {
    /// The tree that the mount shows.
    pub fn tree(&self) -> Shown<'_, S> {
        Shown { view: self.view(), unshared: RowTree { kv: &self.store, prefix: keys::UNSHARED } }
    }

    /// Makes a node that nobody is told of.
    ///
    /// # Errors
    /// Those of [`Replica::make`].
    pub fn make_unshared(
        &mut self,
        now: Timestamp,
        place: Place,
        makings: Makings,
    ) -> Result<(Ino, Effects), LocalError> {
        self.check_writable()?;
        self.transact(now, Durability::Process, |work| {
            let node = work.new_unshared();
            let make = makings.at(node, place, now);
            let parent = make.place.parent;
            work.apply_unshared(Verb::Make(make))?;
            work.touch(parent);
            Ok(work.ino_of(node))
        })
    }

    /// Why an unshared node stays so, where that is not because of a pattern.
    pub fn kept(&self, node: NodeId) -> Option<Kept> {
        let value = self.store.get(&keys::kept(node))?;
        Some(decode("kept node", &value).expect("records of ours decode"))
    }

    /// Directories that stay here for something unshared in them, and hold nothing any more.
    pub fn emptied(&self) -> Vec<NodeId> {
        let nodes = self.store.scan_prefix(&[keys::KEPT]).map(|(key, _)| keys::node_of(&key));
        let tree = self.tree();
        nodes.filter(|node| self.kept(*node) == Some(Kept::Directory) && tree.is_empty(*node)).collect()
    }

    /// Ends directories that [`Replica::emptied`] named and that are still empty.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn end_emptied(&mut self, now: Timestamp, nodes: &[NodeId]) -> Result<Effects, LocalError> {
        let ended = self.transact(now, Durability::Process, |work| {
            for node in nodes {
                if !work.shown().is_empty(*node) {
                    continue;
                }
                for place in work.shown().places(*node) {
                    work.effects.changed.push(Row::Name(place.clone()));
                    work.drop_unshared(*node, &place)?;
                }
            }
            Ok(())
        });
        ended.map(|((), effects)| effects)
    }

    /// Names of unshared nodes that lie in directories of the view.
    pub fn unshared_roots(&self) -> Vec<(Place, NodeId)> {
        roots_in(&self.store).collect()
    }

    /// The backing files of unshared inodes.
    pub fn unshared_files(&self) -> Vec<u64> {
        let inos = self.store.scan_prefix(&keys::inos_of_member(NodeId::UNSHARED));
        let inodes = inos.filter_map(|(_, ino)| self.inode(decode("ino", &ino).expect("records decode")));
        inodes.filter_map(|inode| inode.backing.map(|backing| backing.file)).collect()
    }
}

impl<'a, S: Store> Work<'a, S> {
    pub fn shown(&self) -> Shown<'_, Txn<'a, S>> {
        Shown { view: self.view(), unshared: self.unshared() }
    }

    pub fn unshared(&self) -> RowTree<'_, Txn<'a, S>> {
        RowTree { kv: &self.txn, prefix: keys::UNSHARED }
    }

    pub fn write_unshared(&mut self, changes: Vec<Change>) {
        RowTreeMut { txn: &mut self.txn, prefix: keys::UNSHARED }.write(changes);
    }

    /// Directories of the view that unshared nodes lie in.
    pub fn directories_of_unshared(&self) -> impl Iterator<Item = NodeId> + '_ {
        roots_in(&self.txn).map(|(place, _)| place.parent)
    }

    pub fn new_unshared(&mut self) -> NodeId {
        NodeId { member: NodeId::UNSHARED, ..self.new_node() }
    }

    pub fn keep(&mut self, node: NodeId, kept: Kept) {
        self.txn.put(keys::kept(node), encode(&kept));
    }

    /// Refuses an op of the view that unshared names are in the way of.
    pub fn check_unshared(&self, verb: &Verb) -> Result<(), Rejection> {
        let (new, ends) = match verb {
            Verb::Make(make) => (Some(&make.place), None),
            Verb::Link(link) => (Some(&link.place), None),
            Verb::Move(rename) => {
                let replaced = rename.replaces.filter(|_| !rename.exchange);
                (Some(&rename.to), replaced.map(|replaced| replaced.node))
            }
            Verb::Drop(drop) => (None, Some(drop.node)),
            _ => (None, None),
        };
        if let Some(taken) = new.and_then(|place| self.unshared().child(place.parent, &place.name)) {
            return Err(Rejection::NameTaken(taken));
        }
        let held = |node: &NodeId| {
            !self.unshared().is_empty(*node) && self.view().node(*node).is_some_and(|row| row.is_directory())
        };
        ends.filter(held).map_or(Ok(()), |node| Err(Rejection::NotEmpty(node)))
    }

    /// Takes a local op about an unshared node, both before and after it.
    pub fn take_unshared(&mut self, mut verb: Verb) -> Result<(), LocalError> {
        let node = verb.node();
        let mut parents = Vec::new();
        match &mut verb {
            Verb::Drop(drop) => return self.drop_unshared(drop.node, &drop.place),
            Verb::Link(link) => parents.push(link.place.parent),
            Verb::Move(rename) => {
                parents.extend([rename.from.parent, rename.to.parent]);
                if let Some(replaced) = rename.replaces.take_if(|_| !rename.exchange) {
                    self.replace_unshared(node, replaced, &rename.to)?;
                }
                // Where it goes it was sent by name.
                self.txn.remove(keys::kept(node));
            }
            _ => {}
        }
        self.apply_unshared(verb)?;
        self.touch(node);
        parents.into_iter().for_each(|parent| self.touch(parent));
        Ok(())
    }

    /// Ends the name of an unshared node that `node` is about to take the place of.
    pub fn replace_unshared(
        &mut self,
        node: NodeId,
        replaced: Replaced,
        to: &Place,
    ) -> Result<(), LocalError> {
        self.check_replace(node, replaced.node)?;
        self.drop_unshared(replaced.node, to)
    }

    /// POSIX: a directory takes the place of an empty directory alone, anything else that of no directory.
    pub fn check_replace(&self, node: NodeId, replaced: NodeId) -> Result<(), Rejection> {
        let tree = self.shown();
        let is_directory = |id: NodeId| tree.node(id).is_some_and(|row| row.is_directory());
        match (is_directory(node), is_directory(replaced)) {
            (true, false) => Err(Rejection::NotDirectory(replaced)),
            (false, true) => Err(Rejection::IsDirectory(replaced)),
            (true, true) if !tree.is_empty(replaced) => Err(Rejection::NotEmpty(replaced)),
            _ => Ok(()),
        }
    }

    /// Removes a name of an unshared node; the node goes with its last one.
    pub fn drop_unshared(&mut self, node: NodeId, place: &Place) -> Result<(), LocalError> {
        let version = self.unshared().node(node).map(|row| row.version).unwrap_or_default();
        let drop = crate::ops::Drop { node, place: place.clone(), version };
        self.apply_unshared(Verb::Drop(drop))?;
        self.touch(place.parent);
        if self.unshared().node(node).is_some() {
            self.touch(node);
            return Ok(());
        }
        self.txn.remove(keys::kept(node));
        if let Some(ino) = self.known_ino_of(node) {
            self.remove_inode(ino);
        }
        Ok(())
    }

    /// Applies an op to what the mount shows and writes what it changes of unshared nodes. A directory of the view
    /// keeps its mtime, which all members have in common.
    fn apply_unshared(&mut self, verb: Verb) -> Result<(), Rejection> {
        let op = Op { time: self.now, verb };
        let changes = apply(&self.shown(), NodeId::UNSHARED, &op)?;
        let own = |change: Change| match change {
            // No save by rename is looked for: there is no history to go on with.
            Change::Node(id, row) => {
                id.is_unshared().then(|| Change::Node(id, row.map(|row| Node { moved: None, ..row })))
            }
            Change::Name { .. } => Some(change),
            _ => None,
        };
        self.write_unshared(changes.into_iter().filter_map(own).collect());
        Ok(())
    }
}
