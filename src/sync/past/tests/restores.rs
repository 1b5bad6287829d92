//! Restore: chosen cases, and the law that what is restored is what it was.

use super::deeds::{Deed, deed, deeds};
use super::world::{ANNE, BOB, World, content, find, names, seen};
use crate::model::{Body, MemberNumber, Name, NodeId, Place, Timestamp, Version};
use crate::ops::{Origin, Restored, Tree, Verb};
use crate::sync::past::{Action, Manner, Piece, Refusal, Restore, restore_version};
use proptest::prelude::*;

type Work = Vec<(MemberNumber, Deed)>;

fn restore(world: &mut World, count: usize, path: &str, manner: Option<Manner>) -> Result<u64, Refusal> {
    let past = world.past(count);
    let mut restore = Restore::new(past.tree(), &world.tree(), names(path), manner)?;
    world.run(&mut restore);
    Ok(restore.left())
}

fn is_restored(world: &World, count: usize, path: &str) {
    let past = world.past(count);
    assert_eq!(seen(&world.tree(), path), seen(&past.tree(), path));
}

/// A directory with a file, one below it and one with two names, and where the log stood then.
fn directory() -> (World, usize) {
    let mut world = World::new();
    world.dir(ANNE, "d");
    world.file(ANNE, "d/f", 1);
    world.dir(ANNE, "d/e");
    world.file(ANNE, "d/e/g", 2);
    let (node, place) = (world.at("d/f").unwrap(), world.place("d/e/f"));
    assert!(world.link_at(ANNE, node, place));
    world.file(BOB, "other", 9);
    let count = world.now();
    (world, count)
}

#[test]
fn a_removed_directory_comes_back_whole_as_the_nodes_it_was() {
    let (mut world, count) = directory();
    let (before, node) = (seen(&world.tree(), ""), world.at("d/e/g"));
    let place = world.place("d");
    world.remove_all(BOB, place);
    assert_eq!(restore(&mut world, count, "d", None), Ok(0));
    is_restored(&world, count, "d");
    assert_eq!(world.at("d/e/g"), node, "it is the same file again");
    let version = world.tree().node(node.unwrap()).unwrap().version;
    assert_eq!(version, Version(3), "its removal was a version, and so is its return");
    assert_eq!(before.keys().collect::<Vec<_>>(), seen(&world.tree(), "").keys().collect::<Vec<_>>());
}

#[test]
fn a_directory_that_is_there_is_left_alone_unless_somebody_says_how() {
    let (mut world, count) = directory();
    world.file(BOB, "d/f", 5);
    world.file(BOB, "d/new", 6);
    world.remove(BOB, "d/e/g");
    let before = seen(&world.tree(), "");
    assert_eq!(restore(&mut world, count, "d", None), Err(Refusal::NotEmpty));
    assert_eq!(restore(&mut world, count, "", None), Err(Refusal::NotEmpty));
    assert_eq!(seen(&world.tree(), ""), before, "nothing has changed");

    assert_eq!(
        restore(&mut world, count, "d", Some(Manner::Missing)),
        Ok(2),
        "both names of a file that has changed"
    );
    assert_eq!(world.tree().node(world.at("d/f").unwrap()).unwrap().manifest(), Some(&content(5)));
    assert!(world.at("d/new").is_some() && world.at("d/e/g").is_some());

    assert_eq!(restore(&mut world, count, "d", Some(Manner::Exact)), Ok(0));
    is_restored(&world, count, "d");
    assert_eq!(world.at("d/new"), None);
}

#[test]
fn an_empty_directory_is_filled_without_a_word() {
    let (mut world, count) = directory();
    let place = world.place("d");
    world.remove_all(BOB, place);
    world.dir(BOB, "d");
    assert_eq!(restore(&mut world, count, "d", None), Ok(0));
    assert!(world.at("d/e/g").is_some());
}

