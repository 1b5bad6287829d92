//! Serving close to whoever asks.
//!
//! A request wakes a thread of ours, and its answer wakes the caller; the scheduler sends whom it wakes to a processor
//! with nothing to do. Each time that is an interrupt for a processor that sleeps, and most requests take less time
//! than that, in a virtual machine by far. So while one thread asks, request after request, only one of ours, the
//! leader, serves it, on the processor where it asks, and gives way as it answers: as an idle task for a moment, it
//! lets the caller be woken where both are. It mostly does not sleep then either, since the next request is there when
//! it goes on.
//!
//! As soon as others ask, or bytes in bulk come, all threads serve wherever the scheduler wants them.
//!
//! Invariant: whoever is not the leader is parked only while somebody watches that the leader goes on. It may be an idle
//! task with a lock held, and be kept from its processor by others' work: whoever watches ends that.

mod placing;
mod served;
#[cfg(test)]
mod tests;

pub use placing::run_anywhere;
pub(super) use served::Served;

use parking_lot::{Condvar, Mutex, MutexGuard};
use placing::{bind, give_way, may_place, processor_of, sleeps_so_far, take_part, unbind};
use rustix::thread::{Pid, gettid};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Requests of one thread, one after the other, after which it is served from close by. More than the highest do not
/// count; one for bytes in bulk takes so many away, one of somebody else all.
const STREAK_MIN: u32 = 8;
const STREAK_MAX: u32 = 64;
const STREAK_BULK: u32 = 16;
/// Requests the leader had to sleep for, one after the other, after which it looks where the caller is: one who asks
/// on the same processor has mostly asked again before the leader can sleep. Twice as many each time it is still there.
const SLEEPS_MIN: u32 = 4;
const SLEEPS_MAX: u32 = 256;
/// How often the leader is looked after: the more seldom the longer it gets on. Each look costs it and its caller some
/// microseconds, and mostly drives them apart.
const WATCH_INTERVAL_MIN: Duration = Duration::from_millis(4);
const WATCH_INTERVAL_MAX: Duration = Duration::from_millis(16);
/// How much later it is looked at again where it may be stuck. Whoever waits behind it waits as long as both together.
const STUCK_INTERVAL: Duration = Duration::from_millis(1);
/// Looks with fewer requests in between after which the leader serves alone no more.
const CALM_LOOKS: u32 = 8;
const CALM_REQUESTS: u64 = 4;
/// For so long all serve after a leader got stuck; twice as long the next time, unless it led for longer than the
/// shortest in between.
const REST_MIN: Duration = Duration::from_millis(50);
const REST_MAX: Duration = Duration::from_secs(5);

thread_local! {
    static MINE: Cell<Option<Lead>> = const { Cell::new(None) };
}

/// What the leader knows of itself.
#[derive(Clone, Copy)]
struct Lead {
    /// Which of all there have been.
    number: u64,
    /// It is an idle task.
    idle: bool,
    /// The processor it is bound to.
    processor: usize,
    /// How often it had slept when that was counted last, and the requests since.
    sleeps: i64,
    asked: u32,
    /// Requests it has slept for, one after the other, and how many make it look.
    slept_for: u32,
    looks_after: u32,
}

/// Who serves: all threads, or the leader alone.
pub(super) struct Nearness {
    /// Threads are moved about.
    places: bool,
    /// The number of the lead, 0 while all serve. Changes with the state locked.
    lead: AtomicU64,
    /// Requests that leaders have served.
    steps: AtomicU64,
    /// Who asked last, and how often in a row.
    caller: AtomicU32,
    streak: AtomicU32,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    over: bool,
    leads: u64,
    /// The thread that leads, and since when.
    leader: Option<(Pid, Instant)>,
    rest: Duration,
    /// Until then all serve.
    rests_until: Option<Instant>,
}

/// A request that is worked on. At its end the thread waits until it is wanted again.
pub(super) struct Turn<'a>(&'a Nearness);

