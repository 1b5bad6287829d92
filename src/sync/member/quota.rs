//! What local work adds to the space, beside what the hub counts.

use super::base::kept;
use super::keys::Slot;
use super::session::SessionOutput;
use super::state::{Replica, Work};
use crate::model::{Node, Quota};
use crate::sync::kv::{Kv, Store};
use crate::wire::{Row, RowKey, decode, decode_row_key, encode};

impl<S: Store> Replica<S> {
    /// The space's quota, as the hub told it last; None where nothing limits it.
    pub fn quota(&self) -> Option<Quota> {
        self.state.quota
    }

    /// By how many bytes pending ops change what the files of the space come to. It takes as long as there are nodes
    /// that they are about.
    pub fn pending_growth(&self) -> i64 {
        pending_growth(&self.store, self.state.slot)
    }
}

fn pending_growth(kv: &impl Kv, slot: Slot) -> i64 {
    let prefix = [&slot.base()[..], &RowKey::nodes()].concat();
    let growth = kv.scan_prefix(&prefix).filter_map(|(kept_key, value)| {
        let key = &kept_key[2..];
        // What is not shared is on this machine alone.
        let Ok(Row::Node(node)) = decode_row_key(key) else { return None };
        let length = |row: Option<Vec<u8>>| row.map_or(0, |row| length_of(&row)) as i64;
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
    pub fn save_quota(&mut self, quota: Option<Quota>) {
        self.txn.set(super::keys::meta("quota"), quota.as_ref().map(encode));
        self.state.quota = quota;
        self.effects.outputs.push(SessionOutput::Quota(quota));
    }
}
