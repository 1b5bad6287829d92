//! Local work: what applications do becomes ops in the journal, and rows of the view.

use super::keys;
use super::records::{Backing, Ino, Inode};
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{Body, Node, NodeId, Owner, Place, Timestamp, Version, Xattrs};
use crate::ops::{Change, Make, Op, Rejection, SetMeta, Tree, TreeMut, Verb, apply};
use crate::sync::kv::{Durability, Kv, Store};
use crate::wire::{RowKey, decode, encode};

/// What a new node is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Makings {
    pub body: Body,
    /// Permission and set-id bits.
    pub mode: u16,
    /// None takes the parent's.
    pub owner: Option<Owner>,
    pub xattrs: Xattrs,
}

impl Makings {
    pub(super) fn at(self, node: NodeId, place: Place, mtime: Timestamp) -> Make {
        let Makings { body, mode, owner, xattrs } = self;
        Make { node, place, body, mode, owner, mtime, xattrs, came_from: None, conflict: None }
    }
}

impl<S: Store> Replica<S> {
    /// Makes a node. A regular file is in the view at once, and in the journal with its first flush point.
    ///
    /// # Errors
    /// [`LocalError::Rejected`] where the name is taken or the parent is no directory;
    /// [`LocalError::ReadOnly`], [`LocalError::Write`].
    pub fn make(
        &mut self,
        now: Timestamp,
        place: Place,
        makings: Makings,
    ) -> Result<(Ino, Effects), LocalError> {
        self.make_with(now, place, makings, None)
    }

    /// As [`Replica::make`], for a regular file that is about to be written: with its backing file, which is empty.
    ///
    /// # Errors
    /// Those of [`Replica::make`].
    pub fn make_backed(
        &mut self,
        now: Timestamp,
        place: Place,
        makings: Makings,
        file: u64,
    ) -> Result<(Ino, Effects), LocalError> {
        self.make_with(now, place, makings, Some(file))
    }

    fn make_with(
        &mut self,
        now: Timestamp,
        place: Place,
        makings: Makings,
        file: Option<u64>,
    ) -> Result<(Ino, Effects), LocalError> {
        self.check_writable()?;
        self.transact(now, Durability::Process, |work| {
            let node = work.new_node();
            let embryo = matches!(makings.body, Body::File(_));
            let make = makings.at(node, place, now);
            let parent = make.place.parent;
            work.check_unshared(&Verb::Make(make.clone()))?;
            if embryo {
                work.write_op(&Op { time: now, verb: Verb::Make(make.clone()) })?;
                work.txn.put(keys::embryo(node), encode(&(now, make)));
            } else {
                work.submit(Verb::Make(make))?;
            }
            work.touch(parent);
            let ino = work.ino_of(node);
            // A file with nothing in it is content as well: it is captured though nobody writes.
            if embryo {
                work.txn.put(keys::dirty(ino), Vec::new());
            }
            if let (Some(file), Some(inode)) = (file, work.inode(ino)) {
                let backing = Some(Backing { file, content: None });
                work.save_inode(ino, &Inode { backing, ..inode });
                work.keep_counters();
            }
            Ok(ino)
        })
    }

    /// Takes a local op on names or attributes.
    ///
    /// # Errors
    /// [`LocalError::Rejected`] where it does not fit the view; [`LocalError::ReadOnly`], [`LocalError::Write`].
    pub fn submit(&mut self, now: Timestamp, verb: Verb) -> Result<Effects, LocalError> {
        self.check_writable()?;
        let taken = self.transact(now, Durability::Process, |work| {
            let replaced = if let Verb::Move(rename) = &verb { rename.replaces } else { None };
            let touched = [Some(verb.node()), replaced.map(|replaced| replaced.node)];
            work.take(verb)?;
            touched.into_iter().flatten().try_for_each(|node| work.withhold_further(node))
        });
        taken.map(|((), effects)| effects)
    }

    /// Tells whether a file has had no flush point yet.
    pub fn is_embryo(&self, node: NodeId) -> bool {
        self.store.get(&keys::embryo(node)).is_some()
    }

    pub(super) fn check_writable(&self) -> Result<(), LocalError> {
        if self.read_only() { Err(LocalError::ReadOnly) } else { Ok(()) }
    }
}

