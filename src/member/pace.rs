//! When commits are sealed: at once where work comes now and then; in a long run of it a few dozen times a second.
//!
//! A commit costs this member, the hub and every other member much more than one op more in it does. Work is a run while
//! each commit's acceptance finds the next op waiting.

use std::time::{Duration, Instant};

/// Commits of a run that go at once: a save takes two or three.
const BURST: u32 = 4;
/// After them one in this time.
const INTERVAL: Duration = Duration::from_millis(25);

/// Counts a run's commits: up to [`BURST`] may be sealed at once, and each gives its place back after an [`INTERVAL`].
#[derive(Debug, Default)]
pub struct Pace {
    /// When the places of all commits sealed so far are free again.
    free_at: Option<Instant>,
}

impl Pace {
    /// How long the next commit has to wait for its place.
    pub fn wait(&self, now: Instant) -> Duration {
        let taken = self.free_at.map_or(Duration::ZERO, |free_at| free_at.saturating_duration_since(now));
        taken.saturating_sub(INTERVAL * (BURST - 1))
    }

    /// Everything has been accepted: what comes next begins another run.
    pub fn rested(&mut self) {
        self.free_at = None;
    }

    /// A commit is sealed.
    pub fn sealed(&mut self, now: Instant) {
        self.free_at = Some(self.free_at.map_or(now, |free_at| free_at.max(now)) + INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_commits_go_at_once_and_a_long_run_of_them_goes_by_the_interval() {
        let (mut pace, began) = (Pace::default(), Instant::now());
        for _ in 0..BURST {
            assert_eq!(pace.wait(began), Duration::ZERO);
            pace.sealed(began);
        }
        let mut now = began;
        for _ in 0..10 {
            assert_eq!(pace.wait(now), INTERVAL);
            now += INTERVAL;
            assert_eq!(pace.wait(now), Duration::ZERO);
            pace.sealed(now);
        }
        assert_eq!(pace.wait(now + INTERVAL * BURST), Duration::ZERO);
        pace.rested();
        for _ in 0..BURST {
            assert_eq!(pace.wait(now), Duration::ZERO);
            pace.sealed(now);
        }
        assert!(pace.wait(now) > Duration::ZERO);
    }
}
