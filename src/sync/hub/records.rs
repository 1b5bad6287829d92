//! What the hub keeps of devices, members, invites, commits and history.

use crate::model::{
    Chain, CommitNumber, Digest, Incarnation, Manifest, MemberName, MemberNumber, Role, Round, Sequence,
    Timestamp, Version,
};
use crate::ops::Origin;
use crate::wire::{HistoryOperation, RefuseReason};
use serde::{Deserialize, Serialize};

/// A device, by the fingerprint of the key that enrolled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Device(pub [u8; 32]);

/// An invite, by the hash of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TokenHash(pub [u8; 32]);

/// Why the hub ends a conversation, and how it says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Refusal {
    pub reason: RefuseReason,
    pub detail: String,
}

impl Refusal {
    pub fn new(reason: RefuseReason, detail: impl Into<String>) -> Refusal {
        Refusal { reason, detail: detail.into() }
    }

    /// What one is told who shows an invite that was never given, or names a space that is not.
    pub fn unknown_invite() -> Refusal {
        Refusal::new(RefuseReason::Invite, "this hub knows no such invite; ask for a new one")
    }

    /// What an outsider is told: not even whether the space exists.
    pub fn unknown() -> Refusal {
        Refusal::new(RefuseReason::Unknown, "this device is not known here; an invite lets it in")
    }
}

/// The end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Head {
    pub sequence: Sequence,
    pub chain: Chain,
    pub time: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DeviceRow {
    pub role: Role,
    pub revoked: bool,
    /// The member name kept for its first hello.
    pub name: MemberName,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MemberRow {
    pub name: MemberName,
    pub device: Device,
    pub incarnation: Incarnation,
    /// Valid until the current one is known to have arrived.
    pub incarnation_before: Option<Incarnation>,
    pub accepted: CommitNumber,
    /// Commits of lower rounds are dropped.
    pub required: Round,
    /// How far the member said it has come.
    pub applied: Option<Sequence>,
}

/// Whose a member name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NameRow {
    pub device: Device,
    /// None while it is only kept for the device's first hello.
    pub member: Option<MemberNumber>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct InviteRow {
    pub role: Role,
    pub uses_left: u32,
    pub expiry: Timestamp,
}

/// An accepted commit, kept so that the same number is never taken twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct AcceptedRow {
    pub digest: Digest,
    pub sequence: Sequence,
}

/// One line of a node's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HistoryRow {
    pub operation: HistoryOperation,
    /// Where the node stood then, names joined by slashes.
    pub path: Vec<u8>,
    /// Where it stood before, if the op moved it.
    pub from: Option<Vec<u8>>,
    /// The content that the op gave the node; None where it left it alone, or there is none.
    pub manifest: Option<Manifest>,
    pub came_from: Option<Origin>,
    pub version: Version,
    pub member: MemberNumber,
    pub time: Timestamp,
}
