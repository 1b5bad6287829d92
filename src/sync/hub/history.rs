//! History, looked up: the lines of a node, or of all nodes that stood at a path.

use super::HubSync;
use super::keys::{path_hash, read, split_place, split_sequence};
use super::records::{HistoryRow, MemberRow};
use crate::model::{MemberName, MemberNumber, Name, NodeId, Sequence};
use crate::ops::{Tree, resolve_successor};
use crate::sync::Kv;
use crate::sync::kv::prefix_end;
use crate::wire::{
    HISTORY_RECORDS_MAX, HOLDERS_MAX, HistoryOf, HistoryPage, HistoryRecord, Holder, HolderPage, OpPlace,
    decode,
};
use std::collections::{BTreeMap, BTreeSet};

/// Lines of one answer, in bytes; with one line more it stays below a frame.
const PAGE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// A node whose lines belong to the answer, up to a place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    node: NodeId,
    /// Later lines belong to another path.
    newest: OpPlace,
}

/// A line as it is kept.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub at: OpPlace,
    pub node: NodeId,
    pub row: HistoryRow,
}

impl Line {
    fn bytes(&self) -> usize {
        const EXTENT_BYTES: usize = 40;
        let extents = self.row.manifest.as_ref().map_or(0, |manifest| manifest.extents().len());
        self.row.path.len() + self.row.from.as_ref().map_or(0, Vec::len) + extents * EXTENT_BYTES
    }
}

impl HubSync {
    /// Lines of ops before `before`, newest first. A page ends only between two ops.
    pub fn log_of<K: Kv + ?Sized>(
        &self,
        kv: &K,
        of: &HistoryOf,
        before: Option<OpPlace>,
        limit: u32,
    ) -> HistoryPage {
        let newest = match before.map(place_before) {
            None => whole(Sequence(u64::MAX)),
            Some(None) => return HistoryPage::default(),
            Some(Some(newest)) => newest,
        };
        let limit = limit.clamp(1, HISTORY_RECORDS_MAX) as usize;
        let lines = match of {
            HistoryOf::Node(node) => {
                let source = Source { node: *node, newest: whole(Sequence(u64::MAX)) };
                self.lines_of_all(kv, vec![source], newest, limit)
            }
            HistoryOf::Path(path) => self.lines_of_all(kv, self.sources(kv, path), newest, limit),
            HistoryOf::Space => self.lines_before(kv, newest, limit),
        };
        self.page(kv, lines, limit)
    }

    /// Nodes that stood at a path, the one there now first and then by the last change each had there, before `before`.
    pub fn holders_of<K: Kv + ?Sized>(&self, kv: &K, path: &[u8], before: Option<Sequence>) -> HolderPage {
        let live = self.with_tree(kv, |tree| node_at(tree, path));
        let mut known: BTreeSet<NodeId> = live.into_iter().collect();
        let now = live.filter(|_| before.is_none()).map(|node| Holder { node, until: None, successor: None });
        let mut page = HolderPage { holders: now.into_iter().collect(), more: false };
        for (left, node) in self.stood_at(kv, path) {
            if !known.insert(node) || before.is_some_and(|before| left >= before) {
                continue;
            }
            let ended = page.holders.last().is_some_and(|last| last.until.is_some_and(|until| until != left));
            if ended && page.holders.len() >= HOLDERS_MAX {
                page.more = true;
                break;
            }
            let gone = self.with_tree(kv, |tree| tree.tombstone(node).filter(|_| tree.node(node).is_none()));
            let successor = gone.and_then(|tombstone| tombstone.successor);
            page.holders.push(Holder { node, until: Some(left), successor });
        }
        page
    }

    /// All of a node's lines, or of what took over its content where it vanished.
    fn source<K: Kv + ?Sized>(&self, kv: &K, node: NodeId) -> Source {
        let is_live = self.with_tree(kv, |tree| tree.node(node).is_some());
        let today = || self.with_tree(kv, |tree| resolve_successor(tree, node));
        Source { node: if is_live { node } else { today() }, newest: whole(Sequence(u64::MAX)) }
    }

