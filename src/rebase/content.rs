//! Rows of the conflict table about content and attributes: put, and what a save by rename brings.

use super::replay::{NO_VERSION, Rebase, Spot};
use super::was::Was;
use crate::model::{Body, Conflict, ConflictKind, Manifest, Node, NodeId, Place, Timestamp, Version};
use crate::ops::{Attributes, ConflictRow, Drop, Make, Move, Origin, Put, SetMeta, TreeMut, Verb};

/// A content on its way to a file, with what comes along.
#[derive(Clone)]
pub(super) struct Content {
    pub manifest: Manifest,
    pub mtime: Timestamp,
    pub attributes: Option<Attributes>,
    /// The file that has the content already, under its only name, and is to end or to become the copy.
    pub holder: Option<(NodeId, Place)>,
    pub came_from: Option<Origin>,
}

impl Content {
    /// A live file's content and attributes, to be taken from it.
    pub fn of_holder(holder: NodeId, place: Place, node: Node) -> Option<Content> {
        let (attributes, holder) = (Some(Attributes::of(&node)), Some((holder, place)));
        let Body::File(manifest) = node.body else { return None };
        Some(Content { attributes, holder, ..Content::plain(manifest, node.mtime) })
    }

    /// A content alone.
    pub fn plain(manifest: Manifest, mtime: Timestamp) -> Content {
        Content { manifest, mtime, attributes: None, holder: None, came_from: None }
    }

    /// The content that a `Make` brings, if it makes a file.
    pub fn of_make(make: &Make) -> Option<Content> {
        let Body::File(manifest) = &make.body else { return None };
        let attributes = Attributes { mode: make.mode, owner: make.owner, xattrs: make.xattrs.clone() };
        Some(Content { attributes: Some(attributes), ..Content::plain(manifest.clone(), make.mtime) })
    }
}

impl<T: TreeMut, O: TreeMut> Rebase<'_, '_, T, O> {
    pub(super) fn put(&mut self, mut put: Put) {
        let (old, next) = (put.node, put.base.next());
        let spot = self.locate(old, put.base);
        let fresh = self.tree.node(spot.node).is_some_and(|node| node.version == spot.version);
        let stands = if fresh && !self.is_withheld(spot.node) {
            put.conflict = self.conflict_today(put.conflict.take(), Some(&put.manifest)).filter(|conflict| {
                let copy_of = self.tree.conflict_of_copy(spot.node);
                copy_of.is_none_or(|about| about == (conflict.node, conflict.member))
            });
            (put.node, put.base) = (spot.node, spot.version);
            self.emit_or_record(Verb::Put(put));
            Spot { version: spot.version.next(), ..spot }
        } else {
            let Put { manifest, mtime, attributes, came_from, .. } = put;
            let content = Content { attributes, came_from, ..Content::plain(manifest, mtime) };
            self.deliver(spot, content, ConflictKind::PutPut)
        };
        self.stands_at((old, next), stands);
    }

    /// Brings a content based on `spot` to its file, or beside it where another content came first; tells
    /// where it stands then. A holder ends unless it becomes the conflict copy.
    pub(super) fn deliver(&mut self, spot: Spot, content: Content, kind: ConflictKind) -> Spot {
        let holder = content.holder.clone();
        let stands = match self.tree.node(spot.node) {
            None => self.bring_back_with(spot, content),
            Some(node) if node.manifest().is_some_and(|now| now.same_content(&content.manifest)) => {
                self.take_over_attributes(spot.node, &node, content.attributes);
                Spot { version: node.version, ..spot }
            }
            // A content that the other side removed after it had changed it stands against nothing.
            Some(node) if kind == ConflictKind::PutPut && self.has_removed_content(spot.node) => {
                self.put_next(Spot { version: node.version, ..spot }, content, None)
            }
            Some(node) if node.version == spot.version => self.put_next(spot, content, None),
            Some(node) => self.join_or_keep_both(spot, node, content, kind),
        };
        if let Some((holder, place)) = holder.filter(|(holder, _)| *holder != stands.node) {
            self.end_holder(holder, place);
        }
        stands
    }

