//! Numbers and hashes that name things. Each has its own type, so that none is taken for another.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A member's number in one space, given by the hub; 0 is the hub's own (it made the root).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MemberNumber(pub u32);

/// A node's lasting identity: the member that made it and that member's counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId {
    pub member: MemberNumber,
    pub counter: u64,
}

impl NodeId {
    /// The root directory, which exists in every space without a commit.
    pub const ROOT: NodeId = NodeId { member: MemberNumber(0), counter: 1 };

    /// Stands in ids in the place of a member: the node is on this machine alone. No member has this number.
    pub const UNSHARED: MemberNumber = MemberNumber(u32::MAX);

    /// Tells whether the node is on this machine alone.
    pub fn is_unshared(self) -> bool {
        self.member == NodeId::UNSHARED
    }

    /// Big-endian bytes, so that keys sort as ids do.
    pub fn to_bytes(self) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.member.0.to_be_bytes());
        bytes[4..].copy_from_slice(&self.counter.to_be_bytes());
        bytes
    }

    /// The inverse of [`NodeId::to_bytes`].
    pub fn from_bytes(bytes: [u8; 12]) -> NodeId {
        let (member, counter) = bytes.split_at(4);
        NodeId {
            member: MemberNumber(u32::from_be_bytes(member.try_into().expect("4 bytes"))),
            counter: u64::from_be_bytes(counter.try_into().expect("8 bytes")),
        }
    }
}

/// What is no node's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node is named by two numbers and a dot, as in 1.17")]
pub struct InvalidNodeId;

impl FromStr for NodeId {
    type Err = InvalidNodeId;

    /// The inverse of its printed form.
    fn from_str(text: &str) -> Result<NodeId, InvalidNodeId> {
        let (member, counter) = text.split_once('.').ok_or(InvalidNodeId)?;
        let is_plain = |number: &str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_plain(member) || !is_plain(counter) {
            return Err(InvalidNodeId);
        }
        let member = member.parse().map(MemberNumber).map_err(|_| InvalidNodeId)?;
        Ok(NodeId { member, counter: counter.parse().map_err(|_| InvalidNodeId)? })
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}.{}", self.member.0, self.counter)
    }
}

/// A commit's place in the op log. A space's first commit has 0; a member with nothing has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The sequence that follows `position`, where none stands for "before the first".
    pub fn after(position: Option<Sequence>) -> Sequence {
        position.map_or(Sequence(0), |sequence| Sequence(sequence.0 + 1))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A file's content counter: 1 at creation, one more for every change, deletion included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Version(pub u64);

impl Version {
    pub const FIRST: Version = Version(1);

    pub fn next(self) -> Version {
        Version(self.0 + 1)
    }
}

/// A member's own count of the commits it sealed; 1 is the first, numbers are never reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitNumber(pub u64);

/// Raised by a member after each rejection, so that the hub can tell commits sent before it from later ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Round(pub u64);

/// A space's random identity; a space made anew under an old name has another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpaceId(pub [u8; 16]);

/// A secret renewed at every hello, by which a copied or restored state directory is recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incarnation(pub [u8; 16]);

/// A BLAKE3 hash over a log entry and its predecessor's chain value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain(pub [u8; 32]);

/// A BLAKE3 hash of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

/// Wall time since 1970-01-01T00:00:00Z, negative before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp {
    pub seconds: i64,
    /// 0 to 999,999,999.
    pub nanos: u32,
}