    /// Which nodes stood at a path, and when; newest first, so that the first of a node is its last day there.
    fn stood_at<'a, K: Kv + ?Sized>(
        &self,
        kv: &'a K,
        path: &[u8],
    ) -> impl Iterator<Item = (Sequence, NodeId)> + use<'a, K> {
        let prefix = self.keys().path_prefix(path_hash(path));
        kv.scan_prefix(&prefix).filter_map(move |(key, _)| {
            let (left, node) = split_sequence(&key, prefix.len());
            node.try_into().ok().map(|node| (left, NodeId::from_bytes(node)))
        })
    }

    /// All that stand or stood at a path, and what became of those that vanished in a save.
    fn sources<K: Kv + ?Sized>(&self, kv: &K, path: &[u8]) -> Vec<Source> {
        let live = self.with_tree(kv, |tree| node_at(tree, path));
        let mut known: BTreeSet<NodeId> = live.into_iter().collect();
        let mut sources: Vec<Source> =
            live.into_iter().map(|node| Source { node, newest: whole(Sequence(u64::MAX)) }).collect();
        for (left, node) in self.stood_at(kv, path) {
            if known.insert(node) {
                sources.push(Source { node, newest: whole(left) });
                sources.extend(Some(self.source(kv, node)).filter(|today| known.insert(today.node)));
            }
        }
        sources
    }

    /// Lines of all sources up to `newest`, newest first: at least `limit` and one op more, where there are so many.
    fn lines_of_all<K: Kv + ?Sized>(
        &self,
        kv: &K,
        mut sources: Vec<Source>,
        newest: OpPlace,
        limit: usize,
    ) -> Vec<Line> {
        sources.iter_mut().for_each(|source| source.newest = source.newest.min(newest));
        sources.sort_by_key(|source| std::cmp::Reverse(source.newest));
        let mut lines: Vec<Line> = Vec::new();
        for source in sources {
            // Sources come by their newest possible line: the rest can add nothing to a full page.
            if is_beyond(&lines, limit) && lines[limit - 1].at > source.newest {
                break;
            }
            lines.extend(self.lines_of(kv, source, limit));
            lines.sort_by_key(|line| std::cmp::Reverse(line.at));
            if let Some(edge) = lines.get(limit - 1).map(|line| line.at) {
                let beyond = lines.partition_point(|line| line.at >= edge);
                lines.truncate(beyond + 1);
            }
        }
        lines
    }

    fn lines_of<K: Kv + ?Sized>(&self, kv: &K, source: Source, limit: usize) -> Vec<Line> {
        let prefix = self.keys().history_of(source.node);
        let (mut lines, mut bytes): (Vec<Line>, usize) = (Vec::new(), 0);
        for (key, value) in
            kv.scan(&self.keys().history_from(source.node, source.newest), &prefix_end(&prefix))
        {
            // One line more than a page takes, by its number or by its bytes, tells that there is more.
            if is_beyond(&lines, limit) || bytes > PAGE_BYTES_MAX {
                break;
            }
            bytes += lines.last().map_or(0, Line::bytes);
            let row = decode("history row", &value).expect("rows of ours decode");
            lines.push(Line { at: split_place(&key, prefix.len()), node: source.node, row });
        }
        lines
    }

    /// As many of the lines as a page takes; one more than that has to be among them where there are more.
    pub(super) fn page<K: Kv + ?Sized>(&self, kv: &K, lines: Vec<Line>, limit: usize) -> HistoryPage {
        let mut names: BTreeMap<MemberNumber, Option<MemberName>> = BTreeMap::new();
        let mut page = HistoryPage::default();
        let mut bytes = 0;
        for line in lines {
            let op_ends = page.records.last().is_some_and(|last: &HistoryRecord| last.at != line.at);
            if op_ends && (page.records.len() >= limit || bytes > PAGE_BYTES_MAX) {
                page.more = true;
                break;
            }
            let name = names.entry(line.row.member).or_insert_with(|| self.name_of(kv, line.row.member));
            // Every author is a member, and members stay.
            let Some(name) = name.clone() else { continue };
            bytes += line.bytes();
            page.records.push(record(line, name));
        }
        page
    }

    fn name_of<K: Kv + ?Sized>(&self, kv: &K, member: MemberNumber) -> Option<MemberName> {
        read(kv, &self.keys().member(member)).map(|member: MemberRow| member.name)
    }

    /// A line with its author's name.
    pub(super) fn record_of<K: Kv + ?Sized>(&self, kv: &K, line: Line) -> Option<HistoryRecord> {
        let name = self.name_of(kv, line.row.member)?;
        Some(record(line, name))
    }
}

/// The last place of a sequence.
pub(super) fn whole(sequence: Sequence) -> OpPlace {
    OpPlace { sequence, op: u32::MAX }
}

/// The place before another, None before the first.
fn place_before(place: OpPlace) -> Option<OpPlace> {
    match (place.sequence.0, place.op) {
        (_, op @ 1..) => Some(OpPlace { op: op - 1, ..place }),
        (sequence @ 1.., 0) => Some(whole(Sequence(sequence - 1))),
        (0, 0) => None,
    }
}

/// Tells whether the lines, newest first, reach into an op that no page of `limit` lines holds.
pub(super) fn is_beyond(lines: &[Line], limit: usize) -> bool {
    lines.len() > limit && lines.last().is_some_and(|last| last.at != lines[limit - 1].at)
}

fn record(line: Line, name: MemberName) -> HistoryRecord {
    let Line { at, node, row } = line;
    let HistoryRow { operation, path, from, manifest, came_from, version, member, time } = row;
    HistoryRecord { at, node, member, name, time, operation, path, from, manifest, version, came_from }
}

/// The node at a path from the root.
fn node_at(tree: &impl Tree, path: &[u8]) -> Option<NodeId> {
    let names = path.split(|byte| *byte == b'/').filter(|name| !name.is_empty());
    names.map(|name| Name::new(name).ok()).try_fold(NodeId::ROOT, |parent, name| tree.child(parent, &name?))
}
