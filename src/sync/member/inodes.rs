//! Inodes: which node each is, which backing file holds its content, and what the kernel is told of it.

use super::keys;
use super::records::{Backing, Held, Ino, Inode, content_of};
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{Digest, Manifest, Node, NodeId, Timestamp, Version};
use crate::ops::Tree;
use crate::sync::kv::{Durability, Kv, Store};
use crate::wire::{decode, encode};
use std::cell::Ref;

/// What the kernel is told of an inode, but for the size and mtime of one that is being written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    pub node: NodeId,
    pub row: Node,
    /// 2 and one per subdirectory for a directory; else the number of names.
    pub links: u32,
    pub ctime: Timestamp,
    pub detached: bool,
    /// The room that the content takes here, in 512 bytes, where the row's manifest does not tell.
    pub blocks: Option<u64>,
}

impl<S: Store> Replica<S> {
    pub fn inode(&self, ino: Ino) -> Option<Inode> {
        let value = self.store.get(&keys::inode(ino))?;
        Some(decode("inode", &value).expect("records of ours decode"))
    }

    /// None where the inode is unknown, or its node is gone.
    pub fn attributes(&self, ino: Ino) -> Option<Attributes> {
        if let Some(told) = self.told(ino) {
            return Some(told.clone());
        }
        let attributes = self.read_attributes(ino)?;
        self.state.last_told.replace(Some((ino, attributes.clone())));
        Some(attributes)
    }