impl<S: Store> Work<'_, S> {
    pub fn take(&mut self, verb: Verb) -> Result<(), LocalError> {
        if verb.node().is_unshared() {
            return self.take_unshared(verb);
        }
        self.check_unshared(&verb)?;
        match &verb {
            Verb::SetMeta(set) if self.txn.get(&keys::embryo(set.node)).is_some() => {
                self.set_embryo_meta(set)?;
                self.touch(set.node);
                return Ok(());
            }
            Verb::Drop(drop) if self.txn.get(&keys::embryo(drop.node)).is_some() => {
                return self.drop_embryo(drop.node);
            }
            _ => {}
        }
        let before = Affected::of(self, &verb);
        if let Verb::Drop(drop) = &verb
            && self.forget_unseen(drop)?
        {
            before.settle(self);
            return Ok(());
        }
        let moved = matches!(verb, Verb::Move(_) | Verb::Link(_)).then(|| verb.node());
        self.submit(verb)?;
        before.settle(self);
        moved.into_iter().for_each(|node| self.note_moved(node));
        Ok(())
    }

    /// Applies an op to the view and puts it into the journal.
    pub fn submit(&mut self, verb: Verb) -> Result<(), Rejection> {
        if let Verb::Drop(drop) = &verb
            && let Some(newcomer) = self.under_name_before(drop.node)
        {
            // Where this ends a save by backup the hub must know what takes the old file's place.
            self.make_known(newcomer)?;
        }
        let op = Op { time: self.now, verb };
        self.write_op(&op)?;
        self.append(op);
        Ok(())
    }

    /// Applies an op to the view alone.
    pub fn write_op(&mut self, op: &Op) -> Result<(), Rejection> {
        let changes = apply(&self.view(), self.author(), op)?;
        self.view_mut().write(changes);
        Ok(())
    }

    /// The make of a file that has had no flush point, and when it was.
    pub fn embryo(&self, node: NodeId) -> Option<(Timestamp, Make)> {
        let value = self.txn.get(&keys::embryo(node))?;
        Some(decode("embryo", &value).expect("records of ours decode"))
    }

    fn set_embryo_meta(&mut self, set: &SetMeta) -> Result<(), Rejection> {
        self.write_op(&Op { time: self.now, verb: Verb::SetMeta(set.clone()) })?;
        // A replay makes the file from this record.
        if let Some((made, mut make)) = self.embryo(set.node)
            && let Some(row) = self.view().node(set.node)
        {
            (make.mode, make.mtime, make.xattrs) = (row.mode, row.mtime, row.xattrs);
            make.owner = make.owner.map(|_| row.owner);
            self.txn.put(keys::embryo(set.node), encode(&(made, make)));
        }
        Ok(())
    }

    /// A file that comes and goes between two flush points leaves nothing but its directory's mtime.
    fn drop_embryo(&mut self, node: NodeId) -> Result<(), LocalError> {
        let Some((_, make)) = self.embryo(node) else { return Ok(()) };
        let was_copy = self.view().conflict_of_copy(node).is_some();
        self.erase(node, &make.place);
        self.txn.remove(keys::embryo(node));
        if was_copy {
            // Its conflict may have stood in the place of an earlier one.
            self.replay_pending()?;
            self.note_changes();
        }
        self.set_mtime(make.place.parent, self.now)?;
        self.touch(make.place.parent);
        if let Some(ino) = self.known_ino_of(node) {
            self.remove_inode(ino);
        }
        Ok(())
    }

    /// Takes a node out of the view as if it had never been. The base's row of the name stays kept: other ops
    /// that wait may concern the same name, whereas nobody else knows the node.
    pub fn erase(&mut self, node: NodeId, place: &Place) {
        let mut changes =
            vec![Change::Name { place: place.clone(), was: Some(node), now: None }, Change::Node(node, None)];
        let mut rows = vec![RowKey::place(node, place), RowKey::node(node)];
        // A conflict that only this node kept open goes with it.
        let view = self.view();
        let own = view.conflicts_of(node).into_iter().map(|member| (node, member));
        for (about, member) in own.chain(view.conflict_of_copy(node)) {
            let was = view.conflict(about, member);
            changes.push(Change::Conflict { node: about, member, was, now: None });
            rows.extend([RowKey::conflict(about, member), RowKey::copy(node)]);
        }
        self.view_mut().write(changes);
        self.unkeep(&rows);
    }

    /// Stops keeping base rows that equal the view's again.
    pub fn unkeep(&mut self, row_keys: &[Vec<u8>]) {
        let slot = self.state.slot;
        for row_key in row_keys {
            let kept = [&slot.base()[..], row_key].concat();
            let view = self.txn.get(&[&slot.view()[..], row_key].concat());
            if self.read::<Option<Vec<u8>>>(&kept) == Some(view) {
                self.txn.remove(kept);
            }
        }
    }

    /// States a directory's mtime, where an op that set it does not reach the journal.
    pub fn set_mtime(&mut self, directory: NodeId, mtime: Timestamp) -> Result<(), Rejection> {
        self.submit(Verb::SetMeta(SetMeta {
            node: directory,
            mode: None,
            uid: None,
            gid: None,
            mtime: Some(mtime),
            xattrs: Vec::new(),
        }))
    }
}

