//! What a volume needs from the process it runs in: backing files, content that is still elsewhere, free room.

use super::settings::Caller;
use crate::sync::WriteError;
use crate::sync::member::{Effects, Ino};
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::time::Instant;

/// Backing files, by number. One file holds one inode's content.
pub trait ContentFiles: Send + Sync {
    /// Opens a file for reading.
    ///
    /// # Errors
    /// Those of `open(2)`.
    fn open_read(&self, file: u64) -> io::Result<File>;

    /// Opens a file for reading and writing.
    ///
    /// # Errors
    /// Those of `open(2)`.
    fn open_write(&self, file: u64) -> io::Result<File>;

    /// Makes an empty file, in place of any that a crash left there, open for reading and writing.
    ///
    /// # Errors
    /// Those of `open(2)`; `ENOSPC` where the room is kept for captures.
    fn create(&self, file: u64) -> io::Result<File>;

    /// Removes a file; one that is not there is removed already.
    ///
    /// # Errors
    /// Those of `unlink(2)`.
    fn remove(&self, file: u64) -> io::Result<()>;
}

/// Content did not arrive before the deadline, or cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content did not arrive in time")]
pub struct NotMaterialized;

/// Room on the device that holds the content, as `statfs(2)` tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    pub block_bytes: u32,
    pub blocks: u64,
    pub blocks_free: u64,
    pub blocks_available: u64,
    pub nodes: u64,
    pub nodes_free: u64,
}

/// A content that is fetched in pieces as it is read.
pub trait Pieces: Send + Sync {
    /// Its bytes, here or not.
    fn length(&self) -> u64;

    /// Tells whether a range can be read without a wait.
    fn has(&self, offset: u64, length: u64) -> bool;

    /// Reads into `buffer`, and waits for what is missing; fewer bytes than asked for only at the end.
    ///
    /// # Errors
    /// [`NotMaterialized`] at the deadline, and where it cannot be had.
    fn read_at(&self, offset: u64, buffer: &mut [u8], deadline: Instant) -> Result<usize, NotMaterialized>;
}

/// The process around a volume.
pub trait Host: Send + Sync {
    /// Fetches an inode's content and waits for it, holding no lock of the volume's.
    ///
    /// # Errors
    /// [`NotMaterialized`] at the deadline.
    fn wait_materialized(&self, ino: Ino, deadline: Instant) -> Result<(), NotMaterialized>;

    /// The content of an open inode that is elsewhere, to be read in pieces; none where it is to be waited for.
    fn pieces(&self, _ino: Ino) -> Option<Arc<dyn Pieces>> {
        None
    }

    /// Whether content that is elsewhere is fetched for this caller.
    fn may_materialize(&self, _caller: Caller) -> bool {
        true
    }

    /// An inode's content is used: it was opened.
    fn used(&self, _ino: Ino) {}

    /// Takes note of what local work brought about. Called in commit order with the replica locked, so it
    /// passes the news on and returns; files to remove are the volume's matter and already gone from it.
    fn happened(&self, effects: Effects);

    /// The room that is left.
    fn space(&self) -> Space;

    /// Makes the rows committed so far survive the loss of power while others work with the replica; none where that
    /// is the replica's own matter.
    fn sync_rows(&self) -> Option<Result<(), WriteError>> {
        None
    }

    /// Tells that content may no longer be written although the device has room.
    fn refuses_writes(&self) -> bool {
        false
    }
}
