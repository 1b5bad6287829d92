//! Content of pending ops: where its bytes are until the hub has them.
//!
//! Invariant: while an op is pending or parked, the bytes of its content stand in the backing file that a
//! [`Held`] record names, or in the spool under that content; or they came from the hub. A held file is neither
//! written nor removed: whoever is about to write to it spools its bytes first, and one that its inode gives up
//! stays until the last op that brings the content is gone. Sealing spools a commit's inline chunks too, so that a
//! sealed commit is whole.

use super::keys;
use super::records::{Held, Ino, content_of};
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{ChunkId, Digest, Manifest, NodeId, Timestamp};
use crate::ops::{Op, resolve_successor};
use crate::sync::kv::{Durability, Kv, Store};
use crate::wire::decode;

impl<S: Store> Replica<S> {
    /// Keeps chunks of a pending op's content.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn spool(&mut self, content: Digest, chunks: Vec<(ChunkId, Vec<u8>)>) -> Result<Effects, LocalError> {
        let spooled = self.transact(Timestamp::default(), Durability::Process, |work| {
            chunks.into_iter().for_each(|(chunk, bytes)| work.txn.put(keys::spool(content, chunk), bytes));
            Ok(())
        });
        spooled.map(|((), effects)| effects)
    }

    /// A spooled chunk of a content.
    pub fn spooled(&self, content: Digest, chunk: ChunkId) -> Option<Vec<u8>> {
        self.store.get(&keys::spool(content, chunk))
    }

    /// The content that the inode's backing file holds for a pending op: to be spooled before the file changes.
    pub fn held_content(&self, ino: Ino) -> Option<Digest> {
        let backing = self.inode(ino)?.backing?;
        backing.content.filter(|content| self.held(*content).is_some_and(|held| held.file == backing.file))
    }

    fn held(&self, content: Digest) -> Option<Held> {
        let value = self.store.get(&keys::held(content))?;
        Some(decode("held file", &value).expect("records of ours decode"))
    }

    /// A backing file with this content: the one held for a pending op, or the node's own.
    pub fn file_holding(&self, node: NodeId, content: Digest) -> Option<u64> {
        let own = || {
            let today = resolve_successor(&self.view(), node);
            let backing = self.known_ino_of(today).and_then(|ino| self.inode(ino))?.backing?;
            Some(backing.file).filter(|_| backing.content == Some(content))
        };
        self.held(content).map(|held| held.file).or_else(own)
    }

    /// Nodes whose content is to be fetched, in the order of their ids, from after `after` on.
    pub fn wanted(&self, after: Option<NodeId>, limit: usize) -> Vec<NodeId> {
        let from = after.map_or(vec![keys::WANTED], |node| [keys::wanted(node), vec![0]].concat());
        let rows = self.store.scan(&from, &[keys::WANTED + 1]);
        rows.take(limit).map(|(key, _)| keys::node_of(&key)).collect()
    }

    /// Tells whether a node's content is to be fetched.
    pub fn wants(&self, node: NodeId) -> bool {
        self.store.get(&keys::wanted(node)).is_some()
    }
}

impl<S: Store> Work<'_, S> {
    /// Notes that a backing file holds what a pending op brings.
    pub fn hold(&mut self, manifest: &Manifest, file: u64) {
        let content = content_of(manifest);
        if manifest.length > 0 && self.held(content).is_none_or(|held| held.orphaned && held.file == file) {
            self.txn.put(keys::held(content), crate::wire::encode(&Held { file, orphaned: false }));
        }
    }

    /// Tells whether a file other than this one holds a content for ops that wait.
    pub fn is_held_by_other(&self, content: Digest, file: u64) -> bool {
        self.held(content).is_some_and(|held| held.file != file)
    }

    /// Of two files with a content that an op waits with, the one that is known to be synced holds it.
    pub fn hold_instead(&mut self, content: Digest, file: u64) {
        if let Some(held) = self.held(content).filter(|held| held.file != file) {
            self.effects.removed_files.extend(Some(held.file).filter(|_| held.orphaned));
            self.txn.put(keys::held(content), crate::wire::encode(&Held { file, orphaned: false }));
        }
    }

    /// Notes that a file of no inode holds what a pending op brings. One that is not needed goes.
    pub fn hold_beside(&mut self, manifest: &Manifest, file: u64) {
        let content = content_of(manifest);
        // The counter must be kept although it grew before this transaction began.
        self.txn.put(keys::meta("counters"), crate::wire::encode(&self.state.counters));
        if manifest.length > 0 && self.held(content).is_none() {
            self.txn.put(keys::held(content), crate::wire::encode(&Held { file, orphaned: true }));
        } else {
            self.effects.removed_files.push(file);
        }
    }

    fn held(&self, content: Digest) -> Option<Held> {
        self.read(&keys::held(content))
    }

    /// The file is about to be written: what it held has been spooled.
    pub fn release_to_write(&mut self, content: Digest, file: u64) {
        if self.held(content).is_some_and(|held| held.file == file) {
            self.txn.remove(keys::held(content));
        }
    }

    /// The file is no use for the ops that wait with this content.
    pub fn stop_holding(&mut self, content: Digest, file: u64) {
        if let Some(held) = self.held(content).filter(|held| held.file == file) {
            self.txn.remove(keys::held(content));
            self.effects.removed_files.extend(Some(file).filter(|_| held.orphaned));
        }
    }

    /// The file's inode gives it up: it goes, unless it is held.
    pub fn give_up_file(&mut self, content: Option<Digest>, file: u64) {
        let held = content.and_then(|content| self.held(content)).filter(|held| held.file == file);
        match (content, held) {
            (Some(content), Some(_)) => {
                self.txn.put(keys::held(content), crate::wire::encode(&Held { file, orphaned: true }));
            }
            _ => self.effects.removed_files.push(file),
        }
    }

    /// Tells whether the sealed commit brings a content.
    pub fn sealed_brings(&self, content: Digest) -> bool {
        let ops = self.sealed().map_or(Vec::new(), |sealed| sealed.commit.ops);
        ops.iter().any(|op| brings(op, content))
    }

    /// Lets go of a content that no pending op brings any more.
    pub fn release_unused(&mut self, content: Digest) {
        if self.txn.scan_prefix(&keys::users_of(content)).next().is_some() || self.sealed_brings(content) {
            return;
        }
        if let Some(held) = self.held(content) {
            self.txn.remove(keys::held(content));
            self.effects.removed_files.extend(Some(held.file).filter(|_| held.orphaned));
        }
        let chunks: Vec<Vec<u8>> =
            self.txn.scan_prefix(&keys::spool_of(content)).map(|(key, _)| key).collect();
        chunks.into_iter().for_each(|key| self.txn.remove(key));
    }

    /// Lets go of the contents of ops that are pending no more.
    pub fn release_contents_of<'o>(&mut self, ops: impl IntoIterator<Item = &'o Op>) {
        let contents: std::collections::BTreeSet<Digest> =
            ops.into_iter().filter_map(|op| op.verb.manifest()).map(content_of).collect();
        contents.into_iter().for_each(|content| self.release_unused(content));
    }
}

fn brings(op: &Op, content: Digest) -> bool {
    op.verb.manifest().is_some_and(|manifest| content_of(manifest) == content)
}
