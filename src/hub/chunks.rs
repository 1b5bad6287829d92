//! One space's chunks: packed on the way in, unpacked and checked on the way out.

use crate::content::{CHUNK_BYTES_MAX, compress, decompress};
use crate::model::{ChunkId, SpaceId};
use crate::store::Chunks;
use crate::sync::hub::HeldContent;
use crate::sync::{Batch, WriteError};
use crate::wire::Inline;

/// The content of one space.
#[derive(Clone)]
pub struct SpaceChunks {
    space: SpaceId,
    chunks: Chunks,
}

/// A chunk in the form it is kept in.
pub type Packed = (ChunkId, Vec<u8>);

/// Packs chunks whose bytes have been verified.
pub fn pack(inline: &[Inline]) -> Vec<Packed> {
    inline.iter().map(|inline| (inline.chunk, compress(&inline.bytes))).collect()
}

impl SpaceChunks {
    pub fn new(space: SpaceId, chunks: Chunks) -> SpaceChunks {
        SpaceChunks { space, chunks }
    }

    /// Keeps the small content of a commit where it is not kept yet; there is room for it as long as there is for
    /// the commit. It survives the loss of power with the next write that does.
    ///
    /// # Errors
    /// [`WriteError`]; none of it is newly kept then.
    pub fn keep_inline(&self, packed: Vec<Packed>) -> Result<(), WriteError> {
        let new = self.new_ones(packed);
        if new.is_empty() { Ok(()) } else { self.chunks.put_many(self.space, &new) }
    }

    /// Keeps uploaded chunks that are not kept yet, and the leases of all of them, while the device has room to
    /// spare.
    ///
    /// # Errors
    /// As [`SpaceChunks::keep_inline`].
    pub fn keep_uploaded(&self, packed: Vec<Packed>, leases: &Batch) -> Result<(), WriteError> {
        let new = self.new_ones(packed);
        let nothing = new.is_empty() && leases.is_empty();
        if nothing { Ok(()) } else { self.chunks.put_content(self.space, &new, leases) }
    }

    fn new_ones(&self, packed: Vec<Packed>) -> Vec<Packed> {
        packed.into_iter().filter(|(id, _)| !self.chunks.has(self.space, *id)).collect()
    }

    /// A chunk's bytes; None where it is not kept, or no longer readable.
    pub fn bytes(&self, id: ChunkId) -> Option<Vec<u8>> {
        let kept = self.chunks.get(self.space, id).unwrap_or_else(|error| {
            tracing::error!(%error, chunk = %id, "a chunk could not be read");
            None
        })?;
        let bytes = decompress(&kept, CHUNK_BYTES_MAX);
        bytes.inspect_err(|error| tracing::error!(%error, chunk = %id, "a kept chunk is damaged")).ok()
    }
}

impl HeldContent for SpaceChunks {
    fn has(&self, chunk: ChunkId) -> bool {
        self.chunks.has(self.space, chunk)
    }

    fn read(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        self.bytes(chunk)
    }
}
