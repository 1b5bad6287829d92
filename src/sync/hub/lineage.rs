//! What a commit's ops mean for the history of nodes, taken down while they are applied.
//!
//! Paths are written down as they read at that moment, so that a later rename of a directory changes no line.
//! A save by rename is one line, the new version of the file that was saved: the line of the newcomer whose
//! content it took, and of the move aside, where there was one, are taken out again.

use super::HubSync;
use super::keys::path_hash;
use super::records::HistoryRow;
use crate::model::{Manifest, Name, Node, NodeId, Place, Tombstone, Version};
use crate::ops::{Change, Move, Op, Origin, Tree, Verb};
use crate::sync::{Kv, Txn};
use crate::wire::{HistoryOperation, LogEntry, decode, encode};
use std::collections::HashMap;

/// Longer paths are cut at the front; no system call takes them either.
const PATH_BYTES_MAX: usize = 4_096;

/// History in the making.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    events: Vec<Event>,
    /// Paths of directories, cut as all paths here, as long as none of them moves.
    directories: HashMap<NodeId, Vec<u8>>,
}

#[derive(Debug)]
struct Event {
    op: u32,
    node: NodeId,
    operation: HistoryOperation,
    path: Vec<u8>,
    from: Option<Vec<u8>>,
    came_from: Option<Origin>,
    content: Content,
    save: Option<Save>,
}

/// A node's content as an op left it.
#[derive(Clone, Debug, Default)]
struct Content {
    version: Version,
    manifest: Option<Manifest>,
}

impl From<&Node> for Content {
    fn from(node: &Node) -> Content {
        Content { version: node.version, manifest: node.manifest().cloned() }
    }
}

/// A save by rename: the newcomer whose content was taken, and whether the file had been moved aside for it.
#[derive(Clone, Copy, Debug)]
struct Save {
    newcomer: NodeId,
    moved_aside: bool,
}

impl Lineage {
    /// Takes down what `changes` mean, which `op` makes on `tree`; they are not written there yet.
    pub fn note(&mut self, tree: &impl Tree, op_index: u32, op: &Op, changes: &[Change]) {
        let came_from = op.verb.came_from();
        let mut notes = Notes { tree, op: op_index, changes, came_from, lineage: self };
        let node = op.verb.node();
        match &op.verb {
            Verb::Make(make) => {
                notes.at_place(node, with_content(HistoryOperation::Made, came_from), &make.place)
            }
            Verb::Put(_) => notes.in_place(node, with_content(HistoryOperation::Changed, came_from)),
            Verb::SetMeta(_) => notes.in_place(node, HistoryOperation::Attributes),
            Verb::Link(link) => notes.at_place(node, HistoryOperation::Linked, &link.place),
            Verb::Move(step) => notes.moved(step),
            Verb::Drop(drop) => notes.dropped(node, &drop.place),
            Verb::Record(_) if tree.node(node).is_some() => notes.in_place(node, HistoryOperation::Conflict),
            Verb::Settle { .. } | Verb::Record(_) => {}
        }
        let directory_moved = matches!(op.verb, Verb::Move(_) | Verb::Drop(_))
            && changes.iter().any(|change| {
                matches!(change, Change::Name { was, now, .. }
                    if [was, now].into_iter().flatten().any(|id| tree.node(*id).is_some_and(|n| n.is_directory())))
            });
        if directory_moved {
            self.directories.clear();
        }
    }

    fn path_of_place(&mut self, tree: &impl Tree, place: &Place) -> Vec<u8> {
        let parent = match self.directories.get(&place.parent) {
            Some(known) => known.clone(),
            None => {
                let path = self.path_of_directory(tree, place.parent);
                self.directories.insert(place.parent, path.clone());
                path
            }
        };
        joined(parent, &place.name)
    }

    /// Climbs no further than to a directory whose path is known, and never beyond what would be cut off anyway:
    /// nothing bounds how deep directories are nested.
    fn path_of_directory(&self, tree: &impl Tree, directory: NodeId) -> Vec<u8> {
        let (mut at, mut bytes, mut names) = (directory, 0, Vec::new());
        let mut path = loop {
            if let Some(known) = self.directories.get(&at) {
                break known.clone();
            }
            let above = tree.places(at).into_iter().next().filter(|_| bytes < PATH_BYTES_MAX);
            let Some(Place { parent, name }) = above else { break Vec::new() };
            bytes += name.as_bytes().len() + 1;
            names.push(name);
            at = parent;
        };
        while let Some(name) = names.pop() {
            path = joined(path, &name);
        }
        path
    }
}

