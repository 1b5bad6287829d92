//! What one member did, noted while the log is applied: for each node the names, the content and the attributes as they
//! were before and after, by the changes that the member's ops made.
//!
//! Invariant: ops of others are not noted. Whether a member's change is the last one shows when what it left is
//! compared with what is there.

use super::tree::{PastError, PastTree, TREE};
use crate::model::{Manifest, MemberNumber, Node, NodeId, Place, Timestamp, Version};
use crate::ops::{Change, Tree, TreeMut};
use crate::sync::kv::{Durability, Kv, Store, Txn, WriteError};
use crate::sync::rows::{RowTree, RowTreeMut};
use crate::wire::{LogEntry, decode, encode};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Where the notes stand in the past tree's store.
const NOTES: &[u8] = b"D";
/// Of a file that the member and others have changed in turns, so many of the member's changes are kept.
const CONTENTS_MAX: usize = 64;

/// Deeper than any path that a program can name.
const DEPTH_MAX: usize = 4_096;

/// A value before and after a member's last change of it, with no one else's change between.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Changed<T> {
    pub before: T,
    pub after: T,
}

/// A content and the version that it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    pub version: Version,
    pub manifest: Manifest,
}

/// What a member did to one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Note {
    /// All names, in order; none where the node did not exist.
    pub places: Option<Changed<Vec<Place>>>,
    /// One for each stretch that others' changes interrupt, the oldest first. None before is a file that was made.
    pub contents: Vec<Changed<Option<Content>>>,
    pub mode: Option<Changed<u16>>,
    pub uid: Option<Changed<u32>>,
    pub gid: Option<Changed<u32>>,
    pub mtime: Option<Changed<Timestamp>>,
    pub xattrs: BTreeMap<Vec<u8>, Changed<Option<Vec<u8>>>>,
}

/// Notes of what one member did after the sequence where they began.
#[derive(Debug)]
pub struct Deeds<S> {
    past: PastTree<S>,
    member: MemberNumber,
    /// Nodes whose names changed, in the order of the changes; the last one of each counts.
    pub(super) order: Vec<NodeId>,
}

impl<S: Store> Deeds<S> {
    /// Takes notes of `member` from where `past` stands.
    pub fn new(past: PastTree<S>, member: MemberNumber) -> Deeds<S> {
        Deeds { past, member, order: Vec::new() }
    }

    /// Applies entries and notes what the member did in them.
    ///
    /// # Errors
    /// [`PastError`].
    pub fn apply(&mut self, entries: &[LogEntry]) -> Result<(), PastError> {
        let (member, order) = (self.member, &mut self.order);
        self.past.apply_noting(entries, |txn, author, changes| {
            if author != member {
                return RowTreeMut { txn, prefix: TREE }.write(changes);
            }
            let nodes = nodes_of(&changes);
            let before: Vec<Standing> = nodes.iter().map(|id| Standing::of(txn, *id)).collect();
            RowTreeMut { txn, prefix: TREE }.write(changes);
            for (id, before) in nodes.into_iter().zip(before) {
                let after = Standing::of(txn, id);
                let mut note = read_note(txn, id).unwrap_or_default();
                if note.take(&before, &after) && order.last() != Some(&id) {
                    order.push(id);
                }
                txn.put(note_key(id), encode(&note));
            }
        })
    }

    /// What the member did to a node.
    pub(super) fn note(&self, id: NodeId) -> Option<Note> {
        read_note(self.past.store(), id)
    }

    /// All nodes that the member changed, from after `after` on.
    pub(super) fn noted_after(&self, after: Option<NodeId>) -> Option<NodeId> {
        let from = after.map_or(NOTES.to_vec(), |id| [note_key(id), vec![0]].concat());
        let end = crate::sync::kv::prefix_end(NOTES);
        let (key, _) = self.past.store().scan(&from, &end).next()?;
        Some(NodeId::from_bytes(*key.last_chunk().expect("a note's key ends with a node")))
    }

    /// Forgets the notes of nodes that neither are in a directory of `present` nor were, before or after.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn keep_below<K: Kv + ?Sized>(
        &mut self,
        present: &RowTree<'_, K>,
        directory: NodeId,
    ) -> Result<(), WriteError> {
        let (mut at, mut batch) = (None, crate::sync::kv::Batch::new());
        while let Some(id) = self.noted_after(at) {
            let noted = self.note(id).and_then(|note| note.places);
            let noted = noted.into_iter().flat_map(|places| [places.before, places.after].concat());
            let mut places = noted.chain(present.places(id));
            if id != directory && !places.any(|place| was_below(present, place.parent, directory)) {
                batch.insert(note_key(id), None);
            }
            at = Some(id);
        }
        self.past.store().commit(batch, Durability::Process)?;
        let past = &self.past;
        self.order.retain(|id| read_note(past.store(), *id).is_some());
        Ok(())
    }
}

