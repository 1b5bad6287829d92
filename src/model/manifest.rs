//! One version's content: its tag, its length and the chunks it is made of.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Content of at most this many bytes rides inside its op instead of on a stream of its own.
pub const INLINE_BYTES_MAX: u64 = 64 * 1024;

/// A manifest of more extents than this is a tree: its list is content, cut and hashed itself.
pub const MANIFEST_EXTENTS_MAX: usize = 1024;

/// Room is counted in these, whatever the file system.
const BLOCK_BYTES: u64 = 512;
/// Files take room in pages.
const PAGE_BYTES: u64 = 4096;

/// A piece of content, named by the BLAKE3 hash of its uncompressed bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChunkId(pub [u8; 32]);

impl fmt::Debug for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}", self)
    }
}

impl fmt::Display for ChunkId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The author's MD5 tag: plain up to 64 MiB, above that over the MD5s of 64 MiB parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Md5Tag {
    pub digest: [u8; 16],
    /// Number of parts; 0 means the digest is the plain MD5 of the content.
    pub parts: u32,
}

impl fmt::Display for Md5Tag {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        if self.parts > 0 { write!(f, "-{}", self.parts) } else { Ok(()) }
    }
}

/// A run of content: one chunk, or a hole (zeros that take no room).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Extent {
    /// None is a hole.
    pub chunk: Option<ChunkId>,
    /// Bytes; never 0.
    pub length: u64,
}

/// The extents of a content, in order, or those of the list that names them, or of the list that names that one's.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChunkList {
    Flat(Vec<Extent>),
    Tree(Vec<Extent>),
}

/// One version's content. Two contents are equal when their chunk lists are: cutting depends on content alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub md5: Md5Tag,
    /// Bytes.
    pub length: u64,
    pub chunks: ChunkList,
}

impl Manifest {
    /// The empty content.
    pub fn empty() -> Manifest {
        const MD5_OF_NOTHING: [u8; 16] =
            [0xd4, 0x1d, 0x8c, 0xd9, 0x8f, 0x00, 0xb2, 0x04, 0xe9, 0x80, 0x09, 0x98, 0xec, 0xf8, 0x42, 0x7e];
        let md5 = Md5Tag { digest: MD5_OF_NOTHING, parts: 0 };
        Manifest { md5, length: 0, chunks: ChunkList::Flat(Vec::new()) }
    }

    /// Tells whether both hold the same bytes. MD5 is a tag, not an identity, and has no say here.
    pub fn same_content(&self, other: &Manifest) -> bool {
        self.length == other.length && self.chunks == other.chunks
    }

    /// Room that the content takes in a file, in 512 bytes, as far as the manifest itself tells holes.
    pub fn blocks(&self) -> u64 {
        let holes: u64 = match &self.chunks {
            ChunkList::Flat(extents) => {
                extents.iter().filter(|extent| extent.chunk.is_none()).map(|extent| extent.length).sum()
            }
            ChunkList::Tree(_) => 0,
        };
        self.length.saturating_sub(holes).next_multiple_of(PAGE_BYTES) / BLOCK_BYTES
    }

    /// The extents named in the manifest itself: the content's, or its list's where it is a tree.
    pub fn extents(&self) -> &[Extent] {
        match &self.chunks {
            ChunkList::Flat(extents) | ChunkList::Tree(extents) => extents,
        }
    }

    /// The chunks named in the manifest itself.
    pub fn chunk_ids(&self) -> impl Iterator<Item = ChunkId> + '_ {
        self.extents().iter().filter_map(|extent| extent.chunk)
    }

    /// The only chunk, where the content is one small chunk that can ride inside its op.
    pub fn inline_chunk(&self) -> Option<ChunkId> {
        match &self.chunks {
            ChunkList::Flat(extents) if self.length <= INLINE_BYTES_MAX => match extents.as_slice() {
                [Extent { chunk: Some(chunk), .. }] => Some(*chunk),
                _ => None,
            },
            _ => None,
        }
    }
}
