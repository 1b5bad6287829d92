//! Removed nodes that come back: directories that local work needs, and files whose edit wins.

use super::content::Content;
use super::replay::{NO_VERSION, Rebase, Spot};
use super::was::content_version;
use crate::model::{Body, ConflictKind, Manifest, Name, NodeId, Place, Tombstone, Xattrs};
use crate::ops::{Make, TreeMut};

impl<T: TreeMut, O: TreeMut> Rebase<'_, '_, T, O> {
    /// A place of the old view in the new one, its directory live.
    pub(super) fn home(&mut self, place: &Place) -> Place {
        Place { parent: self.live_directory(place.parent), name: place.name.clone() }
    }

    /// The directory that stands for one of the old view. It and those above it come back where they were removed.
    fn live_directory(&mut self, old: NodeId) -> NodeId {
        let mut removed = Vec::new();
        let mut at = self.node_of(old);
        while self.tree.node(at).is_none() {
            let again = removed.iter().any(|make: &Make| make.node == at);
            match self.as_it_was(at).filter(|_| !again) {
                Some(make) => {
                    at = self.node_of(make.place.parent);
                    removed.push(make);
                }
                None => at = NodeId::ROOT,
            }
        }
        while let Some(make) = removed.pop() {
            let place = Place { parent: at, name: make.place.name.clone() };
            at = self.make_at(Make { place, ..make });
        }
        at
    }

    /// The `Make` that would bring a removed node back, in a directory that need not be live.
    pub(super) fn as_it_was(&self, node: NodeId) -> Option<Make> {
        let (row, place) = match self.tree.tombstone(node) {
            Some(tombstone) => (tombstone.node, tombstone.place),
            // A snapshot need not hold tombstones: the old view knows what it had.
            None => (self.old.node(node)?, self.old.places(node).into_iter().next()?),
        };
        Some(Make::like(row, node, place))
    }

    /// The edit wins: a removed file comes back with a content that was based on `spot`.
    pub(super) fn bring_back_with(&mut self, spot: Spot, content: Content) -> Spot {
        let conflict = self.conflict(ConflictKind::PutDrop, spot.node, spot.version);
        let mut make = self.as_it_was(spot.node).unwrap_or_else(|| self.nameless(spot.node));
        // Where this member has it, rather than where another saw it last.
        let about = Some(self.about).filter(|about| self.node_of(*about) == spot.node);
        let here = self.old.places(about.unwrap_or(spot.node));
        if let Some(here) = here.first().filter(|_| !here.contains(&make.place)) {
            make.place = here.clone();
        }
        make.place = self.home(&make.place);
        make.body = Body::File(content.manifest);
        make.mtime = content.mtime;
        if let Some(attributes) = content.attributes {
            make.mode = attributes.mode;
            make.owner = attributes.owner.or(make.owner);
            make.xattrs = attributes.xattrs;
        }
        self.result.conflicts.push(conflict.clone());
        make.conflict = Some(conflict);
        let node = self.make_at(make);
        self.spot(node)
    }

    /// A file in the root directory, for content of a node of which nothing is known.
    fn nameless(&self, node: NodeId) -> Make {
        let place = self.place_in_root(node);
        let body = Body::File(Manifest::empty());
        Make {
            node,
            place,
            body,
            mode: 0o600,
            owner: None,
            mtime: self.time,
            xattrs: Xattrs::new(),
            came_from: None,
            conflict: None,
        }
    }

    /// A name in the root directory for a node that has none.
    pub(super) fn place_in_root(&self, node: NodeId) -> Place {
        let name = Name::new(node.to_string()).expect("digits and a dot are a name");
        Place { parent: NodeId::ROOT, name }
    }

    /// Tells whether a removed node, coming back, has the content that `before` names.
    pub(super) fn comes_back_with(&self, before: Spot) -> bool {
        let tombstone = self.tree.tombstone(before.node);
        let carried = |removed: Tombstone| content_version(&removed.node) == before.version;
        before.version != NO_VERSION && tombstone.is_none_or(carried)
    }

    /// Where the content of the old view stands once its node is back as `node`.
    pub(super) fn back_as(&mut self, node: NodeId, with_content: bool) -> Spot {
        let spot = self.spot(node);
        if with_content {
            return spot;
        }
        self.removed_contents.insert(node, spot.version);
        Spot { version: NO_VERSION, ..spot }
    }
}