    fn end_holder(&mut self, node: NodeId, place: Place) {
        let version = self.spot(node).version;
        self.emit_or_record(Verb::Drop(Drop { node, place, version }));
    }

    pub(super) fn put_next(&mut self, spot: Spot, content: Content, conflict: Option<Conflict>) -> Spot {
        if self.is_withheld(spot.node) {
            // The conflict is the one that the file has.
            return self.withhold(
                spot.node,
                content,
                self.conflict(ConflictKind::PutPut, spot.node, spot.version),
            );
        }
        let Content { manifest, mtime, attributes, came_from, .. } = content;
        let (node, base) = (spot.node, spot.version);
        self.emit_or_record(Verb::Put(Put { node, base, manifest, mtime, attributes, came_from, conflict }));
        Spot { version: base.next(), ..spot }
    }

    fn join_or_keep_both(
        &mut self,
        spot: Spot,
        accepted: Node,
        content: Content,
        kind: ConflictKind,
    ) -> Spot {
        let joined = match kind {
            ConflictKind::PutPut => self.merge(spot, &accepted, &content),
            _ => None,
        };
        joined.unwrap_or_else(|| self.keep_both(spot, accepted, content, kind))
    }

    /// Two contents of one file: the accepted one keeps the name.
    fn keep_both(&mut self, spot: Spot, accepted: Node, content: Content, kind: ConflictKind) -> Spot {
        if self.tree.conflict_of_copy(spot.node).is_some() {
            return self.lose_on_copy(spot.node, accepted, content);
        }
        let conflict = self.conflict(kind, spot.node, spot.version);
        if self.withholds(spot.node) {
            return self.withhold(spot.node, content, conflict);
        }
        match self.open_copy(spot.node) {
            Some(copy) => {
                self.result.conflicts.push(conflict.clone());
                self.extend_copy(copy, content, conflict)
            }
            None => self.make_copy(spot.node, accepted, content, conflict),
        }
    }

    /// The live file that keeps this member's side of an open conflict with `node`, where the old view knew it
    /// as that: what else the old view has is no place for another content.
    pub(super) fn open_copy(&self, node: NodeId) -> Option<NodeId> {
        let copy_in = |row: Option<ConflictRow>| row.and_then(|row| row.copy);
        let copy = copy_in(self.tree.conflict(node, self.replayer.author))?;
        let was = copy_in(self.old.conflict(node, self.replayer.author));
        let was_copy = was.map(|was| self.node_of(was)) == Some(copy);
        self.tree.node(copy).filter(|row| was_copy && row.manifest().is_some()).map(|_| copy)
    }

    /// Tells whether the old view has a node that a node of the new view is.
    pub(super) fn is_seen(&self, new: NodeId) -> bool {
        let mut substituted = self.result.nodes.iter().filter(|(_, node)| **node == new);
        self.old.node(new).is_some() || substituted.any(|(old, _)| self.old.node(*old).is_some())
    }

    /// A further conflict is a further version of the copy.
    pub(super) fn extend_copy(&mut self, copy: NodeId, content: Content, conflict: Conflict) -> Spot {
        let spot = self.spot(copy);
        let same = |node: Node| node.manifest().is_some_and(|now| now.same_content(&content.manifest));
        if self.tree.node(copy).is_some_and(same) {
            return spot;
        }
        // What both sides have by now is in no conflict; the copy's stays open.
        let met = !self.tree.node(conflict.node).is_some_and(same);
        self.put_next(spot, content, Some(conflict).filter(|_| met))
    }

