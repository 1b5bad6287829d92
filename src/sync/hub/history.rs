//! History, looked up: the lines of a node, or of all nodes that stood at a path.

use super::HubSync;
use super::keys::{path_hash, read, split_sequence};
use super::records::{HistoryRow, MemberRow};
use crate::model::{MemberName, MemberNumber, Name, NodeId, Sequence};
use crate::ops::{Tree, resolve_successor};
use crate::sync::Kv;
use crate::sync::kv::prefix_end;
use crate::wire::{HISTORY_RECORDS_MAX, HistoryOf, HistoryPage, HistoryRecord, decode};
use std::collections::BTreeMap;

/// Lines of one answer, in bytes of their paths; well below a frame.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A node whose lines belong to the answer, up to a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holder {
    node: NodeId,
    /// Later lines belong to another place.
    newest: Sequence,
}

impl HubSync {
    /// Lines older than `before`, newest first. A page ends only between two sequences.
    pub fn log_of<K: Kv + ?Sized>(
        &self,
        kv: &K,
        of: &HistoryOf,
        before: Option<Sequence>,
        limit: u32,
    ) -> HistoryPage {
        let newest = match before {
            None => Sequence(u64::MAX),
            Some(Sequence(0)) => return HistoryPage::default(),
            Some(Sequence(before)) => Sequence(before - 1),
        };
        let mut holders = match of {
            HistoryOf::Node(node) => vec![self.holder(kv, *node, Sequence(u64::MAX))],
            HistoryOf::Path(path) => self.holders(kv, path),
        };
        holders.iter_mut().for_each(|holder| holder.newest = holder.newest.min(newest));
        holders.sort_by_key(|holder| std::cmp::Reverse(holder.newest));
        let limit = limit.clamp(1, HISTORY_RECORDS_MAX) as usize;
        let lines = self.newest_lines(kv, &holders, limit);
        self.page(kv, lines, limit)
    }

    fn holder<K: Kv + ?Sized>(&self, kv: &K, node: NodeId, newest: Sequence) -> Holder {
        let node =
            self.with_tree(
                kv,
                |tree| {
                    if tree.node(node).is_some() { node } else { resolve_successor(tree, node) }
                },
            );
        Holder { node, newest }
    }

    /// All that stand or stood at a path, and what became of those that vanished in a save.
    fn holders<K: Kv + ?Sized>(&self, kv: &K, path: &[u8]) -> Vec<Holder> {
        let mut holders: Vec<Holder> = Vec::new();
        let live = self.with_tree(kv, |tree| node_at(tree, path));
        holders.extend(live.map(|node| Holder { node, newest: Sequence(u64::MAX) }));
        let prefix = self.keys().path_prefix(path_hash(path));
        for (key, _) in kv.scan_prefix(&prefix) {
            let (left, node) = split_sequence(&key, prefix.len());
            let Ok(node) = node.try_into().map(NodeId::from_bytes) else { continue };
            // Newest first: the first row of a node is its last day there.
            let successor = self.holder(kv, node, Sequence(u64::MAX));
            let own = Holder { node, newest: left };
            for holder in [own, successor].into_iter().take(if successor.node == node { 1 } else { 2 }) {
                if !holders.iter().any(|known| known.node == holder.node) {
                    holders.push(holder);
                }
            }
        }
        holders
    }

    /// Lines of all holders, newest first: at least `limit` and one sequence more, where there are so many.
    fn newest_lines<K: Kv + ?Sized>(
        &self,
        kv: &K,
        holders: &[Holder],
        limit: usize,
    ) -> Vec<(Sequence, NodeId, HistoryRow)> {
        let mut lines: Vec<(Sequence, NodeId, HistoryRow)> = Vec::new();
        for holder in holders {
            // Holders come by their newest possible line: the rest can add nothing to a full page.
            if is_beyond(&lines, limit) && lines[limit - 1].0 > holder.newest {
                break;
            }
            lines.extend(self.lines_of(kv, *holder, limit));
            lines.sort_by_key(|(sequence, _, _)| std::cmp::Reverse(*sequence));
        }
        lines
    }

    fn lines_of<K: Kv + ?Sized>(
        &self,
        kv: &K,
        holder: Holder,
        limit: usize,
    ) -> Vec<(Sequence, NodeId, HistoryRow)> {
        let prefix = self.keys().history_of(holder.node);
        let mut lines: Vec<(Sequence, NodeId, HistoryRow)> = Vec::new();
        for (key, value) in
            kv.scan(&self.keys().history_from(holder.node, holder.newest), &prefix_end(&prefix))
        {
            if is_beyond(&lines, limit) {
                break;
            }
            let (sequence, _) = split_sequence(&key, prefix.len());
            let row = decode("history row", &value).expect("rows of ours decode");
            lines.push((sequence, holder.node, row));
        }
        lines
    }

    fn page<K: Kv + ?Sized>(
        &self,
        kv: &K,
        lines: Vec<(Sequence, NodeId, HistoryRow)>,
        limit: usize,
    ) -> HistoryPage {
        let mut names: BTreeMap<MemberNumber, Option<MemberName>> = BTreeMap::new();
        let mut page = HistoryPage::default();
        let mut bytes = 0;
        for (sequence, node, row) in lines {
            let sequence_ends =
                page.records.last().is_some_and(|last: &HistoryRecord| last.sequence != sequence);
            if sequence_ends && (page.records.len() >= limit || bytes > PAGE_BYTES_MAX) {
                page.more = true;
                break;
            }
            let name = names.entry(row.member).or_insert_with(|| {
                read(kv, &self.keys().member(row.member)).map(|member: MemberRow| member.name)
            });
            // Every author is a member, and members stay.
            let Some(name) = name.clone() else { continue };
            bytes += row.path.len() + row.from.as_ref().map_or(0, Vec::len);
            page.records.push(record(sequence, node, name, row));
        }
        page
    }
}

/// Tells whether the lines, newest first, reach into a sequence that no page of `limit` lines holds.
fn is_beyond(lines: &[(Sequence, NodeId, HistoryRow)], limit: usize) -> bool {
    lines.len() > limit && lines.last().is_some_and(|last| last.0 < lines[limit - 1].0)
}

fn record(sequence: Sequence, node: NodeId, name: MemberName, row: HistoryRow) -> HistoryRecord {
    let HistoryRow { operation, path, from, md5, length, version, member, time } = row;
    HistoryRecord { sequence, node, member, name, time, operation, path, from, md5, length, version }
}

/// The node at a path from the root.
fn node_at(tree: &impl Tree, path: &[u8]) -> Option<NodeId> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names.map(|name| Name::new(name).ok()).try_fold(NodeId::ROOT, |parent, name| tree.child(parent, &name?))
}
