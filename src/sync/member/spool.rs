//! The spool: bytes of pending content whose backing file has gone on, or is about to.
//!
//! Invariant: while an op is pending, each chunk of its content stands in a backing file named by the op's
//! inode, or here. Sealing puts a commit's inline chunks here too, so that a sealed commit is whole.

use super::keys;
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{ChunkId, Digest, NodeId, Timestamp};
use crate::ops::{Tree, resolve_successor};
use crate::sync::kv::{Durability, Kv, Store};
use crate::wire::decode;

impl<S: Store> Replica<S> {
    /// Keeps chunks for pending ops.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn spool(&mut self, chunks: Vec<(ChunkId, Vec<u8>)>) -> Result<Effects, LocalError> {
        let spooled = self.transact(Timestamp::default(), Durability::Process, |work| {
            chunks.into_iter().for_each(|(chunk, bytes)| work.txn.put(keys::spool(chunk), bytes));
            Ok(())
        });
        spooled.map(|((), effects)| effects)
    }

    /// A spooled chunk.
    pub fn spooled(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        self.store.get(&keys::spool(chunk))
    }

    /// The file that holds a pending op's content although no inode names it.
    pub fn retained(&self, content: Digest) -> Option<u64> {
        let value = self.store.get(&keys::retained(content))?;
        Some(decode("retained file", &value).expect("records of ours decode"))
    }

    /// The backing file that holds a pending op's content: its node's, its successor's, or one kept for it.
    pub fn file_holding(&self, node: NodeId, content: Digest) -> Option<u64> {
        let today = resolve_successor(&self.view(), node);
        let inode = self.known_ino_of(today).and_then(|ino| self.inode(ino));
        let own = inode.and_then(|inode| inode.backing).filter(|backing| backing.content == Some(content));
        own.map(|backing| backing.file).or_else(|| self.retained(content))
    }

    /// Nodes whose content is to be fetched, in the order of their ids, from after `after` on.
    pub fn wanted(&self, after: Option<NodeId>, limit: usize) -> Vec<NodeId> {
        let from = after.map_or(vec![keys::WANTED], |node| [keys::wanted(node), vec![0]].concat());
        let rows = self.store.scan(&from, &[keys::WANTED + 1]);
        rows.take(limit).map(|(key, _)| keys::node_of(&key)).collect()
    }
}

impl<S: Store> Work<'_, S> {
    /// Empties the spool once nothing pending can need it.
    pub fn clear_spool(&mut self) {
        // What is not captured yet may have been put aside already.
        if self.has_pending() || self.txn.scan_prefix(&[keys::DIRTY]).next().is_some() {
            return;
        }
        let chunks: Vec<Vec<u8>> = self.txn.scan_prefix(&[keys::SPOOL]).map(|(key, _)| key).collect();
        // Content that a wanted node still takes from here stays until that is done.
        if self.txn.scan_prefix(&[keys::WANTED]).next().is_none() {
            chunks.into_iter().for_each(|key| self.txn.remove(key));
            let retained: Vec<_> = self.txn.scan_prefix(&[keys::RETAINED]).collect();
            for (key, file) in retained {
                self.txn.remove(key);
                let file: u64 = decode("retained file", &file).expect("records of ours decode");
                self.effects.removed_files.push(file);
            }
        }
    }

    /// Notes that a node's content is to be fetched, unless it is here.
    pub fn want(&mut self, node: NodeId) {
        let row = self.view().node(node);
        let here = row.is_none_or(|row| {
            let ino = self.known_ino_of(node);
            if ino.is_some_and(|ino| self.txn.get(&keys::dirty(ino)).is_some()) {
                // What is being written here takes its place.
                return true;
            }
            let inode = ino.and_then(|ino| self.inode(ino));
            row.manifest().is_none_or(|manifest| match inode {
                Some(inode) => super::inodes::holds(&inode, manifest),
                None => manifest.length == 0,
            })
        });
        if here {
            self.txn.remove(keys::wanted(node));
        } else {
            self.txn.put(keys::wanted(node), Vec::new());
            self.effects.wants_content = true;
        }
    }
}
