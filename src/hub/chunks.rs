//! One space's chunks: packed on the way in, unpacked and checked on the way out.

use crate::content::{CHUNK_BYTES_MAX, compress, decompress};
use crate::model::{ChunkId, SpaceId};
use crate::store::Chunks;
use crate::sync::WriteError;
use crate::sync::hub::HeldContent;
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

    /// Keeps chunks that are not kept yet. They survive the loss of power with the next write that does.
    ///
    /// # Errors
    /// [`WriteError`]; none of them is newly kept then.
    pub fn keep(&self, packed: Vec<Packed>) -> Result<(), WriteError> {
        let new: Vec<Packed> =
            packed.into_iter().filter(|(id, _)| !self.chunks.has(self.space, *id)).collect();
        if new.is_empty() { Ok(()) } else { self.chunks.put_many(self.space, &new) }
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
