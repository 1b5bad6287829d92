//! Waiting until this member has all that there was when somebody asked, and keeping the log from running ahead of the
//! contents for ever.
//!
//! Invariant: what is done while somebody waits is not waited for. A file that others write all the time is another one at
//! every moment; whoever waits is content with any content of it that came after the question. Such a file does come:
//! once a content was too late no entry is applied until all that is wanted is here, or for
//! some times as long as that content took.

use super::driver::Event;
use super::shared::Shared;
use super::standing::Trouble;
use crate::model::NodeId;
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How many times as long as a content took that came too late entries are held, so that it and others come in time; what
/// the hub says of local work waits with them.
const HOLD_FACTOR: u32 = 4;
const HOLD_MAX: Duration = Duration::from_secs(10);

/// Until when no entry is applied; none where they are applied as they come.
#[derive(Default)]
pub struct Hold(Mutex<Option<Instant>>);

/// Which nodes' contents have come, and when, for as long as somebody waits.
#[derive(Default)]
pub struct Arrivals(Mutex<Noted>);

#[derive(Default)]
struct Noted {
    waiting: usize,
    /// Contents that have come so far.
    count: u64,
    last: HashMap<NodeId, u64>,
}

impl Arrivals {
    /// Content of a node has come.
    pub fn note(&self, node: NodeId) {
        let mut noted = self.0.lock();
        noted.count += 1;
        if noted.waiting > 0 {
            let count = noted.count;
            noted.last.insert(node, count);
        }
    }

    fn listen(&self) -> Since<'_> {
        let mut noted = self.0.lock();
        noted.waiting += 1;
        Since { arrivals: self, count: noted.count }
    }
}

/// What comes from a moment on, for as long as this lives.
struct Since<'a> {
    arrivals: &'a Arrivals,
    count: u64,
}

impl Since<'_> {
    fn has(&self, node: NodeId) -> bool {
        self.arrivals.0.lock().last.get(&node).is_some_and(|at| *at > self.count)
    }
}

impl Drop for Since<'_> {
    fn drop(&mut self) {
        let mut noted = self.arrivals.0.lock();
        noted.waiting -= 1;
        if noted.waiting == 0 {
            noted.last = HashMap::new();
        }
    }
}

impl Shared {
    /// A content came too late: what comes next may not be.
    pub(super) fn hold_entries(&self, took: Duration) {
        let hold = (took * HOLD_FACTOR).min(HOLD_MAX);
        self.hold.0.lock().get_or_insert_with(|| Instant::now() + hold);
    }

    pub(super) fn go_on_if_all_is_here(&self) {
        if self.volume().replica().wanted(None, 1).is_empty() && self.hold.0.lock().take().is_some() {
            self.progressed();
        }
    }

    /// Waits for as long as entries are held.
    pub(super) fn wait_for_turn(&self) {
        let until = *self.hold.0.lock();
        if let Some(until) = until {
            self.wait_until(until, || self.hold.0.lock().is_none() || self.is_stopping());
            *self.hold.0.lock() = None;
        }
    }

    /// Waits until all local work is accepted and all the hub had when asked is applied and materialized.
    /// Returns whether that is so, at the deadline at the latest.
    pub fn sync(&self, deadline: Instant) -> bool {
        self.catch_up(deadline)
            && self.wait_for_contents(deadline)
            && self.wait_until(deadline, || self.volume().replica().is_clean())
    }

    fn wait_for_contents(&self, deadline: Instant) -> bool {
        let since = self.arrivals.listen();
        let awaited = self.volume().replica().wanted(None, usize::MAX);
        let next = Cell::new(0);
        self.wait_until(deadline, || {
            while let Some(node) = awaited.get(next.get()) {
                if self.volume().replica().wants(*node) && !since.has(*node) {
                    return false;
                }
                next.set(next.get() + 1);
            }
            true
        })
    }

    /// As [`Shared::sync`], but contents may still be on their way here.
    pub(super) fn catch_up(&self, deadline: Instant) -> bool {
        if let Err(error) = self.volume().capture_all(deadline) {
            self.note_trouble(Trouble::Capture, error.to_string());
            return false;
        }
        self.no_trouble(Trouble::Capture);
        loop {
            self.look();
            let sent_all = || self.is_connected() && self.volume().replica().is_clean();
            if !self.wait_until(deadline, sent_all) {
                return false;
            }
            let id = self.barriers_sent.fetch_add(1, Ordering::SeqCst) + 1;
            if self.events().blocking_send(Event::Barrier(id)).is_err() {
                return false;
            }
            let passed = || self.barriers_passed.load(Ordering::SeqCst) >= id;
            self.wait_until(deadline, || passed() || !self.is_connected());
            if passed() {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MemberNumber;

    fn node(number: u64) -> NodeId {
        NodeId { member: MemberNumber(1), counter: number }
    }

    #[test]
    fn only_what_comes_after_the_question_counts() {
        let arrivals = Arrivals::default();
        let earlier = arrivals.listen();
        arrivals.note(node(1));
        let later = arrivals.listen();
        arrivals.note(node(2));
        assert!(earlier.has(node(1)) && earlier.has(node(2)));
        assert!(!later.has(node(1)) && later.has(node(2)));
    }

    #[test]
    fn where_nobody_waits_nothing_is_kept() {
        let arrivals = Arrivals::default();
        arrivals.note(node(1));
        drop(arrivals.listen());
        let since = arrivals.listen();
        arrivals.note(node(2));
        drop(since);
        assert!(arrivals.0.lock().last.is_empty());
    }
}
