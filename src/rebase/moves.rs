//! Rows of the conflict table about renames: move, save by rename, exchange.

use super::content::Content;
use super::replay::{NO_VERSION, Rebase, Spot, Whereabouts};
use super::was::Was;
use crate::model::{ConflictKind, NodeId, Place};
use crate::ops::{Drop, Make, Move, Rejection, Replaced, TreeMut, Verb, shapes_succession};

/// What the old view's node under the new name is in the new view, and where its content went if it went
/// anywhere.
pub(super) type Outcome = (NodeId, Option<Spot>);

impl<T: TreeMut, O: TreeMut> Rebase<'_, '_, T, O> {
    pub(super) fn rename(&mut self, rename: Move, was: &Was) {
        if rename.exchange {
            return self.exchange(rename, was);
        }
        let node = self.node_of(rename.node);
        let before = self.before(node, self.locate(rename.node, was.before.unwrap_or(NO_VERSION)));
        let (arrived, went) = match self.tree.node(node) {
            Some(_) => self.rename_live(&rename, node, was),
            None => self.rename_removed(&rename, node, was),
        };
        // In the old view a save by rename left the replaced node under the name, any other move the moved one.
        let (old, version) = match was.succession {
            Some(made) => (made.survivor, made.version),
            None => (rename.node, was.after.unwrap_or(NO_VERSION)),
        };
        self.stands_for(old, arrived);
        self.stands_at((old, version), before.after(went));
        self.note_name(old, &rename.to, arrived);
    }

    fn rename_live(&mut self, rename: &Move, node: NodeId, was: &Was) -> Outcome {
        if let Some(handed) = self.hand_withheld_over(rename, node) {
            return handed;
        }
        match self.whereabouts(rename.node, node, &rename.from, was) {
            Whereabouts::There(from) if !self.stuck.contains(&node) => self.move_to(rename, node, from),
            Whereabouts::There(_) | Whereabouts::Elsewhere(_) => self.stay(rename, node),
            Whereabouts::Gone => self.name_again(rename, node),
        }
    }

    /// Both sides moved the node: the accepted place stays.
    fn stay(&mut self, rename: &Move, node: NodeId) -> Outcome {
        let agreed = self.leads(&self.place_of(&rename.to), node);
        if !agreed && self.stuck.insert(node) {
            let base = self.spot(node).version;
            self.record(ConflictKind::MoveMove, node, base);
        }
        (node, None)
    }

    /// The other side dropped this one of several names: the new one is a further name.
    fn name_again(&mut self, rename: &Move, node: NodeId) -> Outcome {
        let to = self.home(&rename.to);
        self.link_live(node, to);
        (node, None)
    }

    fn move_to(&mut self, rename: &Move, node: NodeId, from: Place) -> Outcome {
        let to = self.home(&rename.to);
        match (self.tree.child(to.parent, &to.name), rename.replaces) {
            (None, Some(expected)) if self.saved_elsewhere(node, expected) => {
                let (there, spot) =
                    (self.node_of(expected.node), self.locate(expected.node, expected.version));
                // Whatever this member does with its name from here on, the accepted place stays.
                self.stuck.insert(there);
                self.save_over_another(node, from, there, spot)
            }
            (None, _) => self.move_freely(rename, node, from, to),
            (Some(there), _) if there == node => {
                if from != to {
                    let version = self.spot(node).version;
                    self.emit_or_record(Verb::Drop(Drop { node, place: from, version }));
                }
                (node, None)
            }
            (Some(there), Some(replaced)) if self.node_of(replaced.node) == there => {
                self.replace(rename, node, from, to)
            }
            (Some(there), _) => self.collide(rename, node, from, (to, there)),
        }
    }

    /// In the old view the op was a save by rename over a file that the other side has moved: the save follows it.
    fn saved_elsewhere(&self, newcomer: NodeId, expected: Replaced) -> bool {
        self.meant.is_some() && shapes_succession(self.tree, newcomer, self.node_of(expected.node))
    }

    fn move_freely(&mut self, rename: &Move, node: NodeId, from: Place, to: Place) -> Outcome {
        self.emit_move(Move {
            node,
            from,
            to,
            replaces: None,
            exchange: false,
            keeps_owner: rename.keeps_owner,
        })
    }

    /// Moves, or records why not; a node that ends in a save by rename goes on in the survivor.
    fn emit_move(&mut self, rename: Move) -> Outcome {
        let (node, version) = (rename.node, self.spot(rename.node).version);
        match self.emit(Verb::Move(rename)) {
            Ok(Some(made)) => return (made.survivor, Some(made.into_spot())),
            Ok(None) => {}
            Err(Rejection::Cycle(_)) => self.record(ConflictKind::Cycle, node, version),
            Err(_) => self.record(ConflictKind::Dropped, node, version),
        }
        (node, None)
    }

