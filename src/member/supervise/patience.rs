//! When a daemon that died is started again, and when no more.
//!
//! One that served for a while is started again at once, however often that happens, and so is one that was killed while
//! it served: a kill comes from outside and tells nothing of the daemon. One that dies over and over while it starts, or of
//! the first thing it is asked, would keep everybody who uses the mount waiting for ever: after a few tries the mount is
//! better gone.

use std::time::Duration;

/// A daemon that served as long as this had no trouble in starting.
const SERVED_WELL: Duration = Duration::from_secs(1);
/// So many deaths in a row, none of them after it served well, end the mount.
const DEATHS_MAX: u32 = 8;
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
}

impl Patience {
    /// A daemon died that had served for so long; None if it did not come to that. `killed` says that it was by SIGKILL.
    pub fn died(&mut self, served: Option<Duration>, killed: bool) -> Next {
        if served.is_some() && killed {
            return Next::StartAfter(Duration::ZERO);
        }
        if served.is_some_and(|served| served >= SERVED_WELL) {
            self.deaths = 0;
            return Next::StartAfter(Duration::ZERO);
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
            match patience.died(None, true) {
                Next::StartAfter(pause) => pauses.push(pause.as_millis()),
                Next::GiveUp { deaths } => break deaths,
            }
        };
        assert_eq!((pauses, deaths), (vec![0, 0, 100, 200, 400, 800, 1600], DEATHS_MAX));
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
