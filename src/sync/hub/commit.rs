//! Judging a commit: the five answers and what an accepted one writes.
//!
//! Order of the questions: was it accepted already, does its round count, may its author write, does it
//! apply, is its content there. Content comes last, so that nobody uploads what would be rejected.

use super::HubSync;
use super::content::{HeldContent, Lack, check_content};
use super::guard;
use super::keys::read;
use super::lineage::Lineage;
use super::quota;
use super::records::{AcceptedRow, MemberRow};
use crate::model::{CommitNumber, MemberNumber, Role, Round, Timestamp};
use crate::ops::{Op, Rejection, TreeMut, apply};
use crate::sync::{Batch, Kv, RowTreeMut, Txn};
use crate::wire::{Answer, COMMIT_BYTES_MAX, COMMIT_OPS_MAX, LogEntry, SealedCommit, commit_digest, encode};

/// Accepted commits remembered per member by number; the log keeps all.
const ACCEPTED_KEPT: u64 = 256;
/// A commit is sealed when it reaches the limits, by the op that exceeds them.
const EXCESS: usize = 2;

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub answer: Answer,
    /// The new log entry, to be fanned out to all other members.
    pub entry: Option<LogEntry>,
}

/// Ops that apply: what they write, what they mean for history, and what is counted of them.
pub(super) struct Trial {
    pub writes: Batch,
    pub lineage: Lineage,
    /// Nodes that they end.
    pub ended: u32,
    /// How much more the files come to with them, in bytes; 0 where no quota is set.
    pub growth: i128,
}

impl From<Answer> for Judgement {
    fn from(answer: Answer) -> Judgement {
        Judgement { answer, entry: None }
    }
}

