//! Laws of rebase on random work: nothing is lost, all end equal, an unchanged base changes nothing.

use super::space::{Member, Space, contents_of, listing};
use crate::model::{Body, Name, NodeId, Place};
use crate::ops::{Tree, is_within};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::collections::BTreeSet;

/// What a random user does; numbers choose among what there is.
#[derive(Clone, Copy, Debug)]
enum Deed {
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
        2 => Just(Sync),
    ]
}

/// Deeds of up to three members, by member.
fn deeds(members: usize, most: usize) -> impl Strategy<Value = Vec<(usize, Deed)>> {
    prop::collection::vec((0..members, deed()), 0..most)
}

struct World {
    space: Space,
    members: Vec<Member>,
    contents: u64,
}

impl World {
    fn new(members: u32) -> World {
        World { space: Space::default(), members: (1..=members).map(Member::new).collect(), contents: 100 }
    }

    fn run(&mut self, deeds: &[(usize, Deed)]) {
        for (who, deed) in deeds {
            self.contents += 1;
            match deed {
                Deed::Sync => _ = self.members[*who].sync(&mut self.space),
                deed => self.members[*who].do_deed(*deed, self.contents),
            }
        }
    }

    /// Everybody sends and gets everything.
    fn settle(&mut self) {
        for _ in 0..2 {
            for member in &mut self.members {
                member.sync(&mut self.space);
            }
        }
    }

    fn check_equal(&self) {
        for member in &self.members {
            assert_eq!(member.view, self.space.head);
            assert_eq!(member.base, self.space.head);
        }
    }

    /// Names that a save uses for a moment are not seen afterwards.
    fn check_no_names_of_saves(&self) {
        for path in listing(&self.space.head).keys() {
            assert!(!path.contains(".bak") && !path.contains(".new"), "{path} is left of a save");
        }
    }

    /// What nobody removed or replaced knowingly is in the tree.
    fn check_nothing_lost(&self) {
        let of_all = |sets: fn(&Member) -> &BTreeSet<u64>| self.members.iter().flat_map(sets).copied();
        let mut superseded: BTreeSet<u64> = of_all(|member| &member.superseded).collect();
        superseded.extend(&self.space.replaced_in_copies);
        let there = contents_of(&self.space.head);
        let gone: Vec<u64> = of_all(|member| &member.written)
            .filter(|content| !superseded.contains(content) && !there.contains(content))
            .collect();
        let accepted = self.space.contents();
        let unsent: Vec<u64> =
            of_all(|member| &member.written).filter(|one| !accepted.contains(one)).collect();
        assert!(unsent.is_empty(), "contents {unsent:?} never reached the log");
        assert!(gone.is_empty(), "contents {gone:?} are in no file of {:?}", listing(&self.space.head));
    }
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

    fn do_deed(&mut self, deed: Deed, content: u64) {
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
            self.act(crate::ops::Verb::Link(crate::ops::Link { node, place }));
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

/// Runs a law on the same cases each time; `PROPTEST_CASES` asks for that many others.
fn hold<S: Strategy>(cases: u32, strategy: S, law: impl Fn(S::Value)) {
    let wanted = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let config = Config { cases: wanted.unwrap_or(cases), failure_persistence: None, ..Config::default() };
    let mut runner = match wanted {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let result = runner.run(&strategy, |value| {
        law(value);
        Ok(())
    });
    if let Err(TestError::Fail(reason, value)) = result {
        panic!("{reason}\nwith {value:?}");
    }
}

#[test]
fn members_end_equal_and_nothing_is_lost() {
    hold(2_000, (deeds(1, 12), deeds(3, 60)), |(before, after)| {
        let mut world = World::new(3);
        world.run(&before);
        world.settle();
        world.run(&after);
        world.settle();
        world.check_equal();
        world.check_nothing_lost();
        world.check_no_names_of_saves();
    });
}

#[test]
fn on_an_unchanged_base_replay_is_the_identity() {
    hold(1_000, (deeds(2, 16), deeds(1, 24)), |(before, journal)| {
        let mut world = World::new(2);
        world.run(&before);
        world.settle();
        let journal: Vec<_> = journal.into_iter().filter(|(_, deed)| !matches!(deed, Deed::Sync)).collect();
        world.run(&journal);
        let member = &mut world.members[0];
        let (view, pending, mut base) = (member.view.clone(), member.journal.clone(), member.base.clone());
        let replayed = member.replay_on_base(&mut base);
        assert_eq!(replayed.ops, pending);
        assert!(!replayed.changed);
        assert_eq!((replayed.nodes.len(), replayed.versions.len(), replayed.conflicts.len()), (0, 0, 0));
        assert_eq!(member.view, view);
    });
}
