//! Captures: content as of a flush point becomes an op.

use super::keys;
use super::records::{Ino, Inode, content_of};
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{Body, ChunkId, Manifest, Node, NodeId, Timestamp};
use crate::ops::{Op, Put, Rejection, SetMeta, Tree, Verb};
use crate::sync::kv::{Durability, Store};
use std::collections::BTreeMap;

/// An inode's content as it was at a flush point.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    pub ino: Ino,
    pub manifest: Manifest,
    /// The chunks of the manifest's list, where it is a tree.
    pub list: Vec<(ChunkId, Vec<u8>)>,
    pub mtime: Timestamp,
    /// The backing file of no inode that holds the content, where the inode's own goes on being written: then the
    /// dirty mark stays.
    pub beside: Option<u64>,
    /// The room that the inode's own backing file takes with it, in 512 bytes; None where it has none.
    pub blocks: Option<u64>,
}

impl<S: Store> Replica<S> {
    /// Takes content into the journal and clears the inode's dirty mark, unless it stays. Content equal to the last captured
    /// makes no op. `now` is when the inode last changed.
    ///
    /// # Errors
    /// [`LocalError::Write`]; the mark then stays.
    pub fn capture(&mut self, now: Timestamp, captured: Captured) -> Result<Effects, LocalError> {
        self.capture_all(vec![(now, captured)])
    }

    /// As [`Replica::capture`], for several in one step, in their order.
    ///
    /// # Errors
    /// [`LocalError::Write`]; all marks then stay.
    pub fn capture_all(&mut self, all: Vec<(Timestamp, Captured)>) -> Result<Effects, LocalError> {
        let taken = self.transact(Timestamp::default(), Durability::Process, |work| {
            // A directory's mtime is given back once, not for every file in it.
            let mut mtimes = BTreeMap::new();
            for (now, captured) in all {
                work.now = now;
                let node = work.inode(captured.ino).map(|inode| inode.node);
                let earlier = work.capture(captured)?;
                if let Some((directory, mtime)) = earlier {
                    mtimes.entry(directory).or_insert(mtime);
                }
                node.map_or(Ok(()), |node| work.withhold_further(node))?;
            }
            work.give_back(mtimes)
        });
        taken.map(|((), effects)| effects)
    }
}

