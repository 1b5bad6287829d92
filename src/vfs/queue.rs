//! Captures of large files, one after the other, in the order of their flush points.

use crate::sync::member::Ino;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

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
    stopped: bool,
}

/// A file to capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub ino: Ino,
    /// It was fsynced: nothing that is done later may get into the log before it.
    pub is_barrier: bool,
    /// The count of changes at the flush point. A barrier takes what there is later as well.
    pub changes: u64,
}

impl CaptureQueue {
    /// Adds a job, or makes one that waits for the same inode a barrier.
    pub fn push(&self, job: Job) {
        let mut state = self.state.lock();
        match state.jobs.iter_mut().find(|(_, waiting)| waiting.ino == job.ino) {
            Some((_, waiting)) => {
                waiting.is_barrier |= job.is_barrier;
                waiting.changes = job.changes;
            }
            None => {
                state.pushed += 1;
                let number = state.pushed;
                state.jobs.push_back((number, job));
            }
        }
        self.changed.notify_all();
    }

    /// Waits for the next job; none once the queue is stopped and empty.
    pub fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.running = Some(job);
                return Some(job.1);
            }
            if state.stopped {
                return None;
            }
            self.changed.wait(&mut state);
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
    fn has_barriers_up_to(&self, last: u64) -> bool {
        self.jobs.iter().chain(&self.running).any(|(number, job)| job.is_barrier && *number <= last)
    }
}
