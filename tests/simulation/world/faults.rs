//! What goes wrong: connections break, processes die in the middle of a write, machines lose power, disks are full,
//! clocks jump, and the hub goes back to what it was.

use super::{HubFate, World};
use crate::checks;
use crate::disk::{Crash, Death, Party};
use crate::failure::{Check, Checked, ensure};
use fl0wfs::model::Digest;
use std::collections::BTreeSet;

/// A process dies within so many half-writes from now, if it makes as many.
const FUSE_MAX: usize = 16;

impl World {
    /// What may befall the member `at`, or the hub, in this step.
    pub(super) fn misfortune(&mut self, at: usize) -> Checked {
        let odds = self.plan.odds;
        if self.strikes(odds.break_connection) {
            self.disconnect(at);
        }
        if self.strikes(odds.partition) {
            self.ports[at].partitioned = !self.ports[at].partitioned;
            self.say(|world| format!("m{at} partitioned: {}", world.ports[at].partitioned));
        }
        if self.strikes(odds.kill_member) {
            self.kill(Party::Member(at), Death::Process)?;
        }
        if self.strikes(odds.power_off_member) {
            self.kill(Party::Member(at), Death::Power)?;
        }
        if self.strikes(odds.kill_hub) {
            self.kill(Party::Hub, Death::Process)?;
        }
        if self.strikes(odds.power_off_hub) {
            self.kill(Party::Hub, Death::Power)?;
        }
        if self.strikes(odds.hold) {
            self.hub.hold = self.hub.hold.is_none().then(|| "the space is full".to_owned());
            self.say(|world| format!("the hub holds: {:?}", world.hub.hold));
        }
        if self.strikes(odds.fill_disk) {
            let full = self.chance.one_in(2);
            self.members[at].disk.set_full(full);
            self.say(|_| format!("m{at}'s disk is full: {full}"));
        }
        if self.strikes(odds.clock_jump) {
            self.members[at].clock.skew += *self.chance.pick(&[1, -1, 3_600, -3_600, 1_000_000, -1_000_000]);
        }
        if self.chance.one_in(10) {
            self.guarded(|world| {
                world.members[at].prove();
                Ok(())
            })?;
        }
        Ok(())
    }

    fn strikes(&mut self, one_in: usize) -> bool {
        one_in > 0 && self.chance.one_in(one_in)
    }

    /// A process dies: between two steps, or at one of its next writes.
    fn kill(&mut self, party: Party, death: Death) -> Checked {
        if self.chance.one_in(4) {
            return self.died(Crash(party, death));
        }
        let half_writes = self.chance.below(FUSE_MAX) as u32;
        match party {
            Party::Member(at) => self.members[at].disk.arm(half_writes, death),
            Party::Hub => self.hub.disk.arm(half_writes, death),
        }
        Ok(())
    }

    /// The hub meets its fate after the second round, with all members' latest work still under way.
    pub(super) fn change_fate(&mut self, round: usize) -> Checked {
        let fate = match (self.plan.fate, self.backup.take()) {
            (HubFate::Restored, Some(backup)) => Some(backup),
            (HubFate::MadeAnew, None) if round == 1 => None,
            (_, backup) => {
                self.backup = backup;
                return Ok(());
            }
        };
        self.hub.disk.disarm();
        (0..self.members.len()).for_each(|at| self.disconnect(at));
        self.connections.clear();
        match fate {
            Some(backup) => self.hub.restore(backup),
            None => self.hub.make_anew(8, self.members.len()),
        }
        // A fate is met once.
        self.plan.fate = HubFate::Lives;
        self.say(|_| "the hub has gone back".into());
        // What nobody has any more is gone with the hub's memory; what somebody has must outlive it.
        for member in &mut self.members {
            let held: BTreeSet<Digest> = checks::all_held(member);
            let owed = std::mem::take(&mut member.ledger.owed);
            member.ledger.owed = owed.into_iter().filter(|(content, _)| held.contains(content)).collect();
            held.into_iter().for_each(|content| member.ledger.hold(content));
        }
        Ok(())
    }

    pub(super) fn quiet(&self) -> Checked {
        ensure(self.is_quiet(), Check::Progress, || {
            let standing = self.members.iter().map(|member| member.standing());
            format!(
                "not at rest after a long time: the hub's head is {:?}; {}",
                self.hub.sync.head(&self.hub.disk),
                standing.collect::<Vec<_>>().join("; ")
            )
        })
    }
}
