//! Where the hub keeps what.
//!
//! | key | value |
//! |---|---|
//! | `g` | what members may remove in all spaces that say nothing else, see [`guard`](super::guard) |
//! | `n` space name | space id |
//! | `s` space id `c` | the counter of member numbers |
//! | `s` space id `d` device | [`DeviceRow`](super::records::DeviceRow) |
//! | `s` space id `e` chunk id, seconds | nothing: the chunk is leased until then, see [`leases`](super::leases) |
//! | `s` space id `g` | the log's [`Head`](super::records::Head) |
//! | `s` space id `h` node, sequence (inverted), op (inverted) | [`HistoryRow`](super::records::HistoryRow) |
//! | `s` space id `i` | [`SpaceInfo`](super::SpaceInfo) |
//! | `s` space id `l` sequence | the log entry |
//! | `s` space id `m` member | [`MemberRow`](super::records::MemberRow) |
//! | `s` space id `o` member name | [`NameRow`](super::records::NameRow): whose it is |
//! | `s` space id `p` path hash, sequence (inverted), node | nothing: the node stood there at that sequence |
//! | `s` space id `q` member, commit number | [`AcceptedRow`](super::records::AcceptedRow) |
//! | `s` space id `t` row key | the tree's row |
//! | `s` space id `u` node | the version up to which its contents are given up, see [`contents`](super::contents) |
//! | `s` space id `v` token hash | [`InviteRow`](super::records::InviteRow) |
//! | `s` space id `w` token hash, device | nothing: the device redeemed the invite |
//! | `s` space id `x` | what its members may remove, see [`guard`](super::guard) |
//! | `s` space id `y` member | [`GuardRow`](super::guard::GuardRow) |
//! | `s` space id `z` | [`QuotaRow`](super::quota::QuotaRow), where a quota is set |
//!
//! A space without a name is removed, and its keys are still to be erased.
//! Numbers are big-endian, so that keys sort as they do; inverted ones sort newest first.

use super::records::{Device, TokenHash};
use crate::model::{ChunkId, CommitNumber, MemberName, MemberNumber, NodeId, Sequence, SpaceId, SpaceName};
use crate::sync::Kv;
use crate::wire::{OpPlace, decode};
use serde::de::DeserializeOwned;

pub(super) fn space_name(name: &SpaceName) -> Vec<u8> {
    [b"n", name.as_str().as_bytes()].concat()
}

pub(super) fn space_names() -> Vec<u8> {
    b"n".to_vec()
}

/// What members may remove.
pub(super) fn guard_of_all() -> Vec<u8> {
    b"g".to_vec()
}

/// Where the keys of all spaces begin.
pub(super) fn all_spaces() -> Vec<u8> {
    b"s".to_vec()
}

/// The space that a key belongs to.
pub(super) fn space_of(key: &[u8]) -> Option<SpaceId> {
    key.strip_prefix(b"s")?.first_chunk().map(|id| SpaceId(*id))
}

/// Where all keys of a space begin.
pub(super) fn of_space(space: SpaceId) -> Vec<u8> {
    [&b"s"[..], &space.0].concat()
}

/// A path as it stands in keys: long paths make no long keys, and a listing gives nothing away.
pub(super) type PathHash = [u8; 16];

pub(super) fn path_hash(path: &[u8]) -> PathHash {
    *blake3::hash(path).as_bytes().first_chunk().expect("a hash has 32 bytes")
}

/// Makes a space's keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Keys(pub SpaceId);

impl Keys {
    fn key(&self, tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let mut key = of_space(self.0);
        key.push(tag);
        parts.iter().for_each(|part| key.extend_from_slice(part));
        key
    }

    pub(super) fn member_counter(&self) -> Vec<u8> {
        self.key(b'c', &[])
    }

    pub(super) fn device(&self, device: Device) -> Vec<u8> {
        self.key(b'd', &[&device.0])
    }

    /// `expiry` in seconds; before 1970 nothing was leased.
    pub(super) fn lease(&self, chunk: ChunkId, expiry: i64) -> Vec<u8> {
        self.key(b'e', &[&chunk.0, &u64::try_from(expiry).unwrap_or(0).to_be_bytes()])
    }

    pub(super) fn leases_of(&self, chunk: ChunkId) -> Vec<u8> {
        self.key(b'e', &[&chunk.0])
    }

    pub(super) fn leases(&self) -> Vec<u8> {
        self.key(b'e', &[])
    }

    pub(super) fn head(&self) -> Vec<u8> {
        self.key(b'g', &[])
    }

    pub(super) fn history(&self, node: NodeId, at: Sequence, op: u32) -> Vec<u8> {
        self.key(b'h', &[&node.to_bytes(), &(!at.0).to_be_bytes(), &(!op).to_be_bytes()])
    }

