//! Members, a hub, what lies between them, and the time that passes.
//!
//! A run goes in steps. In each somebody does one thing, messages that are due are taken, and then the checks look. Anything
//! in a step may end by the death of a process at one of its writes (`faults.rs`). Between rounds everything is let
//! come to rest (`rest.rs`).

mod connections;
mod faults;
mod plan;
mod rest;
mod transfers;

pub use plan::{HubFate, Plan};

use crate::chance::Chance;
use crate::checks;
use crate::clock::{Clock, Stamps};
use crate::disk::{Crash, Death, Party};
use crate::failure::Checked;
use crate::hub::{Backup, Hub};
use crate::member::Member;
use crate::telling;
use crate::work::Worker;
use connections::Connection;
use fl0wfs::ops::Op;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

pub struct World {
    pub members: Vec<Member>,
    pub hub: Hub,
    pub plan: Plan,
    pub(crate) chance: Chance,
    pub now: u64,
    connections: BTreeMap<u64, Connection>,
    connections_begun: u64,
    /// Each member's end of the network.
    ports: Vec<Port>,
    backup: Option<Backup>,
    /// What happens is printed.
    pub trace: bool,
    steps: u64,
}

/// How a member stands to the network.
#[derive(Default)]
struct Port {
    connection: Option<u64>,
    /// Nothing goes in or out; a connection that is there stays, and knows nothing of it.
    partitioned: bool,
    /// Not before then another connection is tried.
    retry_at: u64,
    /// The member's row commits when it was last checked.
    checked: u64,
    /// The hub's wait is over then.
    waits_until: Option<u64>,
    joined: bool,
}

impl World {
    pub fn new(seed: u64) -> World {
        let mut chance = Chance(seed);
        let plan = Plan::of(&mut chance);
        World::with(plan, chance)
    }

    /// A world in which nothing worse happens than that members are cut off for a while.
    pub fn calm(seed: u64) -> World {
        let mut chance = Chance(seed);
        let plan = Plan::calm(&mut chance);
        World::with(plan, chance)
    }

    /// A world in which the hub goes back to what it was, and other things go wrong.
    pub fn with_fate(seed: u64, fate: HubFate) -> World {
        let mut chance = Chance(seed);
        let plan = Plan { fate, rounds: vec![50, 60, 30], ..Plan::of(&mut chance) };
        World::with(plan, chance)
    }

    fn with(plan: Plan, chance: Chance) -> World {
        let stamps = Stamps::default();
        let clock = |index: usize| Clock::new(plan.skews[index], stamps.clone());
        let members: Vec<Member> = (0..plan.members).map(|index| Member::new(index, clock(index))).collect();
        let hub = Hub::new(7, plan.members, stamps.clone());
        let port = |index: usize| Port { joined: !plan.late[index], ..Port::default() };
        let ports = (0..plan.members).map(port).collect();
        World {
            members,
            hub,
            plan,
            chance,
            now: 1,
            connections: BTreeMap::new(),
            connections_begun: 0,
            ports,
            backup: None,
            trace: false,
            steps: 0,
        }
    }

    /// The whole run.
    ///
    /// # Errors
    /// The first check that failed.
    pub fn run(&mut self) -> Checked {
        self.say(|world| format!("{:?}", world.plan));
        let rounds = self.plan.rounds.clone();
        for (round, steps) in rounds.into_iter().enumerate() {
            for _ in 0..steps {
                self.step()?;
            }
            self.change_fate(round)?;
            self.rest()?;
            self.ports.iter_mut().for_each(|port| port.joined = true);
            if self.backup.is_none() && self.plan.fate == HubFate::Restored {
                self.backup = Some(self.hub.back_up());
                self.say(|_| "the hub is backed up".into());
            }
        }
        self.rest()
    }

    fn say(&self, what: impl FnOnce(&World) -> String) {
        if self.trace {
            println!("{:5} t{:<5} {}", self.steps, self.now, what(self));
        }
    }

    /// Somebody does one thing.
    pub fn step(&mut self) -> Checked {
        self.steps += 1;
        self.now += 1;
        let at = self.chance.below(self.members.len());
        if self.chance.below(10) < self.plan.busy {
            self.guarded(|world| {
                world.work(at);
                Ok(())
            })?;
        }
        self.misfortune(at)?;
        self.guarded(World::hub_turn)?;
        let at = self.chance.below(self.members.len());
        if !self.plan.slow[at] || self.chance.one_in(6) {
            self.guarded(|world| world.member_turn(at))?;
        }
        self.look()
    }

    fn work(&mut self, at: usize) {
        let mut worker = Worker { member: &mut self.members[at], chance: &mut self.chance, now: self.now };
        let done = worker.act();
        if let Some(done) = done {
            self.say(|_| format!("m{at} {done}"));
        }
    }

    /// Does what may be cut short by the death of a process, and starts that again then.
    fn guarded(&mut self, body: impl FnOnce(&mut World) -> Checked) -> Checked {
        match catch_unwind(AssertUnwindSafe(|| body(self))) {
            Ok(checked) => checked,
            Err(thrown) => match thrown.downcast::<Crash>() {
                Ok(crash) => self.died(*crash),
                Err(other) => resume_unwind(other),
            },
        }
    }

    fn died(&mut self, Crash(party, death): Crash) -> Checked {
        self.say(|_| format!("{party:?} dies: {death:?}"));
        match party {
            Party::Member(at) => {
                self.disconnect(at);
                self.members[at].disk.disarm();
                self.members[at].disk.set_full(false);
                if death == Death::Power {
                    self.members[at].disk.lose_power(&mut self.chance);
                    self.members[at].ledger.lost_power();
                }
                // It may die again while it starts.
                if self.chance.one_in(6) {
                    let half_writes = self.chance.below(12) as u32;
                    self.members[at].disk.arm(half_writes, death);
                }
                let now = self.now;
                self.guarded(|world| {
                    world.members[at].restart(now, death == Death::Power);
                    world.members[at].disk.disarm();
                    Ok(())
                })
            }
            Party::Hub => {
                self.hub.disk.disarm();
                self.lose_hub_connections();
                self.hub.restart(death, &mut self.chance)
            }
        }
    }

    /// The checks that are made after each step.
    fn look(&mut self) -> Checked {
        self.trace_journals();
        for (member, port) in self.members.iter_mut().zip(&mut self.ports) {
            let commits = member.disk.commits();
            if port.checked != commits {
                port.checked = commits;
                checks::prefix_and_own_work(member, &self.hub.history)?;
                checks::bounded(member)?;
            }
            checks::nothing_held_back(member)?;
        }
        Ok(())
    }

    fn trace_journals(&self) {
        let changed = self.members.iter().zip(&self.ports);
        for (member, _) in
            changed.filter(|(member, port)| self.trace && port.checked != member.disk.commits())
        {
            let ops: Vec<Op> = checks::pending(member).collect();
            if !ops.is_empty() {
                self.say(|_| format!("m{} has pending:{}", member.index, telling::ops(&ops)));
            }
        }
    }

    pub fn commits(&self) -> u64 {
        self.hub.history.entries.len() as u64
    }
}
