//! Captures of large files, one after the other, in the order of their flush points; and when to make up for those of
//! small files that were put off.

use super::sealing::Sealed;
use crate::sync::member::Ino;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long an op waits for the capture of what was fsynced before it.
pub(super) const BARRIER_WAIT_MAX: Duration = Duration::from_secs(20);
/// Programs that have put nothing off for so long pause.
pub(super) const PAUSE: Duration = Duration::from_millis(10);
/// How seldom it is looked whether they do while they go on: each look takes a processor from somebody for a moment.
const LOOK_INTERVAL_MAX: Duration = Duration::from_millis(40);

#[derive(Default)]
pub(super) struct CaptureQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// With the number of each, counted from the start.
    jobs: VecDeque<(u64, Job)>,
    pushed: u64,
    /// The job being worked on.
    running: Option<(u64, Job)>,
    /// When something was put off last.
    put_off: Option<Instant>,
    stopped: bool,
}

/// What the thread of the captures is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Capture(Job),
    /// Whatever was put off.
    PutOff,
}

/// A file to capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub ino: Ino,
    /// Nothing that is done later may get into the log before it.
    pub is_barrier: bool,
    /// The count of changes at the flush point.
    pub changes: u64,
    /// What was fsynced, if it was.
    pub sealed: Option<Sealed>,
}

impl CaptureQueue {
    /// Adds a job for what is in a file, or makes one that waits for the same inode a barrier.
    pub fn push(&self, job: Job) {
        let mut state = self.state.lock();
        let same = |waiting: &Job| waiting.ino == job.ino && waiting.sealed.is_none();
        match state.jobs.iter_mut().find(|(_, waiting)| same(waiting)) {
            Some((_, waiting)) => {
                waiting.is_barrier |= job.is_barrier;
                waiting.changes = job.changes;
            }
            None => state.add(job),
        }
        self.changed.notify_all();
    }

    /// Adds a job for what was fsynced. Where the last of the jobs is for the same inode this takes its place; returns
    /// what that one would have taken.
    // Order: one further in front stays, as what was fsynced in between comes after it.
    pub fn push_sealed(&self, ino: Ino, sealed: Sealed) -> Option<Sealed> {
        let mut state = self.state.lock();
        let last = state.jobs.back_mut().filter(|(_, last)| last.ino == ino && last.sealed.is_some());
        let replaced = match last {
            Some((_, last)) => last.sealed.replace(sealed),
            None => {
                state.add(Job { ino, is_barrier: true, changes: 0, sealed: Some(sealed) });
                None
            }
        };
        self.changed.notify_all();
        replaced
    }

    /// Drops what is to be taken of an inode, since all of its content has been captured.
    pub fn drop_sealed(&self, ino: Ino) -> Vec<Sealed> {
        let mut state = self.state.lock();
        let of_it = |job: &Job| job.sealed.filter(|_| job.ino == ino);
        let mut dropped: Vec<Sealed> = state.jobs.iter().filter_map(|(_, job)| of_it(job)).collect();
        let running = state.running.as_mut().filter(|(_, running)| running.ino == ino);
        dropped.extend(running.and_then(|(_, running)| running.sealed.take()));
        if !dropped.is_empty() {
            state.jobs.retain(|(_, job)| of_it(job).is_none());
            self.changed.notify_all();
        }
        dropped
    }

    /// Tells whether what the running job was to take has been dropped.
    pub fn is_overtaken(&self) -> bool {
        self.state.lock().running.is_some_and(|(_, running)| running.sealed.is_none())
    }

    /// How many sealed contents wait.
    pub fn sealed_count(&self) -> usize {
        self.state.lock().jobs.iter().filter(|(_, job)| job.sealed.is_some()).count()
    }

    /// A capture that is not in the queue was put off.
    pub fn put_off(&self) {
        let before = self.state.lock().put_off.replace(Instant::now());
        if before.is_none() {
            self.changed.notify_all();
        }
    }

