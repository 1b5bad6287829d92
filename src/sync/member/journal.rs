//! The journal: ops the hub has not accepted, in the order they are to be sent.

use super::keys;
use super::records::{Ino, content_of};
use super::state::{LocalError, Pending, Replica, Work};
use crate::model::{Digest, NodeId};
use crate::ops::{Drop, Op, SetMeta, Tree, Verb};
use crate::sync::kv::{Kv, Store};
use crate::wire::{RowKey, SealedCommit, decode, encode};
use std::collections::BTreeSet;

fn read_op(value: &[u8]) -> Op {
    decode("journal op", value).expect("ops of ours decode")
}

fn read_sealed(value: &[u8]) -> SealedCommit {
    decode("sealed commit", value).expect("commits of ours decode")
}

/// The nodes an op is about: what a move replaces is among them.
pub(super) fn nodes_of(op: &Op) -> impl Iterator<Item = NodeId> + use<> {
    let replaced = match &op.verb {
        Verb::Move(rename) => rename.replaces.map(|replaced| replaced.node),
        _ => None,
    };
    [op.verb.node()].into_iter().chain(replaced)
}

/// The content that an op brings, where there are bytes in it.
fn content_brought(op: &Op) -> Option<Digest> {
    op.verb.manifest().filter(|manifest| manifest.length > 0).map(content_of)
}

/// Work that the hub has not accepted, by the rows alone: counting much of it takes long, and need keep nobody waiting.
pub fn pending_in(rows: &impl Kv) -> Pending {
    let mut pending = Pending::default();
    let mut nodes = BTreeSet::new();
    let mut count = |op: &Op| {
        pending.ops += 1;
        if let Some(manifest) = op.verb.manifest() {
            pending.bytes += manifest.length;
            nodes.insert(op.verb.node());
        }
    };
    for (_, value) in rows.scan_prefix(&[keys::JOURNAL]) {
        count(&read_op(&value));
    }
    // Order: what is sealed meanwhile counts twice rather than not at all.
    if let Some(sealed) = rows.get(keys::SEALED) {
        read_sealed(&sealed).commit.ops.iter().for_each(&mut count);
    }
    pending.files = nodes.len() as u64;
    pending
}

impl<S: Store> Replica<S> {
    /// The commit that is sealed and not answered for good.
    pub fn sealed(&self) -> Option<SealedCommit> {
        self.store.get(keys::SEALED).map(|value| read_sealed(&value))
    }

    /// The pending ops that are not sealed, in order, with their indexes.
    pub fn journal(&self) -> impl Iterator<Item = (u64, Op)> + '_ {
        let rows = self.store.scan_prefix(&[keys::JOURNAL]);
        rows.map(|(key, value)| (keys::number_of(&key), read_op(&value)))
    }

    /// Counts the ops put at the journal's end, those among them that a replay has put back.
    pub fn journalled(&self) -> u64 {
        self.state.counters.journal
    }

    /// Work that the hub has not accepted.
    pub fn pending(&self) -> Pending {
        pending_in(&self.store)
    }

    /// Tells whether every local change has been accepted and nothing is still to be captured.
    pub fn is_clean(&self) -> bool {
        let is_idle = |ino: &Ino| self.state.idle.contains(ino);
        let journal_is_empty = self.store.scan_prefix(&[keys::JOURNAL]).next().is_none();
        self.sealed().is_none() && journal_is_empty && self.dirty_inodes().iter().all(is_idle)
    }
}

