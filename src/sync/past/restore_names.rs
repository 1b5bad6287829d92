//! Which op makes a name lead to what it led to then: a node brought back, moved back, linked, or given the content and
//! attributes of then; and what becomes of another node that has the name now.

use super::Allocate;
use super::restore::{Manner, Restore};
use super::rows::{adjust, drop_name, make};
use crate::model::{Name, Node, NodeId, Place};
use crate::ops::{Link, Move, Tree, Verb, is_within};
use crate::sync::kv::Kv;
use crate::sync::rows::RowTree;

impl<P: Kv + ?Sized> Restore<'_, P> {
    /// The next op that makes `place` lead to what stands for a node of the past.
    pub(super) fn arrange_child<K: Kv + ?Sized>(
        &mut self,
        present: &RowTree<'_, K>,
        allocate: Allocate<'_>,
        place: &Place,
        (id, is_above): (NodeId, bool),
    ) -> Option<Verb> {
        let row = self.past.node(id)?;
        match present.child(place.parent, &place.name) {
            Some(there) if there == self.stand_in(id) => {
                let now = present.node(there)?;
                let verb = adjust(there, &now, (id, &row)).filter(|_| !is_above && !row.is_directory());
                let is_kept = self.manner == Manner::Missing;
                self.left += u64::from(is_kept && verb.is_some());
                verb.filter(|_| !is_kept)
            }
            Some(there) => self.meet(present, place, there, (id, &row, is_above)),
            None => self.bring(present, allocate, place, (id, &row, is_above)),
        }
    }

    /// Another node has the name.
    fn meet<K: Kv + ?Sized>(
        &mut self,
        present: &RowTree<'_, K>,
        place: &Place,
        there: NodeId,
        (id, row, is_above): (NodeId, &Node, bool),
    ) -> Option<Verb> {
        let now = present.node(there)?;
        let both_directories = row.is_directory() && now.is_directory();
        if both_directories && (is_above || id == self.root || self.manner == Manner::Missing) {
            self.let_stand(id, there);
            return None;
        }
        if is_above || self.manner == Manner::Missing {
            self.left += 1;
            return None;
        }
        let has_own_place = self.was_inside(there);
        let stands = self.stands.get(&id).is_some_and(|stand| present.node(*stand).is_some());
        let is_needed =
            stands || (present.node(id).is_some() && self.places_inside(present, id).next().is_some());
        let both_files = row.manifest().is_some() && now.manifest().is_some();
        let alone = both_directories
            || id == self.root
            || present.places(there).iter().all(|at| self.was_at(at) == Some(id));
        if (both_directories || both_files) && alone && !has_own_place && !is_needed {
            self.let_stand(id, there);
            return if both_files { adjust(there, &now, (id, row)) } else { None };
        }
        match now.is_directory() || has_own_place {
            // It may hold what belongs elsewhere; what is left of it goes in the second round.
            true => Some(move_to(there, place.clone(), spare(present, &self.past, place))),
            false => Some(drop_name(there, place.clone(), &now)),
        }
    }

    /// Nothing has the name.
    fn bring<K: Kv + ?Sized>(
        &mut self,
        present: &RowTree<'_, K>,
        allocate: Allocate<'_>,
        place: &Place,
        (id, row, is_above): (NodeId, &Node, bool),
    ) -> Option<Verb> {
        let is_directory = row.is_directory();
        let known = self.stands.get(&id).copied().filter(|stand| present.node(*stand).is_some());
        if let Some(stand) = known.filter(|_| !is_directory) {
            return Some(Verb::Link(Link { node: stand, place: place.clone() }));
        }
        let Some(now) = present.node(id) else { return Some(self.make(id, place, (id, row))) };
        let mut inside = self.places_inside(present, id);
        let is_right = |at: &Place| self.was_at(at) == Some(id);
        let (wrong, right) = match is_above {
            true => (None, false),
            false => {
                let inside: Vec<Place> = inside.by_ref().collect();
                (inside.iter().find(|at| !is_right(at)).cloned(), inside.iter().any(is_right))
            }
        };
        drop(inside);
        let exact = self.manner == Manner::Exact;
        if let Some(from) = wrong.filter(|_| exact && !is_within(present, place.parent, id)) {
            return Some(move_to(id, from, place.clone()));
        }
        let same = now.manifest().zip(row.manifest()).is_none_or(|(a, b)| a.same_content(b));
        if right && !is_directory && (exact || same) {
            return Some(Verb::Link(Link { node: id, place: place.clone() }));
        }
        Some(self.make(allocate(), place, (id, row)))
    }

    fn make(&mut self, node: NodeId, place: &Place, (past, row): (NodeId, &Node)) -> Verb {
        if row.is_directory() {
            self.made.insert(node);
        }
        // A file with several names is made once; the others are links to what was made.
        if node != past || (!row.is_directory() && self.past.places(past).len() > 1) {
            self.let_stand(past, node);
        }
        make(node, place.clone(), (past, row))
    }

    /// What was at a place of the present then.
    fn was_at(&self, at: &Place) -> Option<NodeId> {
        let parent = self.stood_for.get(&at.parent).copied().unwrap_or(at.parent);
        self.past.child(parent, &at.name)
    }

    fn was_inside(&self, id: NodeId) -> bool {
        self.past.node(id).is_some() && is_within(&self.past, id, self.root)
    }

    /// The names of a node in the restored directory, as it is now.
    fn places_inside<K: Kv + ?Sized>(
        &self,
        present: &RowTree<'_, K>,
        id: NodeId,
    ) -> impl Iterator<Item = Place> {
        let root = self.stand_in(self.root);
        let is_live = present.node(root).is_some_and(|row| row.is_directory());
        let inside = |place: &Place| is_live && is_within(present, place.parent, root);
        present.places(id).into_iter().filter(inside).collect::<Vec<_>>().into_iter()
    }
}

pub(super) fn move_to(node: NodeId, from: Place, to: Place) -> Verb {
    Verb::Move(Move { node, from, to, replaces: None, exchange: false, keeps_owner: false })
}

/// A name that nothing has, then and now.
pub(super) fn spare<K: Kv + ?Sized, P: Kv + ?Sized>(
    present: &RowTree<'_, K>,
    past: &RowTree<'_, P>,
    place: &Place,
) -> Place {
    let free = |place: &Place| {
        [present.child(place.parent, &place.name), past.child(place.parent, &place.name)] == [None, None]
    };
    let numbered = |number: u32| {
        let ending = format!(" aside {number}");
        let stem = &place.name.as_bytes()[..place.name.as_bytes().len().min(Name::BYTES_MAX - ending.len())];
        let name = Name::new([stem, ending.as_bytes()].concat()).expect("a name with an ending is a name");
        Place { parent: place.parent, name }
    };
    (1..).map(numbered).find(free).expect("there are more numbers than names")
}
