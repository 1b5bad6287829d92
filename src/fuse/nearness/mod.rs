//! Serving close to whoever asks.
//!
//! A request wakes a thread of ours, and its answer wakes the caller; the scheduler sends whom it wakes to a processor
//! with nothing to do. Each time that is an interrupt for a processor that sleeps, and most requests take less time
//! than that, in a virtual machine by far. So while one thread asks, request after request, only one of ours, the
//! leader, serves it, on the processor where it asks, and gives way as it answers: as an idle task for a moment, it
//! lets the caller be woken where both are. It does not sleep then either, since the next request is there when it
//! goes on.
//!
//! As soon as others ask, or bytes in bulk come, all threads serve wherever the scheduler wants them.
//!
//! Invariant: whoever is not the leader is parked only while somebody watches that the leader goes on. It may be an idle
//! task that looks something up, with a lock held, and be kept from its processor by others' work: whoever watches
//! ends that.

mod placing;
mod served;
#[cfg(test)]
mod tests;

pub use placing::run_anywhere;
pub(super) use served::Served;

use parking_lot::{Condvar, Mutex};
use placing::{Processors, give_way, processor_of, sleeps_so_far, take_part, this_thread};
use rustix::thread::Pid;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use std::time::{Duration, Instant};

/// Requests of one thread, one after the other, after which it is served from close by. More than the highest do not
/// count; one for bytes in bulk takes so many away, one of somebody else all.
const STREAK_MIN: u32 = 32;
const STREAK_MAX: u32 = 64;
const STREAK_BULK: u32 = 16;
/// Requests the leader had to sleep for, one after the other, after which it looks where the caller is: one who asks
/// on the same processor has asked again before the leader can sleep.
const SLEEPS_MAX: u32 = 4;
/// How often the leader is looked after. Whoever waits behind one that is stuck waits two of these.
const WATCH_INTERVAL: Duration = Duration::from_millis(1);
/// Looks without a request after which the leader serves alone no more.
const CALM_LOOKS: u32 = 20;
/// For so long all serve after a leader got stuck; twice as long the next time.
const REST_MIN: Duration = Duration::from_millis(50);
const REST_MAX: Duration = Duration::from_secs(5);

thread_local! {
    static MINE: Cell<Option<Lead>> = const { Cell::new(None) };
}

/// What the leader knows of itself.
#[derive(Clone, Copy)]
struct Lead {
    thread: Pid,
    /// It is an idle task.
    idle: bool,
    /// The processor it is bound to.
    processor: usize,
    /// How often it has slept.
    sleeps: i64,
    /// Requests it has slept for, one after the other.
    slept_for: u32,
}

/// Who serves: all threads, or the leader alone.
pub(super) struct Nearness {
    /// Where our threads may run; None where they are not to be moved about.
    processors: Option<Processors>,
    /// The leader alone serves.
    near: AtomicBool,
    /// The leader's thread.
    leader: AtomicI32,
    /// Goes up when the leader begins to work on a request, and when it is through with it: odd in between.
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
    rest: Duration,
    /// Until then all serve.
    rests_until: Option<Instant>,
}

/// A request that is worked on. At its end the thread waits until it is wanted again.
pub(super) struct Turn<'a>(&'a Nearness);

/// What a request is about.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    /// Something is looked up.
    Look,
    Change,
    /// So many bytes that caller and daemon do better side by side.
    Bulk,
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

