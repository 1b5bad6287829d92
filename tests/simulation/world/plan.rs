//! What a seed makes of a run: how many members, how long, and what goes wrong how often.

use crate::chance::Chance;

/// Of so many steps one does this; 0 is never.
#[derive(Clone, Copy, Debug, Default)]
pub struct Odds {
    pub break_connection: usize,
    pub partition: usize,
    pub kill_member: usize,
    pub power_off_member: usize,
    pub kill_hub: usize,
    pub power_off_hub: usize,
    pub fill_disk: usize,
    pub hold: usize,
    pub clock_jump: usize,
}

/// What becomes of the hub in the middle of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HubFate {
    Lives,
    /// It is restored from a backup made a while before.
    Restored,
    /// Its space is removed and made anew.
    MadeAnew,
}

#[derive(Clone, Debug)]
pub struct Plan {
    pub members: usize,
    /// Steps between two times at which everything comes to rest.
    pub rounds: Vec<usize>,
    pub odds: Odds,
    pub fate: HubFate,
    /// Members that take long for everything.
    pub slow: Vec<bool>,
    /// Members that join only after the first round.
    pub late: Vec<bool>,
    /// Seconds by which each clock is wrong.
    pub skews: Vec<i64>,
    /// Of ten steps, how many are work.
    pub busy: usize,
}

impl Plan {
    pub fn of(chance: &mut Chance) -> Plan {
        let members = *chance.pick(&[2, 2, 3, 3, 3, 4, 5]);
        let rounds = (0..1 + chance.below(3)).map(|_| 40 + chance.below(80)).collect();
        let fate = match chance.below(10) {
            0 => HubFate::Restored,
            1 => HubFate::MadeAnew,
            _ => HubFate::Lives,
        };
        Plan {
            members,
            rounds,
            odds: Odds::of(chance),
            fate,
            slow: (0..members).map(|_| chance.one_in(5)).collect(),
            late: (0..members).map(|_| chance.one_in(8)).collect(),
            skews: (0..members).map(|_| *chance.pick(&[0, 0, 3, -7, 86_400, -3_000_000])).collect(),
            busy: 3 + chance.below(5),
        }
    }
}

impl Plan {
    pub fn calm(chance: &mut Chance) -> Plan {
        let members = 2;
        Plan {
            members,
            rounds: vec![80, 60],
            odds: Odds { partition: 15, break_connection: 40, ..Odds::default() },
            fate: HubFate::Lives,
            slow: vec![false; members],
            late: vec![false; members],
            skews: vec![chance.below(5) as i64; members],
            busy: 6,
        }
    }
}

impl Odds {
    /// A calm run, or one in which one kind of thing goes wrong often, or everything now and then.
    fn of(chance: &mut Chance) -> Odds {
        let mut odds = Odds { break_connection: 40, partition: 60, ..Odds::default() };
        match chance.below(8) {
            0 => (odds.break_connection, odds.partition) = (0, 0),
            1 => odds.kill_member = 12,
            2 => odds.power_off_member = 15,
            3 => (odds.kill_hub, odds.power_off_hub) = (20, 40),
            4 => (odds.hold, odds.clock_jump) = (40, 20),
            5 => (odds.fill_disk, odds.kill_member) = (40, 60),
            6 => odds.partition = 15,
            _ => {
                odds = Odds {
                    break_connection: 60,
                    partition: 80,
                    kill_member: 60,
                    power_off_member: 80,
                    kill_hub: 120,
                    power_off_hub: 160,
                    fill_disk: 160,
                    hold: 160,
                    clock_jump: 60,
                }
            }
        }
        odds
    }
}
