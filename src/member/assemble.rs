//! Content files put together beside the ones in use.

use super::content::Nearby;
use crate::model::{ChunkId, Digest, Manifest, NodeId};
use std::io;

/// Where arriving content is written until it is whole.
pub trait Assembler: Send + Sync {
    type Staging: Send;

    /// A copy of a file on this machine that holds this content for work that is not sent yet: its number.
    ///
    /// # Errors
    /// No room, or the disk's own errors; so with all the methods below.
    fn copy(&self, node: NodeId, content: Digest) -> io::Result<Option<u64>>;

    /// A chunk of a content that is on this machine already, for work that is not sent yet.
    fn local(&self, content: Digest, chunk: ChunkId) -> Option<Vec<u8>>;

    /// Chunks of a content that are on this machine: for work that is not sent yet, or in the same places of what the
    /// node has held so far.
    fn nearby<'a>(&'a self, node: NodeId, manifest: &Manifest) -> impl Nearby + use<'a, Self>;

    /// Begins a file of `length` bytes, all hole, into which `data` bytes will be written.
    fn begin(&self, length: u64, data: u64) -> io::Result<Self::Staging>;

    fn write(&self, staging: &Self::Staging, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Puts the file among the others and returns its number.
    fn finish(&self, staging: Self::Staging) -> io::Result<u64>;

    /// A file that holds `bytes`.
    fn whole(&self, bytes: &[u8]) -> io::Result<u64> {
        let length = bytes.len() as u64;
        let staging = self.begin(length, length)?;
        self.write(&staging, 0, bytes)?;
        self.finish(staging)
    }
}
