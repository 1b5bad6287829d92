//! The hello: who a member is, whether it still is who it was, and where it goes on from.
//!
//! A member number belongs to one state directory. At each hello the hub gives a new incarnation secret and
//! expects it at the next; the one before stays valid until the new one is known to have arrived, because a
//! welcome may be lost. It is known to have arrived when it was shown, or when a commit was accepted after
//! it: a copy of the directory from before that commit must not speak under its number, or it would take
//! the original's acceptance for its own.

use super::HubSync;
use super::accounts::check_format;
use super::keys::read;
use super::records::{AcceptedRow, Device, MemberRow, NameRow, Refusal};
use crate::model::{CommitNumber, Incarnation, MemberName, MemberNumber, Round};
use crate::sync::{Kv, Txn};
use crate::wire::{Hello, Position, RefuseReason, Start, Welcome, encode};

/// A device that has so many member numbers is given unused ones again.
const NUMBERS_BEFORE_REUSE: usize = 64;

impl HubSync {
    /// Answers a hello. `fresh` is random, `connected` tells which members are. Where the welcome says [`Start::Snapshot`], its position is the head
    /// at this moment; whoever takes the rows later states that moment's instead.
    ///
    /// # Errors
    /// A [`Refusal`]; nothing is written then.
    pub fn hello<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        device: Device,
        hello: &Hello,
        fresh: Incarnation,
        connected: &dyn Fn(MemberNumber) -> bool,
    ) -> Result<Welcome, Refusal> {
        check_format(hello.format)?;
        let account = self.device_row(txn, device).ok_or_else(Refusal::unknown)?;
        if account.revoked {
            return Err(Refusal::new(RefuseReason::Revoked, "an administrator has revoked this device"));
        }
        let known = hello.member.and_then(|shown| self.recognise(txn, device, shown));
        let recognised = known.is_some();
        let known = known.or_else(|| self.unused_member(txn, device, connected));
        let (member, mut row) = known.unwrap_or_else(|| self.new_member(txn, device, &hello.name));
        row.incarnation = fresh;
        // The fence: what an earlier connection still had queued is dropped, so no round is owed any more.
        row.required = Round::default();
        txn.put(self.keys().member(member), encode(&row));
        let start = self.start(txn, hello, recognised);
        Ok(Welcome {
            space: self.space,
            member,
            name: row.name,
            incarnation: fresh,
            role: account.role,
            accepted: row.accepted,
            has_sealed: self.has_sealed(txn, hello),
            head: self.head(txn),
            start,
        })
    }

    /// Fences without a hello: the member's earlier commits are known to be gone, whatever round they had.
    pub fn fence<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, member: MemberNumber) {
        if let Some(row) = self.member_row(txn, member).filter(|row| row.required > Round::default()) {
            txn.put(self.keys().member(member), encode(&MemberRow { required: Round::default(), ..row }));
        }
    }

    /// The member that a hello claims to be, where its secret bears that out.
    fn recognise<K: Kv + ?Sized>(
        &self,
        kv: &K,
        device: Device,
        (space, member, shown): (crate::model::SpaceId, MemberNumber, Incarnation),
    ) -> Option<(MemberNumber, MemberRow)> {
        let mut row =
            self.member_row(kv, member).filter(|row| row.device == device && space == self.space)?;
        if shown == row.incarnation {
            row.incarnation_before = Some(shown);
        } else if row.incarnation_before != Some(shown) {
            return None;
        }
        Some((member, row))
    }

    /// Whether the very commit that a hello names was accepted, whoever shows it: a state that has got another number,
    /// as it is a copy or this hub has forgotten its secret, must not send that work again.
    fn has_sealed<K: Kv + ?Sized>(&self, kv: &K, hello: &Hello) -> bool {
        let Some(((space, ..), (member, number, digest))) = hello.member.zip(hello.sealed) else {
            return false;
        };
        let row: Option<AcceptedRow> = read(kv, &self.keys().accepted(member, number));
        space == self.space && row.is_some_and(|row| row.digest == digest)
    }

    /// One of the device's numbers that can be given again, where it has many: nothing was ever committed under it,
    /// and nobody speaks under it now. A state directory that still holds it will show a secret that is stale, as a
    /// copy does, and gets another number. So a device that says hello for ever does not grow the space for ever.
    fn unused_member<K: Kv + ?Sized>(
        &self,
        kv: &K,
        device: Device,
        connected: &dyn Fn(MemberNumber) -> bool,
    ) -> Option<(MemberNumber, MemberRow)> {
        let (mut numbers, mut unused) = (0, None);
        for (member, row) in self.member_rows(kv).filter(|(_, row)| row.device == device) {
            numbers += 1;
            if unused.is_none() && row.accepted == CommitNumber::default() && !connected(member) {
                unused = Some((member, MemberRow { incarnation_before: None, applied: None, ..row }));
            }
        }
        unused.filter(|_| numbers >= NUMBERS_BEFORE_REUSE)
    }

    fn new_member<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        device: Device,
        wish: &MemberName,
    ) -> (MemberNumber, MemberRow) {
        let last: u32 = read(txn, &self.keys().member_counter()).unwrap_or(0);
        let member = MemberNumber(last + 1);
        let name = self.free_name(txn, device, wish);
        txn.put(self.keys().member_counter(), encode(&member.0));
        txn.put(self.keys().member_name(&name), encode(&NameRow { device, member: Some(member) }));
        let row = MemberRow {
            name,
            device,
            incarnation: Incarnation::default(),
            incarnation_before: None,
            accepted: CommitNumber::default(),
            required: Round::default(),
            applied: None,
        };
        (member, row)
    }

    /// A tail needs the same history and the same member; whoever has anything else takes a snapshot.
    fn start<K: Kv + ?Sized>(&self, kv: &K, hello: &Hello, recognised: bool) -> Start {
        let goes_on = recognised && !hello.whole;
        let head = self.log_head(kv).map(|head| Position { sequence: head.sequence, chain: head.chain });
        match (hello.position, head) {
            (None, None) if !hello.whole => Start::Tail,
            (Some(position), _) if goes_on && self.holds(kv, position) => Start::Tail,
            (stated, _) => {
                let departs = stated.is_some_and(|stated| !self.holds(kv, stated));
                Start::Snapshot { position: head, departs }
            }
        }
    }
}