impl<S: Store> Work<'_, S> {
    /// Returns the mtime that a directory has to have again.
    fn capture(&mut self, mut captured: Captured) -> Result<Option<(NodeId, Timestamp)>, LocalError> {
        let ino = captured.ino;
        let content = content_of(&captured.manifest);
        for (chunk, bytes) in std::mem::take(&mut captured.list) {
            self.txn.put(keys::spool(content, chunk), bytes);
        }
        // An inode that lost its last name meanwhile has nothing to say.
        let Some(mut inode) = self.inode(ino) else {
            self.effects.removed_files.extend(captured.beside);
            return Ok(None);
        };
        self.state.idle.remove(&ino);
        if let Some(file) = captured.beside {
            self.hold_beside(&captured.manifest, file);
            self.state.idle.insert(ino);
        } else if let Some(backing) = &mut inode.backing {
            backing.content = Some(content);
            self.note_blocks(ino, &captured.manifest, captured.blocks);
            self.hold(&captured.manifest, backing.file);
            self.note_unproven(ino);
        }
        // POSIX: changing content changes ctime.
        inode.ctime = inode.ctime.max(self.now);
        if captured.beside.is_none() {
            self.txn.remove(keys::dirty(ino));
        }
        let mut earlier = None;
        if self.embryo(inode.node).is_some() {
            earlier = self.capture_embryo(inode.node, captured.manifest, captured.mtime)?;
        } else if inode.detached || self.is_outdated(&inode) {
            self.capture_detached(ino, inode, captured)?;
            self.release_unused(content);
            return Ok(None);
        } else {
            self.capture_file(&inode, captured)?;
        }
        self.release_unused(content);
        inode.version = self.view().node(inode.node).map_or(inode.version, |node| node.version);
        self.save_inode(ino, &inode);
        self.want(inode.node);
        Ok(earlier)
    }

    fn give_back(&mut self, mtimes: BTreeMap<NodeId, Timestamp>) -> Result<(), LocalError> {
        for (directory, mtime) in mtimes {
            if self.view().node(directory).is_some_and(|row| row.mtime != mtime) {
                self.set_mtime(directory, mtime)?;
            }
        }
        Ok(())
    }

    /// Tells whether the node has gone on to another version than the one the inode's content came from.
    fn is_outdated(&self, inode: &Inode) -> bool {
        self.view().node(inode.node).is_none_or(|row| row.version != inode.version)
    }

    /// A new file's first flush point: its make enters the journal with this content. Returns the mtime that its directory
    /// has to have again, where something happened in there since.
    fn capture_embryo(
        &mut self,
        node: NodeId,
        manifest: Manifest,
        mtime: Timestamp,
    ) -> Result<Option<(NodeId, Timestamp)>, Rejection> {
        let Some((made, mut make)) = self.embryo(node) else { return Ok(None) };
        let Some(row) = self.view().node(node) else { return Ok(None) };
        let parent = make.place.parent;
        let mtime_before = self.parent_mtime(&make.place);
        self.erase(node, &make.place);
        self.txn.remove(keys::embryo(node));
        (make.mode, make.xattrs, make.mtime) = (row.mode, row.xattrs, mtime);
        make.owner = make.owner.map(|_| row.owner);
        // What it had met when it was made may have been removed since, or have this very content.
        let view = self.view();
        make.conflict = make.conflict.filter(|conflict| {
            let holds = |now: Node| conflict.holds(Some(&manifest), &now);
            conflict.node == node || view.node(conflict.node).is_some_and(holds)
        });
        make.body = Body::File(manifest);
        let op = Op { time: made, verb: Verb::Make(make) };
        self.write_op(&op)?;
        self.append(op);
        Ok(mtime_before.filter(|mtime| *mtime != made).map(|mtime| (parent, mtime)))
    }

    /// Lets a file that has had no flush point enter the journal with nothing in it, for an op that needs it.
    pub fn make_known(&mut self, node: NodeId) -> Result<(), Rejection> {
        let Some((_, make)) = self.embryo(node) else { return Ok(()) };
        match self.capture_embryo(node, Manifest::empty(), make.mtime)? {
            Some((directory, mtime)) => self.set_mtime(directory, mtime),
            None => Ok(()),
        }
    }

    fn capture_file(&mut self, inode: &Inode, captured: Captured) -> Result<(), LocalError> {
        let Some(row) = self.view().node(inode.node) else { return Ok(()) };
        let Some(manifest) = row.manifest() else { return Ok(()) };
        if !manifest.same_content(&captured.manifest) {
            self.submit(Verb::Put(put(inode, captured)))?;
            return Ok(());
        }
        if row.mtime != captured.mtime {
            self.submit(Verb::SetMeta(SetMeta {
                node: inode.node,
                mode: None,
                uid: None,
                gid: None,
                mtime: Some(captured.mtime),
                xattrs: Vec::new(),
            }))?;
        }
        Ok(())
    }

    /// What was written while remote content took the file's place meets that content now.
    fn capture_detached(&mut self, ino: Ino, inode: Inode, captured: Captured) -> Result<(), LocalError> {
        let from = inode.node;
        self.save_inode(ino, &inode);
        self.detach(ino);
        let content = content_of(&captured.manifest);
        let op = Op { time: self.now, verb: Verb::Put(put(&inode, captured)) };
        let nodes = self.replay_late(op)?;
        // Whoever ended up with exactly this content takes the inode over, unless it has one: the node itself, where it has
        // this content already.
        let holder = nodes.into_iter().chain([from]).find(|node| {
            let row = self.view().node(*node);
            row.and_then(|row| row.manifest().map(content_of)) == Some(content)
        });
        match holder {
            Some(node) if self.known_ino_of(node).is_none() => {
                self.txn.remove(keys::detached(ino));
                let version = self.view().node(node).map_or(inode.version, |row| row.version);
                self.bind(ino, Inode { node, detached: false, version, ctime: self.now, ..inode });
            }
            // Its backing file is held for the op, so its bytes are not lost with it.
            _ => self.drop_detached(ino),
        }
        self.want(from);
        Ok(())
    }

    fn drop_detached(&mut self, ino: Ino) {
        if !self.state.open.contains_key(&ino) {
            self.remove_inode(ino);
        }
    }
}

fn put(inode: &Inode, captured: Captured) -> Put {
    Put {
        node: inode.node,
        base: inode.version,
        manifest: captured.manifest,
        mtime: captured.mtime,
        attributes: None,
        came_from: None,
        conflict: None,
    }
}
