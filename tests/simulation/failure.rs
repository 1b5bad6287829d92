//! What a run ends with when a promise does not hold: which check found it, and what it saw.

use std::fmt;

/// The checks, each a function of its own in `checks/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// All trees are equal when nothing is left to do, and files hold what their rows say.
    EqualTrees,
    /// A member's tree is a prefix of the log and its own work on top, after every step.
    Prefix,
    /// Nothing acknowledged or closed is unreachable.
    Reachable,
    /// Each commit and each op is in the log once.
    ExactlyOnce,
    /// No conflict record without a cause.
    ConflictCause,
    /// Queues, journal, spool and files stay bounded, and are empty when nothing is left to do.
    Bounded,
    /// Everything comes to rest once the network is whole, and nobody refuses honest work.
    Progress,
    /// The product gave up by a panic.
    Panic,
}

/// A check that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    pub check: Check,
    pub detail: String,
}

pub type Checked = Result<(), Failure>;

impl Failure {
    pub fn new(check: Check, detail: impl Into<String>) -> Failure {
        Failure { check, detail: detail.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?}: {}", self.check, self.detail)
    }
}

/// Fails `check` with what `detail` tells, unless `holds`.
pub fn ensure(holds: bool, check: Check, detail: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(Failure { check, detail: detail() }) }
}
