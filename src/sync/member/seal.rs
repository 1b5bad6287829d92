//! Sealing: the journal's front becomes a commit, whole and durable before it is sent.

use super::keys;
use super::records::content_of;
use super::session::Phase;
use super::state::{LocalError, Replica, Work};
use crate::model::{ChunkId, CommitNumber, Digest, NodeId, Timestamp};
use crate::ops::Op;
use crate::sync::kv::{Durability, Kv, Store};
use crate::wire::{COMMIT_BYTES_MAX, COMMIT_OPS_MAX, Commit, Inline, SealedCommit, decode, encode};

/// Inline content of one commit, in bytes, at most.
const COMMIT_INLINE_BYTES_MAX: u64 = 1024 * 1024;

/// Content of one chunk that rides inside its op, and where to look for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InlineContent {
    pub node: NodeId,
    pub content: Digest,
    pub chunk: ChunkId,
}

impl<S: Store> Replica<S> {
    /// Inline chunks that the next commit carries, and the nodes whose files hold them; None where nothing is to be sealed.
    pub fn to_seal(&self) -> Option<(usize, Vec<InlineContent>)> {
        if self.state.session.phase != Phase::Live || self.sealed().is_some() || !self.caught_up() {
            return None;
        }
        let (mut count, mut bytes, mut inline_bytes, mut inline) = (0, 0, 0, Vec::new());
        for (_, op) in self.journal().take(COMMIT_OPS_MAX) {
            bytes += encode(&op).len();
            let content = op.verb.manifest().and_then(|manifest| {
                let chunk = manifest.inline_chunk()?;
                inline_bytes += manifest.length;
                Some(InlineContent { node: op.verb.node(), content: content_of(manifest), chunk })
            });
            if count > 0 && (bytes > COMMIT_BYTES_MAX || inline_bytes > COMMIT_INLINE_BYTES_MAX) {
                break;
            }
            inline.extend(content);
            count += 1;
        }
        (count > 0).then_some((count, inline))
    }

    /// Seals the journal's first `count` ops as a commit. `inline` is what [`Replica::to_seal`] asked for.
    ///
    /// # Errors
    /// [`LocalError::Write`]; the ops then stay in the journal.
    pub fn seal(&mut self, count: usize, inline: Vec<Inline>) -> Result<(), LocalError> {
        let sealed = self.transact(Timestamp::default(), Durability::Power, |work| {
            let first: Vec<(u64, Op)> = work.journal_first(count);
            first.iter().for_each(|(index, _)| work.remove_pending(*index));
            work.state.counters.commit = CommitNumber(work.state.counters.commit.0 + 1);
            let number = work.state.counters.commit;
            let commit = Commit { number, ops: first.into_iter().map(|(_, op)| op).collect() };
            let round = work.state.counters.round;
            work.txn.put(keys::SEALED.to_vec(), encode(&SealedCommit { round, commit }));
            inline.into_iter().for_each(|inline| work.txn.put(keys::spool(inline.chunk), inline.bytes));
            Ok(())
        });
        sealed.map(|_| ())
    }

    /// The sealed commit, where it is to be sent now; it is in flight from here on.
    pub fn outgoing(&mut self) -> Option<(SealedCommit, Vec<Inline>)> {
        let session = &self.state.session;
        let held_up = session.in_flight || session.uploading || session.waiting.is_some();
        if session.phase != Phase::Live || held_up || !self.caught_up() || self.read_only_role() {
            return None;
        }
        let sealed = self.sealed()?;
        self.state.session.in_flight = true;
        let manifests = sealed.commit.ops.iter().filter_map(|op| op.verb.manifest());
        let chunks = manifests.filter_map(|manifest| manifest.inline_chunk());
        let inline =
            chunks.filter_map(|chunk| self.spooled(chunk).map(|bytes| Inline { chunk, bytes })).collect();
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
