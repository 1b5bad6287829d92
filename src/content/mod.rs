//! Cutting, hashing, manifests.
//!
//! Invariant: a manifest is a function of the bytes alone: however content arrives, and whether its zeros
//! were written or are a hole, equal bytes give equal manifests. Memory to make one is a few hundred KiB and the
//! lists of extents (41 bytes for some 75 KiB of content: 580 MiB for a TiB), to read one a few hundred KiB.
//! This layer reads and writes no files; bytes come in and chunks go out by way of its callers.

mod builder;
mod codec;
mod cutter;
mod list;
mod reader;
mod tag;
#[cfg(test)]
mod tests;

pub use builder::ManifestBuilder;
pub use codec::{Damaged, chunk_id, compress, decompress, verify};
pub use reader::{ExtentReader, InvalidList, LIST_BYTES_MAX, Step, extents};

/// The largest chunk, in bytes.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Chunks but for a content's last are no smaller.
const CHUNK_BYTES_MIN: usize = 16 * 1024;
const CHUNK_BYTES_AVERAGE: usize = 64 * 1024;
/// Zeros are looked for in blocks of this size, at offsets divisible by it.
const HOLE_BYTES: usize = 64 * 1024;
