//! When commits are sealed: at once where work comes now and then; in a long run of it a few dozen times a second; and
//! while programs work in haste, first when they pause.
//!
//! A commit costs this member, the hub and every other member much more than one op more in it does. Work is a run while
//! each commit's acceptance finds the next op waiting. Sending what programs do takes processors from them: who unpacks
//! an archive, clones or removes a tree is mostly done within seconds, and all of it goes then.

use std::time::{Duration, Instant};

/// Commits of a run that go at once: a save takes two or three.
const BURST: u32 = 4;
/// After them one in this time.
pub const INTERVAL: Duration = Duration::from_millis(25);
/// Ops in an interval from which on programs work in haste.
const HASTE_OPS: u64 = 16;
/// For so long a run waits, at most, for programs to pause: ten thousand files are unpacked well within it.
const HASTE_MAX: Duration = Duration::from_secs(5);

/// Counts a run's commits: up to [`BURST`] may be sealed at once, and each gives its place back after an [`INTERVAL`].
#[derive(Debug, Default)]
pub struct Pace {
    /// When the places of all commits sealed so far are free again.
    free_at: Option<Instant>,
    run: Option<Run>,
}

/// Commits that were sealed one after the other, while more work came.
#[derive(Debug)]
struct Run {
    began: Instant,
    commits: u32,
    /// When it was looked last how many ops there have been, and how many that were.
    looked: (Instant, u64),
    in_haste: bool,
}

impl Pace {
    /// Tells whether programs are to pause before anything more is sealed. `ops` counts all that ever came to the journal.
    pub fn awaits_pause(&mut self, now: Instant, ops: u64) -> bool {
        self.run.as_mut().is_some_and(|run| run.awaits_pause(now, ops))
    }

    /// How long the next commit has to wait for its place.
    pub fn wait(&self, now: Instant) -> Duration {
        let taken = self.free_at.map_or(Duration::ZERO, |free_at| free_at.saturating_duration_since(now));
        taken.saturating_sub(INTERVAL * (BURST - 1))
    }

    /// Everything has been accepted: what comes next begins another run.
    pub fn rested(&mut self) {
        *self = Pace::default();
    }

    /// A commit is sealed.
    pub fn sealed(&mut self, now: Instant, ops: u64) {
        self.free_at = Some(self.free_at.map_or(now, |free_at| free_at.max(now)) + INTERVAL);
        let new = Run { began: now, commits: 0, looked: (now, ops), in_haste: false };
        self.run.get_or_insert(new).commits += 1;
    }
}

impl Run {
    fn awaits_pause(&mut self, now: Instant, ops: u64) -> bool {
        let (at, before) = self.looked;
        let passed = now.saturating_duration_since(at);
        if passed >= INTERVAL {
            let intervals = passed.as_secs_f64() / INTERVAL.as_secs_f64();
            self.in_haste = ops.saturating_sub(before) as f64 >= HASTE_OPS as f64 * intervals;
            self.looked = (now, ops);
        }
        self.commits >= BURST && self.in_haste && now < self.began + HASTE_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASTE: u64 = 10 * HASTE_OPS;

    /// A run whose first commits are sealed, one op in each.
    fn run(now: Instant) -> Pace {
        let mut pace = Pace::default();
        for ops in 1..=u64::from(BURST) {
            assert_eq!(pace.wait(now), Duration::ZERO);
            assert!(!pace.awaits_pause(now, ops));
            pace.sealed(now, ops);
        }
        pace
    }

    #[test]
    fn the_first_commits_go_at_once_and_a_long_run_of_them_goes_by_the_interval() {
        let mut now = Instant::now();
        let (mut pace, mut ops) = (run(now), 0);
        for _ in 0..10 {
            assert_eq!(pace.wait(now), INTERVAL);
            now += INTERVAL;
            ops += HASTE_OPS - 1;
            assert!(!pace.awaits_pause(now, ops));
            assert_eq!(pace.wait(now), Duration::ZERO);
            pace.sealed(now, ops);
        }
        assert_eq!(pace.wait(now + INTERVAL * BURST), Duration::ZERO);
        pace.rested();
        run(now);
    }

    #[test]
    fn work_in_haste_goes_when_it_pauses() {
        let began = Instant::now();
        let mut pace = run(began);
        assert!(pace.awaits_pause(began + INTERVAL, HASTE));
        assert!(
            pace.awaits_pause(began + INTERVAL * 3 / 2, HASTE),
            "it has not been looked at for long enough"
        );
        assert!(!pace.awaits_pause(began + INTERVAL * 2, HASTE));
    }

    #[test]
    fn work_in_haste_that_does_not_pause_goes_all_the_same() {
        let began = Instant::now();
        let (mut pace, mut now, mut ops) = (run(began), began + INTERVAL, HASTE);
        while now < began + HASTE_MAX {
            assert!(pace.awaits_pause(now, ops), "after {:?}", now - began);
            (now, ops) = (now + INTERVAL, ops + HASTE);
        }
        assert!(!pace.awaits_pause(now, ops));
    }
}
