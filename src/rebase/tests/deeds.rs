//! Random work, chosen by numbers among what a member's view holds.

use super::space::Member;
use crate::model::{Body, Name, NodeId, Place};
use crate::ops::{Link, Tree, Verb, is_within};
use proptest::prelude::*;

/// What a random user does; numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
pub enum Deed {
    Write(u8, u8),
    WriteSame(u8, u8, u8),
    Mkdir(u8, u8),
    Symlink(u8, u8),
    Remove(u8),
    RemoveAll(u8),
    Move(u8, u8, u8),
    MoveOver(u8, u8),
    Exchange(u8, u8),
    Link(u8, u8, u8),
    Chmod(u8, u8),
    SaveByBackup(u8),
    SaveByRename(u8),
    /// Opens a file for writing; what is written later is based on what it held now.
    Open(u8),
    WriteOpen,
    Sync,
}

const NAMES: [&str; 4] = ["a", "b", "c.txt", "a~"];

fn deed() -> impl Strategy<Value = Deed> {
    use Deed::*;
    prop_oneof![
        4 => (any::<u8>(), any::<u8>()).prop_map(|(d, n)| Write(d, n)),
        2 => (any::<u8>(), any::<u8>(), 0..2u8).prop_map(|(d, n, c)| WriteSame(d, n, c)),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(d, n)| Mkdir(d, n)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(d, n)| Symlink(d, n)),
        3 => any::<u8>().prop_map(Remove),
        1 => any::<u8>().prop_map(RemoveAll),
        3 => (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(x, d, n)| Move(x, d, n)),
        3 => (any::<u8>(), any::<u8>()).prop_map(|(x, y)| MoveOver(x, y)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(x, y)| Exchange(x, y)),
        2 => (any::<u8>(), any::<u8>(), any::<u8>()).prop_map(|(x, d, n)| Link(x, d, n)),
        1 => (any::<u8>(), any::<u8>()).prop_map(|(x, m)| Chmod(x, m)),
        3 => any::<u8>().prop_map(SaveByBackup),
        3 => any::<u8>().prop_map(SaveByRename),
        2 => any::<u8>().prop_map(Open),
        2 => Just(WriteOpen),
        2 => Just(Sync),
    ]
}

/// Deeds of up to three members, by member.
pub fn deeds(members: usize, most: usize) -> impl Strategy<Value = Vec<(usize, Deed)>> {
    prop::collection::vec((0..members, deed()), 0..most)
}

impl Member {
    fn directories(&self) -> Vec<NodeId> {
        self.view.nodes.iter().filter(|(_, node)| node.is_directory()).map(|(id, _)| *id).collect()
    }

    fn chosen(&self, directory: u8, name: u8) -> Place {
        let directories = self.directories();
        let parent = directories[directory as usize % directories.len()];
        Place { parent, name: Name::new(NAMES[name as usize % NAMES.len()]).unwrap() }
    }

    fn chosen_name(&self, of: u8) -> Option<(Place, NodeId)> {
        let count = self.view.names.len();
        let (place, node) = self.view.names.iter().nth(of as usize % count.max(1))?;
        Some((place.clone(), *node))
    }

    fn chosen_file(&self, of: u8) -> Option<(Place, NodeId)> {
        let is_file = |id: &NodeId| self.view.node(*id).is_some_and(|node| node.manifest().is_some());
        let files: Vec<_> = self.view.names.iter().filter(|(_, id)| is_file(id)).collect();
        let (place, node) = files.get(of as usize % files.len().max(1))?;
        Some(((*place).clone(), **node))
    }

    fn is_directory(&self, node: NodeId) -> bool {
        self.view.node(node).is_some_and(|node| node.is_directory())
    }

    fn write_at(&mut self, place: Place, content: u64) {
        match self.view.child(place.parent, &place.name) {
            None => {
                let node = self.allocate();
                self.make_at(node, place, Body::File(super::space::content(content)));
            }
            Some(node) if self.view.node(node).is_some_and(|node| node.manifest().is_some()) => {
                self.put(node, content);
            }
            Some(_) => {}
        }
    }

    fn make_new(&mut self, place: Place, body: Body) {
        if self.view.child(place.parent, &place.name).is_none() {
            let node = self.allocate();
            self.make_at(node, place, body);
        }
    }

