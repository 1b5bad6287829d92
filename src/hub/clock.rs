//! The clock and the randomness that the state machine is given.

use crate::model::{Incarnation, SpaceId, Timestamp};
use std::time::{SystemTime, UNIX_EPOCH};

/// This machine's wall time; the epoch where its clock is set before that.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() }
}

/// # Panics
/// Where the system has no randomness to give; nothing secret can be made then.
pub fn fresh_incarnation() -> Incarnation {
    Incarnation(random())
}

/// # Panics
/// As [`fresh_incarnation`].
pub fn fresh_space_id() -> SpaceId {
    SpaceId(random())
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
