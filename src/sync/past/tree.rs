//! The tree at a sequence, built by applying log entries in order.
//!
//! Invariant: entries come without a gap and by their chain, so the tree is the one that every member had there.
//! Memory is one page of entries; the rows are in the store, which is the caller's to make and to remove.

use crate::model::{Chain, MemberNumber, Node, NodeId, Sequence};
use crate::ops::{Change, Rejection, TreeMut, apply};
use crate::sync::kv::{Durability, Kv, Store, Txn, WriteError};
use crate::sync::rows::{RowTree, RowTreeMut};
use crate::wire::{LogEntry, Position, chain_next};

/// Where the tree's rows stand in the store.
pub(super) const TREE: &[u8] = b"T";

/// Why a tree could not be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PastError {
    #[error("entry {0} of the log does not continue the ones before it")]
    Gap(Sequence),
    #[error("entry {sequence} of the log does not apply: {rejection}")]
    Entry { sequence: Sequence, rejection: Rejection },
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// The tree at a sequence.
#[derive(Debug)]
pub struct PastTree<S> {
    store: S,
    position: Option<Position>,
}

impl<S: Store> PastTree<S> {
    /// The tree before the first commit, in a store that holds nothing.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn new(store: S) -> Result<PastTree<S>, WriteError> {
        let mut txn = Txn::new(&store);
        let root = Change::Node(NodeId::ROOT, Some(Node::root()));
        RowTreeMut { txn: &mut txn, prefix: TREE }.write(vec![root]);
        let batch = txn.into_batch();
        store.commit(batch, Durability::Process)?;
        Ok(PastTree { store, position: None })
    }

    /// Applies entries that follow the last one, all or none.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn apply(&mut self, entries: &[LogEntry]) -> Result<(), PastError> {
        self.apply_noting(entries, |txn, _, changes| {
            RowTreeMut { txn, prefix: TREE }.write(changes);
        })
    }

    /// Applies entries and lets `write` write the changes of each op, and what it notes of them beside the tree.
    pub(super) fn apply_noting(
        &mut self,
        entries: &[LogEntry],
        mut write: impl FnMut(&mut Txn<'_, S>, MemberNumber, Vec<Change>),
    ) -> Result<(), PastError> {
        let mut txn = Txn::new(&self.store);
        let position = extend(&mut txn, TREE, (self.position, entries), &mut write)?;
        let batch = txn.into_batch();
        self.store.commit(batch, Durability::Process)?;
        self.position = position;
        Ok(())
    }

    /// The last sequence applied.
    pub fn sequence(&self) -> Option<Sequence> {
        self.position.map(|position| position.sequence)
    }

    pub fn tree(&self) -> RowTree<'_, S> {
        RowTree { kv: &self.store, prefix: TREE }
    }

    pub(super) fn store(&self) -> &S {
        &self.store
    }
}

/// Judges entries that follow `position` on the tree under `prefix`, and has `write` write the changes of each op.
/// Returns where the tree stands then.
///
/// # Errors
/// [`PastError::Gap`], [`PastError::Entry`].
pub fn extend<'k, K: Kv + ?Sized>(
    txn: &mut Txn<'k, K>,
    prefix: &[u8],
    (mut position, entries): (Option<Position>, &[LogEntry]),
    write: &mut impl FnMut(&mut Txn<'k, K>, MemberNumber, Vec<Change>),
) -> Result<Option<Position>, PastError> {
    for entry in entries {
        position = Some(following(position, entry)?);
        for op in &entry.ops {
            let judged = apply(&RowTree { kv: &*txn, prefix }, entry.member, op);
            let failed = |rejection| PastError::Entry { sequence: entry.sequence, rejection };
            write(txn, entry.member, judged.map_err(failed)?);
        }
    }
    Ok(position)
}

fn following(position: Option<Position>, entry: &LogEntry) -> Result<Position, PastError> {
    let previous = position.map_or(Chain::default(), |position| position.chain);
    let expected = Sequence::after(position.map(|position| position.sequence));
    let LogEntry { sequence, member, number, time, ops, chain } = entry;
    let follows =
        *sequence == expected && *chain == chain_next(previous, *sequence, *member, *number, *time, ops);
    if follows { Ok(Position { sequence: *sequence, chain: *chain }) } else { Err(PastError::Gap(*sequence)) }
}