    /// What was told last, if it is of this inode and nothing has been committed since.
    fn told(&self, ino: Ino) -> Option<Ref<'_, Attributes>> {
        let of_it = |last: &(Ino, Attributes)| last.0 == ino;
        let last = self.state.last_told.borrow();
        Ref::filter_map(last, |last| last.as_ref().filter(|last| of_it(last)).map(|(_, told)| told)).ok()
    }

    fn read_attributes(&self, ino: Ino) -> Option<Attributes> {
        let inode = self.inode(ino)?;
        let view = self.tree();
        let row = match view.node(inode.node) {
            Some(row) => row,
            None => view.tombstone(inode.node).filter(|_| inode.detached)?.node,
        };
        let links = match row.is_directory() {
            true => 2 + view.subdirectories(inode.node),
            false if inode.detached => 0,
            false => view.links(inode.node),
        };
        let links = u32::try_from(links).unwrap_or(u32::MAX);
        let blocks = self.blocks_of(ino, &inode, &row);
        let Inode { node, ctime, detached, .. } = inode;
        Some(Attributes { node, row, links, ctime, detached, blocks })
    }

    /// Tells whether the inode's content can be read here and now.
    pub fn is_materialized(&self, ino: Ino) -> bool {
        let Some(inode) = self.inode(ino) else { return false };
        if inode.detached || inode.node.is_unshared() || self.is_dirty(ino) {
            return true;
        }
        let is_here = |row: &Node| row.manifest().is_none_or(|manifest| holds(&inode, manifest));
        match self.told(ino) {
            Some(told) => is_here(&told.row),
            None => self.view().node(inode.node).as_ref().is_some_and(is_here),
        }
    }

    /// Tells whether the inode's content has not been captured since it last changed.
    pub fn is_dirty(&self, ino: Ino) -> bool {
        self.store.get(&keys::dirty(ino)).is_some()
    }

    /// Inodes whose content is to be captured.
    pub fn dirty_inodes(&self) -> Vec<Ino> {
        self.store.scan_prefix(&[keys::DIRTY]).map(|(key, _)| Ino(keys::number_of(&key))).collect()
    }

    /// All inodes that have a number.
    pub fn all_inodes(&self) -> Vec<Ino> {
        self.store.scan_prefix(&[keys::INODE]).map(|(key, _)| Ino(keys::number_of(&key))).collect()
    }

    /// Backing files that are in use.
    pub fn backing_files(&self) -> impl Iterator<Item = u64> + '_ {
        let inodes = self.store.scan_prefix(&[keys::INODE]);
        let named = inodes.filter_map(|(_, value)| {
            let inode: Inode = decode("inode", &value).expect("records of ours decode");
            inode.backing.map(|backing| backing.file)
        });
        let held = self.store.scan_prefix(&[keys::HELD]);
        named.chain(held.map(|(_, value)| {
            let held: Held = decode("held file", &value).expect("records of ours decode");
            held.file
        }))
    }

    /// The node's inode number: given at the first question, the same ever after.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn ino_of(&mut self, node: NodeId) -> Result<Ino, LocalError> {
        match self.known_ino_of(node) {
            Some(ino) => Ok(ino),
            None => self.transact_quietly(Durability::Process, |work| Ok(work.ino_of(node))),
        }
    }

    /// The node's inode number, if the kernel can know it.
    pub fn known_ino_of(&self, node: NodeId) -> Option<Ino> {
        let value = self.store.get(&keys::ino_of(node))?;
        Some(decode("ino", &value).expect("records of ours decode"))
    }

    /// Counts a handle on the inode: from now on remote content for its node leaves it alone.
    pub fn opened(&mut self, ino: Ino) {
        *self.state.open.entry(ino).or_default() += 1;
    }

    /// Ends a handle. A detached inode that has nothing left to capture goes with its last one.
    pub fn closed(&mut self, ino: Ino) -> Effects {
        let Some(count) = self.state.open.get_mut(&ino) else { return Effects::default() };
        *count -= 1;
        if *count > 0 {
            return Effects::default();
        }
        self.state.open.remove(&ino);
        self.state.presence.in_pieces.remove(&ino);
        let over = self.inode(ino).is_some_and(|inode| inode.detached) && !self.is_dirty(ino);
        if !over {
            return Effects::default();
        }
        let removed = self.transact_now(|work| {
            work.remove_inode(ino);
            Ok(())
        });
        // A failed removal leaves a row that the next start removes.
        removed.map(|((), effects)| effects).unwrap_or_default()
    }

    /// Forgets inodes that only handles of an earlier process held on to, but for those still to be captured.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn remove_abandoned(&mut self) -> Result<(), LocalError> {
        self.remove_abandoned_but(|_| false)
    }

    /// As [`Replica::remove_abandoned`], where some handles have outlived that process.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn remove_abandoned_but(&mut self, is_in_use: impl Fn(Ino) -> bool) -> Result<(), LocalError> {
        let detached: Vec<Ino> =
            self.store.scan_prefix(&[keys::DETACHED]).map(|(key, _)| Ino(keys::number_of(&key))).collect();
        let abandoned: Vec<Ino> =
            detached.into_iter().filter(|ino| !self.is_dirty(*ino) && !is_in_use(*ino)).collect();
        // Their backing files go with all others that no row names.
        let removed = self.transact_now(|work| {
            abandoned.into_iter().for_each(|ino| work.remove_inode(ino));
            Ok(())
        });
        removed.map(drop)
    }

    /// A number for a new backing file.
    pub fn allocate_file(&mut self) -> u64 {
        self.state.counters.file += 1;
        self.state.counters.file
    }

    /// An earlier process has given a backing file this number, maybe without an occasion to keep its count: no other
    /// gets it.
    pub fn note_file(&mut self, file: u64) {
        let counted = &mut self.state.counters.file;
        *counted = file.max(*counted);
    }

    /// Gives an inode that is about to be written a backing file of its own.
    ///
    /// # Errors
    /// [`LocalError::NoSuchInode`], [`LocalError::Write`].
    pub fn set_backing(&mut self, ino: Ino, file: u64) -> Result<Effects, LocalError> {
        let marked = self.transact_now(|work| {
            let mut inode = work.inode(ino).ok_or(LocalError::NoSuchInode)?;
            work.give_up_backing(&inode);
            // What is replaced as a whole is what stands there now, whether its bytes had arrived or not.
            if !inode.detached && work.txn.get(&keys::dirty(ino)).is_none() {
                inode.version = work.view().node(inode.node).map_or(inode.version, |row| row.version);
            }
            inode.backing = Some(Backing { file, content: None });
            work.save_inode(ino, &inode);
            work.put_dirty_mark(ino, inode.node);
            work.want(inode.node);
            work.keep_counters();
            Ok(())
        });
        marked.map(|((), effects)| effects)
    }

    /// Marks an inode durably as not captured, before its content changes.
    ///
    /// # Errors
    /// [`LocalError::NoSuchInode`], [`LocalError::Write`].
    pub fn mark_dirty(&mut self, ino: Ino) -> Result<Effects, LocalError> {
        let marked = self.transact_now(|work| {
            let mut inode = work.inode(ino).ok_or(LocalError::NoSuchInode)?;
            let row = work.view().node(inode.node).filter(|_| !inode.detached);
            let stands = |row: &Node| row.manifest().is_some_and(|manifest| holds(&inode, manifest));
            if let Some(row) = row.filter(stands) {
                // What is changed here is the content that stands there now, whatever it was called when it came.
                inode.version = row.version;
            }
            if let Some(backing) = &mut inode.backing
                && let Some(content) = backing.content.take()
            {
                work.release_to_write(content, backing.file);
                work.state.marks_unsynced.set(true);
            }
            work.save_inode(ino, &inode);
            work.put_dirty_mark(ino, inode.node);
            work.want(inode.node);
            Ok(())
        });
        marked.map(|((), effects)| effects)
    }

    /// A dirty mark of this inode, if it has one, stands for what may come: its content is what was captured last
    /// (`is_idle`), or is not.
    pub fn note_idle(&mut self, ino: Ino, is_idle: bool) {
        match is_idle {
            true => _ = self.state.idle.insert(ino),
            false => _ = self.state.idle.remove(&ino),
        }
    }

    /// Clears the dirty mark of an inode whose backing file holds `content`, as it did when that was last captured, and
    /// takes so many `blocks` of 512 bytes.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn unwritten(&mut self, ino: Ino, content: Digest, blocks: u64) -> Result<Effects, LocalError> {
        let cleared = self.transact_now(|work| {
            let Some(mut inode) = work.inode(ino) else { return Ok(()) };
            if let Some(backing) = &mut inode.backing {
                backing.content = Some(content);
                work.note_unproven(ino);
            }
            work.state.idle.remove(&ino);
            work.txn.remove(keys::dirty(ino));
            if let Some(manifest) = work.view().node(inode.node).as_ref().and_then(Node::manifest) {
                work.note_blocks(ino, manifest, Some(blocks));
            }
            work.save_inode(ino, &inode);
            work.want(inode.node);
            Ok(())
        });
        cleared.map(|((), effects)| effects)
    }

    pub(super) fn transact_now<R>(
        &mut self,
        body: impl FnOnce(&mut Work<'_, S>) -> Result<R, LocalError>,
    ) -> Result<(R, Effects), LocalError> {
        self.transact(Timestamp::default(), Durability::Process, body)
    }
}

