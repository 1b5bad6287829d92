//! What a member keeps beside the tree.

use crate::model::{
    Digest, Incarnation, Manifest, MemberName, MemberNumber, NodeId, Role, SpaceId, Timestamp, Version,
};
use crate::ops::Op;
use crate::wire::encode;
use serde::{Deserialize, Serialize};

/// The kernel's number for a node on this mount; 1 is the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ino(pub u64);

impl Ino {
    pub const ROOT: Ino = Ino(1);
}

/// An inode: what the kernel holds on to while names and nodes change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inode {
    /// The node it is, or was before remote content cut it off (`detached`).
    pub node: NodeId,
    pub detached: bool,
    /// The version that the backing file holds, or came from while it is dirty.
    pub version: Version,
    pub backing: Option<Backing>,
    /// This mount's own.
    pub ctime: Timestamp,
}

/// A file that holds content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backing {
    /// Its number in the content directory.
    pub file: u64,
    /// Which content it holds; None while it is written.
    pub content: Option<Digest>,
}

/// A backing file that holds a pending op's content: until the op is accepted it is neither changed nor removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub file: u64,
    /// No inode has the file any more: it goes with this record.
    pub orphaned: bool,
}

/// Who this state directory is in its space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    pub space: SpaceId,
    pub member: MemberNumber,
    pub name: MemberName,
    pub incarnation: Incarnation,
    pub role: Role,
}

/// An op the hub will never take as things stand, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parked {
    pub op: Op,
    pub reason: String,
}

/// What tells one content from another: equal manifests hold equal bytes.
pub fn content_of(manifest: &Manifest) -> Digest {
    Digest(*blake3::hash(&encode(&(manifest.length, &manifest.chunks))).as_bytes())
}