/// Whether a node is in a directory, or was when it was removed.
fn was_below<K: Kv + ?Sized>(present: &RowTree<'_, K>, node: NodeId, directory: NodeId) -> bool {
    let mut at = Some(node);
    // Removed directories may have been in each other at different times: the way up ends somewhere all the same.
    for _ in 0..DEPTH_MAX {
        let Some(node) = at.filter(|node| *node != directory) else { break };
        let live = present.places(node).into_iter().next();
        at = live.or_else(|| Some(present.tombstone(node)?.place)).map(|place| place.parent);
    }
    at == Some(directory)
}

fn note_key(id: NodeId) -> Vec<u8> {
    [NOTES, &id.to_bytes()].concat()
}

fn read_note<K: Kv + ?Sized>(kv: &K, id: NodeId) -> Option<Note> {
    kv.get(&note_key(id)).map(|value| decode("note", &value).expect("notes of ours decode"))
}

fn nodes_of(changes: &[Change]) -> BTreeSet<NodeId> {
    let nodes = changes.iter().flat_map(|change| match change {
        Change::Node(id, _) | Change::Tombstone(id, _) => vec![*id],
        Change::Name { was, now, .. } => was.iter().chain(now).copied().collect(),
        Change::Conflict { .. } => Vec::new(),
    });
    nodes.collect()
}

/// A node at one moment: its names, and its row or what remains of it.
struct Standing {
    places: Vec<Place>,
    row: Option<Node>,
}

impl Standing {
    fn of<K: Kv + ?Sized>(txn: &Txn<'_, K>, id: NodeId) -> Standing {
        let tree = RowTree { kv: txn, prefix: TREE };
        let removed = || tree.tombstone(id).map(|tombstone| tombstone.node);
        Standing { places: sorted(tree.places(id)), row: tree.node(id).or_else(removed) }
    }
}

pub(super) fn sorted(mut places: Vec<Place>) -> Vec<Place> {
    places.sort();
    places
}

fn content(row: &Node) -> Option<Content> {
    row.manifest().map(|manifest| Content { version: row.version, manifest: manifest.clone() })
}

impl Note {
    /// Notes what an op of the member made of a node. Tells whether its names changed.
    fn take(&mut self, before: &Standing, after: &Standing) -> bool {
        let moved = before.places != after.places;
        if moved {
            change(&mut self.places, &before.places, &after.places);
        }
        let Some(now) = &after.row else { return moved };
        match &before.row {
            Some(was) => self.take_rows(was, now),
            // The file is new: that its content is the member's own shows whether others changed it.
            None => self.take_content(None, content(now)),
        }
        moved
    }

    fn take_rows(&mut self, was: &Node, now: &Node) {
        let same = was.manifest().zip(now.manifest()).is_none_or(|(was, now)| was.same_content(now));
        if !same {
            self.take_content(content(was), content(now));
        }
        change(&mut self.mode, &was.mode, &now.mode);
        change(&mut self.uid, &was.owner.uid, &now.owner.uid);
        change(&mut self.gid, &was.owner.gid, &now.owner.gid);
        change(&mut self.mtime, &was.mtime, &now.mtime);
        let names: BTreeSet<&Vec<u8>> = was.xattrs.keys().chain(now.xattrs.keys()).collect();
        for name in names {
            let (was, now) = (was.xattrs.get(name), now.xattrs.get(name));
            if was != now {
                let mut known = self.xattrs.remove(name);
                change(&mut known, &was.cloned(), &now.cloned());
                self.xattrs.extend(known.map(|known| (name.clone(), known)));
            }
        }
    }

    fn take_content(&mut self, before: Option<Content>, after: Option<Content>) {
        let manifest = |content: &Option<Content>| content.as_ref().map(|content| content.manifest.clone());
        match self.contents.last_mut() {
            Some(last) if manifest(&last.after) == manifest(&before) => last.after = after,
            _ => self.contents.push(Changed { before, after }),
        }
        if self.contents.len() > CONTENTS_MAX {
            self.contents.remove(0);
        }
    }
}

/// Notes a change. One that begins where the last one ended goes on from it; after a change of others the earlier ones
/// count no more, as going back stops at what others did.
fn change<T: Clone + PartialEq>(known: &mut Option<Changed<T>>, before: &T, after: &T) {
    if before == after {
        return;
    }
    match known {
        Some(known) if known.after == *before => known.after = after.clone(),
        _ => *known = Some(Changed { before: before.clone(), after: after.clone() }),
    }
}