/// Tells whether the inode's content is this one: its backing file holds it, or it needs none.
pub(super) fn holds(inode: &Inode, manifest: &Manifest) -> bool {
    manifest.length == 0 || holds_as_backing(inode, manifest)
}

/// Tells whether the inode's backing file holds this content.
pub(super) fn holds_as_backing(inode: &Inode, manifest: &Manifest) -> bool {
    inode.backing.is_some_and(|backing| backing.content == Some(content_of(manifest)))
}

impl<S: Store> Work<'_, S> {
    pub fn inode(&self, ino: Ino) -> Option<Inode> {
        self.read(&keys::inode(ino))
    }

    pub fn save_inode(&mut self, ino: Ino, inode: &Inode) {
        self.txn.put(keys::inode(ino), encode(inode));
        self.note_content(ino);
    }

    pub fn known_ino_of(&self, node: NodeId) -> Option<Ino> {
        self.read(&keys::ino_of(node))
    }

    /// Nodes that have an inode: the kernel may have been told of them.
    pub fn known_nodes(&self) -> std::collections::BTreeSet<NodeId> {
        self.txn.scan_prefix(keys::INO_OF).map(|(key, _)| keys::node_of(&key)).collect()
    }

    pub fn ino_of(&mut self, node: NodeId) -> Ino {
        if let Some(ino) = self.known_ino_of(node) {
            return ino;
        }
        self.state.counters.ino += 1;
        let ino = Ino(self.state.counters.ino);
        let row = self.shown().node(node);
        let ctime = row.as_ref().map_or(self.now, |row| row.mtime);
        let version = row.map_or(Version::default(), |row| row.version);
        self.bind(ino, Inode { node, detached: false, version, backing: None, ctime });
        ino
    }

    /// A backing file's number was given before this transaction began: it must be kept all the same.
    pub fn keep_counters(&mut self) {
        self.txn.put(keys::meta("counters"), encode(&self.state.counters));
    }

    pub fn bind_root(&mut self) {
        let root = Inode {
            node: NodeId::ROOT,
            detached: false,
            version: Version::default(),
            backing: None,
            ctime: self.now,
        };
        self.bind(Ino::ROOT, root);
    }

    /// What nobody is told of is never captured, and so is never marked.
    fn put_dirty_mark(&mut self, ino: Ino, node: NodeId) {
        if !node.is_unshared() {
            self.txn.put(keys::dirty(ino), Vec::new());
        }
    }

    /// Makes `ino` the inode of the node it names.
    pub fn bind(&mut self, ino: Ino, inode: Inode) {
        self.txn.put(keys::ino_of(inode.node), encode(&ino));
        self.save_inode(ino, &inode);
    }

    /// Sets an inode's change time to now.
    pub fn touch(&mut self, node: NodeId) {
        if let Some(ino) = self.known_ino_of(node)
            && let Some(mut inode) = self.inode(ino)
        {
            inode.ctime = self.now;
            self.save_inode(ino, &inode);
        }
    }

    /// Forgets an inode and gives up its backing file.
    pub fn remove_inode(&mut self, ino: Ino) {
        let Some(inode) = self.inode(ino) else { return };
        self.state.idle.remove(&ino);
        if self.known_ino_of(inode.node) == Some(ino) {
            self.txn.remove(keys::ino_of(inode.node));
        }
        self.txn.remove(keys::inode(ino));
        self.note_content(ino);
        let noted =
            [keys::dirty(ino), keys::detached(ino), keys::unproven(ino), keys::used(ino), keys::blocks(ino)];
        for key in noted {
            self.txn.remove(key);
        }
        self.give_up_backing(&inode);
    }

    /// Parts an inode from its backing file, which stays while a pending op needs it.
    pub fn give_up_backing(&mut self, inode: &Inode) {
        if let Some(backing) = inode.backing {
            self.give_up_file(backing.content, backing.file);
        }
    }

    /// Cuts an inode off from its node: its handles go on with the content they have.
    pub fn detach(&mut self, ino: Ino) {
        let Some(mut inode) = self.inode(ino) else { return };
        if self.known_ino_of(inode.node) == Some(ino) {
            self.txn.remove(keys::ino_of(inode.node));
        }
        inode.detached = true;
        self.save_inode(ino, &inode);
        self.txn.put(keys::detached(ino), Vec::new());
        self.want(inode.node);
    }

    /// Tells whether handles or uncaptured content hold on to an inode.
    pub fn is_held(&self, ino: Ino) -> bool {
        self.state.open.contains_key(&ino) || self.txn.get(&keys::dirty(ino)).is_some()
    }
}
