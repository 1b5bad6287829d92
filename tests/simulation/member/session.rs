//! What a member's driver does: takes the hub's messages, seals, sends, uploads, fetches.

use super::Member;
use super::merging::{Gathering, Made};
use crate::clock::Stamp;
use crate::reference::Reference;
use crate::telling;
use fl0wfs::content::verify;
use fl0wfs::model::{ChunkId, Digest, NodeId};
use fl0wfs::sync::member::{Effects, LocalError, content_of};
use fl0wfs::wire::{FromHub, FromMember, Inline, LogEntry, Start, Welcome};
use std::collections::BTreeMap;

/// A node's content to be fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    pub node: NodeId,
    pub content: Digest,
    pub chunks: Vec<ChunkId>,
}

/// A chunk of the sealed commit that is asked for, and what was found of it.
pub struct Asked {
    pub chunk: ChunkId,
    pub content: Option<Digest>,
    /// The op that brings it, for people.
    pub op: String,
    pub bytes: Option<Vec<u8>>,
}

impl Member {
    /// Takes a message. `fetch` asks the hub for a chunk that a merge needs.
    pub fn handle(&mut self, now: u64, message: FromHub, fetch: &dyn Fn(ChunkId) -> Option<Vec<u8>>) {
        let ready = match &message {
            FromHub::Entry { entry, inline } => self.write_inline(entry, inline),
            _ => BTreeMap::new(),
        };
        if let FromHub::Entry { entry, .. } = &message {
            self.received = Some(entry.sequence);
        }
        if self.faults.ignores_entries && matches!(message, FromHub::Entry { .. }) {
            return;
        }
        let made = Made::default();
        self.ledger.merging = Some((self.pending_contents(), made.clone()));
        self.note_early(&message);
        let mut gathering = Gathering::new(self.disk.clone(), fetch, made);
        let switches = matches!(message, FromHub::SnapshotEnd);
        match self.handle_with(now, message, ready, &mut gathering) {
            Ok(effects) => {
                self.ledger.counted_early.take_if(|_| switches);
                if switches && std::mem::take(&mut self.ledger.departs) {
                    // What the hub has lost is made again, each name once.
                    let view = Reference::of_tree(&self.replica.view());
                    self.ledger.intend(view.names.len() as u64);
                }
                self.follow(effects)
            }
            Err(LocalError::Write(_) | LocalError::History(_)) => self.todo.disconnect = true,
            Err(error) => panic!("{error}"),
        }
        gathering.end();
        self.note_merges();
    }

    /// Notes that the sealed commit will count as applied before what stands in front of it in the log has come.
    fn note_early(&mut self, message: &FromHub) {
        if let FromHub::Welcome(Welcome { start: Start::Snapshot { departs, .. }, has_sealed, .. }) = message
        {
            self.ledger.departs = *departs || (self.ledger.counted_early.is_some() && !has_sealed);
        }
        if let FromHub::Welcome(Welcome { start: Start::Snapshot { .. }, has_sealed: true, .. }) = message
            && self.replica.sealed().is_some()
        {
            self.ledger.counted_early = Some(self.replica.position());
        }
    }

    /// Hands a message to the replica, again and again until all contents that its merges need have been gathered.
    fn handle_with(
        &mut self,
        now: u64,
        message: FromHub,
        ready: BTreeMap<Digest, u64>,
        gathering: &mut Gathering,
    ) -> Result<Effects, LocalError> {
        // What a snapshot of a hub that has lost something makes of this member's tree needs no other cause.
        let excused = matches!(message, FromHub::SnapshotEnd);
        let stamp = self
            .clock
            .stamp(now, Stamp { seen: self.replica.position(), at: self.replica.position(), excused });
        loop {
            match self.replica.handle(stamp, message.clone(), ready.clone(), gathering) {
                Err(LocalError::Away(away)) => {
                    away.iter().for_each(|(_, manifest)| gathering.gather(&mut self.replica, manifest));
                }
                handled => return handled,
            }
        }
    }

