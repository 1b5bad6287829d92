//! Who leads, who is parked, and who is freed, with threads that ask for themselves.

use super::placing::{may_return, policy};
use super::*;
use rustix::process::getpid;
use rustix::thread::sched_getaffinity;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// No thread has this number.
const SOMEBODY: u32 = u32::MAX;
/// For so long who is parked is seen not to go on.
const PARKED: Duration = Duration::from_millis(20);

fn me() -> Option<u32> {
    Some(gettid().as_raw_nonzero().get().cast_unsigned())
}

/// Whatever the machine has of processors and rights.
fn placing() -> Nearness {
    Nearness { places: true, ..Nearness::new() }
}

/// With the calling thread for its leader, which asks itself.
fn led() -> Arc<Nearness> {
    let nearness = placing();
    for _ in 0..=STREAK_MIN {
        assert!(MINE.get().is_none());
        drop(nearness.turn(me(), Work::Other));
    }
    assert!(MINE.get().is_some());
    Arc::new(nearness)
}

/// Another thread, which has served a request and is parked. It tells when it would read the next.
fn parked(nearness: &Arc<Nearness>) -> Receiver<()> {
    let (sender, receiver) = channel();
    let nearness = nearness.clone();
    thread::spawn(move || {
        drop(nearness.turn(None, Work::Other));
        sender.send(()).unwrap();
    });
    assert!(receiver.recv_timeout(PARKED).is_err());
    receiver
}

fn watch(nearness: &Nearness, is_asked: bool) -> Cause {
    nearness.watch_leader(nearness.state.lock(), nearness.lead.load(SeqCst), || is_asked)
}

#[test]
fn who_asks_again_and_again_is_served_by_one_thread_until_others_ask() {
    // One who cannot be seen may be anybody.
    for (caller, work) in [(SOMEBODY, Work::Brief), (0, Work::Brief), (me().unwrap(), Work::Sync)] {
        let nearness = led();
        let other = parked(&nearness);
        let turn = nearness.turn(Some(caller), work);
        other.recv().unwrap();
        drop(turn);
        assert!(MINE.get().is_none());
    }
}

#[test]
fn the_leader_gives_way_when_it_answers_and_takes_part_in_what_is_not_brief() {
    if !may_return() {
        return eprintln!("SKIPPED: who gives way may not come back from it here");
    }
    let nearness = led();
    for (work, idle) in [(Work::Other, false), (Work::Brief, true), (Work::Other, false)] {
        let turn = nearness.turn(me(), work);
        assert_eq!(MINE.get().map(|lead| lead.idle), Some(idle));
        before_answer();
        assert_eq!(policy(), libc::SCHED_IDLE);
        drop(turn);
    }
}

#[test]
fn a_thread_that_the_leader_starts_is_no_idle_task_and_is_not_bound() {
    if !may_return() {
        return eprintln!("SKIPPED: who gives way may not come back from it here");
    }
    let nearness = led();
    before_answer();
    let turn = nearness.turn(me(), Work::Brief);
    before_thread();
    let started = thread::spawn(|| {
        run_anywhere();
        (policy(), sched_getaffinity(None).unwrap() == sched_getaffinity(Some(getpid())).unwrap())
    });
    assert_eq!(started.join().unwrap(), (libc::SCHED_OTHER, true));
    drop(turn);
}

#[test]
fn a_leader_that_does_not_take_what_waits_is_stuck_and_one_that_is_not_asked_is_calm() {
    let nearness = led();
    assert_eq!(watch(&nearness, true), Cause::Stuck);
    assert_eq!(watch(&nearness, false), Cause::Calm);
}

#[test]
fn whoever_got_stuck_is_like_others_again_and_nobody_leads_for_a_while() {
    if !may_return() {
        return eprintln!("SKIPPED: who gives way may not come back from it here");
    }
    let nearness = led();
    before_answer();
    let other = parked(&nearness);
    let watching = nearness.clone();
    let watch = thread::spawn(move || watching.watch(|| true));
    other.recv().unwrap();
    assert_eq!(policy(), libc::SCHED_OTHER);
    nearness.state.lock().rests_until = Some(Instant::now() + REST_MAX);
    assert!(!nearness.lead(me().unwrap()));
    nearness.state.lock().rests_until = Some(Instant::now());
    assert!(nearness.lead(me().unwrap()));
    nearness.end();
    watch.join().unwrap();
}

#[test]
fn rests_get_longer_as_long_as_leads_are_short() {
    let nearness = led();
    for rest in [REST_MIN, 2 * REST_MIN, 4 * REST_MIN] {
        nearness.leave(nearness.lead.load(SeqCst), Cause::Stuck);
        assert_eq!(nearness.state.lock().rest, rest);
        nearness.state.lock().rests_until = None;
        assert!(nearness.lead(me().unwrap()));
        nearness.state.lock().leader.as_mut().unwrap().1 = Instant::now();
    }
    nearness.state.lock().leader.as_mut().unwrap().1 -= REST_MIN;
    nearness.leave(nearness.lead.load(SeqCst), Cause::Stuck);
    assert_eq!(nearness.state.lock().rest, REST_MIN);
}

#[test]
fn some_requests_in_bulk_do_not_end_it_and_many_do() {
    let nearness = led();
    for _ in 0..STREAK_MAX {
        drop(nearness.turn(me(), Work::Brief));
    }
    for _ in 0..STREAK_MAX / STREAK_BULK {
        assert!(MINE.get().is_some());
        drop(nearness.turn(me(), Work::Bulk));
    }
    assert!(MINE.get().is_none());
}

#[test]
fn nobody_leads_for_a_caller_that_cannot_be_seen() {
    let nearness = placing();
    for caller in [0, SOMEBODY] {
        for _ in 0..3 * STREAK_MAX {
            drop(nearness.turn(Some(caller), Work::Brief));
        }
        assert!(MINE.get().is_none());
    }
}

#[test]
fn who_asks_anew_is_heard_anew() {
    let nearness = led();
    nearness.leave(nearness.lead.load(SeqCst), Cause::Calm);
    drop(nearness.turn(me(), Work::Brief));
    assert!(MINE.get().is_none());
    assert_eq!(nearness.streak.load(Relaxed), 1);
}
