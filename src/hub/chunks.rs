//! One space's chunks: packed on the way in, unpacked and checked on the way out.
//!
//! A chunk that is found damaged counts as missing from then on, so that it is asked for again, and what is brought
//! is kept in its place. That is remembered, not written: nothing is removed under readers that may have seen an older
//! state, and after a restart the next reader finds the damage again.

use crate::content::{CHUNK_BYTES_MAX, compress, decompress, verify};
use crate::model::{ChunkId, SpaceId};
use crate::store::{ChunkRow, Chunks};
use crate::sync::hub::HeldContent;
use crate::sync::{Batch, WriteError};
use crate::wire::Inline;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;

/// The content of one space; clones share it.
#[derive(Clone)]
pub struct SpaceChunks {
    space: SpaceId,
    chunks: Chunks,
    /// Kept, but not as what they were.
    damaged: Arc<Mutex<HashSet<ChunkId>>>,
    /// Asked of members.
    wanted: Arc<Mutex<HashSet<ChunkId>>>,
}

/// A chunk in the form it is kept in.
pub type Packed = (ChunkId, Vec<u8>);

/// Packs chunks whose bytes have been verified.
pub fn pack(inline: &[Inline]) -> Vec<Packed> {
    inline.iter().map(|inline| (inline.chunk, compress(&inline.bytes))).collect()
}

impl SpaceChunks {
    pub fn new(space: SpaceId, chunks: Chunks) -> SpaceChunks {
        SpaceChunks { space, chunks, damaged: Arc::default(), wanted: Arc::default() }
    }

    /// Keeps the small content of a commit where it is not kept yet; there is room for it as long as there is for
    /// the commit. It survives the loss of power with the next write that does.
    ///
    /// # Errors
    /// [`WriteError`]; none of it is newly kept then.
    pub fn keep_inline(&self, packed: Vec<Packed>) -> Result<(), WriteError> {
        let new = self.new_ones(packed);
        if !new.is_empty() {
            self.chunks.put_many(self.space, &new)?;
            self.mended(&new);
        }
        Ok(())
    }

    /// Keeps uploaded chunks that are not kept yet, and the leases of all of them, while the device has room to
    /// spare.
    ///
    /// # Errors
    /// As [`SpaceChunks::keep_inline`].
    pub fn keep_uploaded(&self, packed: Vec<Packed>, leases: &Batch) -> Result<(), WriteError> {
        let new = self.new_ones(packed);
        if !new.is_empty() || !leases.is_empty() {
            self.chunks.put_content(self.space, &new, leases)?;
            self.mended(&new);
        }
        Ok(())
    }

    /// Chunks that are not here, or not whole.
    fn new_ones(&self, packed: Vec<Packed>) -> Vec<Packed> {
        packed.into_iter().filter(|(id, _)| !self.has(*id)).collect()
    }

    /// Order: after they were kept, so that none counts as whole that is not.
    fn mended(&self, kept: &[Packed]) {
        let mut damaged = self.damaged.lock();
        for (id, _) in kept {
            if damaged.remove(id) {
                tracing::info!(chunk = %id, "a damaged chunk was brought again");
            }
        }
    }

    /// A chunk's bytes; None where it is not kept, or no longer readable.
    pub fn bytes(&self, id: ChunkId) -> Option<Vec<u8>> {
        let kept = match self.chunks.get(self.space, id) {
            Ok(kept) => kept?,
            Err(error) => return self.is_damaged(id, &error),
        };
        match decompress(&kept, CHUNK_BYTES_MAX).and_then(|bytes| verify(id, &bytes).map(|()| bytes)) {
            Ok(bytes) => Some(bytes),
            Err(error) => self.is_damaged(id, &error),
        }
    }

    /// Every chunk that is kept, damaged ones too.
    pub fn list(&self) -> impl Iterator<Item = ChunkRow> + use<> {
        self.chunks.list(self.space)
    }

    /// Tells whether a chunk is here, whole or not.
    pub fn is_kept(&self, chunk: ChunkId) -> bool {
        self.chunks.has(self.space, chunk)
    }

    /// Notes which chunks are asked of members now.
    pub fn want(&self, chunks: impl IntoIterator<Item = ChunkId>) {
        *self.wanted.lock() = chunks.into_iter().collect();
    }

    pub fn are_wanted(&self, chunks: &[ChunkId]) -> bool {
        let wanted = self.wanted.lock();
        !chunks.is_empty() && chunks.iter().all(|chunk| wanted.contains(chunk))
    }

    /// Removes chunks that nothing needs.
    ///
    /// # Errors
    /// [`WriteError`]; none is removed then.
    pub fn forget(&self, ids: &[ChunkId]) -> Result<(), WriteError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.chunks.remove(self.space, ids)?;
        let mut damaged = self.damaged.lock();
        damaged.retain(|id| !ids.contains(id));
        Ok(())
    }

    /// Gives the room of removed chunks back, where there is room enough to do so.
    ///
    /// # Errors
    /// [`WriteError::Failed`].
    pub fn give_back_room(&self) -> Result<(), WriteError> {
        match self.chunks.give_back_room() {
            Err(WriteError::Full) => Ok(()),
            result => result,
        }
    }

    fn is_damaged(&self, id: ChunkId, error: &(dyn std::error::Error + 'static)) -> Option<Vec<u8>> {
        if self.damaged.lock().insert(id) {
            tracing::error!(error, chunk = %id, "a kept chunk is damaged; the next commit that names it is to bring it");
        }
        None
    }
}

impl HeldContent for SpaceChunks {
    fn has(&self, chunk: ChunkId) -> bool {
        self.chunks.has(self.space, chunk) && !self.damaged.lock().contains(&chunk)
    }

    fn read(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        self.bytes(chunk)
    }
}
