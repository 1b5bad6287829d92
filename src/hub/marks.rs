//! Chunks that are needed, gathered before those that are not are removed.
//!
//! Marks are of one part of all chunk ids at a time, so that they fit into memory however many chunks there are, and
//! up to one sequence: whoever removes goes on to the log's end first, in the turn of the space's owner.

use super::chunks::SpaceChunks;
use crate::content::{ExtentReader, InvalidList, Step};
use crate::model::{ChunkId, Manifest, Sequence};
use crate::sync::Kv;
use crate::sync::hub::HubSync;
use std::collections::HashSet;

/// Marks of one part, about; with the table they stand in they take 40 MiB at the most.
const MARKS_MAX: u64 = 512 * 1024;

/// One of several parts of equal size that all chunk ids fall into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    index: u64,
    count: u64,
}

impl Part {
    /// Parts for so many chunks, none with too many marks.
    pub fn all(chunks: u64) -> impl Iterator<Item = Part> {
        let count = chunks.div_ceil(MARKS_MAX).max(1);
        (0..count).map(move |index| Part { index, count })
    }

    pub fn is_first(self) -> bool {
        self.index == 0
    }

    /// Ids are hashes, so each part gets its share.
    pub fn holds(self, chunk: ChunkId) -> bool {
        let first = u64::from_be_bytes(*chunk.0.first_chunk().expect("an id has 32 bytes"));
        (u128::from(first) * u128::from(self.count)) >> 64 == u128::from(self.index)
    }
}

/// The needed chunks of one part, as the log has them up to a sequence.
pub struct Marks {
    part: Part,
    ids: HashSet<ChunkId>,
    upto: Option<Sequence>,
}

impl Marks {
    /// For a state that stands at `upto`.
    pub fn new(part: Part, upto: Option<Sequence>) -> Marks {
        Marks { part, ids: HashSet::new(), upto }
    }

    pub fn has(&self, chunk: ChunkId) -> bool {
        self.ids.contains(&chunk)
    }

    /// Marks all chunks of a content, those of its lists among them.
    ///
    /// # Errors
    /// [`InvalidList`] where a list cannot be read, so that it is not known what else is needed.
    pub fn mark(&mut self, chunks: &SpaceChunks, manifest: &Manifest) -> Result<(), InvalidList> {
        let mut reader = ExtentReader::new(manifest);
        loop {
            match reader.step()? {
                Step::Extent(extent) => extent.chunk.into_iter().for_each(|chunk| self.add(chunk)),
                Step::Named(chunk) => self.add(chunk),
                Step::Fetch(chunk) => {
                    self.add(chunk);
                    reader.take(&chunks.bytes(chunk).ok_or(InvalidList::Missing(chunk))?)?;
                }
                Step::End => return Ok(()),
            }
        }
    }

    /// Marks what there is of a content that may be gone in part.
    pub fn mark_rest(&mut self, chunks: &SpaceChunks, manifest: &Manifest) {
        let mut reader = ExtentReader::new(manifest);
        loop {
            match reader.step() {
                Ok(Step::Extent(extent)) => extent.chunk.into_iter().for_each(|chunk| self.add(chunk)),
                Ok(Step::Named(chunk)) => self.add(chunk),
                Ok(Step::Fetch(chunk)) => {
                    self.add(chunk);
                    match chunks.bytes(chunk) {
                        Some(bytes) if reader.take(&bytes).is_ok() => {}
                        _ => reader.pass_over(),
                    }
                }
                Ok(Step::End) | Err(_) => return,
            }
        }
    }

    /// Marks what the log's entries have brought since; `kv` has the writes of the turn under way.
    ///
    /// # Errors
    /// As [`Marks::mark`].
    pub fn catch_up<K: Kv + ?Sized>(
        &mut self,
        hub: &HubSync,
        kv: &K,
        chunks: &SpaceChunks,
    ) -> Result<(), InvalidList> {
        for entry in hub.entries(kv, Sequence::after(self.upto)) {
            for manifest in entry.ops.iter().filter_map(|op| op.verb.manifest()) {
                self.mark(chunks, manifest)?;
            }
            self.upto = Some(entry.sequence);
        }
        Ok(())
    }

    fn add(&mut self, chunk: ChunkId) {
        if self.part.holds(chunk) {
            self.ids.insert(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chunk_is_in_one_part_and_parts_are_alike() {
        let parts: Vec<Part> = Part::all(3 * MARKS_MAX).collect();
        assert_eq!(parts.len(), 3);
        let mut counts = [0; 3];
        for number in 0..3_000u32 {
            let chunk = crate::content::chunk_id(&number.to_be_bytes());
            let of: Vec<usize> = (0..3).filter(|index| parts[*index].holds(chunk)).collect();
            assert_eq!(of.len(), 1);
            counts[of[0]] += 1;
        }
        assert!(counts.iter().all(|count| (850..1_150).contains(count)), "{counts:?}");
        let all = Part::all(0).next().unwrap();
        assert!(all.holds(ChunkId([0; 32])) && all.holds(ChunkId([255; 32])));
    }
}
