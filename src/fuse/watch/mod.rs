//! Watchers of files and directories see what other members do.
//!
//! The kernel tells watchers of system calls alone, so a process of its own, the *repeater*, repeats remote work as
//! system calls on the mount, after the rows are written and the kernel has forgotten what was before. Its requests
//! are known by its process id and answered from a *stage*: what stands there is what has been shown so far, which
//! may be less than what the rows say. What the kernel must be shown but is no more, or is nothing that anybody
//! watches itself, is a *phantom*: an inode of no node.
//!
//! Invariant: no request of the repeater is ever carried out, whatever it asks for, and whether or not it was told to.
//! Nobody else is ever shown what stands on the stage: names on it are not remembered by the kernel (their entries
//! live for no time), so others ask for them each time, and are answered from the rows.
//! Invariant: the repeater is told of nothing that nobody watches, by what the system says of watches itself. It holds
//! no file and no directory of the mount between two calls, follows no symlink and enters no other mount.
//!
//! Invariant: what was told is known. A repeater that is killed leaves no doubt (`acts`), and what it had not been
//! answered for is told by the next one, for as long as one can be had at all. What is to be told is in memory alone:
//! with the daemon it is gone, and what it was about is in the rows without having been seen.
//!
//! Remote work waits for nothing here. A repeater that dies is started again, and goes on with the first call that was
//! not made.

mod acts;
mod companion;
mod figure;
mod held;
mod marks;
mod order;
mod queue;
mod repeater;
mod requests;
mod stage;
mod teller;

pub use companion::Trace;
pub use held::Held;
pub use queue::{Prepared, Sights};
pub use repeater::run as run_repeater;
pub use stage::Stage;
pub use teller::{Teller, TellerSetup};
