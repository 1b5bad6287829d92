//! Sights on their way to watchers.
//!
//! Invariant: memory is bounded. Where watchers are far behind, changes of one file's content that follow each other
//! are told as one; where that is not enough, some are not told.

use super::stage::Stage;
use crate::sync::member::{Filling, Sight};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Sights that wait, at most. With its name on the stage one takes some 400 bytes.
const WAITING_MAX: usize = 32_768;
/// Where so many wait, a file's changes are told as one: later sights need the room more.
const JOINS_FROM: usize = WAITING_MAX / 2;
/// A file's change is joined to one before it that no more than so many sights stand behind.
const JOINS_WITHIN: usize = 256;

/// A sight and the time from which on it can be seen.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    pub sight: Sight,
    pub since: Instant,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    is_closed: bool,
}

/// Where sights are put in. Clones are the same queue.
#[derive(Clone, Default)]
pub struct Sights {
    stage: Arc<Stage>,
    state: Arc<(Mutex<State>, Condvar)>,
}

/// Sights that stand on the stage already.
#[must_use = "what is on the stage must be shown"]
pub struct Prepared(Vec<Sight>);

impl Sights {
    pub fn new(stage: Arc<Stage>) -> Sights {
        Sights { stage, state: Arc::default() }
    }

    /// Puts on the stage what was before. Order: before the kernel is told to forget it.
    pub fn prepare(&self, mut sights: Vec<Sight>) -> Prepared {
        let waiting = self.state.0.lock().waiting.len();
        let room = WAITING_MAX.saturating_sub(waiting);
        if sights.len() > room {
            tracing::debug!(
                count = sights.len() - room,
                "watchers are too far behind to be told of everything"
            );
            sights.truncate(room);
        }
        self.stage.set(&sights);
        Prepared(sights)
    }

    /// Has watchers told. The kernel has forgotten what was before.
    pub fn release(&self, prepared: Prepared) {
        let since = Instant::now();
        let mut state = self.state.0.lock();
        for sight in prepared.0 {
            match state.waiting.len() >= JOINS_FROM && state.says_already(&sight) {
                true => self.stage.shown(&sight, |_| None),
                false => state.waiting.push_back(Waiting { sight, since }),
            }
        }
        self.state.1.notify_all();
    }

    /// Nothing more comes.
    pub fn close(&self) {
        self.state.0.lock().is_closed = true;
        self.state.1.notify_all();
    }

    /// The first that waits, which stays; None once the queue is closed. Returns also, with None inside, at `deadline`.
    pub(super) fn first(&self, patience: Duration) -> Option<Option<Waiting>> {
        let deadline = Instant::now() + patience;
        let mut state = self.state.0.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(first) = state.waiting.front() {
                return Some(Some(first.clone()));
            }
            if self.state.1.wait_until(&mut state, deadline).timed_out() {
                return Some(None);
            }
        }
    }

    /// Waits, whatever comes; false once the queue is closed.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let deadline = Instant::now() + pause;
        let mut state = self.state.0.lock();
        while !state.is_closed && !self.state.1.wait_until(&mut state, deadline).timed_out() {}
        !state.is_closed
    }

    pub(super) fn pop(&self) {
        self.state.0.lock().waiting.pop_front();
    }
}

impl State {
    /// Tells whether the last thing to be told of a file is already that its content is another.
    fn says_already(&self, sight: &Sight) -> bool {
        let Sight::Written { subject, .. } = sight else { return false };
        let of_file = |waiting: &&Waiting| waiting.sight.subject().node == subject.node;
        // The first one may be on its way out.
        let last = self.waiting.iter().skip(1).rev().take(JOINS_WITHIN).find(of_file);
        last.is_some_and(|waiting| {
            matches!(waiting.sight, Sight::Written { .. } | Sight::Made { content: Filling::Some, .. })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Kind, MemberNumber, Name, NodeId};
    use crate::sync::member::{Ino, Spot, Watched};

    fn written(counter: u64) -> Sight {
        let node = NodeId { member: MemberNumber(1), counter };
        let spot = Spot { directory: Ino(1), name: Name::new(counter.to_string().as_bytes()).unwrap() };
        Sight::Written { spots: vec![spot], subject: Watched { node, ino: None, kind: Kind::File } }
    }

    fn put(sights: &Sights, sight: Sight) {
        let prepared = sights.prepare(vec![sight]);
        sights.release(prepared);
    }

    fn count(sights: &Sights) -> usize {
        sights.state.0.lock().waiting.len()
    }

    #[test]
    fn changes_of_one_file_are_joined_where_many_wait_and_only_there() {
        let sights = Sights::new(Arc::default());
        put(&sights, written(7));
        put(&sights, written(7));
        assert_eq!(count(&sights), 2);
        (0..JOINS_FROM as u64).for_each(|number| put(&sights, written(1000 + number)));
        let before = count(&sights);
        put(&sights, written(1000 + JOINS_FROM as u64 - 9));
        assert_eq!(count(&sights), before);
        put(&sights, written(8));
        assert_eq!(count(&sights), before + 1);
    }

    #[test]
    fn there_is_an_end_to_what_waits() {
        let sights = Sights::new(Arc::default());
        let prepared = sights.prepare((0..WAITING_MAX as u64 + 10).map(written).collect());
        sights.release(prepared);
        put(&sights, written(1));
        assert_eq!(count(&sights), WAITING_MAX);
        assert!(!sights.stage.has(1, (WAITING_MAX as u64 + 5).to_string().as_bytes()));
    }

    #[test]
    fn who_waits_for_sights_gets_them_in_order_or_hears_of_the_end() {
        let sights = Sights::new(Arc::default());
        assert!(sights.first(Duration::ZERO).unwrap().is_none());
        put(&sights, written(1));
        put(&sights, written(2));
        for number in [1, 2] {
            let first = sights.first(Duration::from_secs(10)).unwrap().unwrap();
            assert_eq!(first.sight, written(number));
            sights.pop();
        }
        sights.close();
        assert!(sights.first(Duration::from_secs(10)).is_none() && !sights.pause(Duration::from_secs(10)));
    }
}
