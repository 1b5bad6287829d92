//! Who leads, who is parked, and who is freed, with threads that ask for themselves.

use super::*;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// No thread has this number.
const NOBODY: u32 = u32::MAX;

fn me() -> u32 {
    this_thread().as_raw_nonzero().get().cast_unsigned()
}

/// With the calling thread for its leader, which asks itself; whatever the machine has of processors and rights.
fn led() -> Arc<Nearness> {
    let nearness = Nearness { processors: Some(Processors::all()), ..Nearness::new() };
    for _ in 0..=STREAK_MIN {
        assert!(MINE.get().is_none());
        drop(nearness.turn(me(), Work::Change));
    }
    assert!(MINE.get().is_some());
    Arc::new(nearness)
}

/// Another thread, which has worked on a request. It tells when it would read the next.
fn another(nearness: &Arc<Nearness>) -> Receiver<()> {
    let (sender, receiver) = channel();
    let nearness = nearness.clone();
    thread::spawn(move || {
        let turn = nearness.turn(0, Work::Change);
        sender.send(()).unwrap();
        drop(turn);
        sender.send(()).unwrap();
    });
    receiver.recv().unwrap();
    receiver
}

#[test]
fn who_asks_again_and_again_is_served_by_one_thread_until_others_ask() {
    let nearness = led();
    let other = another(&nearness);
    assert!(nearness.near.load(SeqCst));
    let turn = nearness.turn(NOBODY, Work::Look);
    other.recv().unwrap();
    drop(turn);
    assert!(MINE.get().is_none());
}

#[test]
fn the_leader_gives_way_when_it_answers_and_takes_part_when_it_changes_something() {
    let nearness = led();
    for (work, idle) in [(Work::Change, false), (Work::Look, true), (Work::Change, false)] {
        let turn = nearness.turn(me(), work);
        assert_eq!(MINE.get().map(|lead| lead.idle), Some(idle));
        before_answer();
        assert_eq!(MINE.get().map(|lead| lead.idle), Some(true));
        drop(turn);
    }
    nearness.end();
    drop(nearness.turn(me(), Work::Look));
    assert!(MINE.get().is_none());
}

#[test]
fn a_leader_that_works_for_long_is_no_reason_to_rest_but_one_that_does_not_read_is() {
    let nearness = led();
    let turn = nearness.turn(me(), Work::Change);
    assert_eq!(nearness.watch_leader(|| true), Rest::None);
    drop(turn);
    assert_eq!(nearness.watch_leader(|| false), Rest::None);
    assert_eq!(nearness.watch_leader(|| true), Rest::Needed);
    nearness.leave(Rest::Needed);
    assert_eq!(nearness.state.lock().rest, REST_MIN);
    for _ in 0..3 {
        nearness.state.lock().rests_until = Some(Instant::now() + REST_MAX);
        assert!(!nearness.lead(&Processors::all(), me()));
    }
    nearness.state.lock().rests_until = Some(Instant::now());
    assert!(nearness.lead(&Processors::all(), me()));
}

#[test]
fn whoever_is_parked_goes_on_when_the_leader_does_not_read() {
    let nearness = led();
    let other = another(&nearness);
    let watching = nearness.clone();
    let watch = thread::spawn(move || watching.watch(|| true));
    other.recv().unwrap();
    nearness.end();
    watch.join().unwrap();
}

#[test]
fn some_requests_in_bulk_do_not_end_it_and_many_do() {
    let nearness = led();
    for _ in 0..STREAK_MAX {
        drop(nearness.turn(me(), Work::Look));
    }
    for _ in 0..STREAK_MAX / STREAK_BULK {
        assert!(nearness.near.load(SeqCst));
        drop(nearness.turn(me(), Work::Bulk));
    }
    assert!(!nearness.near.load(SeqCst));
}

#[test]
fn nobody_leads_for_a_caller_that_cannot_be_seen() {
    let nearness = Nearness { processors: Some(Processors::all()), ..Nearness::new() };
    for _ in 0..3 * STREAK_MAX {
        drop(nearness.turn(NOBODY, Work::Look));
    }
    assert!(MINE.get().is_none());
}
