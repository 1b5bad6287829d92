//! What the loss of power may have taken.
//!
//! Rows survive it, or are as they were some time before; bytes of backing files that nobody synced may be gone or
//! torn although a row says what they are. So an inode whose content got a row is *unproven* until its file has been
//! synced. After another boot of the machine, what is unproven is read again, and content that was being written is
//! never put over what was there before.

use super::keys;
use super::records::{Backing, Held, Ino, Inode, content_of};
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{Body, ChunkList, Digest, Manifest, Timestamp, Version};
use crate::ops::{Op, Verb};
use crate::sync::kv::{Durability, Kv, Store, WriteError};
use crate::wire::decode;

/// A backing file that a row says holds a content, which nobody has made sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unproven {
    pub ino: Ino,
    pub file: u64,
    pub content: Digest,
}

impl<S: Store> Replica<S> {
    /// The boot in which this state was last in use; None where it is new.
    pub fn last_boot(&self) -> Option<Vec<u8>> {
        self.store.get(&keys::meta("boot"))
    }

    /// Notes the boot in which this state is in use from here on.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn set_boot(&mut self, boot: Vec<u8>) -> Result<(), LocalError> {
        self.transact_quietly(Durability::Power, |work| {
            work.txn.put(keys::meta("boot"), boot);
            Ok(())
        })
    }

    /// Makes dirty marks survive the loss of power. Order: before a backing file is synced, so that no file holds for
    /// good what its row knows nothing of.
    ///
    /// # Errors
    /// [`WriteError`] where the store cannot be synced.
    pub fn sync_marks(&self) -> Result<(), WriteError> {
        if self.state.marks_unsynced.get() { self.sync() } else { Ok(()) }
    }

    /// Up to `limit` of the contents that are unproven.
    pub fn unproven(&self, limit: usize) -> Vec<Unproven> {
        let rows = self.store.scan_prefix(&[keys::UNPROVEN]).take(limit);
        rows.filter_map(|(key, _)| self.unproven_of(Ino(keys::number_of(&key)))).collect()
    }

    /// The content of an inode's backing file, if it is unproven.
    pub fn unproven_of(&self, ino: Ino) -> Option<Unproven> {
        self.store.get(&keys::unproven(ino))?;
        let Backing { file, content } = self.inode(ino)?.backing?;
        Some(Unproven { ino, file, content: content? })
    }

    /// Their files have been synced, or read and found whole. What has changed since stays unproven.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn proven(&mut self, proven: &[Unproven]) -> Result<(), LocalError> {
        self.transact_quietly(Durability::Process, |work| {
            for Unproven { ino, file, content } in proven {
                let backing = work.inode(*ino).and_then(|inode| inode.backing);
                let is_it = |backing: &Backing| (backing.file, backing.content) == (*file, Some(*content));
                if backing.as_ref().is_none_or(is_it) {
                    work.txn.remove(keys::unproven(*ino));
                }
                if backing.as_ref().is_some_and(is_it) {
                    work.hold_instead(*content, *file);
                }
            }
            Ok(())
        })
    }

    /// A file does not hold what its row says, but `found`. Content that the hub has is fetched again. Ops that
    /// wait with what is gone go with what was found, as a local file system would have it after a power cut.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn disproven(
        &mut self,
        now: Timestamp,
        was: Unproven,
        found: Manifest,
    ) -> Result<Effects, LocalError> {
        let taken = self.transact(now, Durability::Process, |work| work.disproven(was, found));
        taken.map(|((), effects)| effects)
    }

    /// The files that are held for pending ops, by content.
    pub fn held_files(&self) -> Vec<(Digest, u64)> {
        let rows = self.store.scan_prefix(&[keys::HELD]);
        let file = |value: &[u8]| decode::<Held>("held file", value).expect("records of ours decode").file;
        rows.filter_map(|(key, value)| Some((Digest(*key.last_chunk()?), file(&value)))).collect()
    }

    /// A held file does not hold its content any more: another file that has it may serve, or none does.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn not_held(&mut self, content: Digest, file: u64) -> Result<(), LocalError> {
        self.transact_quietly(Durability::Process, |work| {
            work.stop_holding(content, file);
            Ok(())
        })
    }

    /// The power went while this inode was written: what is found of it is no successor of what was there before, but
    /// stands beside it. A file that nobody has heard of yet stands for itself.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn distrust(&mut self, ino: Ino) -> Result<(), LocalError> {
        self.transact_quietly(Durability::Process, |work| {
            if let Some(inode) = work.inode(ino).filter(|inode| work.embryo(inode.node).is_none()) {
                work.save_inode(ino, &Inode { version: Version(0), ..inode });
            }
            Ok(())
        })
    }
}