#[test]
fn a_file_takes_the_content_of_then_whoever_is_there_now() {
    let (mut world, count) = directory();
    world.remove(ANNE, "d/e/f");
    world.remove(ANNE, "d/f");
    world.file(BOB, "d/f", 7);
    let now = world.at("d/f");
    assert_eq!(restore(&mut world, count, "d/f", None), Ok(0));
    assert_eq!(world.at("d/f"), now, "the file that is there goes on");
    assert_eq!(world.tree().node(now.unwrap()).unwrap().manifest(), Some(&content(1)));
    let Some(Verb::Put(put)) = world.entries.last().map(|entry| entry.ops[0].verb.clone()) else {
        panic!("the last op is no new version");
    };
    let first = find(&world.past(count).tree(), "d/f").unwrap();
    assert_eq!(put.came_from, Some(Origin::Restored(Restored { node: first, version: Version(1) })));
}

#[test]
fn what_lives_elsewhere_now_stays_there() {
    let (mut world, count) = directory();
    world.rename(BOB, "d/e", "kept");
    let place = world.place("d");
    world.remove_all(BOB, place);
    let kept = seen(&world.tree(), "kept");
    assert_eq!(restore(&mut world, count, "d", None), Ok(0));
    assert!(world.at("d/e/g").is_some() && world.at("d/e/g") != world.at("kept/g"));
    let names = |seen: super::world::Seen| seen.into_keys().collect::<Vec<_>>();
    assert_eq!(names(seen(&world.tree(), "kept")), names(kept));
}

#[test]
fn directories_above_come_back_with_a_file_and_nothing_else_of_theirs() {
    let (mut world, count) = directory();
    let place = world.place("d");
    world.remove_all(BOB, place);
    assert_eq!(restore(&mut world, count, "d/e/g", None), Ok(0));
    assert!(world.at("d/e/g").is_some());
    assert_eq!((world.at("d/f"), world.at("d/e/f")), (None, None));
}

#[test]
fn what_cannot_be_is_refused_with_its_reason() {
    let (mut world, count) = directory();
    assert_eq!(restore(&mut world, count, "nowhere", None), Err(Refusal::NothingThere));
    assert_eq!(restore(&mut world, 1, "d/f", None), Err(Refusal::NothingThere));
    let place = world.place("d");
    world.remove_all(BOB, place);
    world.file(BOB, "d", 8);
    assert_eq!(restore(&mut world, count, "d", None), Err(Refusal::FileNow));
    assert_eq!(restore(&mut world, count, "d/f", None), Err(Refusal::FileAbove));
    world.remove(BOB, "other");
    world.dir(BOB, "other");
    assert_eq!(restore(&mut world, count, "other", None), Err(Refusal::DirectoryNow));
}

#[test]
fn one_version_goes_into_the_file_that_is_there_or_comes_back_as_itself() {
    let mut world = World::new();
    world.file(ANNE, "f", 1);
    world.file(ANNE, "f", 2);
    let node = world.at("f").unwrap();
    let mtime = Timestamp { seconds: 77, nanos: 0 };
    let piece = Piece { node, version: Version(1), manifest: content(1), mtime };
    let place = world.place("f");
    let mut none = || unreachable!("no new node is needed");
    let put = restore_version(&world.tree(), place.clone(), &piece, &mut none).unwrap();
    assert!(world.act(BOB, put));
    let row = world.tree().node(node).unwrap();
    assert_eq!((row.manifest(), row.version, row.mtime), (Some(&content(1)), Version(3), mtime));
    assert_eq!(restore_version(&world.tree(), place.clone(), &piece, &mut none), None);

    world.remove(ANNE, "f");
    let make = restore_version(&world.tree(), place.clone(), &piece, &mut none).unwrap();
    assert!(world.act(BOB, make));
    assert_eq!(world.at("f"), Some(node));

    let copy = NodeId { member: BOB, counter: 999 };
    let elsewhere = Place { name: Name::new("g").unwrap(), ..place };
    let make = restore_version(&world.tree(), elsewhere, &piece, &mut || copy).unwrap();
    assert!(world.act(BOB, make));
    assert_eq!(world.at("g"), Some(copy), "the file that lives is not moved away");
}

#[test]
fn ten_names_of_a_ring_go_back_by_moves_alone() {
    let mut world = World::new();
    let name = |number: usize| format!("f{number}");
    (0..10).for_each(|number| world.file(ANNE, &name(number), number as u8));
    let count = world.now();
    world.rename(BOB, "f0", "x");
    (1..10).for_each(|number| world.rename(BOB, &name(number), &name(number - 1)));
    world.rename(BOB, "x", "f9");
    let past = world.past(count);
    let mut steps = Restore::new(past.tree(), &world.tree(), Vec::new(), Some(Manner::Exact)).unwrap();
    let told = world.run(&mut steps);
    let others = told.iter().filter(|told| !matches!(told.action, Action::MoveBack | Action::SetAttributes));
    assert_eq!(others.count(), 0, "{told:?}");
    is_restored(&world, count, "");
}

