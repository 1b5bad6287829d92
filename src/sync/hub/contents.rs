//! Contents that a space has had, node by node, and which of them a rule keeps.
//!
//! A rule looks at a node's versions from the newest to the oldest, a removal among them, and keeps the first few or
//! those that were current a short while ago. So what it lets go of is all that is older than some version, and one
//! row per node says up to which version contents are given up. That row only grows; names and all else in history
//! stay as they are.
//!
//! Invariant: the content of the tree, what an open conflict is about, and every version above that row are needed,
//! and missing content of theirs is damage. Memory is one line of history.
//! Nothing is removed here, and leases are looked at by whoever removes.

use super::HubSync;
use super::keys::read;
use super::records::HistoryRow;
use crate::model::{Manifest, NodeId, Timestamp, Version};
use crate::ops::Tree;
use crate::sync::{Kv, Pair, Txn};
use crate::wire::{HistoryOperation, Row, decode, decode_row_key, encode};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Which contents of history are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Keep {
    All,
    /// Those that were current within this time.
    For(Duration),
    /// Those of the newest versions of each node. A removal is a version without content.
    Versions(u32),
}

/// Whether a content has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    Needed,
    /// The rule lets go of it.
    Surplus,
    /// An earlier rule let go of it.
    GivenUp,
    /// An earlier rule let go of it, and an open conflict still holds on to what there is of it.
    Held,
}

/// The content of one version of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    pub node: NodeId,
    pub version: Version,
    /// Where the node stood when it got the content.
    pub path: Vec<u8>,
    pub manifest: Manifest,
    pub standing: Standing,
}

/// A node's history, being walked.
struct Line {
    node: NodeId,
    given_up: Option<Version>,
    version: Version,
    /// Versions that are newer.
    rank: u32,
    /// When the version that followed came; None for the newest.
    replaced: Option<Timestamp>,
    /// The time of the last row.
    time: Timestamp,
}

struct Walk<'a, K: Kv + ?Sized> {
    hub: HubSync,
    kv: &'a K,
    rows: Box<dyn Iterator<Item = Pair> + 'a>,
    keep: Keep,
    now: Timestamp,
    /// Versions that open conflicts are about.
    held: BTreeSet<(NodeId, Version)>,
    line: Option<Line>,
}

impl HubSync {
    /// All contents in history, those of one node together, newest first.
    pub fn contents<'a, K: Kv + ?Sized>(
        &self,
        kv: &'a K,
        keep: Keep,
        now: Timestamp,
    ) -> impl Iterator<Item = Content> + use<'a, K> {
        let held = self.with_tree(kv, |tree| {
            let versions = tree.conflicts().flat_map(|row| {
                let conflict = row.conflict;
                let versions = [Some(conflict.remote), conflict.base];
                versions.into_iter().flatten().map(move |version| (conflict.node, version))
            });
            versions.collect()
        });
        let rows = kv.scan_prefix(&self.keys().histories());
        Walk { hub: *self, kv, rows, keep, now, held, line: None }
    }

    /// The contents of the tree.
    pub fn tree_contents<'a, K: Kv + ?Sized>(
        &self,
        kv: &'a K,
    ) -> impl Iterator<Item = (NodeId, Version, Manifest)> + use<'a, K> {
        let rows = self.tree_rows_tagged(kv, crate::wire::RowKey::nodes());
        rows.filter_map(|(key, value)| {
            let Ok(Row::Node(id)) = decode_row_key(&key) else { return None };
            let node: crate::model::Node = decode("node row", &value).ok()?;
            Some((id, node.version, node.manifest()?.clone()))
        })
    }

    /// Notes that contents of a node up to this version need not be there any more.
    pub fn give_up<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, node: NodeId, upto: Version) {
        if self.given_up(txn, node).is_none_or(|before| before < upto) {
            txn.put(self.keys().given_up(node), encode(&upto));
        }
    }

    /// Up to which version the contents of a node are given up.
    pub fn given_up<K: Kv + ?Sized>(&self, kv: &K, node: NodeId) -> Option<Version> {
        read(kv, &self.keys().given_up(node))
    }

    /// When a node vanished into another, in a save by rename.
    fn vanished_at<K: Kv + ?Sized>(&self, kv: &K, node: NodeId) -> Option<Timestamp> {
        let successor = self.with_tree(kv, |tree| tree.tombstone(node))?.successor?;
        let rows = kv.scan_prefix(&self.keys().history_of(successor.node));
        let mut rows = rows.filter_map(|(_, value)| decode::<HistoryRow>("history row", &value).ok());
        rows.find(|row| row.manifest.is_some() && row.version <= successor.version).map(|row| row.time)
    }
}

impl<K: Kv + ?Sized> Walk<'_, K> {
    fn begin(&self, node: NodeId, row: &HistoryRow) -> Line {
        let given_up = self.hub.given_up(self.kv, node);
        let lives = self.hub.with_tree(self.kv, |tree| tree.node(node).is_some());
        // The last version of a node that vanished is its successor's; it is in no line of its own.
        let vanished = !lives && row.operation != HistoryOperation::Removed;
        let replaced = vanished.then(|| self.hub.vanished_at(self.kv, node).unwrap_or(row.time));
        Line { node, given_up, version: row.version, rank: u32::from(vanished), replaced, time: row.time }
    }

    fn standing(&self, line: &Line) -> Standing {
        let held = self.held.contains(&(line.node, line.version));
        match (line.given_up.is_some_and(|given_up| line.version <= given_up), held) {
            (true, true) => Standing::Held,
            (true, false) => Standing::GivenUp,
            (false, true) => Standing::Needed,
            (false, false) if self.keeps(line) => Standing::Needed,
            (false, false) => Standing::Surplus,
        }
    }

    fn keeps(&self, line: &Line) -> bool {
        match (self.keep, line.replaced) {
            (Keep::All, _) => true,
            (Keep::Versions(versions), _) => line.rank < versions.max(1),
            (Keep::For(_), None) => true,
            (Keep::For(time), Some(replaced)) => {
                let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
                replaced.seconds.saturating_add(seconds) > self.now.seconds
            }
        }
    }
}

impl<K: Kv + ?Sized> Iterator for Walk<'_, K> {
    type Item = Content;

    fn next(&mut self) -> Option<Content> {
        loop {
            let (key, value) = self.rows.next()?;
            let node = self.hub.keys().history_node(&key);
            let row: HistoryRow = decode("history row", &value).expect("rows of ours decode");
            let mut line = match self.line.take().filter(|line| line.node == node) {
                Some(line) => line,
                None => self.begin(node, &row),
            };
            if line.version != row.version {
                (line.version, line.rank, line.replaced) = (row.version, line.rank + 1, Some(line.time));
            }
            line.time = row.time;
            let standing = self.standing(&line);
            self.line = Some(line);
            if let Some(manifest) = row.manifest {
                return Some(Content { node, version: row.version, path: row.path, manifest, standing });
            }
        }
    }
}