impl<S: Store> Work<'_, S> {
    /// Puts an op at the journal's end. Attribute changes of one node that follow each other are one op.
    pub fn append(&mut self, op: Op) {
        self.effects.journal_grew = true;
        if let Some(joined) = self.join_set_meta(&op) {
            self.txn.put(keys::journal(self.state.counters.journal), encode(&joined));
            return;
        }
        self.state.counters.journal += 1;
        let index = self.state.counters.journal;
        self.put_pending(index, &op);
    }

    /// Puts an op at an index of the journal, to be found by each node it is about.
    pub fn put_pending(&mut self, index: u64, op: &Op) {
        nodes_of(op).for_each(|node| self.txn.put(keys::pending(node, index), Vec::new()));
        self.note_user(op, index);
        self.txn.put(keys::journal(index), encode(op));
    }

    /// Notes that the op with this index needs the content that it brings.
    pub fn note_user(&mut self, op: &Op, index: u64) {
        if let Some(content) = content_brought(op) {
            self.txn.put(keys::user(content, index), Vec::new());
        }
    }

    fn join_set_meta(&self, op: &Op) -> Option<Op> {
        let Verb::SetMeta(later) = &op.verb else { return None };
        let last = self.txn.get(&keys::journal(self.state.counters.journal))?;
        match read_op(&last).verb {
            Verb::SetMeta(earlier) if earlier.node == later.node => {
                Some(Op { time: op.time, verb: Verb::SetMeta(join(earlier, later.clone())) })
            }
            _ => None,
        }
    }

    /// Takes an op out of the journal. What it brings stays held until somebody lets go of that.
    pub fn remove_pending(&mut self, index: u64) -> Option<Op> {
        let op = read_op(&self.txn.get(&keys::journal(index))?);
        nodes_of(&op).for_each(|node| self.txn.remove(keys::pending(node, index)));
        if let Some(content) = content_brought(&op) {
            self.txn.remove(keys::user(content, index));
        }
        self.txn.remove(keys::journal(index));
        Some(op)
    }

    /// The pending ops that are not sealed, in order.
    pub fn journal(&self) -> Vec<(u64, Op)> {
        let rows = self.txn.scan_prefix(&[keys::JOURNAL]);
        rows.map(|(key, value)| (keys::number_of(&key), read_op(&value))).collect()
    }

    pub fn sealed(&self) -> Option<SealedCommit> {
        self.read(keys::SEALED)
    }

    pub fn has_pending(&self) -> bool {
        let any = |tag: u8| self.txn.scan_prefix(&[tag]).next().is_some();
        self.txn.get(keys::SEALED).is_some()
            || [keys::JOURNAL, keys::EMBRYO, keys::WITHHELD].into_iter().any(any)
    }

    /// Tells whether nothing waits but what is withheld.
    pub fn only_withholds(&self) -> bool {
        let none = |tag: u8| self.txn.scan_prefix(&[tag]).next().is_none();
        self.txn.get(keys::SEALED).is_none()
            && [keys::JOURNAL, keys::EMBRYO].into_iter().all(none)
            && !none(keys::WITHHELD)
    }

    /// Takes a node that nobody else has seen out of view and journal, where `drop` removes its only name.
    /// Returns false where it has been seen, or other ops build on it.
    pub fn forget_unseen(&mut self, drop: &Drop) -> Result<bool, LocalError> {
        let Some(ops) = self.unseen_ops(drop) else { return Ok(false) };
        let node = drop.node;
        let ops: Vec<Op> = ops.into_iter().filter_map(|index| self.remove_pending(index)).collect();
        self.release_contents_of(&ops);
        self.erase(node, &drop.place);
        self.unkeep(&[RowKey::place(node, &drop.place)]);
        self.set_mtime(drop.place.parent, self.now)?;
        Ok(true)
    }

    /// The journal indexes of a file's whole life, where it began unsealed and nothing but its own ops touch it.
    fn unseen_ops(&self, drop: &Drop) -> Option<Vec<u64>> {
        let node = self.view().node(drop.node)?;
        let alone = self.view().places(drop.node) == [drop.place.clone()] && node.moved.is_none();
        if !alone || node.manifest().is_none() || !self.view().conflicts_of(drop.node).is_empty() {
            return None;
        }
        let indexes: Vec<u64> = self
            .txn
            .scan_prefix(&keys::pending_of(drop.node))
            .map(|(key, _)| keys::number_of(&key))
            .collect();
        let simple = |(at, index): (usize, &u64)| {
            let verb = self.txn.get(&keys::journal(*index)).map(|value| read_op(&value).verb);
            match verb {
                Some(Verb::Make(make)) => at == 0 && make.place == drop.place && make.conflict.is_none(),
                Some(Verb::Put(_) | Verb::SetMeta(_)) => at > 0,
                _ => false,
            }
        };
        let whole = !indexes.is_empty() && indexes.iter().enumerate().all(simple);
        (whole && self.made_unseen(drop.node)).then_some(indexes)
    }

    /// A make that brings a removed node back would leave the removal to be undone: that one was seen.
    fn made_unseen(&self, node: NodeId) -> bool {
        let slot = self.state.slot;
        let kept = |row: Vec<u8>| self.read::<Option<Vec<u8>>>(&[&slot.base()[..], &row].concat());
        kept(RowKey::node(node)) == Some(None) && kept(RowKey::tombstone(node)).is_none()
    }
}

fn join(mut earlier: SetMeta, later: SetMeta) -> SetMeta {
    earlier.mode = later.mode.or(earlier.mode);
    earlier.uid = later.uid.or(earlier.uid);
    earlier.gid = later.gid.or(earlier.gid);
    earlier.mtime = later.mtime.or(earlier.mtime);
    earlier.xattrs.retain(|(name, _)| later.xattrs.iter().all(|(newer, _)| newer != name));
    earlier.xattrs.extend(later.xattrs);
    earlier
}
