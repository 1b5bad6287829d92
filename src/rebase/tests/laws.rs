//! Laws of rebase on random work: nothing is lost, all end equal, an unchanged base changes nothing.

use super::deeds::{Deed, deeds};
use super::space::{Member, Space, contents_of, listing, unwanted};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestError, TestRng, TestRunner};
use std::collections::BTreeSet;

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
        let unwanted = unwanted(&self.space, &self.members.iter().collect::<Vec<_>>());
        let there = contents_of(&self.space.head);
        let gone: Vec<u64> = of_all(|member| &member.written)
            .filter(|content| !unwanted.contains(content) && !there.contains(content))
            .collect();
        let accepted = self.space.contents();
        let unsent: Vec<u64> =
            of_all(|member| &member.written).filter(|one| !accepted.contains(one)).collect();
        assert!(unsent.is_empty(), "contents {unsent:?} never reached the log");
        assert!(gone.is_empty(), "contents {gone:?} are in no file of {:?}", listing(&self.space.head));
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

/// What each of three members does, in order.
type Work = Vec<(usize, Deed)>;

/// Three members work from a common state, send and get now and then, and at last everything.
fn three_at_work((before, after): (Work, Work)) -> World {
    let mut world = World::new(3);
    world.run(&before);
    world.settle();
    world.run(&after);
    world.settle();
    world.check_equal();
    world.check_nothing_lost();
    world
}

#[test]
fn members_end_equal_and_nothing_is_lost() {
    hold(2_000, (deeds(1, 12), deeds(3, 60)), |deeds| drop(three_at_work(deeds)));
}

#[test]
fn without_hard_links_no_name_of_a_save_is_left() {
    let no_links = |deeds: Vec<(usize, Deed)>| -> Vec<(usize, Deed)> {
        deeds.into_iter().filter(|(_, deed)| !matches!(deed, Deed::Link(..))).collect()
    };
    hold(2_000, (deeds(1, 12), deeds(3, 60)), |(before, after)| {
        three_at_work((no_links(before), no_links(after))).check_no_names_of_saves();
    });
}

#[test]
fn on_an_unchanged_base_replay_is_the_identity() {
    hold(1_000, (deeds(2, 16), deeds(1, 24)), |(before, journal)| {
        let mut world = World::new(2);
        world.run(&before);
        world.settle();
        let journal: Vec<_> =
            journal.into_iter().filter(|(_, deed)| !matches!(deed, Deed::Sync | Deed::WriteOpen)).collect();
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
