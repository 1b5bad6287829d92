//! Rows of the conflict table about removal: drop, and the save by backup that a drop ends.

use super::content::is_fresh;
use super::moves::Outcome;
use super::replay::{NO_VERSION, Rebase, Spot, Whereabouts};
use super::was::{Succession, Was};
use crate::model::{ConflictKind, NodeId, Place};
use crate::ops::{Drop, Move, Replaced, TreeMut, Verb};

impl<T: TreeMut, O: TreeMut> Rebase<'_, '_, T, O> {
    pub(super) fn drop_name(&mut self, drop: Drop, was: &Was) {
        let node = self.node_of(drop.node);
        let place = self.name_to_drop(&drop, node, was);
        if let Some(made) = was.succession {
            return self.end_save_by_backup(&drop, made, node, place);
        }
        let Some(place) = place else { return };
        let spot = self.locate(drop.node, drop.version);
        self.drop_unless_changed(node, place, spot);
    }

    /// The name that is to go, wherever it has been moved to; None where it is gone already.
    fn name_to_drop(&self, drop: &Drop, node: NodeId, was: &Was) -> Option<Place> {
        self.tree.node(node)?;
        match self.whereabouts(drop.node, node, &drop.place, was) {
            Whereabouts::There(place) => Some(place),
            // What was dropped here ended there by a save over another file, and that file was not dropped.
            Whereabouts::Elsewhere(_) if self.ended_in_another(drop.node) => None,
            Whereabouts::Elsewhere(place) => Some(place),
            Whereabouts::Gone => None,
        }
    }

    fn ended_in_another(&self, old: NodeId) -> bool {
        self.tree.tombstone(old).is_some_and(|tombstone| tombstone.successor.is_some())
    }

    fn drop_unless_changed(&mut self, node: NodeId, place: Place, spot: Spot) -> Option<Succession> {
        let row = self.tree.node(node)?;
        let ends = self.tree.places(node).len() == 1;
        if ends && row.is_directory() && !self.tree.is_empty(node) {
            self.record(ConflictKind::Dropped, node, NO_VERSION);
            return None;
        }
        if ends && row.manifest().is_some() && !is_fresh(spot, node, row.version) {
            self.withdraw(node, spot);
            return None;
        }
        let version = if spot.node == node { spot.version } else { row.version };
        self.emit_or_record(Verb::Drop(Drop { node, place, version }))
    }

    /// Dropped here, changed there: the change wins. What this member had put before it dropped the file goes.
    fn withdraw(&mut self, node: NodeId, spot: Spot) {
        if self.open_copy(node) == Some(spot.node) && self.spot(spot.node) == spot {
            let places = self.tree.places(spot.node);
            if let [place] = places.as_slice() {
                let drop = Drop { node: spot.node, place: place.clone(), version: spot.version };
                self.emit_or_record(Verb::Drop(drop));
            }
        }
        self.record(ConflictKind::DropPut, node, spot.version);
    }

    /// In the old view the drop ended a save by backup: the node went on with the new file's content, under
    /// the name that file had.
    fn end_save_by_backup(&mut self, drop: &Drop, made: Succession, aside: NodeId, place: Option<Place>) {
        let newcomer = self.node_of(made.vanished);
        let before = self.before(newcomer, self.locate(made.vanished, made.content));
        let spot = self.locate(drop.node, drop.version);
        let (arrived, went) = match place.filter(|_| !self.stuck.contains(&aside)) {
            Some(place) if self.is_unchanged(aside, spot) => {
                let made = self.drop_unless_changed(aside, place, spot);
                let made = made.filter(|made| made.vanished == newcomer);
                made.map_or((newcomer, None), |made| (made.survivor, Some(made.into_spot())))
            }
            Some(place) => self.save_over_changed(aside, place, newcomer, spot),
            None => (newcomer, None),
        };
        self.stands_for(drop.node, arrived);
        self.stands_at((made.survivor, made.version), before.after(went));
    }

    fn is_unchanged(&self, node: NodeId, spot: Spot) -> bool {
        self.tree.node(node).is_some_and(|row| is_fresh(spot, node, row.version))
    }

    /// The file moved aside was changed by the other side: both change places again, and the save is a put.
    fn save_over_changed(&mut self, aside: NodeId, place: Place, newcomer: NodeId, spot: Spot) -> Outcome {
        if newcomer == aside {
            // The new file became the other one already, with all its names.
            return (aside, None);
        }
        let here = self.tree.places(newcomer);
        let is_file = self.tree.node(newcomer).is_some_and(|row| row.manifest().is_some());
        let ([to], true, 1) = (here.as_slice(), is_file, self.tree.places(aside).len()) else {
            self.withdraw(aside, spot);
            return (newcomer, None);
        };
        let replaces = Some(Replaced { node: newcomer, version: self.spot(newcomer).version });
        let (from, to) = (place.clone(), to.clone());
        let back = Move { node: aside, from, to, replaces, exchange: true, keeps_owner: false };
        self.emit_or_record(Verb::Move(back));
        self.save_over_another(newcomer, place, aside, spot)
    }
}