/// What is said of an op that brings content, given what that was made of.
fn with_content(written: HistoryOperation, came_from: Option<Origin>) -> HistoryOperation {
    match came_from {
        None => written,
        Some(Origin::Merged(_)) => HistoryOperation::Merged,
        Some(Origin::Restored(_)) => HistoryOperation::Restored,
    }
}

fn brings_content(operation: HistoryOperation) -> bool {
    use HistoryOperation::{Changed, Made, Merged, Restored};
    matches!(operation, Made | Changed | Merged | Restored)
}

fn joined(mut path: Vec<u8>, name: &Name) -> Vec<u8> {
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(name.as_bytes());
    let skip = path.len().saturating_sub(PATH_BYTES_MAX);
    path.drain(..skip);
    path
}

/// One op on its way into a [`Lineage`].
struct Notes<'a, T: Tree> {
    tree: &'a T,
    op: u32,
    changes: &'a [Change],
    came_from: Option<Origin>,
    lineage: &'a mut Lineage,
}

impl<T: Tree> Notes<'_, T> {
    fn path(&mut self, place: &Place) -> Vec<u8> {
        self.lineage.path_of_place(self.tree, place)
    }

    fn push(&mut self, node: NodeId, operation: HistoryOperation, path: Vec<u8>, from: Option<Vec<u8>>) {
        let mut content = self.content_after(node);
        if !brings_content(operation) {
            content.manifest = None;
        }
        let (op, came_from, save) = (self.op, self.came_from, None);
        self.lineage.events.push(Event { op, node, operation, path, from, came_from, content, save });
    }

    /// The content as the changes leave it; a removed node's as its tombstone has it.
    fn content_after(&self, node: NodeId) -> Content {
        let changed = self.changes.iter().rev().find_map(|change| match change {
            Change::Node(id, Some(state)) if *id == node => Some(Content::from(state)),
            Change::Tombstone(id, Some(tombstone)) if *id == node => Some(Content::from(&tombstone.node)),
            _ => None,
        });
        let before = || self.tree.node(node).map(|state| Content::from(&state));
        changed.or_else(before).unwrap_or_default()
    }

    fn at_place(&mut self, node: NodeId, operation: HistoryOperation, place: &Place) {
        let path = self.path(place);
        self.push(node, operation, path, None);
    }

    fn in_place(&mut self, node: NodeId, operation: HistoryOperation) {
        let place = self.tree.places(node).into_iter().next();
        let path = place.map_or(Vec::new(), |place| self.path(&place));
        self.push(node, operation, path, None);
    }

    /// The node that vanished into another, and its tombstone.
    fn succession(&self) -> Option<(NodeId, &Tombstone)> {
        self.changes.iter().find_map(|change| match change {
            Change::Tombstone(id, Some(tombstone)) if tombstone.successor.is_some() => Some((*id, tombstone)),
            _ => None,
        })
    }

    fn saved(&mut self, survivor: NodeId, place: &Place, save: Save) {
        self.at_place(survivor, HistoryOperation::Changed, place);
        if let Some(event) = self.lineage.events.last_mut() {
            event.save = Some(save);
        }
    }

    fn moved(&mut self, step: &Move) {
        let replaced = step.replaces.map(|replaced| replaced.node);
        if let (Some((newcomer, _)), Some(survivor)) = (self.succession(), replaced) {
            return self.saved(survivor, &step.to, Save { newcomer, moved_aside: false });
        }
        let (from, to) = (self.path(&step.from), self.path(&step.to));
        match replaced {
            Some(other) if step.exchange => {
                self.push(other, HistoryOperation::Renamed, from.clone(), Some(to.clone()));
            }
            Some(other) => self.push(other, HistoryOperation::Removed, to.clone(), None),
            None => {}
        }
        self.push(step.node, HistoryOperation::Renamed, to, Some(from));
    }

    fn dropped(&mut self, node: NodeId, place: &Place) {
        match self.succession().map(|(newcomer, tombstone)| (newcomer, tombstone.place.clone())) {
            Some((newcomer, saved_at)) => {
                self.saved(node, &saved_at, Save { newcomer, moved_aside: true });
            }
            None => self.at_place(node, HistoryOperation::Removed, place),
        }
    }
}

