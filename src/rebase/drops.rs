//! Rows of the conflict table about removal: drop, and the save by backup that a drop ends.

use super::moves::Outcome;
use super::replay::{NO_VERSION, Rebase, Spot, Whereabouts};
use super::was::{Succession, Was};
use crate::model::{ConflictKind, NodeId, Place, Version};
use crate::ops::{Drop, Move, Op, Replaced, TreeMut, Verb, apply, resolve_successor, shapes_succession};

impl<T: TreeMut, O: TreeMut> Rebase<'_, '_, T, O> {
    pub(super) fn drop_name(&mut self, drop: Drop, was: &Was) {
        let node = self.node_of(drop.node);
        let place = self.name_to_drop(&drop, node, was);
        if let Some(made) = was.succession {
            return self.end_save_by_backup(&drop, made, node, place);
        }
        // A name made on both sides and removed on one stays the other's.
        let Some(place) = place.filter(|place| was.after.is_none() || !self.shared.remove(place)) else {
            return;
        };
        let spot = self.locate(drop.node, drop.version);
        if was.after.is_some() && self.tree.places(node).len() == 1 {
            return self.drop_last_of_several(&drop, node, place, spot);
        }
        self.drop_unless_changed(node, place, spot);
    }

    /// This member kept other names of the file, and the other side removed those.
    fn drop_last_of_several(&mut self, drop: &Drop, node: NodeId, place: Place, spot: Spot) {
        if spot != self.spot(node) {
            self.stay_after_all(ConflictKind::DropPut, node, place, spot.version);
        } else if self.edited.contains(&node) {
            // The edit wins: the file goes where this member still has it.
            let kept = self.old.places(drop.node).first().map(|kept| self.home(kept));
            self.move_back(node, place, kept);
            self.record(ConflictKind::PutDrop, node, NO_VERSION);
        } else {
            self.drop_unless_changed(node, place, spot);
        }
    }

    /// The name that is to go, wherever it has been moved to; None where it is gone already.
    fn name_to_drop(&self, drop: &Drop, node: NodeId, was: &Was) -> Option<Place> {
        self.tree.node(node)?;
        match self.whereabouts(drop.node, node, &drop.place, was) {
            Whereabouts::There(place) => Some(place),
            // What was dropped here ended there by a save over another file, and that file was not dropped.
            Whereabouts::Elsewhere(_) if self.ended_in(drop.node, node) => None,
            Whereabouts::Elsewhere(place) => Some(place),
            Whereabouts::Gone => None,
        }
    }

    fn ended_in(&self, old: NodeId, node: NodeId) -> bool {
        old != node && self.tree.tombstone(old).is_some() && resolve_successor(self.tree, old) == node
    }

    fn drop_unless_changed(&mut self, node: NodeId, place: Place, spot: Spot) -> Option<Succession> {
        let row = self.tree.node(node)?;
        let ends = self.tree.places(node).len() == 1;
        if ends && row.is_directory() && !self.tree.is_empty(node) {
            self.stay_after_all(ConflictKind::Dropped, node, place, NO_VERSION);
            return None;
        }
        if ends && row.manifest().is_some() && !self.is_fresh(spot, node, row.version) {
            self.give_up_withheld(node);
            self.withdraw(node, place, spot);
            return None;
        }
        let version = if spot.node == node { spot.version } else { row.version };
        self.emit_or_record(Verb::Drop(Drop { node, place, version }))
    }

    /// Dropped here, changed there: the change wins. What this member had put before it dropped the file goes.
    fn withdraw(&mut self, node: NodeId, place: Place, spot: Spot) {
        let unseen = !self.is_seen(spot.node);
        let copy = self.tree.conflict(node, self.replayer.author).and_then(|row| row.copy);
        if unseen && copy == Some(spot.node) && self.spot(spot.node) == spot {
            let places = self.tree.places(spot.node);
            if let [only] = places.as_slice() {
                let drop = Drop { node: spot.node, place: only.clone(), version: spot.version };
                self.emit_or_record(Verb::Drop(drop));
            }
        }
        self.stay_after_all(ConflictKind::DropPut, node, place, spot.version);
    }

    /// A node that was to be removed stays, and where this member had moved it before, it goes back.
    fn stay_after_all(&mut self, kind: ConflictKind, node: NodeId, place: Place, base: Version) {
        if kind == ConflictKind::DropPut && self.has_removed_content(node) {
            // It came back for the sake of a name that goes now: both sides have removed it.
            let version = self.spot(node).version;
            self.emit_or_record(Verb::Drop(Drop { node, place, version }));
            return;
        }
        let before = self.began.get(&node).cloned();
        self.move_back(node, place, before);
        self.record(kind, node, base);
    }

