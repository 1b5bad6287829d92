//! Ops that follow from each other, taken as local work: many in one transaction, each made from the view as those
//! before it left it.
//!
//! Invariant: inodes are treated as where remote work changes content: open handles keep what they have, the names get
//! the new. A step that does not fit, or is about a file that has not got into the log yet or whose content is
//! withheld, is left out and counted.

use super::keys;
use super::resolve::NewContent;
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{MemberName, MemberNumber, NodeId, Timestamp};
use crate::ops::{Op, Put, TreeMut, Verb, apply};
use crate::sync::kv::{Durability, Kv, Store, Txn};
use crate::sync::past::{Steps, Told, told_of};
use crate::sync::rows::{RowTree, RowTreeMut};
use crate::wire::{decode, encode};

/// What was done, or would be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    pub told: Vec<Told>,
    /// Steps that did not fit.
    pub misfits: u64,
    /// There may be more steps.
    pub more: bool,
}

impl<S: Store> Replica<S> {
    /// Takes up to `limit` steps, all of them or none.
    ///
    /// # Errors
    /// [`LocalError::ReadOnly`], [`LocalError::Write`].
    pub fn take_steps(
        &mut self,
        now: Timestamp,
        limit: usize,
        steps: &mut impl Steps,
    ) -> Result<(Taken, Effects), LocalError> {
        if self.read_only() {
            return Err(LocalError::ReadOnly);
        }
        self.transact(now, Durability::Process, |work| {
            let mut taken = Taken::default();
            while taken.told.len() < limit {
                let Some(verb) = work.next_step(steps) else { break };
                let told = told_of(&work.view(), &verb);
                match work.take_step(verb) {
                    true => taken.told.push(told),
                    false => taken.misfits += 1,
                }
            }
            taken.more = taken.told.len() == limit;
            work.note_changes();
            work.touch_changed(now);
            Ok(taken)
        })
    }

    /// What steps would do, at most `limit` of them; nothing is changed.
    pub fn try_steps(&self, now: Timestamp, limit: usize, steps: &mut impl Steps) -> Taken {
        let author = self.state.identity.as_ref().map_or(MemberNumber(0), |identity| identity.member);
        let (mut txn, mut counter) = (Txn::new(&self.store), self.state.counters.node);
        let prefix = self.state.slot.view_prefix();
        let mut taken = Taken::default();
        while taken.told.len() < limit {
            let view = RowTree { kv: &txn, prefix };
            let mut allocate = || {
                counter += 1;
                NodeId { member: author, counter }
            };
            let Some(verb) = steps.next(&view, &mut allocate) else { return taken };
            let told = told_of(&view, &verb);
            match apply(&view, author, &Op { time: now, verb }) {
                Ok(changes) => {
                    RowTreeMut { txn: &mut txn, prefix }.write(changes);
                    taken.told.push(told);
                }
                Err(_) => taken.misfits += 1,
            }
        }
        taken.more = true;
        taken
    }

    /// Gives a file its next content, whose bytes stand in a backing file that no inode names yet.
    ///
    /// # Errors
    /// [`LocalError::Rejected`] where the file has gone on, [`LocalError::ReadOnly`], [`LocalError::Write`]; the
    /// backing file is nobody's then.
    pub fn put_content(
        &mut self,
        now: Timestamp,
        put: Put,
        content: NewContent,
    ) -> Result<Effects, LocalError> {
        if self.read_only() {
            return Err(LocalError::ReadOnly);
        }
        let taken = self.transact(now, Durability::Process, |work| {
            // The counter of files must be kept although it grew before this transaction began.
            work.txn.put(keys::meta("counters"), encode(&work.state.counters));
            let (node, manifest) = (put.node, put.manifest.clone());
            work.submit(Verb::Put(put))?;
            work.follow_put(node, manifest, content);
            work.touch_changed(now);
            Ok(())
        });
        taken.map(|((), effects)| effects)
    }

    /// The names of all members of this space.
    pub fn members(&self) -> impl Iterator<Item = (MemberNumber, MemberName)> + '_ {
        let rows = self.store.scan_prefix(&[keys::MEMBER]);
        rows.map(|(key, value)| {
            let number = key.last_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
            (MemberNumber(number), decode("member name", &value).expect("records of ours decode"))
        })
    }
}

impl<S: Store> Work<'_, S> {
    fn next_step(&mut self, steps: &mut impl Steps) -> Option<Verb> {
        let member = self.author();
        let counters = &mut self.state.counters;
        let mut allocate = || {
            counters.node += 1;
            NodeId { member, counter: counters.node }
        };
        let view = RowTree { kv: &self.txn, prefix: self.state.slot.view_prefix() };
        steps.next(&view, &mut allocate)
    }

    fn take_step(&mut self, verb: Verb) -> bool {
        let node = verb.node();
        if self.embryo(node).is_some() || self.is_withheld(node) {
            return false;
        }
        self.submit(verb).is_ok()
    }

    fn is_withheld(&self, node: NodeId) -> bool {
        let any = self.txn.scan_prefix(&[keys::WITHHELD]).next().is_some();
        any && self.withheld().iter().any(|(_, op)| op.verb.node() == node)
    }
}
