//! Where the bytes of pending content are: in a backing file, or in the spool.

use super::shared::Shared;
use crate::content;
use crate::model::{ChunkId, Digest, Manifest};
use crate::sync::member::{InlineContent, content_of};
use crate::vfs::ContentFiles;
use std::collections::BTreeMap;
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
    let spooled = || shared.volume().replica().spooled(content, chunk);
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

/// A wanted chunk of the sealed commit: a content that has it, and where that stands in a file.
#[derive(Clone, Copy, Debug)]
struct Source {
    content: Digest,
    spot: Option<Spot>,
}

/// Finds chunks of the sealed commit.
pub struct Sources<'a> {
    shared: &'a Shared,
    sources: BTreeMap<ChunkId, Vec<Source>>,
}

impl<'a> Sources<'a> {
    /// Looks where each of `wanted` stands; memory is theirs, however long the files are.
    pub fn of_sealed(shared: &'a Shared, wanted: &[ChunkId]) -> Sources<'a> {
        let wanted = wanted.iter().map(|chunk| (*chunk, Vec::new())).collect();
        let mut sources = Sources { shared, sources: wanted };
        for (content, file, manifest) in contents_of_sealed(shared) {
            manifest.chunk_ids().for_each(|chunk| sources.add(chunk, Source { content, spot: None }));
            sources.add_extents(content, file, &manifest);
        }
        sources
    }

    fn add_extents(&mut self, content: Digest, file: Option<u64>, manifest: &Manifest) {
        let mut offset = 0;
        // The replica is locked for one chunk of a list at a time: others wait for it.
        let list = |chunk| self.shared.volume().replica().spooled(content, chunk);
        let extents = content::extents(manifest, list);
        // A list that cannot be read leads nowhere; what it names is sought in the spool.
        for extent in extents.map_while(Result::ok) {
            if let Some(chunk) = extent.chunk {
                let spot = file.map(|file| Spot { file, offset, length: extent.length });
                self.add(chunk, Source { content, spot });
            }
            offset += extent.length;
        }
    }

    /// Notes where a chunk is, if it is wanted; one place of each content is enough.
    fn add(&mut self, chunk: ChunkId, source: Source) {
        let Some(known) = self.sources.get_mut(&chunk) else { return };
        match known.iter_mut().find(|known| known.content == source.content) {
            Some(known) => known.spot = known.spot.or(source.spot),
            None => known.push(source),
        }
    }

    /// A content of the sealed commit that has the chunk.
    pub fn content_with(&self, chunk: ChunkId) -> Option<Digest> {
        self.sources.get(&chunk)?.first().map(|source| source.content)
    }

    /// A chunk's bytes, wherever they are.
    pub fn read(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        self.sources.get(&chunk)?.iter().find_map(|source| {
            let spooled = || self.shared.volume().replica().spooled(source.content, chunk);
            let at_spot = || source.spot.and_then(|spot| read(self.shared, chunk, spot));
            spooled().or_else(at_spot).or_else(spooled)
        })
    }
}

/// The contents of the sealed commit, and the backing files they stand in.
fn contents_of_sealed(shared: &Shared) -> Vec<(Digest, Option<u64>, Manifest)> {
    let replica = shared.volume().replica();
    let ops = replica.sealed().map(|sealed| sealed.commit.ops).unwrap_or_default();
    let contents = ops.iter().filter_map(|op| {
        let manifest = op.verb.manifest()?.clone();
        let content = content_of(&manifest);
        Some((content, replica.file_holding(op.verb.node(), content), manifest))
    });
    contents.collect()
}
