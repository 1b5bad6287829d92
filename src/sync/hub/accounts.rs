//! Who may do what: invites, devices, and the names and roles of members.
//!
//! A role belongs to a device, the key that proves itself; all members that a device runs have it.

use super::HubSync;
use super::keys::{read, trailing_u32};
use super::records::{Device, DeviceRow, InviteRow, MemberRow, NameRow, Refusal, TokenHash};
use crate::model::{MemberName, MemberNumber, Role, Sequence, Timestamp};
use crate::sync::{Kv, Txn};
use crate::wire::{Enrol, FromHub, RefuseReason, WIRE_FORMAT, decode, encode};

/// What an invite grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invitation {
    pub role: Role,
    /// How many devices may redeem it.
    pub uses: u32,
    pub expiry: Timestamp,
}

/// A member, or a device that has joined but never mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// None before the device's first hello.
    pub number: Option<MemberNumber>,
    pub name: MemberName,
    pub device: Device,
    pub role: Role,
    pub revoked: bool,
    /// How far it said it has come.
    pub applied: Option<Sequence>,
}

impl HubSync {
    /// Lets in whoever shows the token that hashes to `token`.
    pub fn invite<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, token: TokenHash, grant: Invitation) {
        let Invitation { role, uses, expiry } = grant;
        txn.put(self.keys().invite(token), encode(&InviteRow { role, uses_left: uses, expiry }));
    }

    /// The invites that somebody may still redeem, with the uses that are left.
    pub fn open_invites<K: Kv + ?Sized>(&self, kv: &K, now: Timestamp) -> Vec<(TokenHash, Invitation)> {
        let rows = kv.scan_prefix(&self.keys().invites());
        let rows = rows.map(|(key, value)| {
            let token = TokenHash(*key.last_chunk().expect("keys of ours hold a token's hash"));
            let InviteRow { role, uses_left, expiry } =
                decode("invite row", &value).expect("rows of ours decode");
            (token, Invitation { role, uses: uses_left, expiry })
        });
        rows.filter(|(_, invite)| invite.uses > 0 && invite.expiry > now).collect()
    }

    /// Redeems an invite for a device: the [`FromHub::Enrolled`] to answer. A device that redeemed it before
    /// is answered again without using it up, because its answer may have been lost; a revoked one needs another.
    ///
    /// # Errors
    /// [`RefuseReason::Invite`] for an invite that is unknown, used up, expired or spent on a device that was
    /// revoked since; [`RefuseReason::Format`].
    pub fn enrol<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        device: Device,
        token: TokenHash,
        enrol: &Enrol,
        now: Timestamp,
    ) -> Result<FromHub, Refusal> {
        check_format(enrol.format)?;
        let known = self.device_row(txn, device);
        let redeemed = txn.get(&self.keys().redeemed(token, device)).is_some();
        let row = match known {
            // The invite may have uses left, but they are others'.
            Some(row) if row.revoked && redeemed => {
                let detail = "this device was revoked, and has used this invite before; ask for a new one";
                return Err(Refusal::new(RefuseReason::Invite, detail));
            }
            Some(row) if redeemed => row,
            known => {
                let known = known.filter(|row| !row.revoked);
                let granted = self.use_invite(txn, token, device, now)?;
                // An enrolled device never loses by another invite; a revoked one begins anew.
                let role = known.as_ref().map_or(granted, |row| row.role.max(granted));
                let name = match known {
                    Some(row) => row.name,
                    None => self.keep_name(txn, device, &enrol.name),
                };
                DeviceRow { role, revoked: false, name }
            }
        };
        txn.put(self.keys().device(device), encode(&row));
        Ok(FromHub::Enrolled { name: row.name, role: row.role, space: self.space })
    }

    fn use_invite<K: Kv + ?Sized>(
        &self,
        txn: &mut Txn<K>,
        token: TokenHash,
        device: Device,
        now: Timestamp,
    ) -> Result<Role, Refusal> {
        let refuse = |detail: &str| Err(Refusal::new(RefuseReason::Invite, detail));
        let Some(mut invite) = read::<_, InviteRow>(txn, &self.keys().invite(token)) else {
            return Err(Refusal::unknown_invite());
        };
        if invite.uses_left == 0 {
            return refuse("this invite is used up; ask for a new one");
        }
        if invite.expiry <= now {
            return refuse("this invite has expired; ask for a new one");
        }
        invite.uses_left -= 1;
        txn.put(self.keys().invite(token), encode(&invite));
        txn.put(self.keys().redeemed(token, device), Vec::new());
        Ok(invite.role)
    }

    fn keep_name<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, device: Device, wish: &MemberName) -> MemberName {
        let name = self.free_name(txn, device, wish);
        txn.put(self.keys().member_name(&name), encode(&NameRow { device, member: None }));
        name
    }

    /// The name wished for where nobody else has it, else one of it with -2, -3 and so on that is free: the first
    /// where they were given one after the other. It looks at few of them, however many there are.
    pub(super) fn free_name<K: Kv + ?Sized>(&self, kv: &K, device: Device, wish: &MemberName) -> MemberName {
        let free = |name: &MemberName| {
            let row: Option<NameRow> = read(kv, &self.keys().member_name(name));
            row.is_none_or(|row| row.device == device && row.member.is_none())
        };
        if free(wish) {
            return wish.clone();
        }
        // Invariant: what `taken` stands for is taken, and what `open` stands for is free once the first loop ends.
        let (mut taken, mut open) = (1u64, 2);
        while !free(&with_suffix(wish, open)) {
            (taken, open) = (open, 2 * open);
        }
        while open - taken > 1 {
            let middle = taken + (open - taken) / 2;
            if free(&with_suffix(wish, middle)) { open = middle } else { taken = middle }
        }
        with_suffix(wish, open)
    }

    pub(super) fn device_row<K: Kv + ?Sized>(&self, kv: &K, device: Device) -> Option<DeviceRow> {
        read(kv, &self.keys().device(device))
    }

    pub(super) fn member_row<K: Kv + ?Sized>(&self, kv: &K, member: MemberNumber) -> Option<MemberRow> {
        read(kv, &self.keys().member(member))
    }

    pub(super) fn member_rows<'a, K: Kv + ?Sized>(
        &self,
        kv: &'a K,
    ) -> impl Iterator<Item = (MemberNumber, MemberRow)> + use<'a, K> {
        let rows = kv.scan_prefix(&self.keys().members_prefix());
        rows.map(|(key, value)| {
            let row = decode("member row", &value).expect("rows of ours decode");
            (MemberNumber(trailing_u32(&key)), row)
        })
    }

    /// Every member's number and name.
    pub fn names<K: Kv + ?Sized>(&self, kv: &K) -> Vec<(MemberNumber, MemberName)> {
        self.member_rows(kv).map(|(number, row)| (number, row.name)).collect()
    }

    /// Everybody who may come in or once could: members, then devices that have not mounted yet.
    pub fn members<K: Kv + ?Sized>(&self, kv: &K) -> Vec<MemberStatus> {
        let mut all: Vec<MemberStatus> = Vec::new();
        for (number, row) in self.member_rows(kv) {
            let device = self.device_row(kv, row.device);
            all.push(MemberStatus {
                number: Some(number),
                name: row.name,
                device: row.device,
                role: device.as_ref().map_or(Role::Reader, |device| device.role),
                revoked: device.is_none_or(|device| device.revoked),
                applied: row.applied,
            });
        }
        for (key, value) in kv.scan_prefix(&self.keys().devices_prefix()) {
            let device = Device(*key.last_chunk().expect("keys of ours hold a device"));
            let row: DeviceRow = decode("device row", &value).expect("rows of ours decode");
            if !all.iter().any(|member| member.device == device) {
                let DeviceRow { role, revoked, name } = row;
                all.push(MemberStatus { number: None, name, device, role, revoked, applied: None });
            }
        }
        all
    }

    /// Shuts out the device that has a member name, with all its members. None where nobody has the name.
    pub fn revoke<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, name: &MemberName) -> Option<Device> {
        let owner: NameRow = read(txn, &self.keys().member_name(name))?;
        let row = self.device_row(txn, owner.device)?;
        txn.put(self.keys().device(owner.device), encode(&DeviceRow { revoked: true, ..row }));
        Some(owner.device)
    }

    /// The role a device has; None for one that is not enrolled or revoked.
    pub fn role_of<K: Kv + ?Sized>(&self, kv: &K, device: Device) -> Option<Role> {
        self.device_row(kv, device).filter(|row| !row.revoked).map(|row| row.role)
    }

    /// Notes how far a member has come.
    pub fn applied<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, member: MemberNumber, applied: Sequence) {
        if let Some(row) = self.member_row(txn, member) {
            // A member can only have what there is.
            let applied = self.head(txn).map(|head| head.min(applied));
            txn.put(self.keys().member(member), encode(&MemberRow { applied, ..row }));
        }
    }
}

/// Tells whether the hub speaks a member's format. It is to be asked before anything else is looked up, so that the
/// answer gives nothing away.
///
/// # Errors
/// [`RefuseReason::Format`].
pub fn check_format(format: u16) -> Result<(), Refusal> {
    if format == WIRE_FORMAT {
        return Ok(());
    }
    let detail =
        format!("this hub speaks format {WIRE_FORMAT}, the member format {format}: update the older");
    Err(Refusal::new(RefuseReason::Format, detail))
}

fn with_suffix(name: &MemberName, number: u64) -> MemberName {
    let suffix = format!("-{number}");
    let stem = name.as_str();
    let kept = stem.len().min(32 - suffix.len());
    MemberName::new(format!("{}{suffix}", &stem[..kept])).expect("a shortened name with a number is a name")
}