    /// Writes content that came along, so that it is there when its row is.
    fn write_inline(&mut self, entry: &LogEntry, inline: &[Inline]) -> BTreeMap<Digest, u64> {
        let mut ready = BTreeMap::new();
        for manifest in entry.ops.iter().filter_map(|op| op.verb.manifest()) {
            let Some(chunk) = manifest.inline_chunk() else { continue };
            let Some(inline) = inline.iter().find(|inline| inline.chunk == chunk) else { continue };
            let content = content_of(manifest);
            if verify(chunk, &inline.bytes).is_err() || ready.contains_key(&content) {
                continue;
            }
            let file = self.replica.allocate_file();
            if self.disk.write_file(file, inline.bytes.clone()) {
                ready.insert(content, file);
            }
        }
        ready
    }

    /// The next commit, if one is to go.
    pub fn next_commit(&mut self) -> Option<FromMember> {
        if !self.seal() || (self.replica.seal_is_unsynced() && self.replica.sync().is_err()) {
            return None;
        }
        self.replica.outgoing().map(|(commit, inline)| FromMember::Commit { commit, inline })
    }

    /// False where sealing failed.
    fn seal(&mut self) -> bool {
        let Some(seal) = self.replica.to_seal() else { return true };
        if !seal.large.is_empty() && self.replica.sync_marks().is_err() {
            return false;
        }
        for (node, content) in &seal.large {
            if let Some(file) = self.replica.file_holding(*node, *content) {
                self.disk.sync_file(file);
            }
        }
        let mut inline = Vec::new();
        for wanted in &seal.inline {
            // Bytes that are not here were sent before, with another op: the hub asks if it lacks them.
            if let Some(bytes) = self.chunk_bytes(wanted.node, wanted.content, wanted.chunk) {
                inline.push((*wanted, bytes));
            }
        }
        let sealed: Vec<Digest> = inline.iter().map(|(wanted, _)| wanted.content).collect();
        if self.replica.seal(seal.count, inline).is_err() || self.replica.sync().is_err() {
            return false;
        }
        let large = seal.large.iter().map(|(_, content)| *content);
        sealed.into_iter().chain(large).for_each(|content| self.ledger.durable(content));
        true
    }

    /// Finds the chunks of the sealed commit that the hub asked for.
    pub fn find_asked(&self, wanted: &[ChunkId]) -> Vec<Asked> {
        let ops = self.replica.sealed().map_or(Vec::new(), |sealed| sealed.commit.ops);
        let find = |chunk: ChunkId| {
            let mut asked = Asked { chunk, content: None, op: String::new(), bytes: None };
            for op in &ops {
                let Some(manifest) = op.verb.manifest() else { continue };
                if asked.bytes.is_none() && manifest.chunk_ids().any(|id| id == chunk) {
                    let content = content_of(manifest);
                    asked.bytes = self.chunk_bytes(op.verb.node(), content, chunk);
                    (asked.content, asked.op) = (Some(content), telling::op(op));
                }
            }
            asked
        };
        wanted.iter().map(|chunk| find(*chunk)).collect()
    }

    /// A content of the sealed commit is gone for good: what was built on it goes on as it can.
    pub fn give_up(&mut self, now: u64, content: Digest) {
        crate::checks::pending(self).for_each(|op| self.clock.stamps.excuse(op.time));
        let stamp = self.stamp(now);
        let parked = self.replica.lost(stamp, content);
        self.done(parked);
    }

    /// Contents that are to be fetched.
    pub fn wanted(&self, limit: usize) -> Vec<Wanted> {
        let nodes = self.replica.wanted(None, limit).into_iter();
        let wanted = nodes.filter_map(|node| {
            let manifest = self.manifest_at(node)?;
            let content = content_of(&manifest);
            Some(Wanted { node, content, chunks: manifest.chunk_ids().collect() })
        });
        wanted.collect()
    }

    /// Fetched content has come: what of it is not on this machine is among `chunks`.
    pub fn arrived(&mut self, wanted: &Wanted, chunks: &BTreeMap<ChunkId, Vec<u8>>) {
        let find = |chunk: &ChunkId| {
            self.chunk_bytes(wanted.node, wanted.content, *chunk).or_else(|| chunks.get(chunk).cloned())
        };
        let Some(parts) = wanted.chunks.iter().map(find).collect::<Option<Vec<_>>>() else { return };
        let mut bytes = parts.concat();
        if self.faults.fetches_wrong_bytes {
            bytes[0] ^= 1;
        }
        let file = self.replica.allocate_file();
        if !self.disk.write_file(file, bytes) {
            return;
        }
        let swapped = self.replica.materialized(wanted.node, wanted.content, (file, None));
        if !self.done(swapped) {
            self.disk.remove_file(file);
        }
    }
}
