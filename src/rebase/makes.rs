//! Rows of the conflict table about new names: make and link.

use super::content::Content;
use super::replay::{NO_VERSION, Rebase, Spot};
use super::was::Was;
use crate::model::{Body, Conflict, ConflictKind, NodeId, Place, Version};
use crate::ops::{Link, Make, Rejection, TreeMut, Verb};

impl<T: TreeMut, O: TreeMut> Rebase<'_, '_, T, O> {
    pub(super) fn make(&mut self, mut make: Make, was: &Was) {
        let (old, place) = (make.node, make.place.clone());
        make.node = self.node_of(old);
        make.conflict = self.conflict_of_make(&make, old);
        let spot = if self.tree.node(make.node).is_some() {
            self.make_again(make)
        } else if let Some((copy, content, conflict)) = self.copy_instead(&make) {
            let spot = self.extend_copy(copy, content, conflict);
            self.stands_for(old, copy);
            self.note_name(old, &place, copy);
            spot
        } else {
            make.place = self.home(&place);
            let node = self.make_at(make);
            self.stands_for(old, node);
            self.note_name(old, &place, node);
            self.spot(node)
        };
        self.stands_at((old, was.after.unwrap_or(Version::FIRST)), spot);
    }

    /// The node is back already: what is left of the `Make` is its content.
    fn make_again(&mut self, make: Make) -> Spot {
        match Content::of_make(&make) {
            Some(content) => {
                self.deliver(Spot { node: make.node, version: NO_VERSION }, content, ConflictKind::PutPut)
            }
            None => self.spot(make.node),
        }
    }

    /// A copy made before, of a conflict that has met an earlier content of this member's by now: that one's copy is the
    /// conflict's, and what this one brings is its next version.
    fn copy_instead(&self, make: &Make) -> Option<(NodeId, Content, Conflict)> {
        let conflict = make.conflict.clone().filter(|conflict| conflict.node != make.node)?;
        let copy = self.tree.conflict(conflict.node, self.replayer.author)?.copy?;
        let fits = self.made.contains(&copy) && self.tree.node(copy)?.manifest().is_some();
        Some((copy, Content::of_make(make).filter(|_| fits)?, conflict))
    }

    /// A conflict about the node itself stays with it; any other needs its node to be there.
    fn conflict_of_make(&self, make: &Make, old: NodeId) -> Option<Conflict> {
        match &make.conflict {
            Some(conflict) if conflict.node == old => Some(Conflict { node: make.node, ..conflict.clone() }),
            other => {
                let brings = if let Body::File(manifest) = &make.body { Some(manifest) } else { None };
                self.conflict_today(other.clone(), brings)
            }
        }
    }

    /// Makes a node in a live directory, or finds what stands there for it; tells which node it is.
    pub(super) fn make_at(&mut self, mut make: Make) -> NodeId {
        let wanted = make.node;
        let node = match self.tree.child(make.place.parent, &make.place.name) {
            None => self.make_free(make),
            Some(there) if self.is_same_thing(there, &make.body) => there,
            Some(there) => match self.content_for_copy(there, &make) {
                Some((copy, content)) => {
                    let conflict = self.conflict(ConflictKind::MakeMake, there, NO_VERSION);
                    self.result.conflicts.push(conflict.clone());
                    self.extend_copy(copy, content, conflict).node
                }
                None if self.meets_file_made_there(there, &make) => {
                    let conflict = self.conflict(ConflictKind::MakeMake, there, NO_VERSION);
                    if let Some(content) = Content::of_make(&make) {
                        self.withhold(there, content, conflict);
                    }
                    there
                }
                None => {
                    make.conflict = self.conflict_of_taken_name(there, make.node, make.conflict);
                    make.place = self.conflict_place(&make.place);
                    self.make_free(make)
                }
            },
        };
        if node != wanted {
            self.stands_for(wanted, node);
        }
        node
    }

