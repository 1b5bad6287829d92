//! The hub's state machine: what one space answers to its members, and what it keeps.
//!
//! Everything a space has stands in one ordered key-value space under its id; [`keys`] gives the layout. Each
//! function reads through a transaction and gathers its writes there: the caller makes them durable and only
//! then sends what was returned. Time and random bytes are arguments.
//!
//! Invariant: sequences are dense; the rows of the tree are what applying the log from its start gives; a
//! commit of one member and number is in the log at most once; an entry's content was all present when it was
//! appended. A transaction in which a function refused holds none of that function's tree or log writes.
//! Nothing here knows connections, keeps content or fans anything out; the process in `crate::hub` does.

mod accounts;
mod audit;
mod commit;
mod content;
mod contents;
mod guard;
mod hello;
mod history;
mod history_all;
mod keys;
mod leases;
mod lineage;
mod log;
mod quota;
mod records;
mod spaces;
mod versions;

pub use accounts::{Invitation, MemberStatus, check_format};
pub use audit::{DerivedRow, Difference, DifferenceKind, LogFault};
pub use commit::Judgement;
pub use content::HeldContent;
pub use contents::{Content, Keep, Standing};
pub use guard::{GuardState, Guarded, Rate, Undecided, set_guard_of_all};
pub use leases::LEASE_SECONDS;
pub use log::Snapshot;
pub use quota::QuotaFault;
pub use records::{Device, Refusal, TokenHash};
pub use spaces::{SpaceInfo, create_space, list_spaces, remove_space, removed_spaces};

use crate::model::{SpaceId, SpaceName};
use crate::sync::Kv;

/// One space's state machine. It holds no state of its own: everything is in the key-value space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HubSync {
    space: SpaceId,
}

impl HubSync {
    /// The machine of the space of that name, if there is one.
    pub fn open<K: Kv + ?Sized>(kv: &K, name: &SpaceName) -> Option<HubSync> {
        spaces::find(kv, name).map(|space| HubSync { space })
    }

    fn keys(&self) -> keys::Keys {
        keys::Keys(self.space)
    }

    pub fn space(&self) -> SpaceId {
        self.space
    }
}

#[cfg(test)]
mod tests;
