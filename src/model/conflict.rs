//! Conflicts: both sides touched the same thing and no rule joins them.

use super::{Manifest, MemberNumber, Node, NodeId, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// A conflict record. It stands in the log and in every tree, so all members see the same conflicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The node both sides touched.
    pub node: NodeId,
    /// The member whose work lost the name.
    pub member: MemberNumber,
    pub kind: ConflictKind,
    /// The common version, where there was one.
    pub base: Option<Version>,
    /// The version that kept the name.
    pub remote: Version,
    pub time: Timestamp,
}

impl Conflict {
    /// Tells whether there still is a conflict when the content that lost is `lost` and its node is as `now` says: contents
    /// that are the same are in none.
    pub fn holds(&self, lost: Option<&Manifest>, now: &Node) -> bool {
        let same = lost.zip(now.manifest()).is_some_and(|(lost, now)| lost.same_content(now));
        !same || !matches!(self.kind, ConflictKind::PutPut | ConflictKind::MakeMake)
    }
}

/// What met what: local work first, then what had been accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConflictKind {
    /// Two contents of one file.
    PutPut,
    /// Two files made under one name.
    MakeMake,
    /// Edited here, deleted there: the edit won.
    PutDrop,
    /// Deleted here, edited there: the edit won.
    DropPut,
    /// Renamed on both sides: the accepted place stayed.
    MoveMove,
    /// A move that would have made a directory its own ancestor was dropped.
    Cycle,
    /// A name op that could not apply was dropped.
    Dropped,
}