    /// Where the history of a node begins that is not newer than `newest`.
    pub(super) fn history_from(&self, node: NodeId, newest: OpPlace) -> Vec<u8> {
        self.history(node, newest.sequence, newest.op)
    }

    pub(super) fn history_of(&self, node: NodeId) -> Vec<u8> {
        self.key(b'h', &[&node.to_bytes()])
    }

    /// Where the history of all nodes begins.
    pub(super) fn histories(&self) -> Vec<u8> {
        self.key(b'h', &[])
    }

    /// The node that a key of history is about.
    pub(super) fn history_node(&self, key: &[u8]) -> NodeId {
        let rest = &key[self.histories().len()..];
        NodeId::from_bytes(*rest.first_chunk().expect("keys of ours hold a node"))
    }

    pub(super) fn info(&self) -> Vec<u8> {
        self.key(b'i', &[])
    }

    pub(super) fn entry(&self, sequence: Sequence) -> Vec<u8> {
        self.key(b'l', &[&sequence.0.to_be_bytes()])
    }

    pub(super) fn entries_prefix(&self) -> Vec<u8> {
        self.key(b'l', &[])
    }

    pub(super) fn member(&self, member: MemberNumber) -> Vec<u8> {
        self.key(b'm', &[&member.0.to_be_bytes()])
    }

    pub(super) fn members_prefix(&self) -> Vec<u8> {
        self.key(b'm', &[])
    }

    pub(super) fn devices_prefix(&self) -> Vec<u8> {
        self.key(b'd', &[])
    }

    pub(super) fn member_name(&self, name: &MemberName) -> Vec<u8> {
        self.key(b'o', &[name.as_str().as_bytes()])
    }

    pub(super) fn path(&self, path: PathHash, at: Sequence, node: NodeId) -> Vec<u8> {
        self.key(b'p', &[&path, &(!at.0).to_be_bytes(), &node.to_bytes()])
    }

    /// Where all paths begin.
    pub(super) fn paths(&self) -> Vec<u8> {
        self.key(b'p', &[])
    }

    pub(super) fn path_prefix(&self, path: PathHash) -> Vec<u8> {
        self.key(b'p', &[&path])
    }

    pub(super) fn accepted(&self, member: MemberNumber, number: CommitNumber) -> Vec<u8> {
        self.key(b'q', &[&member.0.to_be_bytes(), &number.0.to_be_bytes()])
    }

    pub(super) fn tree(&self) -> Vec<u8> {
        self.key(b't', &[])
    }

    pub(super) fn given_up(&self, node: NodeId) -> Vec<u8> {
        self.key(b'u', &[&node.to_bytes()])
    }

    pub(super) fn given_ups(&self) -> Vec<u8> {
        self.key(b'u', &[])
    }

    pub(super) fn invite(&self, token: TokenHash) -> Vec<u8> {
        self.key(b'v', &[&token.0])
    }

    pub(super) fn invites(&self) -> Vec<u8> {
        self.key(b'v', &[])
    }

    pub(super) fn guard(&self) -> Vec<u8> {
        self.key(b'x', &[])
    }

    pub(super) fn guarded(&self, member: MemberNumber) -> Vec<u8> {
        self.key(b'y', &[&member.0.to_be_bytes()])
    }

    pub(super) fn guarded_prefix(&self) -> Vec<u8> {
        self.key(b'y', &[])
    }

    pub(super) fn quota(&self) -> Vec<u8> {
        self.key(b'z', &[])
    }

    pub(super) fn redeemed(&self, token: TokenHash, device: Device) -> Vec<u8> {
        self.key(b'w', &[&token.0, &device.0])
    }
}

/// Reads a row of ours.
pub(super) fn read<K: Kv + ?Sized, T: DeserializeOwned>(kv: &K, key: &[u8]) -> Option<T> {
    kv.get(key).map(|value| decode("hub row", &value).expect("rows of ours decode"))
}

/// The inverted sequence that a key continues with after `prefix_bytes`, and the rest of the key.
pub(super) fn split_sequence(key: &[u8], prefix_bytes: usize) -> (Sequence, &[u8]) {
    let (number, rest) = key[prefix_bytes..].split_first_chunk().expect("keys of ours hold a sequence");
    (Sequence(!u64::from_be_bytes(*number)), rest)
}

/// The place in the log, both numbers inverted, that a key ends with after `prefix_bytes`.
pub(super) fn split_place(key: &[u8], prefix_bytes: usize) -> OpPlace {
    let (sequence, _) = split_sequence(key, prefix_bytes);
    OpPlace { sequence, op: !trailing_u32(key) }
}

/// The last 4 bytes of a key as a number.
pub(super) fn trailing_u32(key: &[u8]) -> u32 {
    u32::from_be_bytes(*key.last_chunk().expect("keys of ours hold a number"))
}
