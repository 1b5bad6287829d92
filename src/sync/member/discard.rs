//! Giving up pending removals, where an administrator has decided so.
//!
//! What would end a node that the hub has is taken out of the journal, and with it the removal of a directory that is
//! empty only for that. All else is replayed without it: what is removed here stands there again, and an op that built
//! on a removal is settled by the rules of `rebase`, as if somebody else had kept the file. A removal brings nothing, so
//! nothing is lost by giving it up.

use super::base::BaseKv;
use super::state::{LocalError, Work};
use crate::model::Round;
use crate::ops::{Change, Op, Tree, TreeMut, Verb, apply};
use crate::sync::kv::{Store, Txn};
use crate::sync::rows::{RowTree, RowTreeMut};
use crate::wire::SealedCommit;

impl<S: Store> Work<'_, S> {
    /// Takes all pending removals back. The round tells the hub that this was done.
    ///
    /// # Errors
    /// [`LocalError::Away`].
    pub fn give_up_removals(&mut self, sealed: SealedCommit, round: Round) -> Result<(), LocalError> {
        self.state.counters.round = self.state.counters.round.max(round);
        self.unseal(sealed);
        self.apply_held(None)?;
        if let Some(sealed) = self.sealed() {
            self.unseal(sealed);
        }
        let removals = self.pending_removals();
        tracing::warn!(removals = removals.len(), "an administrator has discarded what was removed here");
        let count = removals.len() as u64;
        for index in removals {
            self.remove_pending(index);
        }
        self.replay_pending()?;
        self.note_changes();
        self.state.discarded += count;
        self.effects.journal_grew = true;
        Ok(())
    }

    /// Journal indexes of the ops that end nodes of the base.
    fn pending_removals(&self) -> Vec<u64> {
        let slot = self.state.slot;
        let base = BaseKv { kv: &self.txn, slot };
        let known = RowTree { kv: &base, prefix: slot.view_prefix() };
        let mut rows = Txn::new(&base);
        let mut tree = RowTreeMut { txn: &mut rows, prefix: slot.view_prefix() };
        let mut removals = Vec::new();
        for (index, op) in self.journal() {
            let changes = apply(&tree, self.author(), &op);
            let removes = match &changes {
                Ok(changes) => changes.iter().any(|change| ends_node_of(&known, change)),
                // A directory that its files have come back to, or a file that was to be removed in another state.
                Err(_) => is_drop_of(&known, &op),
            };
            match changes {
                _ if removes => removals.push(index),
                Ok(changes) => tree.write(changes),
                Err(_) => {}
            }
        }
        removals
    }
}

fn ends_node_of(base: &impl Tree, change: &Change) -> bool {
    match change {
        Change::Tombstone(id, Some(tombstone)) => tombstone.successor.is_none() && base.node(*id).is_some(),
        _ => false,
    }
}

fn is_drop_of(base: &impl Tree, op: &Op) -> bool {
    matches!(&op.verb, Verb::Drop(drop) if base.node(drop.node).is_some())
}
