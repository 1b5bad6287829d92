//! What one member did, undone, and what others did since, kept.
//!
//! Of each node that the member changed the names, the content and every attribute are looked at by themselves: what
//! is still as the member left it goes back to what it was before; what others have changed since stays, and is said.
//! A content that others have changed too is not decided here: [`Merging`] names what is to be merged, the member's
//! version as base, today's as local, the one before as remote.
//!
//! Order: names first, as they decide which nodes there are; then contents and attributes; the directories' mtimes
//! last, because name ops set them.

use super::deeds::{Changed, Content, Deeds, Note};
use super::report::path_of_node;
use super::rows::adjust;
use super::{Allocate, Steps};
use crate::model::{Body, Manifest, Node, NodeId, Place, Timestamp, Version};
use crate::ops::{SetMeta, Tree, Verb};
use crate::sync::kv::{Kv, Store};
use crate::sync::rows::RowTree;
use std::collections::{BTreeMap, BTreeSet};

/// Why something that the member did is left as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeftReason {
    #[error("others have moved or removed it since")]
    MovedSince,
    #[error("others have changed it since")]
    ChangedSince,
    #[error("others have something in it")]
    NotEmpty,
    #[error("its name is taken now")]
    NameTaken,
    #[error("the directory it was in is gone")]
    ParentGone,
    #[error("it does not fit what is there now")]
    Misfit,
}

/// Something left as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub node: NodeId,
    pub path: Vec<u8>,
    pub reason: LeftReason,
}

/// A file whose content both the member and, later, others have changed: a three-way merge takes the member's part
/// out, once for each stretch of the member's changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merging {
    pub node: NodeId,
    /// Base and remote of each merge, in the order they are to be made; local is what the one before it left.
    pub steps: Vec<(Manifest, Manifest)>,
    /// The version that the last remote is.
    pub version: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Names,
    Contents,
    Times,
}

/// Undoes the deeds of one member, op by op.
pub struct Undo<'d, S: Store> {
    pub(super) deeds: &'d Deeds<S>,
    stage: Stage,
    /// Nodes whose names are still to be looked at in this pass, the last first, and those that wait for the next.
    pub(super) pending: Vec<NodeId>,
    pub(super) waiting: Vec<NodeId>,
    /// All of both.
    pub(super) open: BTreeSet<NodeId>,
    /// Whom each of those that wait is waiting for, and why it would be left.
    pub(super) blocked: BTreeMap<NodeId, (Option<NodeId>, LeftReason)>,
    pub(super) moved_in_pass: bool,
    /// Nodes whose names are on their way back.
    pub(super) started: BTreeSet<NodeId>,
    /// Where some of these were moved aside.
    pub(super) aside: BTreeSet<Place>,
    /// Nodes brought back, with content and attributes as they are to be.
    pub(super) revived: BTreeSet<NodeId>,
    pub(super) tries: u32,
    after: Option<NodeId>,
    /// What the mtimes of directories are to be: where the member set it last, what it was before; else what it is.
    times: BTreeMap<NodeId, Timestamp>,
    pub(super) left: Vec<Left>,
    pub(super) merging: Vec<Merging>,
}

