//! A member's conversation with the hub.
//!
//! While a commit is in flight, entries that come are held back until its answer: then it is known whether
//! the commit stands behind them in the log, and they are applied together with it. Between answers entries
//! are applied as they come.

use super::keys;
use super::records::Identity;
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{Chain, ChunkId, CommitNumber, Digest, MemberNumber, Role, Round, Sequence};
use crate::model::{SpaceName, Timestamp};
use crate::sync::kv::{Durability, Store};
use crate::wire::{
    Answer, FromHub, Hello, LogEntry, Position, RefuseReason, SealedCommit, Start, WIRE_FORMAT, Welcome,
    chain_next, encode,
};
use std::collections::BTreeMap;

/// Where the conversation stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    #[default]
    Offline,
    /// The hello is sent, or a snapshot is on its way.
    Greeting,
    /// Entries come and commits go.
    Live,
}

/// What the session wants of whoever runs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionOutput {
    /// The hub lacks these chunks of the sealed commit: upload them, then call [`Replica::uploaded`].
    Upload(Vec<ChunkId>),
    /// The conversation is over; the hub's reason, where it gave one.
    Disconnect {
        reason: Option<RefuseReason>,
        detail: String,
    },
    /// Everything the hub had at the barrier is applied.
    Barrier {
        id: u64,
    },
    /// The hub asks to wait before the sealed commit is sent again.
    Wait,
    Role(Role),
}

#[derive(Debug, Default)]
pub(super) struct Session {
    pub phase: Phase,
    pub in_flight: bool,
    pub uploading: bool,
    /// Why the hub does not take the sealed commit now.
    pub waiting: Option<String>,
    /// Entries that came while a commit was in flight.
    pub held: Vec<LogEntry>,
    /// The last sequence the hub is known to have.
    pub head: Option<Sequence>,
    snapshot: Option<Option<Position>>,
}

impl<S: Store> Replica<S> {
    pub fn phase(&self) -> Phase {
        self.state.session.phase
    }

    /// The last sequence the hub is known to have.
    pub fn head(&self) -> Option<Sequence> {
        self.state.session.head
    }

    /// Why the hub does not take what is sealed now.
    pub fn waiting(&self) -> Option<&str> {
        self.state.session.waiting.as_deref()
    }

    /// Begins a conversation: the hello to send.
    pub fn connected(&mut self, space: SpaceName) -> Hello {
        let head = self.state.session.head;
        self.state.session = Session { phase: Phase::Greeting, head, ..Session::default() };
        let identity = self.state.identity.as_ref();
        Hello {
            format: WIRE_FORMAT,
            space,
            name: self.state.name.clone(),
            member: identity.map(|identity| (identity.space, identity.member, identity.incarnation)),
            position: self.state.position,
        }
    }

    /// Ends a conversation, however it ended.
    pub fn disconnected(&mut self) {
        let head = self.state.session.head;
        self.state.session = Session { head, ..Session::default() };
    }

    /// Takes a message of the hub. `ready` names backing files already filled with content that came along.
    ///
    /// # Errors
    /// [`LocalError::Write`]: the message is not taken; the conversation must begin anew.
    pub fn handle(
        &mut self,
        now: Timestamp,
        message: FromHub,
        ready: BTreeMap<Digest, u64>,
    ) -> Result<Effects, LocalError> {
        let durability = match &message {
            FromHub::Welcome(_) | FromHub::SnapshotEnd => Durability::Power,
            _ => Durability::Process,
        };
        let handled = self.transact(now, durability, |work| {
            if !ready.is_empty() {
                work.txn.put(keys::meta("counters"), encode(&work.state.counters));
            }
            work.effects.ready = ready;
            work.handle(message)?;
            let unused = std::mem::take(&mut work.effects.ready);
            work.effects.removed_files.extend(unused.into_values());
            work.touch_changed(now);
            Ok(())
        });
        handled.map(|((), effects)| effects)
    }

    /// Tells whether everything the hub had at the welcome is applied.
    pub fn caught_up(&self) -> bool {
        self.state.position.map(|position| position.sequence) >= self.state.session.head
    }

    pub(super) fn read_only_role(&self) -> bool {
        self.state.identity.as_ref().is_some_and(|identity| identity.role == Role::Reader)
    }
}

