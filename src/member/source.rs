//! Where the bytes of pending content are: in a backing file, or in the spool.

use super::shared::Shared;
use crate::content;
use crate::model::{ChunkId, Manifest};
use crate::sync::member::{InlineContent, content_of};
use crate::vfs::ContentFiles;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::FileExt;

/// Where in a backing file a chunk stands.
#[derive(Clone, Copy, Debug)]
struct Spot {
    file: u64,
    offset: u64,
    length: u64,
}

/// The only chunk of a small content.
pub fn read_inline(shared: &Shared, wanted: InlineContent) -> Option<Vec<u8>> {
    let InlineContent { node, content, chunk } = wanted;
    let spooled = || shared.volume().replica().spooled(chunk);
    let in_file = || {
        let file = shared.volume().replica().file_holding(node, content)?;
        read(shared, chunk, Spot { file, offset: 0, length: crate::model::INLINE_BYTES_MAX })
    };
    // Between two looks the file may have been given up to a writer, who spooled it first.
    spooled().or_else(in_file).or_else(spooled)
}

/// Reads up to `spot.length` bytes and checks that they are the chunk.
fn read(shared: &Shared, chunk: ChunkId, spot: Spot) -> Option<Vec<u8>> {
    let file = shared.volume().files().open_read(spot.file).ok()?;
    let mut bytes = vec![0; usize::try_from(spot.length).ok()?];
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read_at(&mut bytes[filled..], spot.offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(_) => return None,
        }
    }
    bytes.truncate(filled);
    content::verify(chunk, &bytes).ok().map(|()| bytes)
}

/// Finds chunks of the sealed commit.
pub struct Sources<'a> {
    shared: &'a Shared,
    spots: BTreeMap<ChunkId, Spot>,
}

impl<'a> Sources<'a> {
    /// Looks where each of `wanted` stands; memory is theirs, however long the files are.
    pub fn of_sealed(shared: &'a Shared, wanted: &[ChunkId]) -> Sources<'a> {
        let mut sources = Sources { shared, spots: BTreeMap::new() };
        let wanted: BTreeSet<ChunkId> = wanted.iter().copied().collect();
        for (file, manifest) in files_of_sealed(shared) {
            sources.add(file, &manifest, &wanted);
        }
        sources
    }

    fn add(&mut self, file: u64, manifest: &Manifest, wanted: &BTreeSet<ChunkId>) {
        let mut offset = 0;
        // The replica is locked for one chunk of a list at a time: others wait for it.
        let extents = content::extents(manifest, |chunk| self.shared.volume().replica().spooled(chunk));
        // A list that cannot be read leads nowhere; what it names is sought in the spool.
        for extent in extents.map_while(Result::ok) {
            if let Some(chunk) = extent.chunk.filter(|chunk| wanted.contains(chunk)) {
                self.spots.entry(chunk).or_insert(Spot { file, offset, length: extent.length });
            }
            offset += extent.length;
        }
    }

    /// A chunk's bytes, wherever they are.
    pub fn read(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        let spooled = || self.shared.volume().replica().spooled(chunk);
        let at_spot = || self.spots.get(&chunk).and_then(|spot| read(self.shared, chunk, *spot));
        spooled().or_else(at_spot).or_else(spooled)
    }
}

/// The contents of the sealed commit that stand in backing files.
fn files_of_sealed(shared: &Shared) -> Vec<(u64, Manifest)> {
    let replica = shared.volume().replica();
    let ops = replica.sealed().map(|sealed| sealed.commit.ops).unwrap_or_default();
    let held = ops.iter().filter_map(|op| {
        let manifest = op.verb.manifest()?;
        let file = replica.file_holding(op.verb.node(), content_of(manifest))?;
        Some((file, manifest.clone()))
    });
    held.collect()
}
