//! Where threads run, and how much they give way: the system's calls for it.

use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_setaffinity};
use std::fs;
use std::thread;

/// The processors that our threads may run on, more than one.
pub(super) struct Processors(CpuSet);

impl Processors {
    /// None where there is nothing to choose, or where we may not come back from giving way.
    pub fn ours() -> Option<Processors> {
        let set = sched_getaffinity(None).ok()?;
        // In a thread of its own: it may have to stay what it becomes.
        let may_return = thread::spawn(|| give_way() && take_part(None)).join().unwrap_or(false);
        (set.count() > 1 && may_return).then_some(Processors(set))
    }

    /// Those of this thread, if there is only one as well.
    #[cfg(test)]
    pub fn all() -> Processors {
        Processors(sched_getaffinity(None).expect("every thread may run somewhere"))
    }

    /// Binds the calling thread to one of them; tells whether that could be done.
    pub fn bind(&self, processor: usize) -> bool {
        if processor >= CpuSet::MAX_CPU || !self.0.is_set(processor) {
            return false;
        }
        let mut one = CpuSet::new();
        one.set(processor);
        sched_setaffinity(None, &one).is_ok()
    }

    /// A thread, by default the calling one, may run on all of them again.
    pub fn unbind(&self, thread: Option<Pid>) {
        // A thread that has ended runs nowhere.
        let _ = sched_setaffinity(thread, &self.0);
    }
}

/// Has the calling thread run like any other of the process: threads begin as whoever starts them.
pub fn run_anywhere() {
    take_part(None);
    // The first thread is never bound.
    let first = rustix::process::getpid();
    let _ = sched_getaffinity(Some(first)).and_then(|set| sched_setaffinity(None, &set));
}

/// The calling thread.
pub(super) fn this_thread() -> Pid {
    gettid()
}

/// Makes the calling thread an idle task: whoever is woken may take its processor. Tells whether it is one now.
pub(super) fn give_way() -> bool {
    schedule(None, libc::SCHED_IDLE)
}

/// A thread, by default the calling one, is like others again.
pub(super) fn take_part(thread: Option<Pid>) -> bool {
    schedule(thread, libc::SCHED_OTHER)
}

fn schedule(thread: Option<Pid>, policy: libc::c_int) -> bool {
    let parameters = libc::sched_param { sched_priority: 0 };
    let thread = thread.map_or(0, |it| it.as_raw_nonzero().get());
    // SAFETY: it only reads the parameters, which live until it returns.
    unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) == 0 }
}

/// The processor that a thread of any process runs on, or last ran on.
pub(super) fn processor_of(thread: u32) -> Option<usize> {
    /// Of those behind the name, which may itself have blanks and brackets.
    const PROCESSOR_FIELD: usize = 36;
    let stat = fs::read(format!("/proc/{thread}/stat")).ok()?;
    let name_end = stat.iter().rposition(|&byte| byte == b')')?;
    let fields = std::str::from_utf8(stat.get(name_end + 2..)?).ok()?;
    fields.split(' ').nth(PROCESSOR_FIELD)?.parse().ok()
}

/// How often the calling thread has gone to sleep so far.
pub(super) fn sleeps_so_far() -> i64 {
    // SAFETY: all zeros are a value of it, and it is filled in before it is read.
    unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage);
        usage.ru_nvcsw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_thread_runs_where_it_is_bound_until_it_runs_anywhere() {
        let all = Processors::all();
        let this = this_thread().as_raw_nonzero().get().cast_unsigned();
        for processor in (0..CpuSet::MAX_CPU).filter(|it| all.0.is_set(*it)) {
            assert!(all.bind(processor));
            assert_eq!(processor_of(this), Some(processor));
        }
        run_anywhere();
        assert_eq!(sched_getaffinity(None).unwrap().count(), all.0.count());
        assert!(!all.bind(CpuSet::MAX_CPU));
    }

    #[test]
    fn sleeps_are_counted() {
        let before = sleeps_so_far();
        thread::sleep(std::time::Duration::from_millis(1));
        assert!(sleeps_so_far() > before);
    }
}