impl HubSync {
    /// Judges a member's commit. None where it is dropped without an answer: it was sent before a rejection
    /// that its author knew nothing of.
    pub fn commit<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        member: MemberNumber,
        sealed: SealedCommit,
        held: &dyn HeldContent,
        now: Timestamp,
    ) -> Option<Judgement> {
        let Some(row) = self.member_row(txn, member) else {
            return Some(refuse("this hub knows no such member").into());
        };
        if sealed.commit.number <= row.accepted {
            return Some(self.accepted_before(txn, member, &sealed).into());
        }
        if sealed.round < row.required {
            return None;
        }
        if let Some(answer) = self.check_author(txn, &row).or_else(|| check_size(&sealed)) {
            return Some(answer.into());
        }
        if let Some(reason) = held.hold() {
            return Some(Answer::Wait { reason }.into());
        }
        if let Some(answer) = self.guard_before(txn, member, &sealed) {
            return Some(answer.into());
        }
        let judged = self.try_ops(txn, member, &sealed.commit.ops);
        let Trial { writes, lineage, ended, growth } = match judged {
            Ok(judged) => judged,
            Err((op, rejection)) => {
                return Some(self.not_applied(txn, (member, row), sealed.round, op, rejection).into());
            }
        };
        if let Some(answer) = self.guard_commit(txn, member, ended, now) {
            return Some(answer.into());
        }
        match check_content(&sealed.commit.ops, held) {
            Ok(chunks) => self.end_leases(txn, &chunks),
            Err(Lack::Chunks { missing, confirmed }) => {
                self.lease(txn, &confirmed, now);
                return Some(Answer::Missing { chunks: missing }.into());
            }
            Err(Lack::Unsound { op, reason }) => {
                return Some(Answer::Refuse { op: Some(op), reason: reason.to_string() }.into());
            }
        }
        writes.into_iter().for_each(|(key, value)| txn.set(key, value));
        self.guard_accepted(txn, member, ended, now);
        self.count_growth(txn, growth);
        Some(self.accept(txn, (member, row), sealed, lineage, now))
    }

    fn accepted_before<K: Kv + ?Sized>(&self, kv: &K, member: MemberNumber, sealed: &SealedCommit) -> Answer {
        let row: Option<AcceptedRow> = read(kv, &self.keys().accepted(member, sealed.commit.number));
        let same = row.filter(|row| row.digest == commit_digest(&sealed.commit));
        match same.and_then(|row| self.entry_at(kv, row.sequence)) {
            Some(LogEntry { sequence, time, chain, .. }) => Answer::Accept { sequence, time, chain },
            None => Answer::Forked,
        }
    }

    fn check_author<K: Kv + ?Sized>(&self, kv: &K, row: &MemberRow) -> Option<Answer> {
        match self.role_of(kv, row.device) {
            None => Some(refuse("an administrator has revoked this device")),
            Some(Role::Reader) => Some(refuse("this member may only read")),
            Some(Role::Writer | Role::Admin) => None,
        }
    }

    /// Applies ops one after the other, apart from the transaction: the writes that make them real.
    pub(super) fn try_ops<K: Kv + ?Sized>(
        &self,
        txn: &Txn<K>,
        member: MemberNumber,
        ops: &[Op],
    ) -> Result<Trial, (u32, Rejection)> {
        let prefix = self.keys().tree();
        let has_quota = self.has_quota(txn);
        let mut trial = Txn::new(txn);
        let mut tree = RowTreeMut { txn: &mut trial, prefix: &prefix };
        let (mut lineage, mut ended, mut growth) = (Lineage::default(), 0, 0);
        for (op, index) in ops.iter().zip(0u32..) {
            let changes = apply(&tree, member, op).map_err(|rejection| (index, rejection))?;
            lineage.note(&tree, index, op, &changes);
            ended += guard::ended(&changes);
            // Order: before the changes are written, while the tree still has what was there.
            growth += if has_quota { quota::growth(&tree, &changes) } else { 0 };
            tree.write(changes);
        }
        Ok(Trial { writes: trial.into_batch(), lineage, ended, growth })
    }

    fn not_applied<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        (member, row): (MemberNumber, MemberRow),
        round: Round,
        op: u32,
        rejection: Rejection,
    ) -> Answer {
        if rejection.is_illegal() {
            return Answer::Refuse { op: Some(op), reason: rejection.to_string() };
        }
        let required = Round(round.0.saturating_add(1));
        txn.put(self.keys().member(member), encode(&MemberRow { required, ..row }));
        Answer::Reject { round: required, detail: format!("op {op}: {rejection}") }
    }

    fn accept<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        (member, row): (MemberNumber, MemberRow),
        sealed: SealedCommit,
        lineage: Lineage,
        now: Timestamp,
    ) -> Judgement {
        let digest = commit_digest(&sealed.commit);
        let number = sealed.commit.number;
        let entry = self.next_entry(txn, (member, number), sealed.commit.ops, now);
        let LogEntry { sequence, time, chain, .. } = entry;
        self.append(txn, &entry);
        self.write_history(txn, lineage, &entry);
        txn.put(self.keys().accepted(member, number), encode(&AcceptedRow { digest, sequence }));
        if let Some(forgotten) = number.0.checked_sub(ACCEPTED_KEPT) {
            txn.remove(self.keys().accepted(member, CommitNumber(forgotten)));
        }
        // A commit shows that the welcome arrived; see `hello`.
        let row = MemberRow { accepted: number, incarnation_before: None, ..row };
        txn.put(self.keys().member(member), encode(&row));
        Judgement { answer: Answer::Accept { sequence, time, chain }, entry: Some(entry) }
    }
}

fn refuse(reason: &str) -> Answer {
    Answer::Refuse { op: None, reason: reason.to_owned() }
}

fn check_size(sealed: &SealedCommit) -> Option<Answer> {
    let too_many = sealed.commit.ops.len() > EXCESS * COMMIT_OPS_MAX;
    let too_long = encode(&sealed.commit).len() > EXCESS * COMMIT_BYTES_MAX;
    (too_many || too_long).then(|| refuse("the commit is larger than a commit may be"))
}