    /// Two makes of one thing under one name are one: directories whatever is in them, the rest when equal.
    fn is_same_thing(&self, there: NodeId, body: &Body) -> bool {
        match (self.tree.node(there).map(|node| node.body), body) {
            (Some(Body::File(there)), Body::File(made)) => there.same_content(made),
            (Some(there), made) => there == *made,
            (None, _) => false,
        }
    }

    /// Two files were made under one name, and this member's is withheld.
    fn meets_file_made_there(&self, there: NodeId, make: &Make) -> bool {
        let files = matches!(make.body, Body::File(_))
            && self.tree.node(there).is_some_and(|node| node.manifest().is_some());
        files && make.conflict.is_none() && self.withholds(there)
    }

    /// The copy this member has with the node that took the name, for a new file that carries no conflict.
    fn content_for_copy(&self, there: NodeId, make: &Make) -> Option<(NodeId, Content)> {
        let plain = make.conflict.as_ref().is_none_or(|conflict| conflict.node == make.node);
        self.tree.node(there)?.manifest().filter(|_| plain)?;
        let copy = self.open_copy(there)?;
        Some((copy, Content::of_make(make)?))
    }

    /// The conflict a node carries under its conflict name: what it had, or that its name was taken.
    fn conflict_of_taken_name(
        &mut self,
        there: NodeId,
        node: NodeId,
        carried: Option<Conflict>,
    ) -> Option<Conflict> {
        let about_another = carried.as_ref().is_some_and(|conflict| conflict.node != node);
        if about_another || !self.may_get_copy(there) {
            return carried;
        }
        let conflict = self.conflict(ConflictKind::MakeMake, there, NO_VERSION);
        self.result.conflicts.push(conflict.clone());
        Some(conflict)
    }

    /// Tells whether a node can have a copy: it is none itself, has none of this member's, and somebody else has seen it.
    pub(super) fn may_get_copy(&self, node: NodeId) -> bool {
        !self.has_copy(node) && self.tree.conflict_of_copy(node).is_none() && !self.unseen.contains(&node)
    }

    fn make_free(&mut self, mut make: Make) -> NodeId {
        let mut made = self.emit(Verb::Make(make.clone()));
        if let Err(Rejection::ForeignNumber(_)) = made {
            // A base without the tombstone: the node comes back under a number of our own.
            make.node = (self.replayer.allocate)();
            made = self.emit(Verb::Make(make.clone()));
        }
        if made.is_err() {
            make.node = (self.replayer.allocate)();
            make.conflict = None;
            make.place = self.conflict_place(&Place { parent: NodeId::ROOT, name: make.place.name });
            self.emit_or_record(Verb::Make(make.clone()));
        }
        make.node
    }

    pub(super) fn link(&mut self, link: Link, was: &Was) {
        let node = self.node_of(link.node);
        let place = self.home(&link.place);
        if self.tree.node(node).is_none() {
            self.link_removed(&link, place, was);
        } else {
            self.link_live(node, place);
        }
        self.note_name(link.node, &link.place, node);
    }

    pub(super) fn link_live(&mut self, node: NodeId, place: Place) {
        if self.leads(&place, node) {
            self.shared.insert(place);
        } else {
            let place = self.free_or_conflict(place);
            self.emit_or_record(Verb::Link(Link { node, place }));
        }
    }

    /// The other side dropped the name that was left: the new one keeps the node.
    fn link_removed(&mut self, link: &Link, place: Place, was: &Was) {
        let content = self.content_before(link.node, was);
        let Some(make) = self.as_it_was(content.node) else { return };
        let with_content = self.comes_back_with(content);
        let node = self.make_at(Make { place, ..make });
        let spot = self.back_as(node, with_content);
        self.stands_for(link.node, node);
        self.stands_at((link.node, was.before.unwrap_or(NO_VERSION)), spot);
        self.note_name(link.node, &link.place, node);
    }

    pub(super) fn free_or_conflict(&self, place: Place) -> Place {
        match self.tree.child(place.parent, &place.name) {
            None => place,
            Some(_) => self.conflict_place(&place),
        }
    }
}
