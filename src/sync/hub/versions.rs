//! One version of a node, found by its number.
//!
//! A node's versions never go down in the log, so the line that made one is found in few steps, however long its history
//! is.

use super::HubSync;
use super::history::Line;
use super::keys::split_place;
use super::records::HistoryRow;
use crate::model::{NodeId, Sequence, Version};
use crate::ops::Tree;
use crate::sync::Kv;
use crate::sync::kv::prefix_end;
use crate::wire::{HistoryOperation, HistoryRecord, OpPlace, decode};

impl HubSync {
    /// The line that made a version of a node. Where the node vanished into another, which took over that version, it is
    /// the other's line.
    pub fn version_of<K: Kv + ?Sized>(
        &self,
        kv: &K,
        node: NodeId,
        version: Version,
    ) -> Option<HistoryRecord> {
        let (mut node, mut version) = (node, version);
        // Invariant: a chain of successors is as short as the saves that made it, and never closes.
        loop {
            if let Some(line) = self.line_of(kv, node, version) {
                return self.record_of(kv, line);
            }
            let gone = self.with_tree(kv, |tree| tree.tombstone(node).filter(|_| tree.node(node).is_none()));
            let gone =
                gone.filter(|gone| gone.node.version == version || gone.node.version == version.next());
            let successor = gone?.successor?;
            (node, version) = (successor.node, successor.version);
        }
    }

    fn line_of<K: Kv + ?Sized>(&self, kv: &K, node: NodeId, version: Version) -> Option<Line> {
        let (mut low, mut high) = (0, self.head(kv)?.0);
        // Invariant: before `low` the version is lower; at `high` it is not, if it ever was.
        while low < high {
            let middle = low + (high - low) / 2;
            let there = self.newest_line(kv, node, Sequence(middle));
            if there.is_some_and(|line| line.row.version >= version) {
                high = middle
            } else {
                low = middle + 1
            }
        }
        let made =
            self.lines_at(kv, node, Sequence(low)).into_iter().filter(|line| line.row.version == version);
        // The removal of one name of several leaves the version as it was.
        made.min_by_key(|line| (line.row.operation == HistoryOperation::Removed, line.at))
            .filter(|line| line.row.manifest.is_some() || line.row.operation == HistoryOperation::Removed)
    }

    fn newest_line<K: Kv + ?Sized>(&self, kv: &K, node: NodeId, upto: Sequence) -> Option<Line> {
        self.lines_from(kv, node, upto).next()
    }

    fn lines_at<K: Kv + ?Sized>(&self, kv: &K, node: NodeId, at: Sequence) -> Vec<Line> {
        self.lines_from(kv, node, at).take_while(|line| line.at.sequence == at).collect()
    }

    /// A node's lines not newer than a sequence, newest first.
    fn lines_from<'a, K: Kv + ?Sized>(
        &self,
        kv: &'a K,
        node: NodeId,
        upto: Sequence,
    ) -> impl Iterator<Item = Line> + use<'a, K> {
        let prefix = self.keys().history_of(node);
        let from = self.keys().history_from(node, OpPlace { sequence: upto, op: u32::MAX });
        kv.scan(&from, &prefix_end(&prefix)).map(move |(key, value)| {
            let row: HistoryRow = decode("history row", &value).expect("rows of ours decode");
            Line { at: split_place(&key, prefix.len()), node, row }
        })
    }
}
