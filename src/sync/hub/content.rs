//! Whether the content that a commit needs is there.

use crate::content::{InvalidList, extents};
use crate::model::{ChunkId, ChunkList, Manifest};
use crate::ops::Op;
use std::collections::BTreeSet;

/// Chunks named in one [`crate::wire::Answer::Missing`], at most; the next answer names the rest.
const MISSING_CHUNKS_MAX: usize = 8_192;

/// The content that a space has, including what came along with the commit that is judged.
pub trait HeldContent {
    fn has(&self, chunk: ChunkId) -> bool;
    /// The chunk's uncompressed bytes.
    fn read(&self, chunk: ChunkId) -> Option<Vec<u8>>;
    /// Why this space takes no more for now, a quota for instance; the author is asked to wait.
    fn hold(&self) -> Option<String> {
        None
    }
}

/// What keeps a commit's content from being whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lack {
    Chunks(Vec<ChunkId>),
    /// The op's manifest can never be read back.
    Unsound {
        op: u32,
        reason: InvalidList,
    },
}

/// Checks that all content of `ops` is held, the chunks that long manifests list included.
pub(super) fn check_content(ops: &[Op], held: &dyn HeldContent) -> Result<(), Lack> {
    let mut search = Search { held, seen: BTreeSet::new(), missing: Vec::new() };
    for (op, index) in ops.iter().zip(0u32..) {
        if let Some(manifest) = op.verb.manifest() {
            search.manifest(manifest).map_err(|reason| Lack::Unsound { op: index, reason })?;
        }
    }
    if search.missing.is_empty() { Ok(()) } else { Err(Lack::Chunks(search.missing)) }
}

struct Search<'a> {
    held: &'a dyn HeldContent,
    seen: BTreeSet<ChunkId>,
    missing: Vec<ChunkId>,
}

impl Search<'_> {
    fn manifest(&mut self, manifest: &Manifest) -> Result<(), InvalidList> {
        let missing_before = self.missing.len();
        manifest.chunk_ids().for_each(|chunk| self.chunk(chunk));
        let listed = matches!(manifest.chunks, ChunkList::Tree(_));
        if !listed || self.missing.len() > missing_before {
            return Ok(());
        }
        match extents(manifest, |chunk| self.held.read(chunk)) {
            Ok(extents) => {
                extents.iter().filter_map(|extent| extent.chunk).for_each(|chunk| self.chunk(chunk))
            }
            Err(InvalidList::Missing(chunk)) => self.unreadable(chunk),
            Err(unsound) => return Err(unsound),
        }
        Ok(())
    }

    /// Asks for a chunk that is held and cannot be read, unless another manifest of this commit has named it before.
    fn unreadable(&mut self, chunk: ChunkId) {
        if self.missing.len() < MISSING_CHUNKS_MAX && !self.missing.contains(&chunk) {
            self.missing.push(chunk);
        }
    }

    fn chunk(&mut self, chunk: ChunkId) {
        let room = self.missing.len() < MISSING_CHUNKS_MAX;
        if room && self.seen.insert(chunk) && !self.held.has(chunk) {
            self.missing.push(chunk);
        }
    }
}
