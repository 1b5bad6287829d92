//! What this member's base has beyond a hub that lost it: the hub was restored from an older backup, or the space
//! was made anew under its name.
//!
//! The hub's tree is the new base, and nothing is deleted because it lacks it: what the old base has and the new one
//! has not becomes pending work of this member, in front of its journal. Where both have a file, the content with
//! the higher version stays under the name; where that does not tell, both are kept. What was deleted after the
//! backup comes back, for nobody can tell it from what was made again. Content that is not on this machine's disk
//! cannot be brought back by this member; what is pending upon it can, and goes on top of an older one.

use super::base::BaseKv;
use super::inodes::holds;
use super::keys::Slot;
use super::state::Work;
use crate::model::{Body, Conflict, ConflictKind, Manifest, Name, Node, NodeId, Place, Timestamp, Version};
use crate::ops::{Link, Make, Move, Op, Put, SetMeta, Tree, TreeMut, Verb, apply, resolve_successor};
use crate::rebase::{Correspondence, conflict_name};
use crate::sync::kv::{Store, Txn};
use crate::sync::rows::RowTree;
use std::collections::BTreeMap;

/// What the old base's nodes are in the new one, and the ops that made it so.
#[derive(Default)]
pub(super) struct Recovered {
    pub ops: Vec<Op>,
    pub stands: Correspondence,
    /// Nodes that have been dealt with, and what they are now; other names of theirs may follow.
    seen: BTreeMap<NodeId, NodeId>,
}

/// A node of the old base under one of its names.
struct Old<'a> {
    id: NodeId,
    row: &'a Node,
    /// The node that went on with its content in the old view, where a save that is pending ended this one.
    today: NodeId,
    /// Where the name stands in the new tree.
    place: Place,
}

