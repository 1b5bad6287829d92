//! The names of nodes, taken back to where they were: the last change first, and again what had to wait for another,
//! as long as something moves. Names that have changed hands in a ring are freed by moving one node aside.

use super::deeds::{Changed, sorted};
use super::restore_names::{move_to, spare};
use super::rows::{drop_name, make};
use super::undo::{LeftReason, Undo};
use crate::model::{Name, Node, NodeId, Place};
use crate::ops::{Link, Tree, Verb, is_within};
use crate::sync::kv::{Kv, Store};
use crate::sync::rows::RowTree;

/// A node's names are set right by no more ops than it has names, and these.
const TRIES_MAX: u32 = 4;

/// Longer rings are left as they are.
const RING_MAX: usize = 1_000;

/// What a look at one node's names leads to.
enum Look {
    Act(Box<Verb>),
    Done,
    /// Another node has to go first, if it is known which.
    Wait(Option<NodeId>, LeftReason),
    Leave(LeftReason),
}

impl<S: Store> Undo<'_, S> {
    pub(super) fn names<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>) -> Option<Verb> {
        loop {
            let Some(id) = self.pending.last().copied() else {
                if self.waiting.is_empty() {
                    return None;
                }
                if let Some(verb) = self.next_pass(present) {
                    return Some(verb);
                }
                continue;
            };
            match self.look(present, id) {
                Look::Act(verb) => {
                    self.tries += 1;
                    self.moved_in_pass = true;
                    self.started.insert(id);
                    return Some(*verb);
                }
                Look::Wait(blocker, reason) => {
                    self.blocked.insert(id, (blocker, reason));
                    self.waiting.push(id);
                    self.pass();
                }
                Look::Done => self.close(id),
                Look::Leave(reason) => {
                    self.leave(present, id, reason);
                    self.close(id);
                }
            }
        }
    }

    fn pass(&mut self) {
        self.pending.pop();
        self.tries = 0;
    }

    fn close(&mut self, id: NodeId) {
        self.moved_in_pass = true;
        self.open.remove(&id);
        self.pass();
    }

    /// Begins anew with those that wait. Where nothing has moved, those that wait for nobody are left; where all wait for
    /// each other, one is moved aside.
    fn next_pass<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>) -> Option<Verb> {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.reverse();
        if std::mem::take(&mut self.moved_in_pass) {
            self.pending = waiting;
            return None;
        }
        let alone = |id: &NodeId| self.blocked.get(id).is_none_or(|(blocker, _)| blocker.is_none());
        let (alone, rest): (Vec<NodeId>, Vec<NodeId>) = waiting.into_iter().partition(alone);
        let verb = if alone.is_empty() { self.break_ring(present, &rest) } else { None };
        let (stuck, rest) =
            if alone.is_empty() && verb.is_none() { (rest, Vec::new()) } else { (alone, rest) };
        for id in stuck {
            let reason = self.blocked.get(&id).map_or(LeftReason::Misfit, |(_, reason)| *reason);
            self.leave(present, id, reason);
            self.open.remove(&id);
        }
        self.pending = rest;
        verb
    }

    /// The op that moves one node of a ring aside, so that another finds its name free.
    fn break_ring<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>, waiting: &[NodeId]) -> Option<Verb> {
        let blocker = |id: NodeId| self.blocked.get(&id).filter(|_| self.open.contains(&id))?.0;
        let next = |at: &NodeId| blocker(*at);
        let in_ring = waiting.iter().find_map(|start| {
            let steps = std::iter::successors(Some(*start), next).skip(1).take(RING_MAX);
            steps.into_iter().find(|at| at == start)
        })?;
        let ring = std::iter::successors(Some(in_ring), next).take(RING_MAX);
        let movable = |id: &NodeId| {
            let goes_back = self.deeds.note(*id).is_some_and(|note| !note.makes());
            goes_back && present.node(*id).is_some()
        };
        let mut ring = ring.into_iter().filter(movable);
        let (id, from, to) = ring.find_map(|id| self.way_aside(present, id))?;
        self.started.insert(id);
        self.aside.insert(to.clone());
        Some(move_to(id, from, to))
    }

    /// Which name of a node can be moved where, so that it is in nobody's way.
    fn way_aside<K: Kv + ?Sized>(
        &self,
        present: &RowTree<'_, K>,
        id: NodeId,
    ) -> Option<(NodeId, Place, Place)> {
        let Changed { before, .. } = self.deeds.note(id)?.places?;
        let extra = |place: &Place| !before.contains(place) && !self.aside.contains(place);
        let from = present.places(id).into_iter().find(extra)?;
        // Near its home where that is a directory that stays; in the root it is in nothing that has to go.
        let stays = |parent: &NodeId| {
            let made =
                self.open.contains(parent) && self.deeds.note(*parent).is_some_and(|note| note.makes());
            is_directory(present, *parent) && !made && !is_within(present, *parent, id)
        };
        let homes = before.iter().chain([&from]).map(|place| place.parent);
        let parent = homes.into_iter().find(stays).unwrap_or(NodeId::ROOT);
        let to = spare(present, present, &Place { parent, name: from.name.clone() });
        Some((id, from, to))
    }

    fn look<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>, id: NodeId) -> Look {
        let Some(Changed { before, after }) = self.deeds.note(id).and_then(|note| note.places) else {
            return Look::Done;
        };
        let now = sorted(present.places(id));
        if now == before || before == after {
            return Look::Done;
        }
        let started = self.started.contains(&id);
        if !started && now != after {
            return Look::Leave(LeftReason::MovedSince);
        }
        if self.tries > TRIES_MAX + (before.len() + after.len()) as u32 {
            return Look::Leave(LeftReason::Misfit);
        }
        match present.node(id) {
            Some(row) if before.is_empty() => self.unmake(present, (id, &row), &now[0]),
            Some(row) => self.rename_back(present, (id, &row), &before, &now),
            None if before.is_empty() => Look::Done,
            None => self.revive(present, id, &before[0]),
        }
    }

    /// Removes what the member made, unless others have worked on it.
    fn unmake<K: Kv + ?Sized>(
        &self,
        present: &RowTree<'_, K>,
        (id, row): (NodeId, &Node),
        place: &Place,
    ) -> Look {
        let note = self.deeds.note(id).unwrap_or_default();
        let last = note.contents.last().and_then(|changed| changed.after.as_ref());
        let is_own = row.manifest().zip(last).is_none_or(|(now, last)| last.manifest.same_content(now));
        if !is_own {
            return Look::Leave(LeftReason::ChangedSince);
        }
        if row.is_directory() && !present.is_empty(id) {
            let goes = |(_, child): &(Name, NodeId)| self.open.contains(child);
            let first = present.list(id, 0).find(goes).map(|(_, child)| child);
            return Look::Wait(first, LeftReason::NotEmpty);
        }
        Look::Act(Box::new(drop_name(id, place.clone(), row)))
    }

    fn revive<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>, id: NodeId, place: &Place) -> Look {
        if let Some(look) = self.obstacle(present, place) {
            return look;
        }
        let Some(tombstone) = present.tombstone(id) else { return Look::Leave(LeftReason::Misfit) };
        let note = self.deeds.note(id).unwrap_or_default();
        let row = match self.revived.insert(id) {
            true => self.reverted(id, &tombstone.node, &note),
            // Tried before, in vain: what is to be merged is noted.
            false => return Look::Leave(LeftReason::Misfit),
        };
        Look::Act(Box::new(make(id, place.clone(), (id, &row))))
    }

    fn rename_back<K: Kv + ?Sized>(
        &self,
        present: &RowTree<'_, K>,
        (id, row): (NodeId, &Node),
        before: &[Place],
        now: &[Place],
    ) -> Look {
        let missing: Vec<&Place> = before.iter().filter(|place| !now.contains(place)).collect();
        let extra: Vec<&Place> = now.iter().filter(|place| !before.contains(place)).collect();
        if extra.len() > missing.len() {
            return Look::Act(Box::new(drop_name(id, extra[0].clone(), row)));
        }
        let free = missing.iter().find(|place| self.obstacle(present, place).is_none());
        let Some(&to) = free.or(missing.first()) else { return Look::Done };
        if let Some(look) = self.obstacle(present, to) {
            return look;
        }
        match extra.first() {
            Some(_) if is_within(present, to.parent, id) => Look::Wait(None, LeftReason::Misfit),
            Some(&from) => Look::Act(Box::new(move_to(id, from.clone(), to.clone()))),
            None => Look::Act(Box::new(Verb::Link(Link { node: id, place: to.clone() }))),
        }
    }

    /// What keeps a name from being given back.
    fn obstacle<K: Kv + ?Sized>(&self, present: &RowTree<'_, K>, place: &Place) -> Option<Look> {
        let may_go = |id: NodeId| self.open.contains(&id);
        let parent_is_there = is_directory(present, place.parent);
        let (blocker, reason) = match present.child(place.parent, &place.name) {
            _ if !parent_is_there => (place.parent, LeftReason::ParentGone),
            Some(taker) => (taker, LeftReason::NameTaken),
            None => return None,
        };
        Some(if may_go(blocker) { Look::Wait(Some(blocker), reason) } else { Look::Leave(reason) })
    }
}

fn is_directory(tree: &impl Tree, id: NodeId) -> bool {
    tree.node(id).is_some_and(|row| row.is_directory())
}
