//! Sealing: the journal's front becomes a commit, whole and durable before it is sent.

use super::keys;
use super::records::content_of;
use super::session::Phase;
use super::state::{LocalError, Replica, Work};
use crate::model::{ChunkId, CommitNumber, Digest, Manifest, NodeId};
use crate::ops::Op;
use crate::sync::kv::{Durability, Kv, Store};
use crate::wire::{COMMIT_BYTES_MAX, COMMIT_OPS_MAX, Commit, Inline, SealedCommit, decode, encode};
use std::collections::BTreeMap;

/// Inline content of one commit, in bytes, at most.
const COMMIT_INLINE_BYTES_MAX: u64 = 1024 * 1024;

/// What the journal's front needs before it can be sealed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToSeal {
    /// How many ops.
    pub count: usize,
    /// No more ops would go with them.
    pub full: bool,
    /// Chunks that the commit carries.
    pub inline: Vec<InlineContent>,
    /// Larger contents, whose bytes must survive the loss of power before a commit that names them is sent.
    pub large: Vec<(NodeId, Digest)>,
}

/// Content of one chunk that rides inside its op, and where to look for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlineContent {
    pub node: NodeId,
    pub content: Digest,
    pub chunk: ChunkId,
}

impl<S: Store> Replica<S> {
    /// The ops that the next commit takes; None where nothing is to be sealed.
    pub fn to_seal(&self) -> Option<ToSeal> {
        if self.state.session.phase != Phase::Live || self.is_sealed() || !self.caught_up() {
            return None;
        }
        let (mut seal, mut bytes, mut inline_bytes) = (ToSeal::default(), 0, 0);
        for (_, op) in self.journal().take(COMMIT_OPS_MAX) {
            let manifest = op.verb.manifest();
            let chunk = manifest.and_then(Manifest::inline_chunk);
            bytes += encode(&op).len();
            inline_bytes += manifest.filter(|_| chunk.is_some()).map_or(0, |manifest| manifest.length);
            if seal.count > 0 && (bytes > COMMIT_BYTES_MAX || inline_bytes > COMMIT_INLINE_BYTES_MAX) {
                seal.full = true;
                break;
            }
            let node = op.verb.node();
            match (manifest.map(content_of), chunk) {
                (Some(content), Some(chunk)) => seal.inline.push(InlineContent { node, content, chunk }),
                (Some(content), None) => seal.large.push((node, content)),
                (None, _) => {}
            }
            seal.count += 1;
        }
        seal.full |= seal.count == COMMIT_OPS_MAX;
        Some(seal).filter(|seal| seal.count > 0)
    }

    /// Tells whether the hub has accepted all that was ever in the journal.
    pub fn is_all_accepted(&self) -> bool {
        !self.is_sealed() && self.journal().next().is_none()
    }

    fn is_sealed(&self) -> bool {
        self.store.get(keys::SEALED).is_some()
    }

    /// Seals the journal's first `count` ops as a commit. `inline` is what [`Replica::to_seal`] asked for, with its
    /// bytes. Before it can go out it must survive the loss of power: see [`Replica::seal_is_unsynced`].
    ///
    /// # Errors
    /// [`LocalError::Write`]; the ops then stay in the journal.
    pub fn seal(&mut self, count: usize, inline: Vec<(InlineContent, Vec<u8>)>) -> Result<(), LocalError> {
        self.transact_quietly(Durability::Process, |work| {
            let first: Vec<(u64, Op)> = work.journal_first(count);
            for (index, _) in &first {
                work.remove_pending(*index);
            }
            work.state.counters.commit = CommitNumber(work.state.counters.commit.0 + 1);
            let number = work.state.counters.commit;
            let commit = Commit { number, ops: first.into_iter().map(|(_, op)| op).collect() };
            let round = work.state.counters.round;
            work.txn.put(keys::SEALED.to_vec(), encode(&SealedCommit { round, commit }));
            for (InlineContent { content, chunk, .. }, bytes) in inline {
                work.txn.put(keys::spool(content, chunk), bytes);
            }
            Ok(())
        })?;
        self.state.seal_unsynced.set(true);
        Ok(())
    }

    /// Tells whether the store is to be synced before the sealed commit goes out: by [`Replica::sync`], or by who can do
    /// it without the replica, and then says so.
    pub fn seal_is_unsynced(&self) -> bool {
        self.state.seal_unsynced.get()
    }

    /// The store was synced since the commit was sealed.
    pub fn seal_synced(&self) {
        self.state.seal_unsynced.set(false);
    }

    /// The sealed commit, where it is to be sent now; it is in flight from here on.
    pub fn outgoing(&mut self) -> Option<(SealedCommit, Vec<Inline>)> {
        let session = &self.state.session;
        let held_up = session.in_flight || session.uploading || session.waiting.is_some();
        let held_up = held_up || self.seal_is_unsynced();
        if session.phase != Phase::Live || held_up || !self.caught_up() || self.read_only_role() {
            return None;
        }
        let sealed = self.sealed()?;
        self.state.session.in_flight = true;
        let manifests = sealed.commit.ops.iter().filter_map(|op| op.verb.manifest());
        let chunks: BTreeMap<ChunkId, Digest> =
            manifests.filter_map(|manifest| Some((manifest.inline_chunk()?, content_of(manifest)))).collect();
        let spooled = |(chunk, content)| Some(Inline { chunk, bytes: self.spooled(content, chunk)? });
        let inline = chunks.into_iter().filter_map(spooled).collect();
        Some((sealed, inline))
    }

    /// The chunks the hub asked for are there: the sealed commit may go again.
    pub fn uploaded(&mut self) {
        self.state.session.uploading = false;
    }

    /// The wait the hub asked for is over.
    pub fn waited(&mut self) {
        self.state.session.waiting = None;
    }
}

impl<S: Store> Work<'_, S> {
    pub fn journal_first(&self, count: usize) -> Vec<(u64, Op)> {
        let rows = self.txn.scan_prefix(&[keys::JOURNAL]).take(count);
        rows.map(|(key, value)| {
            let op = decode("journal op", &value).expect("ops of ours decode");
            (keys::number_of(&key), op)
        })
        .collect()
    }

    /// Puts a sealed commit's ops back at the journal's front; its number is spent.
    pub fn unseal(&mut self, sealed: SealedCommit) {
        self.txn.remove(keys::SEALED.to_vec());
        let first = self.txn.scan_prefix(&[keys::JOURNAL]).next();
        let first = first.map_or(self.state.counters.journal + 1, |(key, _)| keys::number_of(&key));
        let count = sealed.commit.ops.len() as u64;
        for (op, index) in sealed.commit.ops.into_iter().zip(first.saturating_sub(count)..) {
            self.put_pending(index, &op);
            self.state.counters.journal = self.state.counters.journal.max(index);
        }
    }
}
