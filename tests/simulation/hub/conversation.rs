//! What a hub's process does with each message: writes first, then answers and fans out.

use super::{Held, Hub, device, space};
use crate::chance::Chance;
use crate::failure::{Check, Checked, Failure};
use fl0wfs::model::{Incarnation, MemberNumber, Sequence, Timestamp};
use fl0wfs::ops::Verb;
use fl0wfs::sync::hub::Judgement;
use fl0wfs::sync::{Durability, Store, Txn};
use fl0wfs::wire::{
    Answer, Commit, FromHub, FromMember, Hello, Inline, LogEntry, RefuseReason, SealedCommit, Start, Welcome,
};

/// Rows of one snapshot message, at most.
const PAGE_ROWS_MAX: usize = 40;

/// What a member's side of a connection says.
#[derive(Clone, Debug)]
pub enum Up {
    Hello(Hello),
    Said(FromMember),
    /// The connection has ended.
    Left,
}

/// Messages for a connection, in the order in which they are to arrive.
pub type Down = Vec<(u64, FromHub)>;

impl Hub {
    /// Takes what came over connection `id` from the member with that index, and says what goes to whom.
    pub fn take(
        &mut self,
        (id, index): (u64, usize),
        up: Up,
        now: u64,
        chance: &mut Chance,
    ) -> Result<Down, Failure> {
        match up {
            Up::Hello(hello) => Ok(self.greet((id, index), &hello, chance)),
            Up::Said(FromMember::Commit { commit, inline }) => self.judge(id, commit, inline, now, chance),
            Up::Said(FromMember::Applied { sequence }) => {
                if let Some(member) = self.member_of(id) {
                    let mut txn = Txn::new(&self.disk);
                    self.sync.applied(&mut txn, member, sequence);
                    let batch = txn.into_batch();
                    self.disk.commit(batch, Durability::Process).expect("there is room");
                }
                Ok(Down::new())
            }
            Up::Said(FromMember::Barrier { .. } | FromMember::Looked { .. }) => Ok(Down::new()),
            Up::Left => {
                self.sessions.retain(|_, session| *session != id);
                Ok(Down::new())
            }
        }
    }

    /// The member that speaks through a connection, unless it has connected anew.
    fn member_of(&self, id: u64) -> Option<MemberNumber> {
        self.sessions.iter().find(|(_, session)| **session == id).map(|(member, _)| *member)
    }

    fn greet(&mut self, (id, index): (u64, usize), hello: &Hello, chance: &mut Chance) -> Down {
        let fresh = Incarnation(std::array::from_fn(|_| chance.next() as u8));
        let mut txn = Txn::new(&self.disk);
        let connected = |member| self.sessions.contains_key(&member);
        let welcome = self.sync.hello(&mut txn, device(index), hello, fresh, &connected);
        let welcome = welcome.expect("an enrolled device is welcome");
        let batch = txn.into_batch();
        self.disk.commit(batch, Durability::Power).expect("there is room");
        // An earlier connection's hello may come after a later one's: then the later one has to begin anew.
        let earlier = self.sessions.insert(welcome.member, id).filter(|earlier| *earlier != id);
        let detail = "this member has connected anew".to_owned();
        let replaced = FromHub::Refused { reason: RefuseReason::Replaced, detail };
        let mut down: Down = earlier.map(|earlier| (earlier, replaced)).into_iter().collect();
        let messages = self.beginning(hello, welcome, chance);
        down.extend(messages.into_iter().map(|message| (id, message)));
        down
    }

    /// Everything that a member is told first.
    fn beginning(&self, hello: &Hello, welcome: Welcome, chance: &mut Chance) -> Vec<FromHub> {
        let names = self.sync.names(&self.disk);
        let mut messages = vec![FromHub::Welcome(welcome.clone()), FromHub::Members(names)];
        let from = match welcome.start {
            Start::Tail => hello.position.map(|position| position.sequence),
            Start::Snapshot { position, .. } => {
                let mut rows: Vec<_> = self.sync.snapshot(&self.disk).rows.collect();
                while !rows.is_empty() {
                    let rest = rows.split_off(rows.len().min(1 + chance.below(PAGE_ROWS_MAX)));
                    messages.push(FromHub::SnapshotRows(std::mem::replace(&mut rows, rest)));
                }
                messages.push(FromHub::SnapshotEnd);
                position.map(|position| position.sequence)
            }
        };
        let tail = self.sync.entries(&self.disk, Sequence::after(from));
        messages.extend(tail.map(|entry| {
            let inline = if chance.one_in(2) { self.inline_of(&entry) } else { Vec::new() };
            FromHub::Entry { entry, inline }
        }));
        messages.push(FromHub::Quota(self.sync.quota(&self.disk)));
        messages
    }

