//! Nodes: files, directories, symlinks and special files, and what remains of removed ones.

use super::{Manifest, MemberNumber, NodeId, Place, Timestamp, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Longest symlink target, in bytes.
pub const SYMLINK_BYTES_MAX: usize = 4095;
/// Longest value of one extended attribute, in bytes.
pub const XATTR_VALUE_BYTES_MAX: usize = 64 * 1024;
/// Longest name of an extended attribute, in bytes.
pub const XATTR_NAME_BYTES_MAX: usize = 255;

/// Extended attributes: name with prefix (`user.note`) to value.
pub type Xattrs = BTreeMap<Vec<u8>, Vec<u8>>;

/// What a file has that takes another's place, made on a mount that knows no owners: its own attributes of users, and
/// what only root may set as it was.
pub fn keeping_privileged(newcomer: &Xattrs, existing: &Xattrs) -> Xattrs {
    let of_users = |name: &[u8]| name.starts_with(b"user.");
    let new = newcomer.iter().filter(|(name, _)| of_users(name));
    let kept = existing.iter().filter(|(name, _)| !of_users(name));
    new.chain(kept).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A node of the tree, without its names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    pub body: Body,
    /// Permission bits, 0o0000 to 0o7777.
    pub mode: u16,
    pub owner: Owner,
    pub mtime: Timestamp,
    pub xattrs: Xattrs,
    /// Counts contents; stays 0 for a directory.
    pub version: Version,
    /// Set by a rename, for recognising a file moved aside while its successor is written.
    pub moved: Option<Moved>,
}

/// What a node is and holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    File(Manifest),
    Directory,
    /// The target, 1 to [`SYMLINK_BYTES_MAX`] bytes, never resolved by fl0wfs.
    Symlink(Vec<u8>),
    Special(Special),
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    File,
    Directory,
    Symlink,
    Special,
}

/// A node that stands for something outside the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Special {
    Fifo,
    Socket,
    CharDevice(DeviceNumber),
    BlockDevice(DeviceNumber),
}

/// A device's number as the kernel packs it (`rdev`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceNumber(pub u32);

/// User and group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

/// A node's last rename: where it came from, and who moved it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub from: Place,
    pub by: MemberNumber,
}

/// What remains of a removed node, enough to bring it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tombstone {
    /// The node as it was, with the version that its removal is.
    pub node: Node,
    /// Its last name.
    pub place: Place,
    /// The node that took over its content, where it was one half of a save by rename.
    pub successor: Option<Successor>,
}

/// The node and version that a vanished node's content became.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Successor {
    pub node: NodeId,
    pub version: Version,
}

impl Body {
    pub fn kind(&self) -> Kind {
        match self {
            Body::File(_) => Kind::File,
            Body::Directory => Kind::Directory,
            Body::Symlink(_) => Kind::Symlink,
            Body::Special(_) => Kind::Special,
        }
    }
}

impl Node {
    /// The root directory of a new space.
    pub fn root() -> Node {
        Node {
            body: Body::Directory,
            mode: 0o755,
            owner: Owner::default(),
            mtime: Timestamp::default(),
            xattrs: Xattrs::new(),
            version: Version::default(),
            moved: None,
        }
    }

    pub fn is_directory(&self) -> bool {
        self.body == Body::Directory
    }

    /// The content, where the node is a regular file.
    pub fn manifest(&self) -> Option<&Manifest> {
        match &self.body {
            Body::File(manifest) => Some(manifest),
            _ => None,
        }
    }
}