    /// Waits for what is to be done next; none once the queue is stopped and empty.
    pub fn next(&self) -> Option<Next> {
        let mut state = self.state.lock();
        let mut interval = PAUSE;
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.running = Some(job);
                return Some(Next::Capture(job.1));
            }
            match state.put_off {
                Some(at) if state.stopped || at.elapsed() >= PAUSE => {
                    state.put_off = None;
                    return Some(Next::PutOff);
                }
                Some(at) => {
                    let looked = self.changed.wait_until(&mut state, at + interval);
                    if looked.timed_out() {
                        interval = LOOK_INTERVAL_MAX.min(2 * interval);
                    }
                }
                None if state.stopped => return None,
                None => self.changed.wait(&mut state),
            }
        }
    }

    pub fn done(&self) {
        self.state.lock().running = None;
        self.changed.notify_all();
    }

    /// Lets the worker end after the jobs that wait.
    pub fn stop(&self) {
        self.state.lock().stopped = true;
        self.changed.notify_all();
    }

    /// Tells whether what was fsynced is still to be captured.
    pub fn has_barriers(&self) -> bool {
        self.state.lock().has_barriers_up_to(u64::MAX)
    }

    /// Waits until the barriers that are there now are done, but no longer than `limit`.
    pub fn wait_for_barriers(&self, limit: Duration) {
        let last = self.state.lock().pushed;
        if self.state.lock().has_barriers_up_to(last) {
            self.wait_until(Instant::now() + limit, |state| !state.has_barriers_up_to(last));
        }
    }

    /// Waits until nothing is left. Tells whether that came before the deadline.
    pub fn wait_idle(&self, deadline: Instant) -> bool {
        self.wait_until(deadline, |state| state.jobs.is_empty() && state.running.is_none())
    }

    fn wait_until(&self, deadline: Instant, is_over: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state.lock();
        while !is_over(&state) {
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return is_over(&state);
            }
        }
        true
    }
}

impl State {
    fn add(&mut self, job: Job) {
        self.pushed += 1;
        self.jobs.push_back((self.pushed, job));
    }

    fn has_barriers_up_to(&self, last: u64) -> bool {
        self.jobs.iter().chain(&self.running).any(|(number, job)| job.is_barrier && *number <= last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::stamp::Stamp;

    fn sealed(number: u64) -> Sealed {
        let file = tempfile::tempfile().unwrap();
        Sealed { number, stamp: Stamp::hasty(&file).unwrap() }
    }

    fn numbers(queue: &CaptureQueue) -> Vec<(u64, u64)> {
        let state = queue.state.lock();
        state.jobs.iter().map(|(_, job)| (job.ino.0, job.sealed.map_or(0, |sealed| sealed.number))).collect()
    }

    #[test]
    fn what_is_fsynced_again_takes_the_place_of_the_last_job_alone() {
        let queue = CaptureQueue::default();
        assert_eq!(queue.push_sealed(Ino(1), sealed(10)), None);
        assert_eq!(queue.push_sealed(Ino(1), sealed(11)).map(|sealed| sealed.number), Some(10));
        assert_eq!(queue.push_sealed(Ino(2), sealed(20)), None);
        assert_eq!(queue.push_sealed(Ino(1), sealed(12)), None);
        assert_eq!(numbers(&queue), [(1, 11), (2, 20), (1, 12)]);
        assert!(queue.has_barriers());
    }

    #[test]
    fn what_a_capture_has_overtaken_is_dropped() {
        let queue = CaptureQueue::default();
        queue.push_sealed(Ino(1), sealed(10));
        queue.push_sealed(Ino(2), sealed(20));
        queue.push(Job { ino: Ino(1), is_barrier: false, changes: 3, sealed: None });
        let dropped: Vec<u64> = queue.drop_sealed(Ino(1)).iter().map(|sealed| sealed.number).collect();
        assert_eq!(dropped, [10]);
        assert_eq!(numbers(&queue), [(2, 20), (1, 0)]);
        assert_eq!(queue.sealed_count(), 1);
        queue.next();
        assert!(!queue.is_overtaken());
        assert_eq!(queue.drop_sealed(Ino(2)).len(), 1);
        assert!(queue.is_overtaken());
    }
}
