//! Where threads run, and how much they give way: the system's calls for it.
//!
//! The process's first thread is never moved about: where it may run the others may.

use rustix::process::getpid;
use rustix::thread::{CpuSet, Pid, sched_getaffinity, sched_setaffinity};
use std::fs;
use std::thread;

/// Tells whether moving threads about is of use, and ours to do: there is more than one processor, nobody has chosen
/// how the process is scheduled, and who gives way may come back from it.
pub(super) fn may_place() -> bool {
    let is_many = sched_getaffinity(Some(getpid())).is_ok_and(|set| set.count() > 1);
    is_many && policy() == libc::SCHED_OTHER && may_return()
}

/// Tells whether who gives way may come back from it, which takes a right.
pub(super) fn may_return() -> bool {
    // In a thread of its own: it may have to stay what it becomes.
    thread::spawn(|| give_way() && take_part(None)).join().unwrap_or(false)
}

/// Binds the calling thread to a processor. Tells whether that could be done.
pub(super) fn bind(processor: usize) -> bool {
    let ours = sched_getaffinity(Some(getpid()));
    if processor >= CpuSet::MAX_CPU || !ours.is_ok_and(|ours| ours.is_set(processor)) {
        return false;
    }
    let mut one = CpuSet::new();
    one.set(processor);
    sched_setaffinity(None, &one).is_ok()
}

/// Has a thread, by default the calling one, run on any processor again.
pub(super) fn unbind(thread: Option<Pid>) {
    // A thread that has ended runs nowhere.
    let _ = sched_getaffinity(Some(getpid())).and_then(|ours| sched_setaffinity(thread, &ours));
}

/// Makes the calling thread an idle task: whoever is woken may take its processor. Tells whether it is one now.
pub(super) fn give_way() -> bool {
    set_policy(None, libc::SCHED_IDLE)
}

/// Makes a thread, by default the calling one, a task like others. Tells whether it is one now.
pub(super) fn take_part(thread: Option<Pid>) -> bool {
    set_policy(thread, libc::SCHED_OTHER)
}

/// Has the calling thread run as the process's first: threads begin like whoever starts them.
pub fn run_anywhere() {
    if policy() == libc::SCHED_IDLE {
        take_part(None);
    }
    let (mine, first) = (sched_getaffinity(None), sched_getaffinity(Some(getpid())));
    if mine.is_ok_and(|mine| first.is_ok_and(|first| mine != first)) {
        unbind(None);
    }
}

/// The calling thread's.
pub(super) fn policy() -> libc::c_int {
    // SAFETY: it takes a number and gives one.
    unsafe { libc::sched_getscheduler(0) }
}

fn set_policy(thread: Option<Pid>, policy: libc::c_int) -> bool {
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
    use rustix::thread::gettid;
    use std::time::Duration;

    #[test]
    fn a_bound_thread_runs_where_it_is_bound_until_it_runs_anywhere() {
        let ours = sched_getaffinity(Some(getpid())).unwrap();
        let this = gettid().as_raw_nonzero().get().cast_unsigned();
        for processor in (0..CpuSet::MAX_CPU).filter(|it| ours.is_set(*it)) {
            assert!(bind(processor));
            assert_eq!(processor_of(this), Some(processor));
        }
        run_anywhere();
        assert!(sched_getaffinity(None).unwrap() == ours);
        assert!(!bind(CpuSet::MAX_CPU));
    }

    #[test]
    fn sleeps_are_counted() {
        let before = sleeps_so_far();
        thread::sleep(Duration::from_millis(1));
        assert!(sleeps_so_far() > before);
    }
}
