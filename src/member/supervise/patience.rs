//! When a daemon that died is started again, and when no more.
//!
//! One that served for a while is started again at once, however often that happens. One that dies over and over while it
//! starts, or of the first thing it is asked, would keep everybody who uses the mount waiting for ever: after a few tries
//! the mount is better gone. A kill comes from outside and tells nothing of the daemon, unless there is no end of it.

use std::time::Duration;

/// A daemon that served as long as this had no trouble in starting.
const SERVED_WELL: Duration = Duration::from_secs(1);
/// So many deaths in a row, none of them after it served well, end the mount.
const DEATHS_MAX: u32 = 8;
/// So many kills in a row, none of them of one that served, end it too: there is no memory for a daemon, for instance.
const KILLS_MAX: u32 = 100;
/// So many of them are followed by a start at once.
const AT_ONCE: u32 = 2;
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// What there is to do after a death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    StartAfter(Duration),
    GiveUp { deaths: u32 },
}

#[derive(Debug, Default)]
pub(super) struct Patience {
    /// Deaths in a row.
    deaths: u32,
    /// Kills in a row.
    kills: u32,
}

impl Patience {
    /// A daemon died that had served for so long; None if it did not come to that. `killed` says that it was by SIGKILL.
    pub fn died(&mut self, served: Option<Duration>, killed: bool) -> Next {
        if served.is_some() {
            self.kills = 0;
        }
        if served.is_some_and(|served| served >= SERVED_WELL) {
            self.deaths = 0;
            return Next::StartAfter(Duration::ZERO);
        }
        if killed {
            self.kills += 1;
            return match self.kills < KILLS_MAX {
                true => Next::StartAfter(Duration::ZERO),
                false => Next::GiveUp { deaths: self.kills },
            };
        }
        self.deaths += 1;
        if self.deaths >= DEATHS_MAX {
            return Next::GiveUp { deaths: self.deaths };
        }
        match self.deaths.checked_sub(AT_ONCE) {
            None | Some(0) => Next::StartAfter(Duration::ZERO),
            Some(more) => Next::StartAfter((PAUSE_MIN * 2u32.pow(more - 1)).min(PAUSE_MAX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_served_well_or_was_killed_serving_is_started_at_once_however_often() {
        let mut patience = Patience::default();
        for _ in 0..100 {
            assert_eq!(patience.died(Some(SERVED_WELL), false), Next::StartAfter(Duration::ZERO));
            assert_eq!(patience.died(Some(Duration::ZERO), true), Next::StartAfter(Duration::ZERO));
        }
    }

    #[test]
    fn who_dies_while_starting_is_waited_for_longer_each_time_and_then_no_more() {
        let mut patience = Patience::default();
        let mut pauses = Vec::new();
        let deaths = loop {
            match patience.died(None, false) {
                Next::StartAfter(pause) => pauses.push(pause.as_millis()),
                Next::GiveUp { deaths } => break deaths,
            }
        };
        assert_eq!((pauses, deaths), (vec![0, 0, 100, 200, 400, 800, 1600], DEATHS_MAX));
    }

    #[test]
    fn kills_do_not_count_unless_there_is_no_end_of_them() {
        let mut patience = Patience::default();
        for _ in 1..KILLS_MAX {
            assert_eq!(patience.died(None, true), Next::StartAfter(Duration::ZERO));
        }
        assert_eq!(patience.died(None, true), Next::GiveUp { deaths: KILLS_MAX });
    }

    #[test]
    fn one_that_served_well_makes_up_for_those_that_did_not() {
        let mut patience = Patience::default();
        for _ in 0..10 {
            for _ in 1..DEATHS_MAX {
                assert_ne!(patience.died(Some(Duration::ZERO), false), Next::GiveUp { deaths: DEATHS_MAX });
            }
            patience.died(Some(SERVED_WELL), false);
        }
    }
}
