//! What the hub's entries and answers do to journal and base.

use super::keys;
use super::records::{Identity, Parked, content_of};
use super::session::{Arrived, SessionOutput};
use super::sights::Sighting;
use super::state::{LocalError, Work};
use crate::model::{Chain, CommitNumber, Digest, Incarnation, Round, Sequence};
use crate::ops::Op;
use crate::sync::kv::Store;
use crate::wire::{Answer, LogEntry, SealedCommit, chain_next, encode};
use std::collections::BTreeMap;

impl<S: Store> Work<'_, S> {
    /// Applies entries in order, the journal's own commit among them, and replays the journal once at the end.
    fn apply_entries(&mut self, entries: &[Arrived]) -> Result<(), LocalError> {
        let (mut meets, mut accepted) = (false, false);
        if matches!(self.sighting, Sighting::ByRows) {
            self.sighting = Sighting::ByOps(Vec::new());
        }
        for Arrived { entry, ready } in entries {
            for (content, file) in ready {
                self.effects.removed_files.extend(self.effects.ready.insert(*content, *file));
            }
            if !self.follows(entry) {
                let detail = format!("entry {} does not continue this history", entry.sequence);
                return Err(LocalError::History(detail));
            }
            let own = self.is_sealed_commit(entry);
            let touched = self.apply_entry(entry).map_err(|error| {
                LocalError::History(format!("entry {} does not apply: {error}", entry.sequence))
            })?;
            meets |= touched && !own;
            if own {
                self.forget_accepted();
            }
            accepted |= own;
        }
        // What is withheld alone keeps no more base rows than its own.
        if (meets && self.has_pending()) || (accepted && self.only_withholds()) {
            self.replay_pending()?;
        }
        if !self.has_pending() {
            super::base::revert(&mut self.txn, self.state.slot);
        }
        self.note_changes();
        Ok(())
    }

    /// Applies the entries that wait to be applied together, and `last`. Where a content is away they go on waiting;
    /// `last` comes again.
    pub fn apply_held(&mut self, last: Option<Arrived>) -> Result<(), LocalError> {
        let mut held = std::mem::take(&mut self.state.session.held);
        let waiting = held.len();
        held.extend(last);
        let applied = self.apply_entries(&held);
        if matches!(applied, Err(LocalError::Away(_))) {
            held.truncate(waiting);
            self.state.session.held = held;
        } else if applied.is_err() {
            held.truncate(waiting);
            let files = held.into_iter().flat_map(|arrived| arrived.ready.into_values());
            self.state.unused_files.extend(files);
        }
        applied
    }

    fn is_sealed_commit(&self, entry: &LogEntry) -> bool {
        // A state restored from a backup may have sealed other ops under a number it had used.
        let same =
            |sealed: SealedCommit| (sealed.commit.number, &sealed.commit.ops) == (entry.number, &entry.ops);
        entry.member == self.author() && self.sealed().is_some_and(same)
    }

    fn follows(&self, entry: &LogEntry) -> bool {
        let position = self.state.position;
        let previous = position.map_or(Chain::default(), |position| position.chain);
        let expected = Sequence::after(position.map(|position| position.sequence));
        let LogEntry { sequence, member, number, time, ops, chain } = entry;
        *sequence == expected && *chain == chain_next(previous, *sequence, *member, *number, *time, ops)
    }

    pub fn answered(&mut self, number: CommitNumber, answer: Answer) -> Result<(), LocalError> {
        let Some(sealed) = self.sealed().filter(|sealed| sealed.commit.number == number) else {
            return Ok(());
        };
        let held = self.state.session.held.clone();
        let taken = self.take_answer(sealed, answer);
        // An answer that could not be taken comes again, and meets what was held back for it.
        self.state.session.in_flight = matches!(taken, Err(LocalError::Away(_)));
        if self.state.session.in_flight {
            self.state.session.held = held;
        }
        taken
    }

    fn take_answer(&mut self, sealed: SealedCommit, answer: Answer) -> Result<(), LocalError> {
        if let Answer::Accept { sequence, time, chain } = answer {
            let (member, number) = (self.author(), sealed.commit.number);
            self.state.session.head = self.state.session.head.max(Some(sequence));
            let entry = LogEntry { sequence, member, number, time, ops: sealed.commit.ops, chain };
            return self.apply_held(Some(Arrived { entry, ready: BTreeMap::new() }));
        }
        if let Answer::Reject { round, .. } = answer {
            let next = self.state.counters.round.0.max(round.0) + 1;
            self.state.counters.round = Round(next);
            self.unseal(sealed);
            self.apply_held(None)?;
            self.replay_pending()?;
            self.note_changes();
            self.effects.journal_grew = true;
            return Ok(());
        }
        if let Answer::GiveUp { round, .. } = answer {
            return self.give_up_removals(sealed, round);
        }
        self.apply_held(None)?;
        if self.sealed().is_none() {
            // A replay on what came before the answer has put the ops back into the journal.
            self.effects.journal_grew = true;
            return Ok(());
        }
        match answer {
            Answer::Missing { chunks } => {
                self.state.session.uploading = true;
                self.effects.outputs.push(SessionOutput::Upload(chunks));
            }
            Answer::Wait { reason } => {
                self.state.session.waiting = Some(reason);
                self.effects.outputs.push(SessionOutput::Wait);
            }
            Answer::Held { reason } => self.state.session.waiting = Some(reason),
            Answer::Refuse { op, reason } => self.refused(op, reason)?,
            Answer::Forked => self.forked(),
            Answer::Accept { .. } | Answer::Reject { .. } | Answer::GiveUp { .. } => {}
        }
        Ok(())
    }

    /// The number was taken by a twin of this state: it must become a member of its own.
    pub fn forked(&mut self) {
        if let Some(identity) = self.state.identity.clone() {
            self.save_identity(Identity { incarnation: Incarnation::default(), ..identity });
        }
        self.disconnect(None, "this state directory was copied; it becomes a member of its own".into());
    }

    /// Parks what the hub will never take, and goes on with the rest.
    fn refused(&mut self, op: Option<u32>, reason: String) -> Result<(), LocalError> {
        let Some(sealed) = self.sealed() else { return Ok(()) };
        match op {
            Some(at) => return self.park(sealed, at as usize, reason),
            None => {
                self.unseal(sealed);
                // The whole commit is unwelcome: it stays in the journal, unsent, until the role returns.
                self.state.session.waiting = Some(reason);
            }
        }
        Ok(())
    }

    /// Parks the op of the sealed commit that brings a content.
    ///
    /// # Errors
    /// [`LocalError::Away`].
    pub fn park_lost(&mut self, content: Digest) -> Result<(), LocalError> {
        self.state.session.uploading = false;
        let Some(sealed) = self.sealed() else { return Ok(()) };
        let brings = |op: &Op| op.verb.manifest().map(content_of) == Some(content);
        // Where a replay has joined it with another meanwhile, nothing that is sealed brings it.
        if let Some(at) = sealed.commit.ops.iter().position(brings) {
            self.park(sealed, at, "its content is not on this machine's disk any more".into())?;
        }
        Ok(())
    }

    fn park(&mut self, sealed: SealedCommit, at: usize, reason: String) -> Result<(), LocalError> {
        self.unseal(sealed);
        if let Some((index, op)) = self.journal_first(at + 1).pop() {
            self.remove_pending(index);
            self.state.counters.journal += 1;
            let index = self.state.counters.journal;
            self.note_user(&op, index);
            self.txn.put(keys::parked(index), encode(&Parked { op, reason }));
        }
        self.replay_pending()?;
        self.note_changes();
        self.effects.journal_grew = true;
        Ok(())
    }
}
