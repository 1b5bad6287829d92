//! The guard against mass deletion: who removes too much in a short time waits until an administrator decides.
//!
//! Counted are nodes that end by a member's accepted commits, whoever made them: by the removal of their last name, or
//! because something else is moved to where they are. A save by rename ends none. A commit that would make it more in
//! a minute of the hub's clock than the rate allows is not accepted, nor is anything after it: the member keeps all of
//! it, and is told why.
//!
//! An administrator *releases* the member: everything it sends passes uncounted until it has sent nothing for a
//! minute. Or *discards* what it waits to remove: it is told to give up its pending removals, and all else it has goes
//! on. That is known to have arrived by the round, which the member raises when it does so; until then it is told
//! again. All of this is kept, and survives restarts and reconnections.

use super::HubSync;
use super::keys::{read, trailing_u32};
use super::records::NameRow;
use crate::model::{MemberName, MemberNumber, Round, Timestamp};
use crate::ops::Change;
use crate::sync::{Kv, Txn};
use crate::wire::{Answer, SealedCommit, decode, encode};
use serde::{Deserialize, Serialize};

/// Removals are counted over this many seconds, and a release ends after as many without a commit.
const WINDOW_SECONDS: i64 = 60;

/// How much a member may remove.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rate {
    #[default]
    Any,
    /// Nodes in a minute.
    PerMinute(u32),
}

/// A member that waits for a decision, or on which one was made a short while ago.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Guarded {
    pub name: MemberName,
    pub number: MemberNumber,
    pub state: GuardState,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum GuardState {
    #[default]
    Free,
    Held {
        since: Timestamp,
        /// Nodes that the commit would have ended which was the first to wait.
        removals: u32,
    },
    /// `last` is the time of its last commit since.
    Released { last: Option<Timestamp> },
    /// A commit of this round or a higher one shows that it has given up its removals; None before it was told to.
    Discarding { round: Option<Round> },
}

/// Why a decision cannot be made about a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    NoSuchMember,
    NotHeld,
}

/// What is kept of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct GuardRow {
    pub state: GuardState,
    /// Second and number of the removals of the last minute.
    pub recent: Vec<(i64, u32)>,
}

/// Nodes that these changes end.
pub(super) fn ended(changes: &[Change]) -> u32 {
    let ends = |change: &&Change| matches!(change, Change::Tombstone(_, Some(tombstone)) if tombstone.successor.is_none());
    changes.iter().filter(ends).count() as u32
}

