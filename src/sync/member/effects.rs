//! What follows from a call once its writes are committed: for the kernel, the disk and the hub.

use super::session::SessionOutput;
use super::sights::Sight;
use crate::model::Digest;
use crate::wire::Row;
use std::collections::BTreeMap;

/// What is to be done after a call's writes are committed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effects {
    /// Rows of the view that remote work changed: the kernel's copies are old.
    pub changed: Vec<Row>,
    /// What watchers are to see of that.
    pub sights: Vec<Sight>,
    /// Backing files that no inode names any more.
    pub removed_files: Vec<u64>,
    /// The journal has work to send.
    pub journal_grew: bool,
    /// Content is wanted.
    pub wants_content: bool,
    pub outputs: Vec<SessionOutput>,
    /// Backing files filled before the call, by content; what the call did not use is among the removed.
    pub(super) ready: BTreeMap<Digest, u64>,
}

impl Effects {
    pub fn extend(&mut self, other: Effects) {
        self.changed.extend(other.changed);
        self.sights.extend(other.sights);
        self.removed_files.extend(other.removed_files);
        self.journal_grew |= other.journal_grew;
        self.wants_content |= other.wants_content;
        self.outputs.extend(other.outputs);
    }
}
