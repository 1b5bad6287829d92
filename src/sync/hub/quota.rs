//! A space's quota: how much its files may come to, and what they come to now.
//!
//! What files come to is counted once, when a quota is set, and from then on every accepted commit adds what its ops
//! changed. A space without a quota has no row and counts nothing.
//!
//! Invariant: where there is a row, what it counts is the sum of the lengths of the tree's files.
//! No commit is refused or held for a quota: members refuse to write, by what they were told last. What was done offline
//! or at the same moment as others' work is taken though it goes over the limit, since nobody's file may get stuck.

use super::HubSync;
use super::keys::read;
use crate::model::{NodeId, Quota};
use crate::ops::{Change, Tree};
use crate::sync::{Kv, Txn};
use crate::wire::encode;
use serde::{Deserialize, Serialize};

/// What is kept of a space that has a quota.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct QuotaRow {
    pub limit_bytes: u64,
    /// Three sparse files can come to more than 64 bits hold, and have to be subtracted again as they were added.
    pub used_bytes: u128,
}

/// A quota counts other than what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the quota counts {counted} bytes where the files come to {bytes}; setting it anew counts anew")]
pub struct QuotaFault {
    pub counted: u128,
    pub bytes: u128,
}

/// How much more, in bytes, the files of `tree` come to with `changes`, which are not written there yet.
pub(super) fn growth(tree: &impl Tree, changes: &[Change]) -> i128 {
    let of_nodes = |change: &Change| match change {
        Change::Node(id, node) => {
            Some((*id, node.as_ref().and_then(|node| node.manifest()).map_or(0, |manifest| manifest.length)))
        }
        _ => None,
    };
    let nodes: Vec<(NodeId, u64)> = changes.iter().filter_map(of_nodes).collect();
    // Where a node changes twice, the last change counts.
    let last =
        nodes.iter().enumerate().filter(|(at, (id, _))| nodes[at + 1..].iter().all(|(other, _)| other != id));
    last.map(|(_, (id, after))| {
        let before = tree.node(*id).and_then(|node| node.manifest().map(|manifest| manifest.length));
        i128::from(*after) - i128::from(before.unwrap_or(0))
    })
    .sum()
}

impl HubSync {
    /// Sets what the files of this space may come to, in bytes, and counts what they come to now; None is no limit.
    pub fn set_quota<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, limit_bytes: Option<u64>) {
        let row = limit_bytes.map(|limit_bytes| QuotaRow { limit_bytes, used_bytes: self.file_bytes(txn) });
        txn.set(self.keys().quota(), row.as_ref().map(encode));
    }

    /// The space's quota; None where nothing limits it.
    pub fn quota<K: Kv + ?Sized>(&self, kv: &K) -> Option<Quota> {
        let QuotaRow { limit_bytes, used_bytes } = self.quota_row(kv)?;
        Some(Quota { limit_bytes, used_bytes: u64::try_from(used_bytes).unwrap_or(u64::MAX) })
    }

    /// What is wrong with the quota's count, if there is a quota.
    pub fn check_quota<K: Kv + ?Sized>(&self, kv: &K) -> Option<QuotaFault> {
        let counted = self.quota_row(kv)?.used_bytes;
        let bytes = self.file_bytes(kv);
        (counted != bytes).then_some(QuotaFault { counted, bytes })
    }

    pub(super) fn has_quota<K: Kv + ?Sized>(&self, kv: &K) -> bool {
        kv.get(&self.keys().quota()).is_some()
    }

    /// Counts what an accepted commit has changed; where there is no quota, nothing.
    pub(super) fn count_growth<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, growth: i128) {
        if growth == 0 {
            return;
        }
        if let Some(row) = self.quota_row(txn) {
            let used_bytes = row.used_bytes.saturating_add_signed(growth);
            txn.put(self.keys().quota(), encode(&QuotaRow { used_bytes, ..row }));
        }
    }

    fn quota_row<K: Kv + ?Sized>(&self, kv: &K) -> Option<QuotaRow> {
        read(kv, &self.keys().quota())
    }

    /// What the tree's files come to.
    fn file_bytes<K: Kv + ?Sized>(&self, kv: &K) -> u128 {
        self.tree_contents(kv).map(|(_, _, manifest)| u128::from(manifest.length)).sum()
    }
}
