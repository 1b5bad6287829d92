//! The disk edge: everything that this program keeps on a file system.
//!
//! Invariant: what a call reported as written is there again after a restart, to the [`Durability`] it was
//! asked for; what it reported as not written never appears. RocksDB's types stay inside this folder, so that
//! another engine can serve the same seam.
//! It gives no meaning to keys, chunks or files: state machines own the first, `content` the second, `vfs` the
//! third. It resolves no name that a user chose; every path here is made of numbers.
//!
//! Order on disk is stated at the top of `staging` (content before its name) and `secret`.
//!
//! [`Durability`]: crate::sync::Durability
#![allow(clippy::disallowed_methods, reason = "an edge: the file system is what it is for")]

mod error;
mod tuning;
mod engine;
mod cursor;
mod format;
mod rocks;
mod chunks;
mod reclaim;
mod directory;
mod room;
mod own_mount;
mod backing;
mod staging;
mod sparse;
mod reserve;
mod secret;
mod boot;

pub use backing::{Backing, BackingFiles};
pub use boot::BootId;
pub use chunks::{ChunkRow, Chunks};
pub use directory::StateDirectory;
pub use error::StoreError;
pub use format::StoreRole;
pub use reserve::{RESERVE_BYTES, Reserve};
pub use rocks::{RocksStore, StoreSnapshot};
pub use room::{Room, free_space};
pub use secret::{read_secret, write_secret};
pub use sparse::copy as copy_file;
pub use staging::Staging;

#[cfg(test)]
mod tests;
