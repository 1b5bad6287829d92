//! Whether the content that a commit needs is there.

use crate::content::{ExtentReader, InvalidList, Step};
use crate::model::{ChunkId, Manifest};
use crate::ops::Op;
use std::collections::BTreeSet;

/// Chunks named in one [`crate::wire::Answer::Missing`], at most; the next answer names the rest.
const MISSING_CHUNKS_MAX: usize = 8_192;
/// Held chunks that are remembered, at most: those whose presence an answer confirms for a day, and those whose
/// leases an accepted commit ends.
const HELD_CHUNKS_MAX: usize = 65_536;

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
    Chunks {
        missing: Vec<ChunkId>,
        /// Held ones, which the author takes to be here when it is told what is missing.
        confirmed: Vec<ChunkId>,
    },
    /// The op's manifest can never be read back.
    Unsound { op: u32, reason: InvalidList },
}

/// Checks that all content of `ops` is held, the chunks that long manifests list included, and returns the first of
/// them. Memory is bounded, however long the lists are.
pub(super) fn check_content(ops: &[Op], held: &dyn HeldContent) -> Result<Vec<ChunkId>, Lack> {
    let mut search = Search { held, named: BTreeSet::new(), missing: Vec::new(), confirmed: Vec::new() };
    for (op, index) in ops.iter().zip(0u32..) {
        if let Some(manifest) = op.verb.manifest() {
            search.manifest(manifest).map_err(|reason| Lack::Unsound { op: index, reason })?;
        }
    }
    let Search { missing, confirmed, .. } = search;
    if missing.is_empty() { Ok(confirmed) } else { Err(Lack::Chunks { missing, confirmed }) }
}

struct Search<'a> {
    held: &'a dyn HeldContent,
    missing: Vec<ChunkId>,
    /// The missing ones, each of which is named once.
    named: BTreeSet<ChunkId>,
    confirmed: Vec<ChunkId>,
}

impl Search<'_> {
    fn manifest(&mut self, manifest: &Manifest) -> Result<(), InvalidList> {
        let mut reader = ExtentReader::new(manifest);
        while !self.is_full() {
            match reader.step()? {
                Step::Extent(extent) => extent.chunk.into_iter().for_each(|chunk| self.chunk(chunk)),
                Step::Named(chunk) => self.chunk(chunk),
                Step::Fetch(chunk) => match self.held.read(chunk) {
                    Some(bytes) => {
                        self.confirm(chunk);
                        reader.take(&bytes)?;
                    }
                    None => {
                        self.lack(chunk);
                        reader.pass_over();
                    }
                },
                Step::End => break,
            }
        }
        Ok(())
    }

    /// What comes after the last chunk that can be named is neither missing nor confirmed: the next answer tells.
    fn is_full(&self) -> bool {
        self.missing.len() >= MISSING_CHUNKS_MAX
    }

    fn chunk(&mut self, chunk: ChunkId) {
        if self.held.has(chunk) { self.confirm(chunk) } else { self.lack(chunk) }
    }

    fn confirm(&mut self, chunk: ChunkId) {
        if self.confirmed.len() < HELD_CHUNKS_MAX {
            self.confirmed.push(chunk);
        }
    }

    fn lack(&mut self, chunk: ChunkId) {
        if self.named.insert(chunk) {
            self.missing.push(chunk);
        }
    }
}