/// The nodes a local op touches, and how their inodes stood before it.
struct Affected {
    nodes: Vec<NodeId>,
    parents: Vec<NodeId>,
    newcomer: Option<(NodeId, NodeId)>,
}

impl Affected {
    fn of<S: Store>(work: &Work<'_, S>, verb: &Verb) -> Affected {
        let (mut nodes, mut parents, mut newcomer) = (vec![verb.node()], Vec::new(), None);
        match verb {
            Verb::Make(make) => parents.push(make.place.parent),
            Verb::Link(link) => parents.push(link.place.parent),
            Verb::Drop(drop) => {
                parents.push(drop.place.parent);
                // A drop may end a save by backup: then the file under the old name becomes this node.
                newcomer = work.under_name_before(drop.node).map(|under| (under, drop.node));
            }
            Verb::Move(rename) => {
                parents.extend([rename.from.parent, rename.to.parent]);
                nodes.extend(rename.replaces.map(|replaced| replaced.node));
                newcomer = rename.replaces.map(|replaced| (rename.node, replaced.node));
            }
            _ => {}
        }
        Affected { nodes, parents, newcomer }
    }

    /// Brings inodes in line with the view after the op.
    fn settle<S: Store>(self, work: &mut Work<'_, S>) {
        // Where a drop ends a save the newcomer was in place before: nothing happens to its inode.
        let in_place = self.newcomer.filter(|(newcomer, survivor)| {
            work.follow_succession(*newcomer, *survivor) && !self.nodes.contains(newcomer)
        });
        for node in self.nodes {
            match work.view().node(node) {
                Some(_) if in_place.is_some_and(|(_, survivor)| survivor == node) => {}
                Some(_) => work.touch(node),
                // An unlinked inode that is still open lives on in its handles alone.
                None => {
                    work.txn.remove(keys::wanted(node));
                    work.drop_pin(node);
                    if let Some(ino) = work.known_ino_of(node) {
                        work.remove_inode(ino);
                    }
                }
            }
        }
        self.parents.into_iter().for_each(|parent| work.touch(parent));
    }
}

impl<S: Store> Work<'_, S> {
    /// What has the name that a file was moved aside from.
    fn under_name_before(&self, node: NodeId) -> Option<NodeId> {
        let view = self.view();
        let aside = view.node(node)?.moved?.from;
        view.child(aside.parent, &aside.name)
    }

    /// POSIX: after a save by rename the name leads to the newcomer's inode, though the node is the old one.
    /// Tells whether there was such a save.
    fn follow_succession(&mut self, newcomer: NodeId, survivor: NodeId) -> bool {
        let successor = self.view().tombstone(newcomer).and_then(|tombstone| tombstone.successor);
        if successor.is_none_or(|successor| successor.node != survivor) {
            return false;
        }
        if let Some(old) = self.known_ino_of(survivor) {
            self.remove_inode(old);
        }
        let version = self.view().node(survivor).map_or(Version::default(), |node: Node| node.version);
        if let Some(ino) = self.known_ino_of(newcomer)
            && let Some(inode) = self.inode(ino)
        {
            self.txn.remove(keys::ino_of(newcomer));
            self.bind(ino, Inode { node: survivor, version, ..inode });
        }
        // Where the newcomer's content has not arrived yet, it is the survivor that waits for it.
        self.want(newcomer);
        self.want(survivor);
        true
    }
}
