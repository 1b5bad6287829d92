//! Which contents are on this machine: what is fetched unasked, what is pinned, and what may be evicted.
//!
//! Invariant: content goes from this machine only where the hub has it and nobody here holds on to it (`evict.rs`).
//! A member fetches all that is missing, or what somebody asks for; then a node is marked as wanted where it is pinned,
//! below a pinned directory, or was asked for once. Names and attributes are there in any case.
//! Nothing is fetched here, and nobody counts bytes: that is the process's business.

mod asked;
mod evict;
mod pins;
mod standing;
#[cfg(test)]
mod tests;

pub use asked::{Asked, Residence};
pub use evict::{Facts, Stays, why_it_stays};
pub use pins::Pinned;
pub use standing::NodeStanding;

use super::keys;
use super::records::Ino;
use crate::model::{Digest, NodeId};
use crate::sync::kv::Kv;
use std::collections::{BTreeMap, BTreeSet};

/// What a member fetches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fetching {
    /// All there is.
    #[default]
    All,
    /// What is read, pinned or asked for.
    Asked,
}

/// What is held in memory of it.
#[derive(Debug, Default)]
pub(super) struct Presence {
    pub fetching: Fetching,
    /// There may be pins: without any nothing is looked up.
    pub has_pins: bool,
    /// Inodes whose backing file is another than it was, for whoever counts them; none are noted where nobody does.
    pub changed: BTreeSet<Ino>,
    /// Directories that have come to another place, and so perhaps below a pin.
    pub moved: BTreeSet<NodeId>,
    /// What the handles of these open inodes read in pieces: no backing file holds it.
    pub in_pieces: BTreeMap<Ino, Digest>,
}

impl Presence {
    /// What a store says of it.
    pub fn of(store: &impl Kv) -> Presence {
        let has_pins = store.scan_prefix(&[keys::PIN]).next().is_some();
        Presence { has_pins, ..Presence::default() }
    }
}
