//! Nouns: ids, names, nodes, manifests, conflicts, roles, quotas.
//!
//! Invariant: a value of these types is well formed; constructors refuse what is not.
//! This layer does nothing with them: no tree, no rule, no encoding.

mod ids;
mod name;
mod node;
mod manifest;
mod conflict;
mod quota;
mod role;

pub use conflict::{Conflict, ConflictKind};
pub use ids::{
    Chain, CommitNumber, Digest, Incarnation, MemberNumber, NodeId, Round, Sequence, SpaceId, Timestamp,
    Version,
};
pub use manifest::{ChunkId, ChunkList, Extent, INLINE_BYTES_MAX, MANIFEST_EXTENTS_MAX, Manifest, Md5Tag};
pub use name::{InvalidName, MemberName, Name, Place, SpaceName};
pub use node::{
    Body, DeviceNumber, Kind, Moved, Node, Owner, SYMLINK_BYTES_MAX, Special, Successor, Tombstone,
    XATTR_NAME_BYTES_MAX, XATTR_VALUE_BYTES_MAX, Xattrs, keeping_privileged,
};
pub use quota::Quota;
pub use role::Role;
