//! Undo: chosen cases, and its laws.

use super::deeds::{deed, deeds};
use super::world::{ANNE, BOB, Seen, World, content, seen};
use crate::ops::Tree;
use crate::sync::MemoryKv;
use crate::sync::past::{Deeds, LeftReason, Undo};
use proptest::prelude::*;

fn deeds_of_anne(world: &World, count: usize) -> Deeds<MemoryKv> {
    let mut deeds = Deeds::new(world.past(count), ANNE);
    world.entries[count..].chunks(4).for_each(|page| deeds.apply(page).unwrap());
    deeds
}

struct Undone {
    left: Vec<(String, LeftReason)>,
    merging: usize,
}

fn undo(world: &mut World, count: usize) -> Undone {
    let deeds = deeds_of_anne(world, count);
    let mut undo = Undo::new(&deeds, &world.tree());
    world.run(&mut undo);
    let left = undo.left().iter().map(|left| (String::from_utf8_lossy(&left.path).into(), left.reason));
    Undone { left: left.collect(), merging: undo.merging().len() }
}

fn content_at(world: &World, path: &str) -> Option<u8> {
    let row = world.tree().node(world.at(path)?)?;
    (0..=255).find(|mark| row.manifest() == Some(&content(*mark)))
}

fn shared() -> (World, usize) {
    let mut world = World::new();
    world.dir(BOB, "d");
    world.file(BOB, "d/f", 1);
    world.file(BOB, "g", 2);
    let count = world.now();
    (world, count)
}

#[test]
fn a_mass_deletion_is_undone_and_what_others_made_meanwhile_stays() {
    let (mut world, count) = shared();
    let before = seen(&world.tree(), "d");
    let place = world.place("d");
    world.remove_all(ANNE, place);
    world.file(BOB, "h", 3);
    world.file(BOB, "g", 4);
    let undone = undo(&mut world, count);
    assert!(undone.left.is_empty());
    assert_eq!(seen(&world.tree(), "d"), before);
    assert_eq!((content_at(&world, "h"), content_at(&world, "g")), (Some(3), Some(4)));
}

#[test]
fn what_others_changed_later_stays_and_is_said() {
    let (mut world, count) = shared();
    world.file(ANNE, "new", 5);
    world.file(BOB, "new", 6);
    world.dir(ANNE, "full");
    world.file(BOB, "full/x", 7);
    world.rename(ANNE, "g", "moved");
    world.rename(BOB, "moved", "moved on");
    world.file(ANNE, "d/f", 8);
    world.file(BOB, "d/f", 9);
    let mut undone = undo(&mut world, count);
    undone.left.sort_by(|a, b| a.0.cmp(&b.0));
    let left = [
        ("full".into(), LeftReason::NotEmpty),
        ("moved on".into(), LeftReason::MovedSince),
        ("new".into(), LeftReason::ChangedSince),
    ];
    assert_eq!(undone.left, left);
    assert_eq!(undone.merging, 1, "d/f is to be merged");
    assert_eq!(content_at(&world, "d/f"), Some(9));
    assert!(world.at("moved on").is_some() && world.at("full/x").is_some());
}

#[test]
fn names_taken_meanwhile_are_not_taken_back() {
    let (mut world, count) = shared();
    world.remove(ANNE, "g");
    world.file(BOB, "g", 5);
    world.rename(ANNE, "d/f", "elsewhere");
    world.file(BOB, "d/f", 6);
    let undone = undo(&mut world, count);
    let reasons: Vec<LeftReason> = undone.left.iter().map(|(_, reason)| *reason).collect();
    assert_eq!(reasons, [LeftReason::NameTaken, LeftReason::NameTaken]);
    assert_eq!((content_at(&world, "g"), content_at(&world, "d/f")), (Some(5), Some(6)));
    assert!(world.at("elsewhere").is_some());
}

#[test]
fn changes_in_turns_go_back_as_far_as_nobody_else_has_a_part_in_them() {
    let (mut world, count) = shared();
    for (member, mark) in [(ANNE, 10), (BOB, 11), (ANNE, 12), (ANNE, 13)] {
        world.file(member, "g", mark);
    }
    let undone = undo(&mut world, count);
    assert_eq!(content_at(&world, "g"), Some(11), "the later changes are taken out");
    assert_eq!(undone.merging, 1, "the first is under another's and is to be merged");
}

#[test]
fn an_undo_can_be_undone() {
    let (mut world, count) = shared();
    world.file(ANNE, "d/f", 8);
    world.rename(ANNE, "d", "e");
    let changed = seen(&world.tree(), "");
    undo(&mut world, count);
    let undone = world.now() - 1;
    assert_eq!(content_at(&world, "d/f"), Some(1));
    // Steps are run as Carl; undoing what he did gives Anne's work back.
    let from = (0..world.now()).rev().take_while(|at| world.entries[*at].member == super::world::CARL).last();
    let mut deeds = Deeds::new(world.past(from.unwrap()), super::world::CARL);
    deeds.apply(&world.entries[from.unwrap()..]).unwrap();
    let mut undo = Undo::new(&deeds, &world.tree());
    world.run(&mut undo);
    assert!(world.now() > undone);
    assert_eq!(seen(&world.tree(), ""), changed);
}

/// The rows of all that only others have changed after `count`.
fn rows_of_others(world: &World, count: usize) -> Seen {
    let mut seen = seen(&world.tree(), "");
    let mut annes = std::collections::BTreeSet::new();
    let deeds = deeds_of_anne(world, count);
    let mut at = None;
    while let Some(id) = deeds.noted_after(at) {
        annes.insert(id);
        at = Some(id);
    }
    seen.retain(|path, (_, row)| {
        !row.is_directory() && world.at(path).is_some_and(|id| !annes.contains(&id))
    });
    seen
}

proptest! {
    #![proptest_config(super::deeds::cases(150))]

    #[test]
    fn with_nobody_else_at_work_all_of_it_is_undone(
        (before, after) in (deeds(25), prop::collection::vec(deed(), 1..40))
    ) {
        let mut world = World::new();
        before.into_iter().for_each(|(member, deed)| world.do_deed(member, deed));
        let (count, then) = (world.now(), seen(&world.tree(), ""));
        after.into_iter().for_each(|deed| world.do_deed(ANNE, deed));
        let undone = undo(&mut world, count);
        prop_assert_eq!(undone.left, vec![]);
        prop_assert_eq!(undone.merging, 0);
        prop_assert_eq!(seen(&world.tree(), ""), then);
    }

    #[test]
    fn what_only_others_changed_is_never_touched((before, after) in (deeds(25), deeds(50))) {
        let mut world = World::new();
        before.into_iter().for_each(|(member, deed)| world.do_deed(member, deed));
        let count = world.now();
        after.into_iter().for_each(|(member, deed)| world.do_deed(member, deed));
        let others = rows_of_others(&world, count);
        let nodes: Vec<_> = others.keys().filter_map(|path| world.at(path)).collect();
        let rows: Vec<_> = nodes.iter().map(|id| (world.tree().node(*id), world.tree().places(*id))).collect();
        undo(&mut world, count);
        for (id, (row, places)) in nodes.into_iter().zip(rows) {
            prop_assert_eq!(world.tree().node(id), row);
            prop_assert_eq!(world.tree().places(id), places);
        }
    }
}