impl<'d, S: Store> Undo<'d, S> {
    pub fn new<K: Kv + ?Sized>(deeds: &'d Deeds<S>, present: &RowTree<'_, K>) -> Undo<'d, S> {
        let mut open = BTreeSet::new();
        let mut pending: Vec<NodeId> =
            deeds.order.iter().rev().copied().filter(|id| open.insert(*id)).collect();
        pending.reverse();
        let mut undo = Undo {
            deeds,
            stage: Stage::Names,
            pending,
            waiting: Vec::new(),
            open,
            blocked: BTreeMap::new(),
            moved_in_pass: false,
            started: BTreeSet::new(),
            aside: BTreeSet::new(),
            revived: BTreeSet::new(),
            tries: 0,
            after: None,
            times: BTreeMap::new(),
            left: Vec::new(),
            merging: Vec::new(),
        };
        while let Some(id) = deeds.noted_after(undo.after) {
            undo.after = Some(id);
            undo.times.extend(mtime_before(present, id, deeds.note(id)).map(|time| (id, time)));
        }
        undo.after = None;
        undo
    }

    /// What is left as it is, and why.
    pub fn left(&self) -> &[Left] {
        &self.left
    }

    /// Files that are to be merged once all steps are done.
    pub fn merging(&self) -> &[Merging] {
        &self.merging
    }

    pub(super) fn leave<K: Kv + ?Sized>(
        &mut self,
        present: &RowTree<'_, K>,
        node: NodeId,
        reason: LeftReason,
    ) {
        self.left.push(Left { node, path: path_of_node(present, node), reason });
    }

    fn contents<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>) -> Option<Verb> {
        while let Some(id) = self.deeds.noted_after(self.after) {
            self.after = Some(id);
            let Some(row) = present.node(id).filter(|_| !self.revived.contains(&id)) else { continue };
            let Some(note) = self.deeds.note(id).filter(|note| !note.makes()) else { continue };
            let wanted = self.reverted(id, &row, &note);
            let verb = adjust(id, &row, (id, &wanted));
            if verb.is_some() {
                return verb;
            }
        }
        self.stage = Stage::Times;
        None
    }

    /// A node's row with everything that is as the member left it as it was before; what is to be merged is noted.
    pub(super) fn reverted(&mut self, id: NodeId, row: &Node, note: &Note) -> Node {
        let mut wanted = row.clone();
        back(&mut wanted.mode, &note.mode);
        back(&mut wanted.owner.uid, &note.uid);
        back(&mut wanted.owner.gid, &note.gid);
        if !row.is_directory() {
            back(&mut wanted.mtime, &note.mtime);
        }
        for (name, changed) in &note.xattrs {
            if row.xattrs.get(name) == changed.after.as_ref() {
                match &changed.before {
                    Some(value) => wanted.xattrs.insert(name.clone(), value.clone()),
                    None => wanted.xattrs.remove(name),
                };
            }
        }
        let Some(manifest) = row.manifest() else { return wanted };
        let (content, rest) = went_back(manifest, &note.contents);
        if let Some(content) = content {
            (wanted.body, wanted.version) = (Body::File(content.manifest.clone()), content.version);
        }
        if let Some((_, last)) = rest.last() {
            let steps = rest.iter().map(|(base, remote)| (base.manifest.clone(), remote.manifest.clone()));
            self.merging.push(Merging { node: id, steps: steps.collect(), version: last.version });
        }
        wanted
    }

    /// Notes the mtimes that a name op is about to change.
    fn note_times<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>, verb: &Verb) {
        let parents = match verb {
            Verb::Make(make) => [Some(make.place.parent), None],
            Verb::Link(link) => [Some(link.place.parent), None],
            Verb::Drop(drop) => [Some(drop.place.parent), None],
            Verb::Move(step) => [Some(step.from.parent), Some(step.to.parent)],
            _ => [None, None],
        };
        for parent in parents.into_iter().flatten() {
            if let Some(row) = present.node(parent) {
                self.times.entry(parent).or_insert(row.mtime);
            }
        }
    }

    fn times<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>) -> Option<Verb> {
        while let Some((node, time)) = self.times.pop_last() {
            if present.node(node).is_some_and(|row| row.is_directory() && row.mtime != time) {
                let xattrs = Vec::new();
                let set = SetMeta { node, mode: None, uid: None, gid: None, mtime: Some(time), xattrs };
                return Some(Verb::SetMeta(set));
            }
        }
        None
    }
}

impl<S: Store> Steps for Undo<'_, S> {
    fn next<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>, _: Allocate<'_>) -> Option<Verb> {
        if self.stage == Stage::Names {
            if let Some(verb) = self.names(present) {
                self.note_times(present, &verb);
                return Some(verb);
            }
            self.stage = Stage::Contents;
        }
        if self.stage == Stage::Contents {
            let verb = self.contents(present);
            if verb.is_some() {
                return verb;
            }
        }
        self.times(present)
    }
}

impl Note {
    /// Whether the member made the node.
    pub(super) fn makes(&self) -> bool {
        self.places.as_ref().is_some_and(|places| places.before.is_empty())
    }
}

fn mtime_before<K: Kv + ?Sized>(
    present: &RowTree<'_, K>,
    id: NodeId,
    note: Option<Note>,
) -> Option<Timestamp> {
    let changed = note?.mtime?;
    let row = present.node(id).or_else(|| Some(present.tombstone(id)?.node))?;
    (row.is_directory() && row.mtime == changed.after).then_some(changed.before)
}

fn back<T: Clone + PartialEq>(value: &mut T, changed: &Option<Changed<T>>) {
    if let Some(changed) = changed.as_ref().filter(|changed| changed.after == *value) {
        *value = changed.before.clone();
    }
}

/// Goes back over a member's changes of a content as long as each is what is there; returns the content that leads to,
/// where it is another, and base and remote of the changes that others' work lies upon, the latest first.
#[allow(clippy::type_complexity)]
fn went_back<'n>(
    now: &Manifest,
    changes: &'n [Changed<Option<Content>>],
) -> (Option<&'n Content>, Vec<(&'n Content, &'n Content)>) {
    let is = |content: &Content, manifest: &Manifest| content.manifest.same_content(manifest);
    let (mut at, mut reached, mut left) = (now, None, changes);
    while let Some((last, earlier)) = left.split_last() {
        let Changed { before: Some(before), after: Some(after) } = last else { return (reached, Vec::new()) };
        if is(after, at) {
            (at, reached) = (&before.manifest, Some(before));
        } else if !is(before, at) {
            break;
        }
        left = earlier;
    }
    let pairs = left.iter().rev().map_while(|changed| changed.after.as_ref().zip(changed.before.as_ref()));
    (reached, pairs.collect())
}
