//! The hub as a process: connections on one side, the store on the other, one owner per space between them.
//!
//! A space's owner is a thread that takes everything about the space from one bounded queue, judges it with
//! [`HubSync`](crate::sync::hub::HubSync), makes what it gathered durable in one write, and only then answers
//! and fans out. Everything that may wait for a peer, a disk read or a hash runs outside of it, in tasks of the
//! connection.
//!
//! Invariant: nothing is acknowledged or shown to another member before it survives the loss of power; memory is
//! bounded by the number of connections, whatever members send or fail to read; no peer's fault reaches beyond
//! its own connection. A member that reads slower than others write is fed from the store.
//! The hub keeps no time of its own when idle: no timers, no polling. It never looks into content.
#![allow(
    clippy::disallowed_methods,
    reason = "a process: it owns the threads, the clock and the randomness that the state machines are given"
)]

mod admin;
mod batch;
mod care;
mod chunks;
mod clock;
mod connection;
mod content;
mod control;
mod error;
mod feed;
mod findings;
mod gc;
mod guarding;
mod marks;
mod newcomer;
mod outbox;
mod owner;
mod quota;
mod reader;
mod roster;
mod serve;
mod socket;
mod space;
mod state;
mod turns;
mod verify;
mod wanting;
mod writer;

pub use admin::{AdminError, AdminRequest, AdminResponse, SpaceRow};
pub use care::CareRequest;
pub use control::admin;
pub use error::HubError;
pub use findings::{Finding, VerifyReport};
pub use gc::GcReport;
pub use guarding::{GuardReport, GuardRequest};
pub use quota::QuotaRequest;
pub use roster::{MemberRow, OpenInvite};
pub use serve::{DEFAULT_PORT, ServeOptions, serve};

#[cfg(test)]
mod tests;
