//! The three versions, and the one function that merges them.
//!
//! Invariant: what only one side changed is that side's bytes, whatever the type and size. The rules by type
//! are elsewhere; this file only chooses among them.

use super::file_type::{FileType, effective};
use super::outcome::{Outcome, Unclean};
use super::{json, text, xml};

/// The largest version that is merged; above it, a change on both sides is a conflict.
pub const MERGE_BYTES_MAX: u64 = 16 << 20;

/// What both sides began with, and what each made of it.
#[derive(Debug, Clone, Copy)]
pub struct Versions<'a> {
    /// None if both sides made the file, or its content is gone.
    pub base: Option<&'a [u8]>,
    /// The version of the member that merges.
    pub local: &'a [u8],
    /// The version that was accepted first.
    pub remote: &'a [u8],
}

impl<'a> Versions<'a> {
    /// The versions that are there.
    pub(super) fn all(&self, is: impl Fn(&'a [u8]) -> bool) -> bool {
        self.base.is_none_or(&is) && is(self.local) && is(self.remote)
    }

    /// The only bytes in question, if one side at most changed something, or both changed the same.
    fn unchallenged(&self) -> Option<&'a [u8]> {
        if self.local == self.remote || self.base == Some(self.remote) {
            return Some(self.local);
        }
        (self.base == Some(self.local)).then_some(self.remote)
    }

    fn bytes_most(&self) -> u64 {
        let lengths = [self.base.map_or(0, <[u8]>::len), self.local.len(), self.remote.len()];
        lengths.into_iter().max().unwrap_or(0) as u64
    }
}

/// Joins both sides' changes to the base; `given` is the type that attributes say, if they do.
pub fn merge(given: Option<FileType>, versions: Versions<'_>) -> Outcome {
    if let Some(bytes) = versions.unchallenged() {
        return Outcome::Clean(bytes.to_vec());
    }
    let bytes = versions.bytes_most();
    if bytes > MERGE_BYTES_MAX {
        return Outcome::Conflict(Unclean::TooLarge { bytes, bytes_max: MERGE_BYTES_MAX });
    }
    let (local, remote) = (versions.local, versions.remote);
    match (effective(given, &versions), versions.base) {
        (FileType::Binary, _) => Outcome::Conflict(Unclean::Binary),
        (FileType::Union, base) => Outcome::Clean(text::union(base.unwrap_or_default(), local, remote)),
        (_, None) => Outcome::Conflict(Unclean::NoBase),
        (FileType::Text, Some(base)) => text::merge(base, local, remote),
        (FileType::Json, Some(base)) => json::merge(base, local, remote),
        (FileType::Xml, Some(base)) => xml::merge(base, local, remote),
    }
}