impl HubSync {
    /// Sets what members of this space may remove; None leaves it to what holds for the whole hub. Where it is any
    /// amount, nobody is held any more.
    pub fn set_guard<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, rate: Option<Rate>) {
        txn.set(self.keys().guard(), rate.as_ref().map(encode));
        if self.guard(txn) == Rate::Any {
            let held = |row: &GuardRow| matches!(row.state, GuardState::Held { .. });
            let rows: Vec<_> = self.guard_rows(txn).filter(|(_, row)| held(row)).collect();
            rows.into_iter().for_each(|(member, _)| txn.remove(self.keys().guarded(member)));
        }
    }

    /// What members of this space may remove.
    pub fn guard<K: Kv + ?Sized>(&self, kv: &K) -> Rate {
        let whole_hub = || read(kv, &super::keys::guard_of_all());
        read(kv, &self.keys().guard()).or_else(whole_hub).unwrap_or(Rate::Any)
    }

    /// The members that are held, released, or told to discard.
    pub fn guarded<K: Kv + ?Sized>(&self, kv: &K) -> Vec<Guarded> {
        let rows = self.guard_rows(kv).filter(|(_, row)| row.state != GuardState::Free);
        rows.filter_map(|(number, row)| {
            let name = self.member_row(kv, number)?.name;
            Some(Guarded { name, number, state: row.state })
        })
        .collect()
    }

    /// Lets a held member's work through.
    ///
    /// # Errors
    /// [`Undecided`].
    pub fn release<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, member: &MemberName) -> Result<(), Undecided> {
        self.decide(txn, member, GuardState::Released { last: None })
    }

    /// Has a held member give up what it waits to remove.
    ///
    /// # Errors
    /// [`Undecided`].
    pub fn discard<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, member: &MemberName) -> Result<(), Undecided> {
        self.decide(txn, member, GuardState::Discarding { round: None })
    }

    fn decide<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        member: &MemberName,
        decision: GuardState,
    ) -> Result<(), Undecided> {
        let owner: NameRow = read(txn, &self.keys().member_name(member)).ok_or(Undecided::NoSuchMember)?;
        let number = owner.member.ok_or(Undecided::NotHeld)?;
        let row = self.guard_row(txn, number);
        if !matches!(row.state, GuardState::Held { .. }) {
            return Err(Undecided::NotHeld);
        }
        self.put_guard_row(txn, number, GuardRow { state: decision, ..row });
        Ok(())
    }

    /// What is answered to a commit whatever is in it.
    pub(super) fn guard_before<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        member: MemberNumber,
        sealed: &SealedCommit,
    ) -> Option<Answer> {
        let row = self.guard_row(txn, member);
        match row.state {
            GuardState::Free | GuardState::Released { .. } => None,
            GuardState::Held { .. } if self.guard(txn) == Rate::Any => None,
            GuardState::Held { removals, .. } => Some(self.hold(txn, removals)),
            GuardState::Discarding { round: Some(round) } if sealed.round >= round => {
                self.put_guard_row(txn, member, GuardRow { state: GuardState::Free, ..row });
                None
            }
            GuardState::Discarding { round } => {
                let round = round.unwrap_or(Round(sealed.round.0.saturating_add(1)));
                let state = GuardState::Discarding { round: Some(round) };
                self.put_guard_row(txn, member, GuardRow { state, ..row });
                let reason = "an administrator has discarded what was to be removed here".to_owned();
                Some(Answer::GiveUp { round, reason })
            }
        }
    }

    /// Holds a member whose commit would end too many nodes: the answer to it, where that is so.
    pub(super) fn guard_commit<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        member: MemberNumber,
        ended: u32,
        now: Timestamp,
    ) -> Option<Answer> {
        let row = self.guard_row(txn, member);
        let Rate::PerMinute(most) = self.guard(txn) else { return None };
        if ended == 0 || is_released(&row, now) {
            return None;
        }
        let before: u32 = recent(&row, now).map(|(_, count)| count).fold(0, u32::saturating_add);
        if before.saturating_add(ended) <= most {
            return None;
        }
        let state = GuardState::Held { since: now, removals: ended };
        self.put_guard_row(txn, member, GuardRow { state, ..row });
        Some(self.hold(txn, ended))
    }

    /// Counts what an accepted commit has ended.
    pub(super) fn guard_accepted<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        member: MemberNumber,
        ended: u32,
        now: Timestamp,
    ) {
        let row = self.guard_row(txn, member);
        let mut next = GuardRow { state: row.state, recent: recent(&row, now).collect() };
        if is_released(&row, now) {
            next.state = GuardState::Released { last: Some(now) };
        } else {
            next.state = GuardState::Free;
            match next.recent.last_mut() {
                Some((second, count)) if *second == now.seconds => *count = count.saturating_add(ended),
                _ if ended > 0 && self.guard(txn) != Rate::Any => next.recent.push((now.seconds, ended)),
                _ => {}
            }
        }
        if next != row {
            self.put_guard_row(txn, member, next);
        }
    }

    fn hold<K: Kv + ?Sized>(&self, kv: &K, removals: u32) -> Answer {
        let most = match self.guard(kv) {
            Rate::PerMinute(most) => most,
            Rate::Any => u32::MAX,
        };
        let reason = format!(
            "the guard against mass deletion holds this member's work: {removals} removals at once, where {most} a \
             minute are allowed; an administrator decides by fl0wfs hub guard release or discard"
        );
        Answer::Held { reason }
    }

    fn guard_row<K: Kv + ?Sized>(&self, kv: &K, member: MemberNumber) -> GuardRow {
        read(kv, &self.keys().guarded(member)).unwrap_or_default()
    }

    /// A member that nothing is to be kept of has no row.
    fn put_guard_row<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, member: MemberNumber, row: GuardRow) {
        let kept = (row != GuardRow::default()).then(|| encode(&row));
        txn.set(self.keys().guarded(member), kept);
    }

    fn guard_rows<'a, K: Kv + ?Sized>(
        &self,
        kv: &'a K,
    ) -> impl Iterator<Item = (MemberNumber, GuardRow)> + use<'a, K> {
        let rows = kv.scan_prefix(&self.keys().guarded_prefix());
        rows.map(|(key, value)| {
            (MemberNumber(trailing_u32(&key)), decode("guard row", &value).expect("rows of ours decode"))
        })
    }
}

/// Sets what members of all spaces may remove that have no rate of their own.
pub fn set_guard_of_all<K: Kv + ?Sized>(txn: &mut Txn<K>, rate: Rate) {
    txn.put(super::keys::guard_of_all(), encode(&rate));
}

fn recent(row: &GuardRow, now: Timestamp) -> impl Iterator<Item = (i64, u32)> + use<'_> {
    let begin = now.seconds.saturating_sub(WINDOW_SECONDS);
    row.recent.iter().copied().filter(move |(second, _)| *second > begin)
}

fn is_released(row: &GuardRow, now: Timestamp) -> bool {
    match row.state {
        GuardState::Released { last } => {
            last.is_none_or(|last| now.seconds <= last.seconds.saturating_add(WINDOW_SECONDS))
        }
        _ => false,
    }
}
