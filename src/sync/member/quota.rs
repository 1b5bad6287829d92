//! What local work adds to the space, beside what the hub counts.

use super::base::kept;
use super::keys::{self, Slot};
use super::records::Ino;
use super::session::SessionOutput;
use super::state::{Replica, Work};
use crate::model::{Node, Quota};
use crate::sync::kv::{Kv, Store};
use crate::wire::{Row, RowKey, decode, decode_row_key, encode};

/// The standing of a space's quota on this member, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaStanding {
    /// As the hub told it last.
    pub told: Quota,
    /// By how many bytes pending ops change what the files of the space come to.
    pub pending: i128,
    /// Files whose content is still to be captured.
    pub uncaptured: Vec<Uncaptured>,
}

/// A file that holds other content than the view says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uncaptured {
    /// The backing file.
    pub file: u64,
    /// How long the view says that it is, in bytes.
    pub known_bytes: u64,
}

impl<S: Store> Replica<S> {
    /// The space's quota, as the hub told it last; None where nothing limits it.
    pub fn quota(&self) -> Option<Quota> {
        self.state.quota
    }

    /// What local work does to the space's quota; None where nothing limits it. It takes as long as there are nodes that
    /// pending ops are about.
    pub fn quota_standing(&self) -> Option<QuotaStanding> {
        let dirty = self.dirty_inodes().into_iter();
        Some(QuotaStanding {
            told: self.state.quota?,
            pending: pending_growth(&self.store, self.state.slot),
            uncaptured: dirty.filter_map(|ino| self.uncaptured(ino)).collect(),
        })
    }

    fn uncaptured(&self, ino: Ino) -> Option<Uncaptured> {
        let inode = self.inode(ino).filter(|inode| !inode.node.is_unshared())?;
        let attributes = self.attributes(ino)?;
        // What its node has now is somebody else's content, or its last.
        let row = Some(attributes.row).filter(|_| !attributes.detached);
        let known_bytes = row.and_then(|row| Some(row.manifest()?.length)).unwrap_or(0);
        Some(Uncaptured { file: inode.backing?.file, known_bytes })
    }
}

fn pending_growth(kv: &impl Kv, slot: Slot) -> i128 {
    let prefix = [&slot.base()[..], &RowKey::nodes()].concat();
    let growth = kv.scan_prefix(&prefix).filter_map(|(kept_key, value)| {
        let key = &kept_key[2..];
        // What is not shared is on this machine alone.
        let Ok(Row::Node(node)) = decode_row_key(key) else { return None };
        let length = |row: Option<Vec<u8>>| i128::from(row.map_or(0, |row| length_of(&row)));
        let now = kv.get(&[&slot.view(), key].concat());
        (!node.is_unshared()).then(|| length(now) - length(kept(&value)))
    });
    growth.sum()
}

fn length_of(row: &[u8]) -> u64 {
    let node: Node = decode("node row", row).expect("rows of ours decode");
    node.manifest().map_or(0, |manifest| manifest.length)
}

impl<S: Store> Work<'_, S> {
    /// Every welcome tells it once more: what is known already is neither written nor passed on.
    pub fn save_quota(&mut self, quota: Option<Quota>) {
        if quota == self.state.quota {
            return;
        }
        self.txn.set(keys::meta("quota"), quota.as_ref().map(encode));
        self.state.quota = quota;
        self.effects.outputs.push(SessionOutput::Quota);
    }
}
