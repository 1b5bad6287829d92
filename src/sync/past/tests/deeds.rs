//! Random work, chosen by numbers among what there is.

use super::world::World;
use crate::model::{Body, MemberNumber, Name, NodeId, Place};
use crate::ops::Tree;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

#[derive(Clone, Copy, Debug)]
pub enum Deed {
    Write(u8, u8, u8),
    Mkdir(u8, u8),
    Symlink(u8, u8),
    Remove(u8),
    RemoveAll(u8),
    Move(u8, u8, u8),
    MoveOver(u8, u8),
    Exchange(u8, u8),
    Link(u8, u8, u8),
    Chmod(u8, u8),
    SaveByBackup(u8, u8),
}

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

pub fn deed() -> impl Strategy<Value = Deed> {
    use Deed::*;
    let byte = any::<u8>;
    prop_oneof![
        5 => (byte(), byte(), byte()).prop_map(|(d, n, c)| Write(d, n, c)),
        4 => (byte(), byte()).prop_map(|(d, n)| Mkdir(d, n)),
        1 => (byte(), byte()).prop_map(|(d, n)| Symlink(d, n)),
        2 => byte().prop_map(Remove),
        2 => byte().prop_map(RemoveAll),
        4 => (byte(), byte(), byte()).prop_map(|(x, d, n)| Move(x, d, n)),
        2 => (byte(), byte()).prop_map(|(x, y)| MoveOver(x, y)),
        2 => (byte(), byte()).prop_map(|(x, y)| Exchange(x, y)),
        2 => (byte(), byte(), byte()).prop_map(|(x, d, n)| Link(x, d, n)),
        2 => (byte(), byte()).prop_map(|(x, m)| Chmod(x, m)),
        2 => (byte(), byte()).prop_map(|(x, c)| SaveByBackup(x, c)),
    ]
}

/// So many cases, the same each time; `PROPTEST_CASES` asks for that many others.
pub fn cases(number: u32) -> ProptestConfig {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let rng_seed = if wanted.is_some() { RngSeed::Random } else { RngSeed::Fixed(1) };
    let cases = wanted.unwrap_or(number);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

pub fn deeds(most: usize) -> impl Strategy<Value = Vec<(MemberNumber, Deed)>> {
    let member = prop_oneof![Just(super::world::ANNE), Just(super::world::BOB)];
    prop::collection::vec((member, deed()), 1..most)
}

impl World {
    /// All names, and the directories among what they lead to, the root included.
    pub fn names(&self) -> (Vec<(Place, NodeId)>, Vec<NodeId>) {
        let (mut all, mut directories) = (Vec::new(), vec![NodeId::ROOT]);
        let mut at = 0;
        while let Some(parent) = directories.get(at).copied() {
            for (name, child) in self.tree().list(parent, 0) {
                if self.tree().node(child).unwrap().is_directory() {
                    directories.push(child);
                }
                all.push((Place { parent, name }, child));
            }
            at += 1;
        }
        all.sort();
        directories.sort();
        (all, directories)
    }

    fn chosen(&self, directory: u8, name: u8) -> Place {
        let (_, directories) = self.names();
        let parent = directories[directory as usize % directories.len()];
        Place { parent, name: Name::new(NAMES[name as usize % NAMES.len()]).unwrap() }
    }

    fn chosen_name(&self, of: u8) -> Option<(Place, NodeId)> {
        let (all, _) = self.names();
        all.get(of as usize % all.len().max(1)).cloned()
    }

    /// Does it, where it can be done.
    pub fn do_deed(&mut self, member: MemberNumber, deed: Deed) {
        match deed {
            Deed::Write(d, n, c) => {
                let place = self.chosen(d, n);
                match self.tree().child(place.parent, &place.name) {
                    Some(node) => _ = self.put(member, node, c),
                    None => _ = self.make_at(member, place, Body::File(super::world::content(c))),
                }
            }
            Deed::Mkdir(d, n) => _ = self.make_at(member, self.chosen(d, n), Body::Directory),
            Deed::Symlink(d, n) => {
                _ = self.make_at(member, self.chosen(d, n), Body::Symlink(vec![b'a' + n % 2]))
            }
            Deed::Remove(x) => _ = self.chosen_name(x).map(|(place, _)| self.remove_at(member, place)),
            Deed::RemoveAll(x) => _ = self.chosen_name(x).map(|(place, _)| self.remove_all(member, place)),
            Deed::Move(x, d, n) => {
                let to = self.chosen(d, n);
                _ = self.chosen_name(x).map(|(from, _)| self.rename_at(member, from, to, false));
            }
            Deed::MoveOver(x, y) | Deed::Exchange(x, y) => {
                let exchange = matches!(deed, Deed::Exchange(..));
                let pair = self.chosen_name(x).zip(self.chosen_name(y));
                _ = pair.map(|((from, _), (to, _))| self.rename_at(member, from, to, exchange));
            }
            Deed::Link(x, d, n) => {
                let place = self.chosen(d, n);
                _ = self.chosen_name(x).map(|(_, node)| self.link_at(member, node, place));
            }
            Deed::Chmod(x, m) => {
                _ = self.chosen_name(x).map(|(_, node)| self.chmod(member, node, 0o600 + u16::from(m % 8)))
            }
            Deed::SaveByBackup(x, c) => {
                let Some((place, node)) = self.chosen_name(x) else { return };
                if self.tree().node(node).unwrap().manifest().is_none() {
                    return;
                }
                let aside = Place { parent: place.parent, name: Name::new("~").unwrap() };
                if self.rename_at(member, place.clone(), aside.clone(), false) {
                    self.make_at(member, place, Body::File(super::world::content(c)));
                    self.remove_at(member, aside);
                }
            }
        }
    }
}
