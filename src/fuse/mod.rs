//! The kernel: requests taken from `/dev/fuse` and answered by a [`crate::vfs::Volume`], and news sent to it.
//!
//! Invariant: no request thread waits for content or for the network; what must wait is handed to a thread of
//! its own. Invalidations come from one thread that holds no lock and serves no request, since the kernel may
//! ask us something before it takes one.
//!
//! This layer decides nothing: it translates types and flags.

#![allow(clippy::disallowed_methods, reason = "an edge: threads, clocks and the mount program belong here")]

mod adapter;
mod agreement;
mod attach;
mod backings;
mod conversation;
mod convert;
mod executing;
mod invalidate;
mod mount;
mod nearness;
mod opening;
mod receiving;
mod replies;
pub mod watch;

pub use adapter::Adapter;
pub use backings::end_left_ids;
pub use invalidate::{Invalidated, Invalidator};
pub use mount::{Mount, MountOptions, Passthrough, mount, take_over};
pub use nearness::run_anywhere;
pub use receiving::Receiving;
