//! Who is in a space and who may still come: members with how far each one is, and invites that are open.

use crate::model::{MemberName, MemberNumber, Role, Sequence, Timestamp};
use crate::net::Fingerprint;
use crate::sync::Kv;
use crate::sync::hub::{GuardState, HubSync, Invitation, MemberStatus, TokenHash};
use serde::{Deserialize, Serialize};

/// A member, or a device that has joined but never mounted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    pub name: MemberName,
    /// None before the device's first mount.
    pub number: Option<MemberNumber>,
    pub role: Role,
    pub revoked: bool,
    /// The fingerprint of the device's key.
    pub device: String,
    pub connected_since: Option<Timestamp>,
    /// How far it said it has come.
    pub position: Option<Sequence>,
    /// Log entries it has not applied yet.
    pub behind: u64,
    /// Since when the guard against mass deletion holds its work.
    pub held_since: Option<Timestamp>,
}

/// An invite that somebody may still redeem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenInvite {
    /// Tells it from others; nothing that lets anybody in can be made of it.
    pub id: String,
    pub role: Role,
    pub uses_left: u32,
    pub until: Timestamp,
}

/// Everybody who may come in or once could.
pub(super) fn members<K: Kv + ?Sized>(
    hub: &HubSync,
    kv: &K,
    connected: &dyn Fn(MemberNumber) -> Option<Timestamp>,
) -> Vec<MemberRow> {
    let entries = |sequence: Option<Sequence>| sequence.map_or(0, |sequence| sequence.0 + 1);
    let head = entries(hub.head(kv));
    let guarded = hub.guarded(kv);
    let held_since = |number: MemberNumber| {
        guarded.iter().find_map(|guarded| match guarded.state {
            GuardState::Held { since, .. } if guarded.number == number => Some(since),
            _ => None,
        })
    };
    let row = |status: MemberStatus| MemberRow {
        held_since: status.number.and_then(held_since),
        connected_since: status.number.and_then(connected),
        behind: head - entries(status.applied).min(head),
        name: status.name,
        number: status.number,
        role: status.role,
        revoked: status.revoked,
        device: Fingerprint(status.device.0).to_string(),
        position: status.applied,
    };
    hub.members(kv).into_iter().map(row).collect()
}

/// Invites that are neither used up nor expired.
pub(super) fn invites<K: Kv + ?Sized>(hub: &HubSync, kv: &K, now: Timestamp) -> Vec<OpenInvite> {
    let open = hub.open_invites(kv, now).into_iter();
    open.map(|(TokenHash(token), Invitation { role, uses, expiry })| OpenInvite {
        id: token[..4].iter().map(|byte| format!("{byte:02x}")).collect(),
        role,
        uses_left: uses,
        until: expiry,
    })
    .collect()
}