    /// In the old view the drop ended a save by backup: the node went on with the new file's content, under
    /// the name that file had.
    fn end_save_by_backup(&mut self, drop: &Drop, made: Succession, aside: NodeId, place: Option<Place>) {
        let newcomer = self.node_of(made.vanished);
        let before = self.before(newcomer, self.locate(made.vanished, made.content));
        let spot = self.locate(drop.node, drop.version);
        let (stuck, withheld) = (self.stuck.contains(&aside), self.is_withheld(newcomer));
        let (arrived, went) = match place.filter(|_| !stuck && !withheld) {
            None if stuck && !withheld => self.save_over_moved(aside, newcomer, spot),
            Some(place) if aside == newcomer => {
                // The new content went into the very file that was moved aside.
                let saved = self.old.places(drop.node).first().map(|saved| self.place_of(saved));
                self.move_back(aside, place, saved);
                (aside, None)
            }
            Some(place) => self.save_over_aside(aside, place, newcomer, spot),
            None => (newcomer, None),
        };
        self.stands_for(drop.node, arrived);
        self.stands_at((made.survivor, made.version), before.after(went));
    }

    /// The other side moved the file for good that was moved aside here: the new content follows it.
    fn save_over_moved(&mut self, aside: NodeId, newcomer: NodeId, spot: Spot) -> Outcome {
        let place = self.tree.places(newcomer).into_iter().next();
        let fits =
            shapes_succession(self.tree, newcomer, aside) && self.tree.conflict_of_copy(newcomer).is_none();
        match place.filter(|_| fits) {
            Some(place) => self.save_over_another(newcomer, place, aside, spot),
            None => (newcomer, None),
        }
    }

    /// Moves a node back to where it was, or beside it.
    fn move_back(&mut self, node: NodeId, from: Place, before: Option<Place>) {
        let Some(before) = before.filter(|before| self.tree.node(before.parent).is_some()) else { return };
        let to = match self.tree.child(before.parent, &before.name) {
            None => before,
            Some(_) => self.conflict_place_of(node, &before),
        };
        if to == from || self.leads(&to, node) {
            return;
        }
        let rename = Move { node, from, to, replaces: None, exchange: false, keeps_owner: false };
        // A directory may hold by now the place where it was: then it stays.
        let _ = self.emit(Verb::Move(rename));
    }

    /// Where the new view shapes the save as well, the file has further names by now, or the new one is kept
    /// under a conflict name, the drop is all it takes. Otherwise both files change places again, and the save is a put.
    fn save_over_aside(&mut self, aside: NodeId, place: Place, newcomer: NodeId, spot: Spot) -> Outcome {
        let only_name = |node: NodeId| match self.tree.places(node).as_slice() {
            [only] => self.tree.node(node)?.manifest().map(|_| only.clone()),
            _ => None,
        };
        let unchanged = spot == self.spot(aside);
        let drop_is_enough = self.ends_as_save(aside, &place, newcomer, spot)
            || (unchanged && self.tree.conflict_of_copy(newcomer).is_some());
        let only_aside = only_name(aside).is_some();
        let Some(to) = only_name(newcomer).filter(|_| only_aside && !drop_is_enough) else {
            let made = self.drop_unless_changed(aside, place, spot);
            let made = made.filter(|made| made.vanished == newcomer);
            return made.map_or((newcomer, None), |made| (made.survivor, Some(made.into_spot())));
        };
        let replaces = Some(Replaced { node: newcomer, version: self.spot(newcomer).version });
        let from = place.clone();
        let back = Move { node: aside, from, to, replaces, exchange: true, keeps_owner: false };
        self.emit_or_record(Verb::Move(back));
        self.save_over_another(newcomer, place, aside, spot)
    }

    /// Tells whether dropping the file moved aside makes it go on with the newcomer's content.
    fn ends_as_save(&self, aside: NodeId, place: &Place, newcomer: NodeId, spot: Spot) -> bool {
        let drop = Drop { node: aside, place: place.clone(), version: spot.version };
        let op = Op { time: self.time, verb: Verb::Drop(drop) };
        let changes = apply(self.tree, self.replayer.author, &op).unwrap_or_default();
        spot.node == aside && Succession::among(&changes).is_some_and(|made| made.vanished == newcomer)
    }
}