/// What a request is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// It is soon over, and mostly wakes nobody but the caller: to become a task like others for it would take as long as
    /// some of it.
    Brief,
    Other,
    /// The device may have to be waited for: others must not wait as well.
    Sync,
    /// So many bytes that caller and daemon do better side by side.
    Bulk,
}

/// Why all serve again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// Others ask, or for something else.
    Others,
    /// Few requests come.
    Calm,
    /// The leader does not take what waits.
    Stuck,
}

/// To be called right before an answer that somebody waits for.
pub(super) fn before_answer() {
    if let Some(lead) = MINE.get()
        && !lead.idle
        && give_way()
    {
        MINE.set(Some(Lead { idle: true, ..lead }));
    }
}

/// To be called before a thread is started: it begins like the one that starts it.
pub(super) fn before_thread() {
    if let Some(lead) = MINE.get()
        && lead.idle
        && take_part(None)
    {
        MINE.set(Some(Lead { idle: false, ..lead }));
    }
}

impl Nearness {
    pub fn new() -> Nearness {
        Nearness {
            places: may_place(),
            lead: AtomicU64::new(0),
            steps: AtomicU64::new(0),
            caller: AtomicU32::new(0),
            streak: AtomicU32::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Begins to work on a request. `caller` is the thread that asks, 0 for one that cannot be seen from here; None where
    /// nobody waits for an answer.
    pub fn turn(&self, caller: Option<u32>, work: Work) -> Turn<'_> {
        if self.places {
            if let Some(lead) = MINE.get() {
                self.go_on(lead, work);
            }
            if let Some(caller) = caller {
                self.hear(caller, work);
            }
        }
        Turn(self)
    }

    fn go_on(&self, lead: Lead, work: Work) {
        if self.lead.load(SeqCst) != lead.number {
            return resign();
        }
        self.steps.fetch_add(1, Relaxed);
        if lead.idle && work != Work::Brief && take_part(None) {
            MINE.set(Some(Lead { idle: false, ..lead }));
        }
    }

    fn hear(&self, caller: u32, work: Work) {
        let again = self.caller.swap(caller, Relaxed) == caller && caller != 0;
        let streak = match work {
            Work::Brief | Work::Other if again => STREAK_MAX.min(self.streak.load(Relaxed) + 1),
            Work::Bulk if again => self.streak.load(Relaxed).saturating_sub(STREAK_BULK),
            _ => 0,
        };
        self.streak.store(streak, Relaxed);
        let number = self.lead.load(SeqCst);
        if number == 0 {
            if streak >= STREAK_MIN && !self.lead(caller) {
                self.streak.store(0, Relaxed);
            }
        } else if streak == 0 {
            self.leave(number, Cause::Others);
        } else if let Some(lead) = MINE.get() {
            MINE.set(Some(follow(lead, caller)));
        }
    }

    /// From here on this thread serves alone, unless there was trouble with that not long ago. Tells whether it does.
    fn lead(&self, caller: u32) -> bool {
        let mut state = self.state.lock();
        let now = Instant::now();
        let rests = state.rests_until.is_some_and(|until| now < until);
        if state.over || rests || state.leader.is_some() {
            return false;
        }
        let Some(processor) = processor_of(caller).filter(|it| bind(*it)) else {
            state.rest(now);
            return false;
        };
        state.leads += 1;
        state.leader = Some((gettid(), now));
        let (number, sleeps) = (state.leads, sleeps_so_far());
        let (idle, asked, slept_for, looks_after) = (false, 0, 0, SLEEPS_MIN);
        MINE.set(Some(Lead { number, idle, processor, sleeps, asked, slept_for, looks_after }));
        self.lead.store(number, SeqCst);
        self.changed.notify_all();
        tracing::debug!(caller, processor, "one thread serves, close to its caller");
        true
    }

    /// All serve again.
    fn leave(&self, number: u64, cause: Cause) {
        let mut state = self.state.lock();
        if self.lead.load(SeqCst) != number {
            return;
        }
        let Some((leader, since)) = state.leader.take() else { return };
        self.lead.store(0, SeqCst);
        self.streak.store(0, Relaxed);
        // It may be kept from running, and so from doing this by itself.
        take_part(Some(leader));
        unbind(Some(leader));
        let now = Instant::now();
        if now - since >= REST_MIN {
            state.rest = Duration::ZERO;
        }
        if cause == Cause::Stuck {
            state.rest(now);
        }
        self.changed.notify_all();
        tracing::debug!(?cause, rest = ?state.rest, "all threads serve");
    }

    fn end_turn(&self) {
        if !self.places {
            return;
        }
        let number = self.lead.load(SeqCst);
        match MINE.get() {
            Some(lead) if lead.number != number => resign(),
            Some(_) => {}
            None if number != 0 => {
                let mut state = self.state.lock();
                while state.leader.is_some() {
                    self.changed.wait(&mut state);
                }
            }
            None => {}
        }
    }

    /// Looks after leaders until all is over. `is_asked` tells whether a request waits to be read, or none can come.
    pub fn watch(&self, is_asked: impl Fn() -> bool) {
        if !self.places {
            return;
        }
        loop {
            let mut state = self.state.lock();
            while state.leader.is_none() {
                if state.over {
                    return;
                }
                self.changed.wait(&mut state);
            }
            let number = self.lead.load(SeqCst);
            let cause = self.watch_leader(state, number, &is_asked);
            self.leave(number, cause);
        }
    }

    /// Returns once this lead is over, or should be.
    fn watch_leader(
        &self,
        mut state: MutexGuard<'_, State>,
        number: u64,
        is_asked: impl Fn() -> bool,
    ) -> Cause {
        let (mut seen, mut calm, mut stuck) = (self.steps.load(Relaxed), 0, false);
        let mut interval = WATCH_INTERVAL_MIN;
        while calm < CALM_LOOKS {
            self.changed.wait_for(&mut state, if stuck { STUCK_INTERVAL } else { interval });
            if self.lead.load(SeqCst) != number {
                return Cause::Others;
            }
            let steps = self.steps.load(Relaxed);
            let served = steps - seen;
            seen = steps;
            // What waits may have come this very moment: it is looked for twice.
            let waits = served == 0 && MutexGuard::unlocked(&mut state, &is_asked);
            if waits && stuck {
                return Cause::Stuck;
            }
            stuck = waits;
            calm = if served < CALM_REQUESTS && !stuck { calm + 1 } else { 0 };
            let gets_on = calm == 0 && !stuck;
            interval = if gets_on { WATCH_INTERVAL_MAX.min(2 * interval) } else { WATCH_INTERVAL_MIN };
        }
        Cause::Calm
    }

    /// Nobody will be parked any more, and watching ends.
    pub fn end(&self) {
        self.state.lock().over = true;
        self.leave(self.lead.load(SeqCst), Cause::Others);
        self.changed.notify_all();
    }
}

/// Keeps the leader where its caller is.
fn follow(mut lead: Lead, caller: u32) -> Lead {
    lead.asked += 1;
    if lead.asked < SLEEPS_MIN {
        return lead;
    }
    // It sleeps more often than that where it waits for others.
    let sleeps = sleeps_so_far();
    let has_slept = sleeps - lead.sleeps >= i64::from(lead.asked);
    lead.slept_for = if has_slept { lead.slept_for + lead.asked } else { 0 };
    (lead.sleeps, lead.asked) = (sleeps, 0);
    if lead.slept_for >= lead.looks_after {
        lead.slept_for = 0;
        let processor = processor_of(caller).filter(|it| *it != lead.processor && bind(*it));
        lead.looks_after = match processor {
            Some(_) => SLEEPS_MIN,
            None => SLEEPS_MAX.min(2 * lead.looks_after),
        };
        lead.processor = processor.unwrap_or(lead.processor);
        lead.sleeps = sleeps_so_far();
    }
    lead
}

/// Makes the calling thread one like the others again.
fn resign() {
    take_part(None);
    unbind(None);
    MINE.set(None);
}

impl State {
    fn rest(&mut self, now: Instant) {
        self.rest = (self.rest * 2).clamp(REST_MIN, REST_MAX);
        self.rests_until = Some(now + self.rest);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.end_turn();
    }
}
