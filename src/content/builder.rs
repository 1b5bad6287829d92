//! From bytes to a manifest.

use super::cutter::Cutter;
use super::list::encode_extent;
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
    extents: Vec<Extent>,
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
            extents: Vec::new(),
        }
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
            self.add_hole(whole);
        }
        self.fill_block(left - whole);
    }

    /// Cuts what is left of the content; nothing may be pushed after it.
    pub fn end(&mut self, sink: &mut impl FnMut(ChunkId, &[u8])) {
        let block = std::mem::take(&mut self.block);
        let extents = &mut self.extents;
        self.cutter.push(&block, |bytes| add_chunk(extents, bytes, sink));
        self.end_run(sink);
    }

    /// Ends the content, unless that is done. Where the list of extents is long it becomes content itself, and
    /// goes to the sink.
    pub fn finish(mut self, sink: &mut impl FnMut(ChunkId, &[u8])) -> Manifest {
        self.end(sink);
        let md5 = self.tag.finish();
        let chunks = if self.extents.len() <= MANIFEST_EXTENTS_MAX {
            ChunkList::Flat(self.extents)
        } else {
            ChunkList::Tree(cut_list(&self.extents, sink))
        };
        Manifest { md5, length: self.length, chunks }
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
            self.add_hole(HOLE_BYTES as u64);
        } else {
            let extents = &mut self.extents;
            self.cutter.push(&self.block, |bytes| add_chunk(extents, bytes, sink));
        }
        self.block.clear();
    }

    fn end_run(&mut self, sink: &mut impl FnMut(ChunkId, &[u8])) {
        let extents = &mut self.extents;
        self.cutter.end(|bytes| add_chunk(extents, bytes, sink));
    }

    fn add_hole(&mut self, length: u64) {
        match self.extents.last_mut() {
            Some(Extent { chunk: None, length: last }) => *last += length,
            _ => self.extents.push(Extent { chunk: None, length }),
        }
    }
}

fn add_chunk(extents: &mut Vec<Extent>, bytes: &[u8], sink: &mut impl FnMut(ChunkId, &[u8])) {
    let id = chunk_id(bytes);
    sink(id, bytes);
    extents.push(Extent { chunk: Some(id), length: bytes.len() as u64 });
}

fn cut_list(extents: &[Extent], sink: &mut impl FnMut(ChunkId, &[u8])) -> Vec<Extent> {
    let (mut cutter, mut listed) = (Cutter::default(), Vec::new());
    for extent in extents {
        cutter.push(&encode_extent(extent), |bytes| add_chunk(&mut listed, bytes, sink));
    }
    cutter.end(|bytes| add_chunk(&mut listed, bytes, sink));
    listed
}

/// Tells whether every byte is zero; a stretch at a time, which compiles to wide instructions.
fn all_zero(bytes: &[u8]) -> bool {
    bytes.chunks(1024).all(|stretch| stretch.iter().fold(0, |sum, byte| sum | byte) == 0)
}