impl Nearness {
    pub fn new() -> Nearness {
        Nearness {
            processors: Processors::ours(),
            near: AtomicBool::new(false),
            leader: AtomicI32::new(0),
            steps: AtomicU64::new(0),
            caller: AtomicU32::new(0),
            streak: AtomicU32::new(0),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Begins to work on a request. `caller` is the thread that asks, 0 where nobody does.
    pub fn turn(&self, caller: u32, work: Work) -> Turn<'_> {
        if let Some(processors) = &self.processors {
            if let Some(lead) = MINE.get() {
                self.go_on(processors, lead, work);
            }
            if caller != 0 {
                self.hear(processors, caller, work);
            }
        }
        Turn(self)
    }

    fn go_on(&self, processors: &Processors, lead: Lead, work: Work) {
        if !self.is_led_by(lead) {
            return lead.resign(processors);
        }
        self.steps.fetch_add(1, SeqCst);
        if lead.idle && work != Work::Look {
            take_part(None);
            MINE.set(Some(Lead { idle: false, ..lead }));
        }
    }

    fn is_led_by(&self, lead: Lead) -> bool {
        self.near.load(SeqCst) && self.leader.load(SeqCst) == lead.thread.as_raw_nonzero().get()
    }

    fn hear(&self, processors: &Processors, caller: u32, work: Work) {
        let again = self.caller.swap(caller, Relaxed) == caller;
        let streak = match work {
            _ if !again => 0,
            Work::Bulk => self.streak.load(Relaxed).saturating_sub(STREAK_BULK),
            Work::Look | Work::Change => STREAK_MAX.min(self.streak.load(Relaxed) + 1),
        };
        self.streak.store(streak, Relaxed);
        if !self.near.load(SeqCst) {
            if streak >= STREAK_MIN && !self.lead(processors, caller) {
                self.streak.store(0, Relaxed);
            }
        } else if streak == 0 {
            self.leave(Rest::None);
        } else if let Some(lead) = MINE.get() {
            MINE.set(Some(follow(processors, lead, caller)));
        }
    }

    /// From here on this thread serves alone, unless there was trouble with that not long ago. Tells whether it does.
    fn lead(&self, processors: &Processors, caller: u32) -> bool {
        let mut state = self.state.lock();
        let rests = state.rests_until.is_some_and(|until| Instant::now() < until);
        if state.over || rests || self.near.load(SeqCst) {
            return false;
        }
        let Some(processor) = processor_of(caller).filter(|it| processors.bind(*it)) else {
            state.rest();
            return false;
        };
        let thread = this_thread();
        MINE.set(Some(Lead { thread, idle: false, processor, sleeps: sleeps_so_far(), slept_for: 0 }));
        // Order: whoever watches must see a leader at work.
        self.leader.store(thread.as_raw_nonzero().get(), SeqCst);
        self.steps.fetch_or(1, SeqCst);
        self.near.store(true, SeqCst);
        self.changed.notify_all();
        tracing::debug!(
            caller,
            processor,
            steps = self.steps.load(SeqCst),
            "one thread serves, close to its caller"
        );
        true
    }

    /// All serve again.
    fn leave(&self, rest: Rest) {
        let mut state = self.state.lock();
        if self.near.swap(false, SeqCst) {
            tracing::debug!(?rest, steps = self.steps.load(SeqCst), "all threads serve");
            match rest {
                Rest::Needed => state.rest(),
                Rest::None => state.rest = Duration::ZERO,
            }
            self.changed.notify_all();
        }
    }

    fn end_turn(&self) {
        let Some(processors) = &self.processors else { return };
        if let Some(lead) = MINE.get() {
            match self.is_led_by(lead) {
                true => _ = self.steps.fetch_add(1, SeqCst),
                false => lead.resign(processors),
            }
        } else if self.near.load(SeqCst) {
            let mut state = self.state.lock();
            while self.near.load(SeqCst) {
                self.changed.wait(&mut state);
            }
        }
    }

    /// Looks after leaders until all is over. `is_asked` tells whether a request waits to be read, or none can come.
    pub fn watch(&self, is_asked: impl Fn() -> bool) {
        let Some(processors) = &self.processors else { return };
        loop {
            let mut state = self.state.lock();
            while !self.near.load(SeqCst) {
                if state.over {
                    return;
                }
                self.changed.wait(&mut state);
            }
            drop(state);
            let leader = Pid::from_raw(self.leader.load(SeqCst));
            self.leave(self.watch_leader(&is_asked));
            // It may be kept from running, and so from doing this by itself.
            take_part(leader);
            processors.unbind(leader);
        }
    }

    /// Returns once there is nobody to be near to, or the leader does not go on.
    fn watch_leader(&self, is_asked: impl Fn() -> bool) -> Rest {
        let (mut seen, mut calm, mut stuck) = (0, 0, false);
        while calm < CALM_LOOKS {
            let mut state = self.state.lock();
            if !self.near.load(SeqCst) {
                return Rest::None;
            }
            self.changed.wait_for(&mut state, WATCH_INTERVAL);
            drop(state);
            let steps = self.steps.load(SeqCst);
            if steps != seen {
                (seen, calm, stuck) = (steps, 0, false);
            } else if steps % 2 == 1 {
                // It works on something that takes time; the others need not wait for that.
                return Rest::None;
            } else if is_asked() {
                // The request may have come this very moment.
                if std::mem::replace(&mut stuck, true) {
                    return Rest::Needed;
                }
            } else {
                (calm, stuck) = (calm + 1, false);
            }
        }
        Rest::None
    }

    /// Nobody will be parked any more, and watching ends.
    pub fn end(&self) {
        self.state.lock().over = true;
        self.leave(Rest::None);
        self.changed.notify_all();
    }
}

/// Keeps the leader where its caller is.
fn follow(processors: &Processors, mut lead: Lead, caller: u32) -> Lead {
    let sleeps = sleeps_so_far();
    lead.slept_for = if sleeps == lead.sleeps { 0 } else { lead.slept_for + 1 };
    lead.sleeps = sleeps;
    if lead.slept_for >= SLEEPS_MAX {
        lead.slept_for = 0;
        if let Some(processor) = processor_of(caller)
            && processor != lead.processor
            && processors.bind(processor)
        {
            lead.processor = processor;
            lead.sleeps = sleeps_so_far();
        }
    }
    lead
}

/// Whether all should serve for a while after a leader.
#[derive(Debug, PartialEq, Eq)]
enum Rest {
    Needed,
    None,
}

impl Lead {
    /// Is a thread like the others again.
    fn resign(self, processors: &Processors) {
        if self.idle {
            take_part(None);
        }
        processors.unbind(None);
        MINE.set(None);
    }
}

impl State {
    fn rest(&mut self) {
        self.rest = (self.rest * 2).clamp(REST_MIN, REST_MAX);
        self.rests_until = Some(Instant::now() + self.rest);
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.end_turn();
    }
}
