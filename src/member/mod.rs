//! The member process: joins kernel, network and disk to the member's state machine.
//!
//! Invariant: no request of the kernel waits for the network, but for content that is not here, and for that
//! with a deadline. One thread, the driver, takes the hub's messages in order and sends commits; others serve
//! the kernel, capture content, fetch and upload it.
//! What an op means is not known here: that is `sync` and below.

#![allow(clippy::disallowed_methods, reason = "a process: threads, clocks and files belong here")]

pub mod config;
pub mod options;
mod own_lists;
pub mod outside;
pub mod mounts;
pub mod control;
mod answer;
mod aside;
mod assemble;
mod attributes;
mod bring;
mod cache;
mod conflicts;
mod content;
mod driver;
mod ends;
mod fetch;
mod files;
mod follow;
mod fronts;
mod gather;
mod history;
mod hot;
mod link;
mod names;
mod pace;
mod past;
mod remote;
mod reserved;
mod resident;
mod resolve;
mod restore;
mod run;
mod serve;
mod serve_visit;
mod settle;
mod shared;
mod sides;
mod source;
pub mod supervise;
mod standing;
mod versions;
mod undo;
mod visit;
mod watchers;

pub use cache::KeptFrom;
pub use link::LinkState;
pub use past::PastFailure;
pub use remote::Remote;
pub use run::{Handover, MemberError, MemberOptions, Running, start};
pub use serve::{MountRequest, RunError, run};
pub use serve_visit::state_of as visit_state_of;
pub use shared::Shared;
pub use standing::Standing;
pub use visit::VisitError;
pub use watchers::REPEATER_COMMAND;