impl<S: Store> Work<'_, S> {
    fn handle(&mut self, message: FromHub) -> Result<(), LocalError> {
        match message {
            FromHub::Welcome(welcome) => self.welcomed(welcome),
            FromHub::Refused { reason, detail } => self.disconnect(Some(reason), detail),
            FromHub::SnapshotRows(rows) => self.stage(rows),
            FromHub::SnapshotEnd => self.switch_to_snapshot(),
            FromHub::Entry { entry, .. } => self.entry(entry),
            FromHub::Answer { number, answer } => self.answered(number, answer),
            FromHub::Barrier { id, .. } => self.effects.outputs.push(SessionOutput::Barrier { id }),
            FromHub::Role(role) => self.role(role),
            FromHub::Members(members) => {
                for (number, name) in members {
                    self.txn.put(keys::member(number), encode(&name));
                }
            }
            FromHub::Enrolled { .. } => self.disconnect(None, "the hub answered out of turn".into()),
        }
        Ok(())
    }

    fn disconnect(&mut self, reason: Option<RefuseReason>, detail: String) {
        self.effects.outputs.push(SessionOutput::Disconnect { reason, detail });
    }

    fn role(&mut self, role: Role) {
        if let Some(identity) = self.state.identity.clone() {
            self.save_identity(Identity { role, ..identity });
            self.effects.outputs.push(SessionOutput::Role(role));
            // What an earlier role was refused for is tried again.
            self.state.session.waiting = None;
            self.effects.journal_grew = true;
        }
    }

    fn welcomed(&mut self, welcome: Welcome) {
        let before = self.state.identity.as_ref().map_or(MemberNumber(0), |identity| identity.member);
        let role_before = self.state.identity.as_ref().map(|identity| identity.role);
        self.save_identity(Identity {
            space: welcome.space,
            member: welcome.member,
            name: welcome.name,
            incarnation: welcome.incarnation,
            role: welcome.role,
        });
        if role_before != Some(welcome.role) {
            self.effects.outputs.push(SessionOutput::Role(welcome.role));
        }
        if before != welcome.member {
            self.renumber(before, welcome.member);
        }
        self.state.session.head = welcome.head;
        match welcome.start {
            Start::Tail => self.state.session.phase = Phase::Live,
            Start::Snapshot { position } => {
                // What the snapshot has already is forgotten before the rest is replayed on it.
                let accepted = |sealed: &SealedCommit| sealed.commit.number <= welcome.accepted;
                if before == welcome.member && self.sealed().as_ref().is_some_and(accepted) {
                    self.move_base_by_sealed();
                    self.forget_accepted();
                }
                self.begin_snapshot();
                self.state.session.snapshot = Some(position);
            }
        }
    }

    pub fn take_snapshot_position(&mut self) -> Option<Option<Position>> {
        self.state.session.snapshot.take()
    }

    fn entry(&mut self, entry: LogEntry) {
        self.state.session.head = self.state.session.head.max(Some(entry.sequence));
        if self.state.session.in_flight {
            self.state.session.held.push(entry);
        } else {
            self.apply_entries(vec![entry]);
        }
    }

    /// Applies entries in order, the journal's own commit among them, and replays the journal once at the end.
    fn apply_entries(&mut self, entries: Vec<LogEntry>) {
        let mut meets = false;
        for entry in entries {
            if !self.follows(&entry) {
                return self
                    .disconnect(None, format!("entry {} does not continue this history", entry.sequence));
            }
            let own = self.is_sealed_commit(&entry);
            match self.apply_entry(&entry) {
                Ok(touched) => meets |= touched && !own,
                Err(error) => {
                    return self
                        .disconnect(None, format!("entry {} does not apply: {error}", entry.sequence));
                }
            }
            if own {
                self.forget_accepted();
            }
        }
        if meets && self.has_pending() {
            self.replay_pending();
        }
        if !self.has_pending() {
            super::base::revert(&mut self.txn, self.state.slot);
        }
        self.note_changes();
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

    fn answered(&mut self, number: CommitNumber, answer: Answer) {
        let Some(sealed) = self.sealed().filter(|sealed| sealed.commit.number == number) else { return };
        self.state.session.in_flight = false;
        let mut held = std::mem::take(&mut self.state.session.held);
        match answer {
            Answer::Accept { sequence, time, chain } => {
                let member = self.author();
                self.state.session.head = self.state.session.head.max(Some(sequence));
                held.push(LogEntry { sequence, member, number, time, ops: sealed.commit.ops, chain });
                self.apply_entries(held);
            }
            Answer::Reject { round, .. } => {
                let next = self.state.counters.round.0.max(round.0) + 1;
                self.state.counters.round = Round(next);
                self.unseal(sealed);
                self.apply_entries(held);
                self.replay_pending();
                self.note_changes();
                self.effects.journal_grew = true;
            }
            Answer::Missing { chunks } => {
                self.apply_entries(held);
                self.state.session.uploading = true;
                self.effects.outputs.push(SessionOutput::Upload(chunks));
            }
            Answer::Wait { reason } => {
                self.apply_entries(held);
                self.state.session.waiting = Some(reason);
                self.effects.outputs.push(SessionOutput::Wait);
            }
            Answer::Refuse { op, reason } => {
                self.apply_entries(held);
                self.refused(sealed, op, reason);
            }
            Answer::Forked => self.forked(),
        }
    }

    /// The number was taken by a twin of this state: it must become a member of its own.
    fn forked(&mut self) {
        if let Some(identity) = self.state.identity.clone() {
            let incarnation = crate::model::Incarnation::default();
            self.save_identity(Identity { incarnation, ..identity });
        }
        self.disconnect(None, "this state directory was copied; it becomes a member of its own".into());
    }

    /// Parks what the hub will never take, and goes on with the rest.
    fn refused(&mut self, sealed: SealedCommit, op: Option<u32>, reason: String) {
        self.unseal(sealed);
        let Some(at) = op else {
            // The whole commit is unwelcome: it stays in the journal, unsent, until the role returns.
            self.state.session.waiting = Some(reason);
            return;
        };
        if let Some((index, op)) = self.journal_first(at as usize + 1).pop() {
            self.remove_pending(index);
            self.state.counters.journal += 1;
            let parked = super::records::Parked { op, reason };
            self.txn.put(keys::parked(self.state.counters.journal), encode(&parked));
        }
        self.replay_pending();
        self.note_changes();
        self.effects.journal_grew = true;
    }

    /// Gives pending work made under another member number this one's.
    fn renumber(&mut self, from: MemberNumber, to: MemberNumber) {
        if let Some(sealed) = self.sealed() {
            self.unseal(sealed);
        }
        self.state.counters.commit = CommitNumber::default();
        super::snapshot::renumber_pending(self, from, to);
    }
}
