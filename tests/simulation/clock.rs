//! Clocks: each member's own, skewed and jumping; and stamps, which tell each op from every other.
//!
//! A stamp is a wall time whose nanoseconds are a number that is given once in a run, so that an op can be recognised in
//! the log whatever its author's clock said, and what its author had seen when it was made can be looked up.

use fl0wfs::model::{NodeId, Timestamp};
use fl0wfs::wire::Position;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

/// What was known when a stamp was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Where in the log its author stood when it began with what came of it.
    pub seen: Option<Position>,
    /// Where it stood when the stamp was given.
    pub at: Option<Position>,
    /// Made while taking up what a restored hub or the loss of power has left: conflicts need no other cause.
    pub excused: bool,
}

/// All stamps of a run.
#[derive(Clone, Default)]
pub struct Stamps {
    given: Rc<RefCell<Vec<Stamp>>>,
    /// Pairs of nodes of which a save has made one file, somewhere.
    joined: Rc<RefCell<Vec<(NodeId, NodeId)>>>,
}

impl Stamps {
    fn give(&self, stamp: Stamp) -> u32 {
        let mut given = self.given.borrow_mut();
        given.push(stamp);
        given.len() as u32
    }

    /// What was done at that time may meet anything.
    pub fn excuse(&self, time: Timestamp) {
        if let Some(at) = time.nanos.checked_sub(1)
            && let Some(stamp) = self.given.borrow_mut().get_mut(at as usize)
        {
            stamp.excused = true;
        }
    }

    /// What was done up to now may meet anything: the hub has lost what it said before.
    pub fn excuse_all(&self) {
        self.given.borrow_mut().iter_mut().for_each(|stamp| stamp.excused = true);
    }

    /// A save makes one file of two nodes: who changes one changes the other.
    pub fn join(&self, one: NodeId, other: NodeId) {
        self.joined.borrow_mut().push((one, other));
    }

    /// A node and all that are one file with it.
    pub fn same_file(&self, node: NodeId) -> BTreeSet<NodeId> {
        let joined = self.joined.borrow();
        let mut same = BTreeSet::from([node]);
        let mut before = 0;
        while before < same.len() {
            before = same.len();
            for (one, other) in joined.iter() {
                if same.contains(one) || same.contains(other) {
                    same.extend([*one, *other]);
                }
            }
        }
        same
    }

    /// The stamp that a wall time carries, if it is one of a member.
    pub fn of(&self, time: Timestamp) -> Option<(u32, Stamp)> {
        let at = time.nanos.checked_sub(1)? as usize;
        Some((time.nanos, *self.given.borrow().get(at)?))
    }
}

/// One machine's clock.
#[derive(Clone)]
pub struct Clock {
    /// Seconds by which it is wrong.
    pub skew: i64,
    pub stamps: Stamps,
}

impl Clock {
    pub fn new(skew: i64, stamps: Stamps) -> Clock {
        Clock { skew, stamps }
    }

    pub fn stamp(&self, now: u64, stamp: Stamp) -> Timestamp {
        let seconds = 1_700_000_000 + now as i64 + self.skew;
        Timestamp { seconds, nanos: self.stamps.give(stamp) }
    }
}