    /// A copy never gets a copy: the losing content becomes a version, and the accepted one again on top.
    fn lose_on_copy(&mut self, copy: NodeId, accepted: Node, content: Content) -> Spot {
        let lost = self.put_next(Spot { node: copy, version: accepted.version }, content, None);
        let attributes = Some(Attributes::of(&accepted));
        let Node { body: Body::File(manifest), mtime, .. } = accepted else { return lost };
        self.put_next(lost, Content { attributes, ..Content::plain(manifest, mtime) }, None);
        lost
    }

    pub(super) fn make_copy(
        &mut self,
        node: NodeId,
        accepted: Node,
        content: Content,
        conflict: Conflict,
    ) -> Spot {
        let place = self.tree.places(node).into_iter().next();
        let root = || self.place_in_root(node);
        let place = self.conflict_place(&place.unwrap_or_else(root));
        self.result.conflicts.push(conflict.clone());
        let conflict = Some(conflict).filter(|_| self.may_get_copy(node));
        // A file that is the copy of one conflict already cannot be that of another.
        let free_holder =
            content.holder.clone().filter(|(holder, _)| self.tree.conflict_of_copy(*holder).is_none());
        if let Some((holder, from)) = free_holder {
            return self.turn_into_copy(holder, from, place, conflict);
        }
        let Attributes { mode, owner, xattrs } = content.attributes.unwrap_or(Attributes {
            mode: accepted.mode,
            owner: None,
            xattrs: accepted.xattrs,
        });
        let copy = Make {
            node: (self.replayer.allocate)(),
            place,
            body: Body::File(content.manifest),
            mode,
            owner: owner.or(Some(accepted.owner)),
            mtime: content.mtime,
            xattrs,
            came_from: None,
            conflict,
        };
        let copy = self.make_at(copy);
        self.spot(copy)
    }

    /// Moves a file that has the losing content already to the conflict name, and says what it is there.
    fn turn_into_copy(&mut self, node: NodeId, from: Place, to: Place, conflict: Option<Conflict>) -> Spot {
        let rename = Move { node, from, to, replaces: None, exchange: false, keeps_owner: false };
        self.emit_or_record(Verb::Move(rename));
        let (spot, removed) = (self.spot(node), self.has_removed_content(node));
        let (Some(Node { body: Body::File(manifest), mtime, .. }), Some(conflict)) =
            (self.tree.node(node), conflict)
        else {
            return spot;
        };
        let spot = self.put_next(spot, Content::plain(manifest, mtime), Some(conflict));
        if removed {
            self.removed_contents.insert(node, spot.version);
        }
        spot
    }

    /// Equal content still may come with other attributes: those of a save by rename are the later ones.
    pub(super) fn take_over_attributes(&mut self, id: NodeId, node: &Node, attributes: Option<Attributes>) {
        if let Some(set) = attributes.and_then(|wanted| SetMeta::towards(id, node, &wanted, None)) {
            self.emit_or_record(Verb::SetMeta(set));
        }
    }

    pub(super) fn set_meta(&mut self, mut set: SetMeta, was: &Was) {
        let content = self.locate(set.node, was.before.unwrap_or_default());
        set.node = self.node_of(set.node);
        if content.node != set.node && self.tree.node(content.node).is_some() {
            self.emit_or_record(Verb::SetMeta(SetMeta { node: content.node, ..set.clone() }));
            // The time belongs to the content, and that is not here.
            set.mtime = None;
            if !set.has_effect() {
                return;
            }
        }
        if self.tree.node(set.node).is_some() {
            self.emit_or_record(Verb::SetMeta(set));
        }
    }

    /// Tells whether a file of the new view, at `version`, is as `spot` names it, and was accepted so.
    pub(super) fn is_fresh(&self, spot: Spot, id: NodeId, version: Version) -> bool {
        spot == Spot { node: id, version } && !self.is_withheld(id)
    }

    /// The version of the old view's node as it stood before the op.
    pub(super) fn content_before(&self, old: NodeId, was: &Was) -> Spot {
        self.locate(old, was.before.unwrap_or(NO_VERSION))
    }
}
