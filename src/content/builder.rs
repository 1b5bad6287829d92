//! From bytes to a manifest.

use super::cutter::Cutter;
use super::list::Lister;
use super::tag::Tagger;
use super::{HOLE_BYTES, chunk_id};
use crate::model::{ChunkId, ChunkList, Extent, MANIFEST_EXTENTS_MAX, Manifest};

/// Takes content in order and makes its manifest; every chunk goes to the sink as it is cut.
pub struct ManifestBuilder {
    tag: Tagger,
    length: u64,
    /// The block under way, from an offset divisible by its size.
    block: Vec<u8>,
    cutter: Cutter,
    extents: Extents,
}

impl Default for ManifestBuilder {
    fn default() -> ManifestBuilder {
        ManifestBuilder::new()
    }
}

impl ManifestBuilder {
    pub fn new() -> ManifestBuilder {
        ManifestBuilder {
            tag: Tagger::default(),
            length: 0,
            block: Vec::with_capacity(HOLE_BYTES),
            cutter: Cutter::default(),
            extents: Extents { last: None, lister: Lister::new(MANIFEST_EXTENTS_MAX) },
        }
    }

    /// Bytes of the lists so far; see [`super::LIST_BYTES_MAX`].
    pub fn list_bytes(&self) -> u64 {
        self.extents.lister.bytes()
    }

    /// Takes the next bytes.
    pub fn push(&mut self, mut bytes: &[u8], sink: &mut impl FnMut(ChunkId, &[u8])) {
        self.tag.push(bytes);
        self.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(HOLE_BYTES - self.block.len()));
            self.block.extend_from_slice(now);
            bytes = later;
            if self.block.len() == HOLE_BYTES {
                self.take_block(sink);
            }
        }
    }

    /// Takes the next `length` bytes, all of them zero.
    pub fn push_hole(&mut self, length: u64, sink: &mut impl FnMut(ChunkId, &[u8])) {
        self.tag.push_zeros(length);
        self.length += length;
        let mut left = length;
        if !self.block.is_empty() {
            left -= self.fill_block(left);
            if self.block.len() == HOLE_BYTES {
                self.take_block(sink);
            }
        }
        let whole = left - left % HOLE_BYTES as u64;
        if whole > 0 {
            self.end_run(sink);
            self.extents.hole(whole);
        }
        self.fill_block(left - whole);
    }

    /// Cuts what is left of the content; nothing may be pushed after it.
    pub fn end(&mut self, sink: &mut impl FnMut(ChunkId, &[u8])) {
        let block = std::mem::take(&mut self.block);
        let extents = &mut self.extents;
        self.cutter.push(&block, |bytes| extents.chunk(bytes, sink));
        self.end_run(sink);
    }

    /// Ends the content, unless that is done. Where the list of extents is long it becomes content itself, and
    /// goes to the sink.
    pub fn finish(mut self, sink: &mut impl FnMut(ChunkId, &[u8])) -> Manifest {
        self.end(sink);
        Manifest { md5: self.tag.finish(), length: self.length, chunks: self.extents.finish(sink) }
    }

    /// Adds up to `length` zeros to the block under way; returns how many.
    fn fill_block(&mut self, length: u64) -> u64 {
        let room = HOLE_BYTES - self.block.len();
        let count = usize::try_from(length).unwrap_or(usize::MAX).min(room);
        self.block.resize(self.block.len() + count, 0);
        count as u64
    }

    fn take_block(&mut self, sink: &mut impl FnMut(ChunkId, &[u8])) {
        if all_zero(&self.block) {
            self.end_run(sink);
            self.extents.hole(HOLE_BYTES as u64);
        } else {
            let extents = &mut self.extents;
            self.cutter.push(&self.block, |bytes| extents.chunk(bytes, sink));
        }
        self.block.clear();
    }

    fn end_run(&mut self, sink: &mut impl FnMut(ChunkId, &[u8])) {
        let extents = &mut self.extents;
        self.cutter.end(|bytes| extents.chunk(bytes, sink));
    }
}

/// The content's extents as they are made; the last may still grow.
struct Extents {
    last: Option<Extent>,
    lister: Lister,
}

impl Extents {
    fn chunk(&mut self, bytes: &[u8], sink: &mut impl FnMut(ChunkId, &[u8])) {
        let id = chunk_id(bytes);
        sink(id, bytes);
        self.add(Extent { chunk: Some(id), length: bytes.len() as u64 });
    }

    fn hole(&mut self, length: u64) {
        match &mut self.last {
            Some(Extent { chunk: None, length: last }) => *last += length,
            _ => self.add(Extent { chunk: None, length }),
        }
    }

    fn add(&mut self, extent: Extent) {
        if let Some(last) = self.last.replace(extent) {
            self.lister.push(last);
        }
    }

    fn finish(mut self, sink: &mut impl FnMut(ChunkId, &[u8])) -> ChunkList {
        if let Some(last) = self.last {
            self.lister.push(last);
        }
        self.lister.finish(sink)
    }
}

/// Tells whether every byte is zero; a stretch at a time, which compiles to wide instructions.
fn all_zero(bytes: &[u8]) -> bool {
    bytes.chunks(1024).all(|stretch| stretch.iter().fold(0, |sum, byte| sum | byte) == 0)
}