impl<S: Store> Work<'_, S> {
    /// Brings what the old base in slot `old` has into the view, which is the hub's tree. `same_space` tells whether
    /// equal node ids mean equal nodes.
    pub fn recover(&mut self, old: Slot, same_space: bool) -> Recovered {
        let below = BaseKv { kv: self.txn.below(), slot: old };
        let old_rows = Txn::new(&below);
        let base = RowTree { kv: &old_rows, prefix: old.view_prefix() };
        let view = RowTree { kv: self.txn.below(), prefix: old.view_prefix() };
        let mut recovered = Recovered::default();
        let mut directories = vec![(NodeId::ROOT, NodeId::ROOT)];
        while let Some((was, now)) = directories.pop() {
            for (name, id) in base.list(was, 0) {
                let Some(row) = base.node(id) else { continue };
                let today = resolve_successor(&view, id);
                let old = Old { id, row: &row, today, place: Place { parent: now, name } };
                let known = same_space && self.view().node(id).is_some();
                let Some(node) = self.recover_name(&mut recovered, &old, known, same_space) else {
                    if !same_space {
                        // What has its number there is another thing.
                        recovered.stands.nodes.insert(id, self.new_node());
                    }
                    continue;
                };
                recovered.seen.insert(id, node);
                self.note_where(&mut recovered.stands, &old, node, known);
                if row.is_directory() {
                    directories.push((id, node));
                }
            }
        }
        recovered
    }

    /// Notes where a node of the old base and its content stand, if not under their own id and version. A content that
    /// cannot be brought back is newer than an older version that the hub has in its place: it is taken to stand there,
    /// so that what is pending upon it goes on top and is not joined with what it came from.
    fn note_where(&self, stands: &mut Correspondence, old: &Old, node: NodeId, known: bool) {
        let now = self.view().node(node);
        let is_succeeded = |now: &Node| known && now.manifest().is_some() && old.row.version > now.version;
        let stands_in = now.filter(|now| same_thing(now, old.row) || is_succeeded(now));
        let version = stands_in.map_or(Version(0), |now| now.version);
        if node != old.id {
            stands.nodes.insert(old.id, node);
        }
        if old.row.manifest().is_some() && (node, version) != (old.id, old.row.version) {
            stands.versions.insert((old.id, old.row.version), (node, version));
        }
    }

    fn recover_name(
        &mut self,
        recovered: &mut Recovered,
        old: &Old,
        known: bool,
        same_space: bool,
    ) -> Option<NodeId> {
        if let Some(node) = recovered.seen.get(&old.id).copied() {
            self.recover_place(recovered, node, old);
            return Some(node);
        }
        if known {
            self.recover_place(recovered, old.id, old);
            self.recover_content(recovered, old);
            return Some(old.id);
        }
        let tombstone = self.view().tombstone(old.id).filter(|_| same_space);
        if let Some(tombstone) = tombstone {
            let same = |node: &Node| node.body == old.row.body && !node.is_directory();
            let successor = resolve_successor(&self.view(), old.id);
            if successor != old.id && self.view().node(successor).as_ref().is_some_and(same) {
                return Some(successor);
            }
            // The other side removed the very thing that this one has.
            if tombstone.successor.is_none() && same(&tombstone.node) {
                return None;
            }
        }
        self.make_again(recovered, old)
    }

    /// Gives a node the name it has here, where that is free: another name of its, or its only one.
    fn recover_place(&mut self, recovered: &mut Recovered, node: NodeId, old: &Old) {
        let place = &old.place;
        if self.view().child(place.parent, &place.name).is_some() {
            return;
        }
        let names = self.view().places(node);
        let renamed = old.row.is_directory() || recovered.ops.iter().all(|op| op.verb.node() != node);
        let verb = match names.first() {
            Some(from) if renamed && names.len() == 1 => Verb::Move(Move {
                node,
                from: from.clone(),
                to: place.clone(),
                replaces: None,
                exchange: false,
                keeps_owner: false,
            }),
            _ => Verb::Link(Link { node, place: place.clone() }),
        };
        // A directory may be above itself by now: then it stays where it is.
        self.do_again(recovered, verb);
    }

    /// The newer of two contents of one file; both where it cannot be told which that is.
    fn recover_content(&mut self, recovered: &mut Recovered, old: &Old) {
        let Some(there) = self.view().node(old.id) else { return };
        let newer = old.row.version > there.version;
        if let (Some(was), Some(now)) = (old.row.manifest(), there.manifest())
            && !was.same_content(now)
            && self.has_content(old.today, was)
        {
            let verb = match newer {
                true => Verb::Put(put_on(&there, old, was)),
                false => self.copy_beside(old, was, &there),
            };
            if self.do_again(recovered, verb) {
                self.hold_content(old.today, was);
            }
        }
        let changed = old.row.mode != there.mode || old.row.xattrs != there.xattrs;
        if changed && (newer || (old.row.version == there.version && old.row.mtime > there.mtime)) {
            self.do_again(recovered, Verb::SetMeta(attributes_of(old)));
        }
    }

    fn copy_beside(&mut self, old: &Old, manifest: &Manifest, there: &Node) -> Verb {
        let place = self.free_place(&old.place);
        let mut make = self.make_of(old, place);
        make.body = Body::File(manifest.clone());
        make.conflict = Some(self.conflict_with(old.id, there.version, ConflictKind::PutPut));
        Verb::Make(make)
    }

    /// Makes a node that the hub's tree lacks, or finds what stands there for it.
    fn make_again(&mut self, recovered: &mut Recovered, old: &Old) -> Option<NodeId> {
        if let Some(manifest) = old.row.manifest()
            && !self.has_content(old.today, manifest)
        {
            return None;
        }
        let taken = self.view().child(old.place.parent, &old.place.name);
        let there = taken.and_then(|id| Some((id, self.view().node(id)?)));
        let make = match there {
            Some((id, there)) if same_thing(&there, old.row) => return Some(id),
            Some((id, there)) => {
                let place = self.free_place(&old.place);
                let mut make = self.make_of(old, place);
                let files = there.manifest().is_some() && old.row.manifest().is_some();
                let conflict = self.conflict_with(id, there.version, ConflictKind::MakeMake);
                make.conflict =
                    Some(conflict).filter(|_| files && self.view().conflict_of_copy(id).is_none());
                make
            }
            None => self.make_of(old, old.place.clone()),
        };
        let node = make.node;
        let made = self.do_again(recovered, Verb::Make(make));
        if let Some(manifest) = old.row.manifest().filter(|_| made) {
            self.hold_content(old.today, manifest);
        }
        made.then_some(node)
    }

    fn make_of(&mut self, old: &Old, place: Place) -> Make {
        Make::like(old.row.clone(), self.new_node(), place)
    }

    fn free_place(&self, place: &Place) -> Place {
        let name = self.state.identity.as_ref().map_or(&self.state.name, |identity| &identity.name);
        let taken = |name: &Name| self.view().child(place.parent, name).is_some();
        Place { parent: place.parent, name: conflict_name(&place.name, name, taken) }
    }

    fn conflict_with(&self, node: NodeId, remote: Version, kind: ConflictKind) -> Conflict {
        Conflict { node, member: self.author(), kind, base: None, remote, time: self.now }
    }

    /// Applies an op to the view and adds it to what is recovered. Tells whether it applied.
    fn do_again(&mut self, recovered: &mut Recovered, verb: Verb) -> bool {
        let op = Op { time: self.now, verb };
        let Ok(changes) = apply(&self.view(), self.author(), &op) else { return false };
        self.view_mut().write(changes);
        recovered.ops.push(op);
        true
    }

    /// Tells whether a content is on this machine.
    fn has_content(&self, node: NodeId, manifest: &Manifest) -> bool {
        manifest.length == 0 || self.file_with(node, manifest).is_some()
    }

    /// Has a content stay on this machine until the hub has it.
    fn hold_content(&mut self, node: NodeId, manifest: &Manifest) {
        if let Some(file) = self.file_with(node, manifest) {
            self.hold(manifest, file);
        }
    }

    fn file_with(&self, node: NodeId, manifest: &Manifest) -> Option<u64> {
        let inode = self.known_ino_of(node).and_then(|ino| self.inode(ino))?;
        inode.backing.map(|backing| backing.file).filter(|_| holds(&inode, manifest))
    }
}

fn put_on(there: &Node, old: &Old, manifest: &Manifest) -> Put {
    Put {
        node: old.id,
        base: there.version,
        manifest: manifest.clone(),
        mtime: old.row.mtime,
        attributes: None,
        came_from: None,
        conflict: None,
    }
}

fn attributes_of(old: &Old) -> SetMeta {
    let xattrs = old.row.xattrs.iter().map(|(name, value)| (name.clone(), Some(value.clone())));
    let mtime: Option<Timestamp> = (!old.row.is_directory()).then_some(old.row.mtime);
    SetMeta { node: old.id, mode: Some(old.row.mode), uid: None, gid: None, mtime, xattrs: xattrs.collect() }
}

/// Directories are one whatever is in them, the rest where they are equal.
fn same_thing(there: &Node, old: &Node) -> bool {
    match (there.manifest(), old.manifest()) {
        (Some(there), Some(old)) => there.same_content(old),
        _ => there.body == old.body,
    }
}