    /// The expected node is under the new name; its content or what is in it may be another by now.
    fn replace(&mut self, rename: &Move, node: NodeId, from: Place, to: Place) -> Outcome {
        let Some(expected) = rename.replaces else { return (node, None) };
        let spot = self.locate(expected.node, expected.version);
        let there = self.node_of(expected.node);
        let Some(existing) = self.tree.node(there) else { return (node, None) };
        let ends = self.tree.places(there).len() == 1;
        let stale = ends && existing.manifest().is_some() && !self.is_fresh(spot, there, existing.version);
        if stale && shapes_succession(self.tree, node, there) {
            return self.save_over_another(node, from, there, spot);
        }
        if stale {
            self.record(ConflictKind::DropPut, there, spot.version);
        }
        if stale || (existing.is_directory() && !self.tree.is_empty(there)) {
            return self.move_aside(rename, node, from, to);
        }
        let version = if spot.node == there { spot.version } else { existing.version };
        let replaces = Some(Replaced { node: there, version });
        let keeps_owner = rename.keeps_owner;
        self.emit_move(Move { node, from, to, replaces, exchange: false, keeps_owner })
    }

    /// A save by rename over a file that has another content by now: as two puts.
    pub(super) fn save_over_another(
        &mut self,
        node: NodeId,
        from: Place,
        there: NodeId,
        spot: Spot,
    ) -> Outcome {
        let newcomer = self.tree.node(node).and_then(|row| Content::of_holder(node, from, row));
        let Some(content) = newcomer else { return (there, None) };
        (there, Some(self.deliver(spot, content, ConflictKind::PutPut)))
    }

    /// Under a conflict name instead, where the name is taken.
    fn move_aside(&mut self, rename: &Move, node: NodeId, from: Place, to: Place) -> Outcome {
        let to = self.conflict_place(&to);
        self.move_freely(rename, node, from, to)
    }

    /// A node that was not expected is under the new name: files meet as if both were made there.
    fn collide(&mut self, rename: &Move, node: NodeId, from: Place, taken: (Place, NodeId)) -> Outcome {
        let (to, there) = taken;
        if !shapes_succession(self.tree, node, there) || self.tree.conflict_of_copy(node).is_some() {
            return self.move_aside(rename, node, from, to);
        }
        if self.tree.conflict_of_copy(there).is_some() {
            return self.move_aside(rename, node, from, to);
        }
        let base = Spot { node: there, version: NO_VERSION };
        let newcomer = self.tree.node(node).and_then(|row| Content::of_holder(node, from, row));
        let Some(content) = newcomer else { return (node, None) };
        let spot = self.deliver(base, content, ConflictKind::MakeMake);
        (spot.node, Some(spot))
    }

    /// The other side removed what was moved here: it comes back at the new place, or as the content it replaced.
    fn rename_removed(&mut self, rename: &Move, node: NodeId, was: &Was) -> Outcome {
        let content = self.content_before(rename.node, was);
        let Some(mut make) = self.as_it_was(node) else { return (node, None) };
        if let (Some(_), Some(expected), Some(content)) =
            (was.succession, rename.replaces, Content::of_make(&make))
        {
            let base = self.locate(expected.node, expected.version);
            let spot = self.deliver(base, content, ConflictKind::PutPut);
            return (self.node_of(expected.node), Some(spot));
        }
        let with_content = self.comes_back_with(content);
        let conflict = self.conflict(ConflictKind::PutDrop, node, content.version);
        self.result.conflicts.push(conflict.clone());
        self.note_beginning(node, &self.place_of(&rename.from));
        make.place = self.home(&rename.to);
        make.conflict = Some(conflict);
        if self.tree.node(node).is_none() {
            let back = self.make_at(Make { ..make });
            return (back, Some(self.back_as(back, with_content)));
        }
        // It was needed for its own new place, so there is no such place.
        self.record(ConflictKind::Cycle, node, content.version);
        (node, None)
    }

    /// Two moves, both or none.
    fn exchange(&mut self, rename: Move, was: &Was) {
        let Some(expected) = rename.replaces else { return };
        let (node, other) = (self.node_of(rename.node), self.node_of(expected.node));
        let (old_from, old_to) = (&rename.from, &rename.to);
        let there = |place: &Place, old: NodeId, node: NodeId| match self.whereabouts(old, node, place, was) {
            Whereabouts::There(place) => Some(place),
            _ => None,
        };
        let places = (there(old_from, rename.node, node), there(old_to, expected.node, other));
        let swapped = self.leads(&self.place_of(old_to), node) && self.leads(&self.place_of(old_from), other);
        let stuck = self.stuck.contains(&node) || self.stuck.contains(&other);
        if let ((Some(from), Some(to)), false) = (places, stuck) {
            let spot = self.locate(expected.node, expected.version);
            let version = if spot.node == other { spot.version } else { self.spot(other).version };
            let replaces = Some(Replaced { node: other, version });
            let keeps_owner = rename.keeps_owner;
            let verb = Verb::Move(Move { node, from, to, replaces, exchange: true, keeps_owner });
            if self.emit(verb).is_err() {
                self.record(ConflictKind::Cycle, node, NO_VERSION);
            }
        } else if !swapped {
            self.record(ConflictKind::MoveMove, node, NO_VERSION);
        }
        self.note_name(rename.node, old_to, node);
        self.note_name(expected.node, old_from, other);
    }
}
