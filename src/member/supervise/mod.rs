//! The mount outlives the daemon that serves it: three processes for each mount.
//!
//! The *supervisor* starts the daemon and holds what must not die with it: the device on which the kernel asks, the
//! lock that says whose the mount is, and the ledger of what applications have open. When the daemon dies it starts
//! another at once, which goes on where the first one stopped; applications wait meanwhile. The *watcher* does nothing
//! until both are gone, and then takes the dead mount away.
//!
//! Invariant: supervisor and watcher never look at anything in the mount, since nobody may be there to answer, and have
//! no thread but one. A daemon is started only after the one before has ended.
//! What a daemon is, and what it does, is not known here: it is a command to be started.

mod channel;
mod link;
mod patience;
mod signals;
mod supervisor;
mod watcher;

pub use link::{Beginning, SupervisorLink, Taken};
pub use supervisor::{Ended, Supervised, supervise};
