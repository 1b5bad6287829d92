//! Conflicts settled by a person: the ops of a plan enter the journal, and content moves with them.
//!
//! Invariant: all conflicts of one call are settled or none. Inodes are treated as where remote work changes
//! content: open handles keep what they have, the name gets the new. What a pending op brings stays held, be it
//! the copy's own file, which then becomes the file's.

use super::inodes::holds;
use super::keys;
use super::records::{Inode, content_of};
use super::resolution::{Choice, Question, Refusal, check_seen, plan, put};
use super::state::{Effects, LocalError, Replica, Work};
use super::withheld::Decision;
use crate::model::{ChunkId, Digest, Manifest, MemberNumber, Node, NodeId, Timestamp};
use crate::ops::{Merged, Origin, Tree, Verb};
use crate::sync::kv::{Durability, Store};
use crate::wire::encode;

/// One conflict to be settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    pub subject: Subject,
    pub choice: Choice,
    pub content: NewContent,
}

/// Where a conflict is noted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// In the tree, for everybody: a node's with a member's work.
    Recorded(NodeId, MemberNumber),
    /// Here alone: this node's content is withheld.
    Withheld(NodeId),
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
            for Resolution { subject, choice, content } in resolutions {
                brought.extend(match subject {
                    Subject::Recorded(node, member) => {
                        work.settle_recorded((node, member), &choice, content)?
                    }
                    Subject::Withheld(node) => work.decide_withheld(node, choice, content)?,
                });
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
}

/// A content that was given to a node.
struct Brought {
    node: NodeId,
    manifest: Option<Manifest>,
    file: Option<u64>,
}

impl<S: Store> Work<'_, S> {
    fn settle_recorded(
        &mut self,
        (node, member): (NodeId, MemberNumber),
        choice: &Choice,
        content: NewContent,
    ) -> Result<Vec<Brought>, LocalError> {
        let row = self.view().conflict(node, member).ok_or(Refusal::Settled)?;
        if row.copy.is_some_and(|copy| self.embryo(copy).is_some()) {
            return Err(Refusal::BeingWritten.into());
        }
        let verbs = plan(&self.view(), &row, choice)?;
        let manifest = verbs.iter().find_map(Verb::manifest).cloned();
        verbs.into_iter().try_for_each(|verb| self.submit(verb))?;
        let gone = row.copy.filter(|copy| self.view().node(*copy).is_none());
        self.withhold_further(node)?;
        Ok(vec![self.bring(node, manifest, content, gone)])
    }

    fn decide_withheld(
        &mut self,
        node: NodeId,
        choice: Choice,
        content: NewContent,
    ) -> Result<Vec<Brought>, LocalError> {
        let (index, op) = self.withheld_of(node).ok_or(Refusal::Settled)?;
        let (local, accepted) = (op.verb.manifest().cloned(), self.accepted(node));
        let put_on = if let Verb::Put(put) = &op.verb { Some(put) } else { None };
        if put_on.map(|put| put.base) != accepted.as_ref().map(|row| row.version) {
            return Err(Refusal::Unsent.into());
        }
        let conflict = put_on.and_then(|put| put.conflict.as_ref());
        let base = conflict.and_then(|conflict| conflict.base).unwrap_or_default();
        let decision = match &choice {
            Choice::Ours | Choice::Merged { .. } => Decision::Local,
            Choice::Theirs => Decision::Remote,
            Choice::Both => Decision::Both,
            Choice::Revive | Choice::Delete => return Err(Refusal::WrongChoice(Question::Content).into()),
        };
        if let Choice::Merged { of, .. } = &choice {
            check_seen(*of, accepted.as_ref().and_then(Node::manifest), local.as_ref())?;
        }
        let beside = self.settle_withheld(index, op, decision)?;
        match (choice, beside) {
            (Choice::Merged { manifest, mtime, .. }, _) => {
                // This member's own content has become a version; the merge is the next.
                let row = self.view().node(node).ok_or(Refusal::Settled)?;
                let remote = accepted.map(|row| row.version).unwrap_or_default();
                let from = Origin::Merged(Merged { base, local: row.version, remote });
                let merged = put(node, &row, &manifest, mtime, from);
                let brought = merged.as_ref().map(|_| manifest);
                merged.map_or(Ok(()), |merged| self.submit(merged))?;
                Ok(vec![self.bring(node, brought, content, None)])
            }
            (_, Some(beside)) => Ok(vec![self.bring(beside, local, content, Some(node))]),
            _ => Ok(vec![self.bring(node, None, content, None)]),
        }
    }

    /// Notes that a node has a new content, and where its bytes are: in a file made for it, or in that of `holder`.
    fn bring(
        &mut self,
        node: NodeId,
        manifest: Option<Manifest>,
        content: NewContent,
        holder: Option<NodeId>,
    ) -> Brought {
        let NewContent { mut file, list } = content;
        if let Some(manifest) = &manifest {
            let content = content_of(manifest);
            list.into_iter().for_each(|(chunk, bytes)| self.txn.put(keys::spool(content, chunk), bytes));
            file = file.or_else(|| self.take_file_of(holder?, content));
        }
        Brought { node, manifest, file }
    }

    /// Parts a node that has this content no longer from the backing file that holds it, unless its inode needs it.
    fn take_file_of(&mut self, holder: NodeId, content: Digest) -> Option<u64> {
        let ino = self.known_ino_of(holder).filter(|ino| !self.is_held(*ino))?;
        let inode = self.inode(ino)?;
        let backing = inode.backing.filter(|backing| backing.content == Some(content))?;
        self.save_inode(ino, &Inode { backing: None, ..inode });
        Some(backing.file)
    }

    /// Follows an op that gave a file a content with bytes of their own.
    pub fn follow_put(&mut self, node: NodeId, manifest: Manifest, content: NewContent) {
        let brought = self.bring(node, Some(manifest), content, None);
        self.note_changes();
        self.adopt(brought);
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
