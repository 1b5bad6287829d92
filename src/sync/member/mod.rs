//! A member's state: its view of the tree, its journal, its inodes, and its conversation with the hub.
//!
//! Invariant: the view is the base with the journal replayed on it. The view's rows are stored whole; where
//! the journal made a row differ from the base's, the base's row is kept beside it (`base.rs`). So local work
//! writes the view and keeps what it overwrote; an accepted commit moves the base; remote entries move the
//! base too and, where they meet rows the journal touched, undo the journal, apply and replay it.
//!
//! Order: every handler gathers its writes in one transaction and commits it before it returns; what is to be
//! sent, shown to the kernel or removed from disk comes back as a value and happens afterwards.
//!
//! This module moves no bytes of content and opens no connection.

mod agreed;
mod answers;
mod base;
mod blocks;
mod capture;
mod discard;
mod effects;
mod inodes;
mod journal;
mod keys;
mod leaving;
mod local;
mod merging;
mod presence;
mod proof;
mod quota;
mod records;
mod recover;
mod remote;
mod replay;
mod resolution;
mod resolve;
mod seal;
mod session;
mod sharing;
mod sights;
mod snapshot;
mod spool;
mod state;
mod staying;
mod unshared;
mod steps;
mod visit;
mod welcome;
mod withheld;

pub use capture::Captured;
pub use effects::Effects;
pub use inodes::Attributes;
pub use journal::pending_in;
pub use local::Makings;
pub use merging::{Contents, Gathered, NoContents, manifest_of};
pub use presence::{Asked, Facts, Fetching, NodeStanding, Pinned, Residence, Stays, why_it_stays};
pub use proof::Unproven;
pub use quota::{QuotaStanding, Uncaptured};
pub use records::{Backing, Identity, Ino, Inode, Parked, content_of};
pub use resolution::{Choice, Question, Refusal, Seen};
pub use resolve::{NewContent, Resolution, Subject};
pub use seal::{InlineContent, ToSeal};
pub use session::{Phase, SessionOutput};
pub use sharing::{Crossing, Sharing};
pub use sights::{Filling, Sight, Spot, Watched};
pub use state::{LocalError, Pending, Replica};
pub use steps::Taken;
pub use unshared::{Kept, Shown};
pub use withheld::Withheld;