    fn inline_of(&self, entry: &LogEntry) -> Vec<Inline> {
        let chunks = entry.ops.iter().filter_map(|op| op.verb.manifest()?.inline_chunk());
        chunks.filter_map(|chunk| Some(Inline { chunk, bytes: self.chunk(chunk)? })).collect()
    }

    fn judge(
        &mut self,
        id: u64,
        commit: SealedCommit,
        inline: Vec<Inline>,
        now: u64,
        chance: &mut Chance,
    ) -> Result<Down, Failure> {
        let Some(member) = self.member_of(id).filter(|_| !self.faults.never_answers) else {
            return Ok(Down::new());
        };
        let number = commit.commit.number;
        self.keep(inline.iter().map(|inline| (inline.chunk, inline.bytes.clone())));
        let Some(judgement) = self.write_judgement(member, &commit, &inline, now) else {
            return Ok(Down::new());
        };
        self.follow_log()?;
        if let Answer::Refuse { reason, .. } = &judgement.answer {
            return Err(Failure::new(Check::Progress, format!("the hub refused honest work: {reason}")));
        }
        let mut down = Down::new();
        if let Some(entry) = &judgement.entry {
            if self.faults.forgets_content {
                self.forget(inline.iter().map(|inline| inline.chunk));
            }
            // What does not fit beside an entry comes later, like all that is too large.
            let along = if chance.one_in(4) { Vec::new() } else { inline };
            let others = self.sessions.values().filter(|other| **other != id);
            let told = FromHub::Entry { entry: entry.clone(), inline: along };
            down.extend(others.map(|other| (*other, told.clone())));
            self.enter_twice(member, &commit, now)?;
        }
        let is_longer = judgement.entry.is_some();
        down.push((id, FromHub::Answer { number, answer: judgement.answer }));
        if is_longer {
            let quota = FromHub::Quota(self.sync.quota(&self.disk));
            down.extend(self.sessions.values().map(|session| (*session, quota.clone())));
        }
        Ok(down)
    }

    fn write_judgement(
        &self,
        member: MemberNumber,
        commit: &SealedCommit,
        inline: &[Inline],
        now: u64,
    ) -> Option<Judgement> {
        let mut txn = Txn::new(&self.disk);
        let held = Held { hub: self, inline };
        let judgement = self.sync.commit(&mut txn, member, commit.clone(), &held, time(now));
        let entered = judgement.as_ref().is_some_and(|judgement| judgement.entry.is_some());
        let durability = if entered { Durability::Power } else { Durability::Process };
        let batch = txn.into_batch();
        if !batch.is_empty() {
            self.disk.commit(batch, durability).expect("there is room");
        }
        judgement
    }

    /// For a canary: what sets attributes is entered once more, under another number.
    fn enter_twice(&mut self, member: MemberNumber, commit: &SealedCommit, now: u64) -> Checked {
        let sets = commit.commit.ops.iter().all(|op| matches!(op.verb, Verb::SetMeta(_)));
        if !self.faults.enters_twice || !sets {
            return Ok(());
        }
        let SealedCommit { round, commit: Commit { number, ops } } = commit.clone();
        let again = Commit { number: fl0wfs::model::CommitNumber(number.0 + 1), ops };
        self.write_judgement(member, &SealedCommit { round, commit: again }, &[], now);
        self.follow_log()
    }
}

/// The hub's own clock, which is right.
fn time(now: u64) -> Timestamp {
    Timestamp { seconds: 1_700_000_000 + now as i64, nanos: 0 }
}

/// The first words of a connection.
pub fn hello_of(member: &mut crate::member::Member) -> Up {
    Up::Hello(member.replica.connected(space()))
}
