//! Captures of large files, one after the other, in the order of their flush points.

use crate::sync::member::Ino;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::Instant;

#[derive(Default)]
pub(super) struct CaptureQueue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// The job being worked on.
    running: Option<Job>,
    stopped: bool,
}

/// A file to capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    pub ino: Ino,
    /// It was fsynced: nothing that is done later may get into the log before it.
    pub is_barrier: bool,
}

impl CaptureQueue {
    /// Adds a job, or makes one that waits for the same inode a barrier.
    pub fn push(&self, job: Job) {
        let mut state = self.state.lock();
        match state.jobs.iter_mut().find(|waiting| waiting.ino == job.ino) {
            Some(waiting) => waiting.is_barrier |= job.is_barrier,
            None => state.jobs.push_back(job),
        }
        self.changed.notify_all();
    }

    /// Waits for the next job; none once the queue is stopped and empty.
    pub fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if let Some(job) = state.jobs.pop_front() {
                state.running = Some(job);
                return Some(job);
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

    /// Waits until no barrier is left, or nobody works on it any more.
    pub fn wait_for_barriers(&self) {
        self.wait_until(None, |state| !state.jobs.iter().chain(&state.running).any(|job| job.is_barrier));
    }

    /// Waits until nothing is left. Tells whether that came before the deadline.
    pub fn wait_idle(&self, deadline: Instant) -> bool {
        self.wait_until(Some(deadline), |state| state.jobs.is_empty() && state.running.is_none())
    }

    fn wait_until(&self, deadline: Option<Instant>, is_over: impl Fn(&State) -> bool) -> bool {
        let mut state = self.state.lock();
        while !is_over(&state) {
            let Some(deadline) = deadline else {
                self.changed.wait(&mut state);
                continue;
            };
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return is_over(&state);
            }
        }
        true
    }
}
