//! Cutting, hashing, manifests.
//!
//! Invariant: a manifest is a function of the bytes alone: however content arrives, and whether its zeros
//! were written or are a hole, equal bytes give equal manifests. Memory is a few hundred KiB and the list of
//! extents (48 bytes for some 75 KiB of content).
//! This layer reads and writes no files; bytes come in and chunks go out by way of its callers.

mod builder;
mod codec;
mod cutter;
mod list;
mod tag;
#[cfg(test)]
mod tests;

pub use builder::ManifestBuilder;
pub use codec::{Damaged, chunk_id, compress, decompress, verify};
pub use list::{InvalidList, extents};

/// The largest chunk, in bytes.
pub const CHUNK_BYTES_MAX: usize = 256 * 1024;
/// Chunks but for a content's last are no smaller.
const CHUNK_BYTES_MIN: usize = 16 * 1024;
const CHUNK_BYTES_AVERAGE: usize = 64 * 1024;
/// Zeros are looked for in blocks of this size, at offsets divisible by it.
const HOLE_BYTES: usize = 64 * 1024;
