//! Keys of a member's store. Each begins with a letter of its own:
//!
//! | letter | key | value |
//! |---|---|---|
//! | `V` | slot, tree row key | the view's row |
//! | `B` | slot, tree row key | the base's row where it differs: `Option<Vec<u8>>` |
//! | `J` | index | a pending op |
//! | `Q` | node, index | nothing: finds a node's pending ops |
//! | `K` | content, index | nothing: finds the pending ops, parked ones too, that bring a content |
//! | `C` | | the sealed commit |
//! | `E` | node | a file made here that has had no flush point: its `Make` |
//! | `I` | ino | [`super::Inode`] |
//! | `N` | node | its ino |
//! | `D` | ino | nothing: content not captured yet |
//! | `T` | ino | nothing: an inode cut off from its node by remote content |
//! | `W` | node | nothing: content to fetch |
//! | `S` | content, chunk | bytes of a pending op's content whose file has gone on |
//! | `R` | content | [`super::records::Held`]: the backing file that holds a pending op's content |
//! | `H` | index | an op kept here by the policy `hold` |
//! | `P` | index | [`super::Parked`] |
//! | `Y` | ino | nothing: its backing file has content that nobody has synced |
//! | `U` | tree row key | a row of what only this member has |
//! | `A` | node | [`super::Kept`]: a node that is not what patterns make of it |
//! | `X` | member number | member name |
//! | `G` | node | nothing: a pin |
//! | `L` | ino | when its content was used last: milliseconds since 1970, big-endian |
//! | `Z` | ino | the room its backing file takes, in 512 bytes, where its content's manifest tells another |
//! | `M` | name | counters and identity |

use super::Ino;
use crate::model::{ChunkId, Digest, MemberNumber, NodeId};

pub const JOURNAL: u8 = b'J';
pub const WITHHELD: u8 = b'H';
pub const HELD: u8 = b'R';
pub const UNPROVEN: u8 = b'Y';
pub const PARKED: u8 = b'P';
pub const DIRTY: u8 = b'D';
pub const DETACHED: u8 = b'T';
pub const WANTED: u8 = b'W';
pub const EMBRYO: u8 = b'E';
pub const MEMBER: u8 = b'X';
pub const INODE: u8 = b'I';
/// The inos of all nodes that have one.
pub const INO_OF: &[u8] = b"N";
pub const SEALED: &[u8] = b"C";
pub const UNSHARED: &[u8] = b"U";
pub const KEPT: u8 = b'A';
pub const PIN: u8 = b'G';
pub const USED: u8 = b'L';

/// Which of the two places for a tree is in use; a snapshot is staged in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot(pub u8);

impl Slot {
    pub fn view(self) -> [u8; 2] {
        [b'V', self.0]
    }

    pub fn view_prefix(self) -> &'static [u8] {
        if self.0 == 0 { b"V\x00" } else { b"V\x01" }
    }

    pub fn base(self) -> [u8; 2] {
        [b'B', self.0]
    }

    pub fn other(self) -> Slot {
        Slot(1 - self.0)
    }
}

fn numbered(tag: u8, number: u64) -> Vec<u8> {
    [&[tag][..], &number.to_be_bytes()].concat()
}

fn of_node(tag: u8, node: NodeId) -> Vec<u8> {
    [&[tag][..], &node.to_bytes()].concat()
}

pub fn journal(index: u64) -> Vec<u8> {
    numbered(JOURNAL, index)
}

pub fn pending_of(node: NodeId) -> Vec<u8> {
    of_node(b'Q', node)
}

pub fn pending(node: NodeId, index: u64) -> Vec<u8> {
    [pending_of(node), index.to_be_bytes().to_vec()].concat()
}

pub fn embryo(node: NodeId) -> Vec<u8> {
    of_node(EMBRYO, node)
}

pub fn inode(ino: Ino) -> Vec<u8> {
    numbered(INODE, ino.0)
}

pub fn ino_of(node: NodeId) -> Vec<u8> {
    of_node(b'N', node)
}

pub fn dirty(ino: Ino) -> Vec<u8> {
    numbered(DIRTY, ino.0)
}

pub fn unproven(ino: Ino) -> Vec<u8> {
    numbered(UNPROVEN, ino.0)
}

pub fn detached(ino: Ino) -> Vec<u8> {
    numbered(DETACHED, ino.0)
}

pub fn wanted(node: NodeId) -> Vec<u8> {
    of_node(WANTED, node)
}

pub fn pin(node: NodeId) -> Vec<u8> {
    of_node(PIN, node)
}

pub fn used(ino: Ino) -> Vec<u8> {
    numbered(USED, ino.0)
}

pub fn blocks(ino: Ino) -> Vec<u8> {
    numbered(b'Z', ino.0)
}

pub fn kept(node: NodeId) -> Vec<u8> {
    of_node(KEPT, node)
}

/// The inos of all nodes under one member's number.
pub fn inos_of_member(member: MemberNumber) -> Vec<u8> {
    [&b"N"[..], &member.0.to_be_bytes()].concat()
}

/// All spooled chunks of one content.
pub fn spool_of(content: Digest) -> Vec<u8> {
    [b"S", &content.0[..]].concat()
}

pub fn spool(content: Digest, chunk: ChunkId) -> Vec<u8> {
    [b"S", &content.0[..], &chunk.0].concat()
}

pub fn held(content: Digest) -> Vec<u8> {
    [&[HELD][..], &content.0].concat()
}

/// All pending ops that bring one content.
pub fn users_of(content: Digest) -> Vec<u8> {
    [b"K", &content.0[..]].concat()
}

pub fn user(content: Digest, index: u64) -> Vec<u8> {
    [users_of(content), index.to_be_bytes().to_vec()].concat()
}

pub fn withheld(index: u64) -> Vec<u8> {
    numbered(WITHHELD, index)
}

pub fn parked(index: u64) -> Vec<u8> {
    numbered(PARKED, index)
}

pub fn member(number: MemberNumber) -> Vec<u8> {
    [&[MEMBER][..], &number.0.to_be_bytes()].concat()
}

pub fn meta(name: &str) -> Vec<u8> {
    [b"M", name.as_bytes()].concat()
}

/// The number at the end of a numbered key.
pub fn number_of(key: &[u8]) -> u64 {
    u64::from_be_bytes(*key.last_chunk::<8>().expect("a numbered key"))
}

/// The node at the end of a node's key.
pub fn node_of(key: &[u8]) -> NodeId {
    NodeId::from_bytes(*key.last_chunk::<12>().expect("a node's key"))
}
