//! The list of extents as content: how a long manifest is kept.
//!
//! A list is a row of entries that is cut into chunks like any content. Where a list has more chunks than a
//! manifest names, its chunks are listed themselves, and so on up: the manifest names the chunks of the uppermost
//! list, the lowest one names the content's. What an entry names stands in the entry, so that a reader learns from
//! the lists how many there are.
//!
//! Invariant: the lists depend on the extents alone. Memory is the chunks of the lists (41 bytes for each extent)
//! and a manifest's worth of extents for each list.

use super::chunk_id;
use super::cutter::Cutter;
use crate::model::{ChunkId, ChunkList, Extent};

/// Bytes of one entry: 1 for what it is, 32 for the chunk, 8 for the length.
pub(super) const ENTRY_BYTES: usize = 41;

const HOLE: u8 = 0;
const CHUNK: u8 = 1;
/// A chunk of the list below.
const LIST: u8 = 2;

/// One entry of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Content(Extent),
    List { chunk: ChunkId, length: u64 },
}

impl Entry {
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let (kind, chunk, length) = match *self {
            Entry::Content(Extent { chunk: None, length }) => (HOLE, ChunkId([0; 32]), length),
            Entry::Content(Extent { chunk: Some(chunk), length }) => (CHUNK, chunk, length),
            Entry::List { chunk, length } => (LIST, chunk, length),
        };
        let mut entry = [kind; ENTRY_BYTES];
        entry[1..33].copy_from_slice(&chunk.0);
        entry[33..].copy_from_slice(&length.to_le_bytes());
        entry
    }

    /// None for bytes that encode no entry.
    pub fn decode(entry: &[u8; ENTRY_BYTES]) -> Option<Entry> {
        let (kind, rest) = entry.split_first()?;
        let (chunk, length) = rest.split_first_chunk::<32>()?;
        let length = u64::from_le_bytes(length.try_into().ok()?);
        let chunk = ChunkId(*chunk);
        match *kind {
            HOLE if chunk.0 == [0; 32] => Some(Entry::Content(Extent { chunk: None, length })),
            CHUNK => Some(Entry::Content(Extent { chunk: Some(chunk), length })),
            LIST => Some(Entry::List { chunk, length }),
            _ => None,
        }
    }
}

/// Takes extents in order and makes of them what a manifest names.
pub(super) struct Lister {
    /// The most that a manifest names.
    extents_max: usize,
    /// The content's extents, as long as they are few enough.
    flat: Vec<Extent>,
    /// The lists, the lowest first.
    lists: Vec<List>,
    chunks: Vec<(ChunkId, Vec<u8>)>,
    chunk_bytes: u64,
}

#[derive(Default)]
struct List {
    cutter: Cutter,
    /// Its chunks, where it is the uppermost.
    extents: Vec<Extent>,
}

impl Lister {
    pub fn new(extents_max: usize) -> Lister {
        Lister { extents_max, flat: Vec::new(), lists: Vec::new(), chunks: Vec::new(), chunk_bytes: 0 }
    }

    /// Bytes that the lists have taken so far.
    pub fn bytes(&self) -> u64 {
        self.chunk_bytes
    }

    pub fn push(&mut self, extent: Extent) {
        if self.lists.is_empty() {
            self.flat.push(extent);
            if self.flat.len() > self.extents_max {
                self.lists.push(List::default());
                for extent in std::mem::take(&mut self.flat) {
                    self.enter(0, Entry::Content(extent));
                }
            }
        } else {
            self.enter(0, Entry::Content(extent));
        }
    }

    /// Ends all lists; their chunks go to the sink.
    pub fn finish(mut self, mut sink: impl FnMut(ChunkId, &[u8])) -> ChunkList {
        let mut at = 0;
        // The end of one list may be what makes the next one necessary.
        while at < self.lists.len() {
            let mut cut = Vec::new();
            self.lists[at].cutter.end(|bytes| cut.push(bytes.to_vec()));
            self.keep(at, cut);
            at += 1;
        }
        self.chunks.iter().for_each(|(id, bytes)| sink(*id, bytes));
        match self.lists.pop() {
            Some(uppermost) => ChunkList::Tree(uppermost.extents),
            None => ChunkList::Flat(self.flat),
        }
    }

    fn enter(&mut self, at: usize, entry: Entry) {
        let mut cut = Vec::new();
        self.lists[at].cutter.push(&entry.encode(), |bytes| cut.push(bytes.to_vec()));
        self.keep(at, cut);
    }

    /// Keeps chunks of a list and names them in the next.
    fn keep(&mut self, at: usize, cut: Vec<Vec<u8>>) {
        for bytes in cut {
            let (id, length) = (chunk_id(&bytes), bytes.len() as u64);
            self.chunk_bytes += length;
            self.chunks.push((id, bytes));
            self.name(at, Extent { chunk: Some(id), length });
        }
    }

    fn name(&mut self, at: usize, extent: Extent) {
        let entry = |extent: Extent| match extent.chunk {
            Some(chunk) => Entry::List { chunk, length: extent.length },
            None => Entry::Content(extent),
        };
        if at + 1 < self.lists.len() {
            return self.enter(at + 1, entry(extent));
        }
        self.lists[at].extents.push(extent);
        if self.lists[at].extents.len() > self.extents_max {
            self.lists.push(List::default());
            for extent in std::mem::take(&mut self.lists[at].extents) {
                self.enter(at + 1, entry(extent));
            }
        }
    }
}
