//! A member's conversation with the hub.
//!
//! While a commit is in flight, entries that come are held back until its answer: then it is known whether
//! the commit stands behind them in the log, and they are applied together with it. Entries of the past are
//! gathered too, so that a long journal is replayed on many of them at once. Otherwise entries are applied as
//! they come.

use super::keys;
use super::merging::Contents;
use super::records::Identity;
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{
    ChunkId, CommitNumber, Digest, MemberNumber, NodeId, Role, Sequence, SpaceName, Timestamp,
};
use crate::sync::kv::{Durability, Store};
use crate::wire::{
    FromHub, Hello, LogEntry, Position, RefuseReason, SealedCommit, WIRE_FORMAT, commit_digest, decode,
    encode,
};
use std::collections::BTreeMap;

/// Ops of entries held back while this member catches up, at most: one replay of the journal serves them all.
const CATCH_UP_OPS_MAX: usize = 16_000;

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
    /// [`Replica::quota`] is another one.
    Quota,
    /// The hub has lost chunks that these nodes have or had.
    Wanted {
        id: u64,
        wanted: Vec<(NodeId, Vec<ChunkId>)>,
    },
}

/// A commit by the number of the member that sealed it, its own, and its digest.
pub(super) type CommitName = (MemberNumber, CommitNumber, Digest);

#[derive(Debug, Default)]
pub(super) struct Session {
    pub phase: Phase,
    /// The commit that the hello named.
    pub named: Option<CommitName>,
    pub in_flight: bool,
    pub uploading: bool,
    /// Why the hub does not take the sealed commit now.
    pub waiting: Option<String>,
    /// Entries that wait to be applied together.
    pub held: Vec<Arrived>,
    /// The last sequence the hub is known to have.
    pub head: Option<Sequence>,
    /// What of that the welcome told.
    pub welcomed: Option<Sequence>,
    pub snapshot: Option<Arriving>,
}

/// A snapshot on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arriving {
    /// Where the hub's log stands with it.
    pub position: Option<Position>,
    /// The hub lacks what this member's base has: whether that is another state of the same space.
    pub departs: Option<SameSpace>,
}

/// Whether equal node ids mean equal nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SameSpace(pub bool);

/// A log entry as it came, with the backing files already filled with its content.
#[derive(Clone, Debug)]
pub(super) struct Arrived {
    pub entry: LogEntry,
    pub ready: BTreeMap<Digest, u64>,
}

