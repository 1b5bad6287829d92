//! Everything is let come to rest: the network is whole, nobody works, and what is on its way arrives.

use super::World;
use crate::checks;
use crate::failure::Checked;
use crate::work::Worker;

/// Turns that are enough for everything to arrive.
const TURNS_MAX: usize = 600;

impl World {
    /// Lets everything arrive, until nothing is left to do; then looks at everything.
    ///
    /// # Errors
    /// A check that fails.
    pub fn rest(&mut self) -> Checked {
        self.end_misfortunes();
        for at in 0..self.members.len() {
            self.guarded(|world| {
                let mut worker =
                    Worker { member: &mut world.members[at], chance: &mut world.chance, now: world.now };
                worker.close_all();
                Ok(())
            })?;
        }
        self.say(|_| "all is let come to rest".into());
        for _ in 0..TURNS_MAX {
            self.now += 15;
            self.steps += 1;
            self.guarded(World::hub_turn)?;
            for at in 0..self.members.len() {
                self.guarded(|world| world.member_turn(at))?;
            }
            self.look()?;
            if self.is_quiet() {
                break;
            }
        }
        self.quiet()?;
        self.say(|_| "all is at rest".into());
        self.look_at_rest()
    }

    fn end_misfortunes(&mut self) {
        for (port, member) in self.ports.iter_mut().zip(&self.members) {
            port.partitioned = false;
            member.disk.disarm();
            member.disk.set_full(false);
        }
        self.hub.disk.disarm();
        self.hub.hold = None;
    }

    pub(super) fn is_quiet(&self) -> bool {
        let head = self.hub.sync.head(&self.hub.disk);
        let ready = self.members.iter().zip(&self.ports).filter(|(_, port)| port.joined);
        let has_heard_all = |id: u64| self.connections.get(&id).is_some_and(|it| it.down.len() == 0);
        ready.into_iter().all(|(member, port)| {
            port.connection.is_some_and(has_heard_all)
                && member.replica.is_clean()
                && member.seen() == head
                && member.replica.wanted(None, 1).is_empty()
                && member.replica.is_beyond_welcome()
        })
    }

    fn look_at_rest(&mut self) -> Checked {
        let joined: Vec<bool> = self.ports.iter().map(|port| port.joined).collect();
        // Who has not joined yet has a tree of its own; it is looked at when it has.
        let all = joined.iter().all(|joined| *joined);
        if all {
            checks::equal_trees(&self.hub, &self.members)?;
            checks::nothing_unreachable(&self.hub, &self.members)?;
            let went_back = self.hub.history.went_back;
            self.members.iter().try_for_each(|member| checks::nothing_left_over(member, went_back))?;
        }
        Ok(())
    }
}
