//! Conflicts settled by a person: the ops of a plan enter the journal, and content moves with them.
//!
//! Invariant: all conflicts of one call are settled or none. Inodes are treated as where remote work changes
//! content: open handles keep what they have, the name gets the new. What a pending op brings stays held, be it
//! the copy's own file, which then becomes the file's.

use super::inodes::holds;
use super::keys;
use super::records::{Inode, content_of};
use super::resolution::{Choice, Refusal, plan};
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{ChunkId, Digest, Manifest, MemberNumber, NodeId, Timestamp};
use crate::ops::{ConflictRow, Tree, Verb};
use crate::sync::kv::{Durability, Store};
use crate::wire::encode;

/// One conflict to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    pub node: NodeId,
    pub member: MemberNumber,
    pub choice: Choice,
    pub content: NewContent,
}

/// Bytes of the content that takes the name, as far as they stand apart from all inodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewContent {
    /// A backing file that holds it.
    pub file: Option<u64>,
    /// The chunks of the manifest's list, where it is a tree.
    pub list: Vec<(ChunkId, Vec<u8>)>,
}

impl<S: Store> Replica<S> {
    /// Settles conflicts. Backing files that are not used in the end are among the removed ones.
    ///
    /// # Errors
    /// [`LocalError::Refused`], [`LocalError::ReadOnly`], [`LocalError::Write`]; nothing is settled then, and
    /// files named in `resolutions` are nobody's.
    pub fn settle(&mut self, now: Timestamp, resolutions: Vec<Resolution>) -> Result<Effects, LocalError> {
        if self.read_only() {
            return Err(LocalError::ReadOnly);
        }
        let settled = self.transact(now, Durability::Process, |work| {
            // The counter of files must be kept although it grew before this transaction began.
            work.txn.put(keys::meta("counters"), encode(&work.state.counters));
            let mut brought = Vec::new();
            for resolution in resolutions {
                brought.push(work.settle_by(resolution)?);
            }
            work.note_changes();
            brought.into_iter().for_each(|brought| work.adopt(brought));
            work.touch_changed(now);
            Ok(())
        });
        settled.map(|((), effects)| effects)
    }

    /// Tells whether somebody has the file of a node open, or what was written to it is not captured.
    pub fn is_in_use(&self, node: NodeId) -> bool {
        let held = |ino| self.state.open.contains_key(&ino) || self.is_dirty(ino);
        self.known_ino_of(node).is_some_and(held)
    }

    /// The open conflict of a node with a member's work.
    pub fn conflict(&self, node: NodeId, member: MemberNumber) -> Option<ConflictRow> {
        self.view().conflict(node, member)
    }
}

/// A content that was given to a node.
struct Brought {
    node: NodeId,
    manifest: Option<Manifest>,
    file: Option<u64>,
}

impl<S: Store> Work<'_, S> {
    fn settle_by(&mut self, resolution: Resolution) -> Result<Brought, LocalError> {
        let Resolution { node, member, choice, content } = resolution;
        let row = self.view().conflict(node, member).ok_or(Refusal::Settled)?;
        if row.copy.is_some_and(|copy| self.embryo(copy).is_some()) {
            return Err(Refusal::BeingWritten.into());
        }
        let verbs = plan(&self.view(), &row, &choice)?;
        let manifest = verbs.iter().find_map(Verb::manifest).cloned();
        for verb in verbs {
            self.submit(verb)?;
        }
        let NewContent { mut file, list } = content;
        if let Some(manifest) = &manifest {
            let content = content_of(manifest);
            list.into_iter().for_each(|(chunk, bytes)| self.txn.put(keys::spool(content, chunk), bytes));
            file = file.or_else(|| self.take_file_of(row.copy?, content));
        }
        Ok(Brought { node, manifest, file })
    }

    /// Parts a copy that is gone from the backing file that holds its content, unless its inode needs it.
    fn take_file_of(&mut self, copy: NodeId, content: Digest) -> Option<u64> {
        if self.view().node(copy).is_some() {
            return None;
        }
        let ino = self.known_ino_of(copy).filter(|ino| !self.is_held(*ino))?;
        let inode = self.inode(ino)?;
        let backing = inode.backing.filter(|backing| backing.content == Some(content))?;
        self.save_inode(ino, &Inode { backing: None, ..inode });
        Some(backing.file)
    }

    /// Gives a node's inode the file with its new content, and holds it until the hub has the content.
    fn adopt(&mut self, brought: Brought) {
        let Brought { node, manifest, file } = brought;
        let Some(manifest) = manifest else {
            self.effects.removed_files.extend(file);
            return;
        };
        let content = content_of(&manifest);
        if let Some(file) = file
            && !self.swap_in(node, content, file)
        {
            self.give_up_file(Some(content), file);
        }
        let inode = self.known_ino_of(node).and_then(|ino| self.inode(ino));
        if let Some(inode) = inode.filter(|inode| holds(inode, &manifest))
            && let Some(backing) = inode.backing
        {
            self.hold(&manifest, backing.file);
        }
        self.want(node);
    }
}