    pub fn do_deed(&mut self, deed: Deed, content: u64) {
        match deed {
            Deed::Write(d, n) => self.write_at(self.chosen(d, n), content),
            Deed::WriteSame(d, n, c) => self.write_at(self.chosen(d, n), u64::from(c)),
            Deed::Mkdir(d, n) => self.make_new(self.chosen(d, n), Body::Directory),
            Deed::Symlink(d, n) => self.make_new(self.chosen(d, n), Body::Symlink(vec![b'a' + n % 2])),
            Deed::Remove(x) => _ = self.chosen_name(x).map(|(place, _)| self.remove(place)),
            Deed::RemoveAll(x) => _ = self.chosen_name(x).map(|(place, _)| self.remove_all(place)),
            Deed::Move(x, d, n) => {
                let to = self.chosen(d, n);
                _ = self.chosen_name(x).map(|(from, _)| self.try_rename(from, to, false));
            }
            Deed::MoveOver(x, y) | Deed::Exchange(x, y) => {
                let pair = self.chosen_name(x).zip(self.chosen_name(y));
                let exchange = matches!(deed, Deed::Exchange(..));
                _ = pair.map(|((from, _), (to, _))| self.try_rename(from, to, exchange));
            }
            Deed::Link(x, d, n) => self.try_link(x, self.chosen(d, n)),
            Deed::Chmod(x, m) => {
                let node = self.chosen_name(x).map(|(_, node)| node);
                _ = node.map(|node| self.set(node, Some(0o600 + u16::from(m % 4)), Some(m.into()), vec![]));
            }
            Deed::SaveByBackup(x) => _ = self.chosen_file(x).map(|(place, _)| self.backup(place, content)),
            Deed::SaveByRename(x) => _ = self.chosen_file(x).map(|(place, _)| self.overwrite(place, content)),
            Deed::Open(x) => self.handle = self.chosen_file(x).map(|(_, node)| self.open(node)),
            Deed::WriteOpen => self.write_open(content),
            Deed::Sync => {}
        }
    }

    fn remove(&mut self, place: Place) {
        if let Some(node) = self.view.child(place.parent, &place.name)
            && (!self.is_directory(node) || self.view.is_empty(node))
        {
            self.drop_at(node, place);
        }
    }

    fn remove_all(&mut self, place: Place) {
        let Some(node) = self.view.child(place.parent, &place.name) else { return };
        let below: Vec<Place> =
            self.view.names.keys().filter(|place| place.parent == node).cloned().collect();
        below.into_iter().for_each(|place| self.remove_all(place));
        self.drop_at(node, place);
    }

    fn try_rename(&mut self, from: Place, to: Place, exchange: bool) {
        let Some(node) = self.view.child(from.parent, &from.name) else { return };
        let there = self.view.child(to.parent, &to.name);
        let cycle = self.is_directory(node) && is_within(&self.view, to.parent, node);
        let fits = match there {
            None => !exchange,
            Some(there) if exchange => {
                there != node && !(self.is_directory(there) && is_within(&self.view, from.parent, there))
            }
            Some(there) => {
                there != node
                    && self.is_directory(there) == self.is_directory(node)
                    && (!self.is_directory(there) || self.view.is_empty(there))
            }
        };
        if fits && !cycle {
            self.rename(from, to, exchange);
        }
    }

    fn try_link(&mut self, of: u8, place: Place) {
        let Some((_, node)) = self.chosen_name(of) else { return };
        if !self.is_directory(node) && self.view.child(place.parent, &place.name).is_none() {
            self.act(Verb::Link(Link { node, place }));
        }
    }

    fn beside(&self, place: &Place, suffix: &str) -> Option<Place> {
        let name = Name::new([place.name.as_bytes(), suffix.as_bytes()].concat()).ok()?;
        let beside = Place { parent: place.parent, name };
        self.view.child(beside.parent, &beside.name).is_none().then_some(beside)
    }

    fn backup(&mut self, place: Place, content: u64) {
        let Some(aside) = self.beside(&place, ".bak") else { return };
        self.rename(place.clone(), aside.clone(), false);
        self.write_at(place, content);
        self.remove(aside);
    }

    fn overwrite(&mut self, place: Place, content: u64) {
        let Some(beside) = self.beside(&place, ".new") else { return };
        self.write_at(beside.clone(), content);
        self.rename(beside, place, false);
    }
}