#[test]
fn a_directory_and_one_inside_it_that_changed_places_go_back() {
    let mut world = World::new();
    world.dir(ANNE, "a");
    world.dir(ANNE, "a/b");
    world.file(ANNE, "a/b/f", 1);
    let count = world.now();
    world.rename(BOB, "a/b", "b");
    world.rename(BOB, "a", "b/a");
    world.rename(BOB, "b", "a");
    restore(&mut world, count, "", Some(Manner::Exact)).unwrap();
    is_restored(&world, count, "");
}

proptest! {
    #![proptest_config(super::deeds::cases(150))]

    #[test]
    fn a_restored_space_is_what_it_was((before, after) in (deeds(25), deeds(40))) {
        let mut world = World::new();
        before.into_iter().for_each(|(member, deed)| world.do_deed(member, deed));
        let count = world.now();
        after.into_iter().for_each(|(member, deed)| world.do_deed(member, deed));
        restore(&mut world, count, "", Some(Manner::Exact)).unwrap();
        is_restored(&world, count, "");
        let again = world.now();
        restore(&mut world, count, "", Some(Manner::Exact)).unwrap();
        prop_assert_eq!(world.now(), again, "what is restored needs nothing more");
    }

    #[test]
    fn a_restored_directory_is_what_it_was_and_nothing_else_changes(
        (before, after, pick) in (deeds(25), deeds(40), any::<u8>())
    ) {
        // Names of one file that lie on both sides of the directory's edge are not told apart here.
        let no_links = |deeds: Work| deeds.into_iter().filter(|(_, deed)| !matches!(deed, Deed::Link(..)));
        let mut world = World::new();
        ["a", "b", "c"].iter().for_each(|top| world.dir(ANNE, top));
        no_links(before).for_each(|(member, deed)| world.do_deed(member, deed));
        let count = world.now();
        let (all, directories) = world.names();
        let tops = all.iter().filter(|(place, id)| place.parent == NodeId::ROOT && directories.contains(id));
        let tops: Vec<String> = tops.map(|(place, _)| place.name.to_string()).collect();
        let Some(path) = tops.get(pick as usize % tops.len().max(1)) else { return Ok(()) };
        no_links(after).for_each(|(member, deed)| world.do_deed(member, deed));
        if world.at(path).is_some_and(|id| !world.tree().node(id).unwrap().is_directory()) {
            return Ok(());
        }
        let outside = |world: &World| {
            let mut seen = seen(&world.tree(), "");
            seen.retain(|at, _| !at.is_empty() && !format!("{at}/").starts_with(&format!("/{path}/")));
            seen
        };
        let others = outside(&world);
        restore(&mut world, count, path, Some(Manner::Exact)).unwrap();
        is_restored(&world, count, path);
        prop_assert_eq!(outside(&world), others);
    }

    #[test]
    fn what_is_missing_comes_back_and_nothing_that_is_there_changes(
        (before, after) in (deeds(25), prop::collection::vec(deed(), 1..30))
    ) {
        let mut world = World::new();
        before.into_iter().for_each(|(member, deed)| world.do_deed(member, deed));
        let count = world.now();
        after.into_iter().for_each(|deed| world.do_deed(BOB, deed));
        let there = seen(&world.tree(), "");
        restore(&mut world, count, "", Some(Manner::Missing)).unwrap();
        let (past, now) = (seen(&world.past(count).tree(), ""), seen(&world.tree(), ""));
        for (path, (_, row)) in &there {
            let (_, still) = &now[path];
            prop_assert_eq!(&still.body, &row.body, "{}", path);
        }
        let is_below_other = |path: &str| {
            path.match_indices('/').any(|(at, _)| {
                now.get(&path[..at]).is_some_and(|(_, row)| row.body != Body::Directory)
            })
        };
        for path in past.keys() {
            prop_assert!(now.contains_key(path) || is_below_other(path), "{} is missing", path);
        }
    }
}
