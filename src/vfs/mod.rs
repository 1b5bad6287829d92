//! Filesystem semantics without a kernel: every operation a local file system has, answered from local state.
//!
//! [`Volume`] takes inode numbers, names and bytes and gives what POSIX says, over a member's replica (names
//! and attributes) and its backing files (contents). Content becomes an op at flush points: the last close of
//! a writable handle, fsync, or a pause in the writing.
//!
//! Invariant: before content changes, a dirty mark is in the store; only a capture clears it. What a capture
//! takes is what the file held at one moment, never half of a write.
//!
//! Lock order: an inode's way, its gate, a quota's sum, an inode's content, the replica; the open table and the orphans
//! are leaves, held for no longer than a look-up. Nothing but the gate is held while content is waited for.
//!
//! This layer checks no permissions (the kernel does), talks to no kernel and no network, and keeps no locks of
//! applications.

#![allow(
    clippy::disallowed_methods,
    reason = "above the line: clocks, threads and backing files belong here"
)]

mod acl;
mod attributes;
mod beside;
mod capture;
mod clock;
mod closing;
mod content;
mod crossing;
mod error;
mod handles;
mod host;
mod ignored;
mod ledger;
mod listing;
mod meta;
mod names;
mod open;
mod orphans;
mod outside;
mod passage;
mod patterns;
mod piecewise;
mod places;
mod prepare;
mod queue;
mod quota;
mod ranges;
mod reading;
mod recover;
mod removal;
mod renames;
mod resume;
mod settings;
mod sealing;
mod stale;
mod stamp;
#[cfg(test)]
mod tests;
mod told;
mod untold;
mod volume;
mod xattr;

pub use acl::is_acl;
pub use attributes::{FileType, Stat};
pub use clock::now;
pub use error::VfsError;
pub use handles::{FileId, OpenMode};
pub use host::{ContentFiles, Host, NotMaterialized, Pieces, Space};
pub use ignored::OwnList;
pub use ledger::{Kind as LedgerKind, Ledger};
pub use listing::Entry;
pub use meta::SetAttributes;
pub use names::NewNode;
pub use outside::Described;
pub use ranges::{Allocation, Seek};
pub use recover::LastEnd;
pub use renames::RenameMode;
pub use resume::{Change, InUse, RequestId};
pub use settings::{Caller, Settings};
pub use stale::Stale;
pub use untold::{Announced, Changing};
pub use volume::Volume;
pub use xattr::XattrMode;