impl<S: Store> Work<'_, S> {
    /// Notes that the inode's backing file has got a content that nobody has synced.
    pub fn note_unproven(&mut self, ino: Ino) {
        self.txn.put(keys::unproven(ino), Vec::new());
    }

    fn disproven(
        &mut self,
        Unproven { ino, file, content }: Unproven,
        found: Manifest,
    ) -> Result<(), LocalError> {
        self.txn.remove(keys::unproven(ino));
        let Some(inode) = self.inode(ino) else { return Ok(()) };
        // Another file that holds it is looked at on its own account.
        let elsewhere = self.is_spooled(content) || self.is_held_by_other(content, file);
        let waiting = !elsewhere && self.change_content(content, &found);
        // Nothing needs no file, and there may be none.
        let backing = match waiting && found.length > 0 {
            true => Some(Backing { file, content: Some(content_of(&found)) }),
            false => None,
        };
        self.release_to_write(content, file);
        self.release_unused(content);
        self.save_inode(ino, &Inode { backing, ..inode });
        self.forget_blocks(ino);
        if backing.is_none() {
            self.effects.removed_files.push(file);
        }
        if waiting {
            self.hold(&found, file);
            self.replay_pending()?;
            self.note_changes();
        }
        self.want(inode.node);
        Ok(())
    }

    /// Tells whether all of a pending op's content is spooled, as it is once it has been sealed: that survives.
    fn is_spooled(&self, content: Digest) -> bool {
        let users = self.txn.scan_prefix(&keys::users_of(content));
        let op = users.into_iter().find_map(|(key, _)| {
            let index = keys::number_of(&key);
            self.withheld_at(index).or_else(|| self.read(&keys::journal(index)))
        });
        let Some(ChunkList::Flat(extents)) = op.and_then(|op: Op| Some(op.verb.manifest()?.chunks.clone()))
        else {
            return false;
        };
        let mut chunks = extents.into_iter().filter_map(|extent| extent.chunk);
        chunks.all(|chunk| self.txn.get(&keys::spool(content, chunk)).is_some())
    }

    /// Has all ops that wait with one content go with another. Tells whether there were any.
    fn change_content(&mut self, from: Digest, to: &Manifest) -> bool {
        let keys: Vec<Vec<u8>> = self.txn.scan_prefix(&keys::users_of(from)).map(|(key, _)| key).collect();
        let mut any = false;
        for index in keys.iter().map(|key| keys::number_of(key)) {
            if let Some(op) = self.withheld_at(index) {
                self.remove_withheld(index, &op);
                self.append_withheld(&with_content(op, to));
            } else if let Some(op) = self.remove_pending(index) {
                self.put_pending(index, &with_content(op, to));
            } else {
                // Those that are parked are no use any more either way.
                continue;
            }
            any = true;
        }
        any
    }
}

fn with_content(mut op: Op, manifest: &Manifest) -> Op {
    match &mut op.verb {
        Verb::Make(make) => make.body = Body::File(manifest.clone()),
        Verb::Put(put) => put.manifest = manifest.clone(),
        _ => {}
    }
    op
}