impl HubSync {
    pub(super) fn write_history<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, lineage: Lineage, entry: &LogEntry) {
        for event in lineage.events {
            if let Some(save) = event.save {
                self.forget_halves(txn, event.node, save);
            }
            for path in [Some(&event.path), event.from.as_ref()].into_iter().flatten() {
                txn.put(self.keys().path(path_hash(path), entry.sequence, event.node), Vec::new());
            }
            let row = HistoryRow {
                operation: event.operation,
                manifest: event.content.manifest,
                came_from: event.came_from,
                version: event.content.version,
                member: entry.member,
                time: entry.time,
                path: event.path,
                from: event.from,
            };
            txn.put(self.keys().history(event.node, entry.sequence, event.op), encode(&row));
        }
    }

    /// Takes out the lines that a save by rename makes up for: the newcomer's last content, and the move aside.
    fn forget_halves<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, survivor: NodeId, save: Save) {
        use HistoryOperation::{Attributes, Renamed};
        let mut halves = self.newest_until(txn, save.newcomer, brings_content);
        if save.moved_aside {
            let aside = self.newest_until(txn, survivor, |operation| operation != Attributes);
            let is_aside = aside.last().is_some_and(|(_, operation)| *operation == Renamed);
            halves.extend(aside.into_iter().filter(|_| is_aside));
        }
        halves.into_iter().for_each(|(key, _)| txn.remove(key));
    }

    /// Keys of a node's newest lines, up to and with the first one that `is_last` picks.
    fn newest_until<K: Kv + ?Sized>(
        &self,
        kv: &K,
        node: NodeId,
        is_last: impl Fn(HistoryOperation) -> bool,
    ) -> Vec<(Vec<u8>, HistoryOperation)> {
        let mut lines = Vec::new();
        for (key, value) in kv.scan_prefix(&self.keys().history_of(node)) {
            let row: HistoryRow = decode("history row", &value).expect("rows of ours decode");
            lines.push((key, row.operation));
            if is_last(row.operation) {
                break;
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Body, MemberNumber, Timestamp, Xattrs};
    use crate::ops::{Make, MemoryTree, TreeMut, apply};

    fn make_directory(counter: u64, parent: NodeId, name: &[u8]) -> Op {
        let verb = Verb::Make(Make {
            node: NodeId { member: MemberNumber(1), counter },
            place: Place { parent, name: Name::new(name).unwrap() },
            body: Body::Directory,
            mode: 0o755,
            owner: None,
            mtime: Timestamp::default(),
            xattrs: Xattrs::new(),
            came_from: None,
            conflict: None,
        });
        Op { time: Timestamp::default(), verb }
    }

    #[test]
    fn paths_of_directories_nested_without_end_are_cut_and_take_no_more_memory_than_that() {
        const DEPTH: u64 = 600;
        let mut tree = MemoryTree::default();
        let mut lineage = Lineage::default();
        let mut parent = NodeId::ROOT;
        for counter in 2..DEPTH {
            // A name of another length now and then, so that the cut falls inside of names and beside them.
            let name = vec![b'a' + (counter % 26) as u8; if counter % 7 == 0 { 1 } else { 255 }];
            let op = make_directory(counter, parent, &name);
            let changes = apply(&tree, MemberNumber(1), &op).unwrap();
            lineage.note(&tree, 0, &op, &changes);
            tree.write(changes);
            parent = op.verb.node();
            let names = crate::ops::path_of(&tree, parent).unwrap();
            let whole = names.iter().map(|name| name.as_bytes()).collect::<Vec<_>>().join(&b'/');
            let cut = &whole[whole.len().saturating_sub(PATH_BYTES_MAX)..];
            assert_eq!(lineage.events.last().map(|event| event.path.as_slice()), Some(cut));
            // So it is where nothing is known yet.
            let place = tree.places(parent).pop().unwrap();
            assert_eq!(Lineage::default().path_of_place(&tree, &place), cut);
        }
        assert!(lineage.directories.values().all(|path| path.len() <= PATH_BYTES_MAX));
        assert_eq!(lineage.directories.len() as u64, DEPTH - 2);
    }
}