impl Session {
    /// Whether entries are to be gathered before they are applied.
    fn gathers(&self) -> bool {
        let ops: usize = self.held.iter().map(|arrived| arrived.entry.ops.len()).sum();
        let last = self.held.last().map(|arrived| arrived.entry.sequence);
        self.in_flight || (last < self.head && ops < CATCH_UP_OPS_MAX)
    }
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
        self.disconnected();
        self.state.session.phase = Phase::Greeting;
        self.state.session.named = self.counted_early().or_else(|| self.sealed_name());
        let identity = self.state.identity.as_ref();
        Hello {
            format: WIRE_FORMAT,
            space,
            name: self.state.name.clone(),
            member: identity.map(|identity| (identity.space, identity.member, identity.incarnation)),
            position: self.state.position,
            whole: self.state.doubts_position,
            sealed: self.state.session.named,
        }
    }

    /// The commit that the base has already and a snapshot that has not come will have.
    fn counted_early(&self) -> Option<CommitName> {
        let value = self.store.get(&keys::meta("early"))?;
        Some(decode("commit name", &value).expect("records of ours decode"))
    }

    fn sealed_name(&self) -> Option<CommitName> {
        let member = self.state.identity.as_ref()?.member;
        Some(name_of(member, &self.sealed()?))
    }

    /// Ends a conversation, however it ended.
    pub fn disconnected(&mut self) {
        let head = self.state.session.head;
        let session = std::mem::replace(&mut self.state.session, Session { head, ..Session::default() });
        let unused = session.held.into_iter().flat_map(|arrived| arrived.ready.into_values());
        self.state.unused_files.extend(unused);
    }

    /// Takes a message of the hub. `ready` names backing files already filled with content that came along, `contents`
    /// has what merges need.
    ///
    /// # Errors
    /// [`LocalError::Away`]: the message is not taken; it is to come again, with more contents.
    /// [`LocalError::Write`], [`LocalError::History`]: the message is not taken; the conversation must begin anew.
    pub fn handle(
        &mut self,
        now: Timestamp,
        message: FromHub,
        ready: BTreeMap<Digest, u64>,
        contents: &mut dyn Contents,
    ) -> Result<Effects, LocalError> {
        let durability = match &message {
            FromHub::Welcome(_) | FromHub::SnapshotEnd => Durability::Power,
            _ => Durability::Process,
        };
        let behind = !self.is_beyond_welcome();
        let handled = self.transact_with(contents, now, durability, |work| {
            if !ready.is_empty() {
                work.txn.put(keys::meta("counters"), encode(&work.state.counters));
            }
            work.handle(message, ready)?;
            work.touch_changed(now);
            Ok(())
        });
        self.state.doubts_position |= matches!(handled, Err(LocalError::History(_)));
        let arrives = behind && self.is_beyond_welcome();
        let ((), mut effects) = handled?;
        effects.wants_content |= arrives;
        effects.removed_files.append(&mut self.state.unused_files);
        Ok(effects)
    }

    /// A content of the sealed commit is not to be found, nor will it ever be: the op that brings it is parked, so
    /// that the others can go.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn lost(&mut self, now: Timestamp, content: Digest) -> Result<Effects, LocalError> {
        let parked = self.transact(now, Durability::Process, |work| {
            work.park_lost(content)?;
            work.touch_changed(now);
            Ok(())
        });
        parked.map(|((), effects)| effects)
    }

    /// Tells whether everything the hub had at the welcome is applied. Before, contents are wanted that are replaced
    /// or removed by what comes next.
    pub fn is_beyond_welcome(&self) -> bool {
        let session = &self.state.session;
        session.phase == Phase::Live
            && self.state.position.map(|position| position.sequence) >= session.welcomed
    }

    /// Tells whether everything the hub is known to have is applied.
    pub fn caught_up(&self) -> bool {
        self.state.position.map(|position| position.sequence) >= self.state.session.head
    }

    pub(super) fn read_only_role(&self) -> bool {
        self.state.identity.as_ref().is_some_and(|identity| identity.role == Role::Reader)
    }
}

impl<S: Store> Work<'_, S> {
    fn handle(&mut self, message: FromHub, ready: BTreeMap<Digest, u64>) -> Result<(), LocalError> {
        match message {
            FromHub::Welcome(welcome) => return self.welcomed(welcome),
            FromHub::Refused { reason, detail } => self.disconnect(Some(reason), detail),
            FromHub::SnapshotRows(rows) => return self.stage(rows),
            FromHub::SnapshotEnd => return self.switch_to_snapshot(),
            FromHub::Entry { entry, .. } => return self.entry(Arrived { entry, ready }),
            FromHub::Answer { number, answer } => return self.answered(number, answer),
            FromHub::Barrier { id, .. } => self.effects.outputs.push(SessionOutput::Barrier { id }),
            FromHub::Role(role) => self.role(role),
            FromHub::TryAgain => {
                self.state.session.waiting = None;
                self.effects.journal_grew = true;
            }
            FromHub::Quota(quota) => self.save_quota(quota),
            FromHub::Wanted { id, wanted } => self.effects.outputs.push(SessionOutput::Wanted { id, wanted }),
            FromHub::Members(members) => {
                for (number, name) in members {
                    self.txn.put(keys::member(number), encode(&name));
                }
            }
            FromHub::Enrolled { .. } | FromHub::Visited { .. } => {
                self.disconnect(None, "the hub answered out of turn".into())
            }
        }
        Ok(())
    }

    pub fn disconnect(&mut self, reason: Option<RefuseReason>, detail: String) {
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

    fn entry(&mut self, arrived: Arrived) -> Result<(), LocalError> {
        let session = &mut self.state.session;
        session.head = session.head.max(Some(arrived.entry.sequence));
        session.held.push(arrived);
        if session.gathers() {
            return Ok(());
        }
        let last = session.held.pop();
        self.apply_held(last)
    }
}

/// How a hello names a sealed commit.
pub(super) fn name_of(member: MemberNumber, sealed: &SealedCommit) -> CommitName {
    (member, sealed.commit.number, commit_digest(&sealed.commit))
}
