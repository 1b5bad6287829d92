//! What becomes of a conflict copy that meets further work of the member that made it.

use super::rows::{Met, meet, open};
use super::space::{BITS, Member, Space, listing, number};
use crate::model::{Conflict, ConflictKind, MemberNumber};
use crate::ops::Verb;

const ANN: MemberNumber = MemberNumber(1);

fn kinds(conflicts: &[Conflict]) -> Vec<ConflictKind> {
    conflicts.iter().map(|conflict| conflict.kind).collect()
}

fn files(space: &Space) -> Vec<(String, u64)> {
    listing(&space.head).into_iter().filter_map(|(path, content)| Some((path, content?))).collect()
}

fn named(files: &[(&str, u64)]) -> Vec<(String, u64)> {
    files.iter().map(|(path, content)| ((*path).to_owned(), *content)).collect()
}

/// `a` is in conflict: ann's content is under the name, and everybody knows bob's copy.
fn in_conflict() -> Met {
    meet(|ann| ann.write("a", 1), |ann| ann.write("a", 2), |bob| bob.write("a", 3), ANN)
}

/// As [`in_conflict`], with bob's copy still in his journal.
fn in_unseen_conflict() -> (Space, Member, Member) {
    let (mut space, mut ann, mut bob) = (Space::default(), Member::new(1), Member::new(2));
    ann.write("a", 1);
    ann.sync(&mut space);
    bob.sync(&mut space);
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.write("a", 3);
    bob.pull(&space);
    (space, ann, bob)
}

#[test]
fn a_copy_dropped_before_a_further_content_lost_keeps_that_and_met_nobody() {
    let Met { mut ann, mut bob, mut space, .. } = in_conflict();
    bob.write("a", 5);
    bob.rm("a (conflict bob)");
    ann.write("a", 4);
    ann.sync(&mut space);
    let met = bob.sync(&mut space).conflicts;
    assert_eq!(kinds(&met), [ConflictKind::PutPut], "what is in the copy is bob's own");
    assert_eq!(files(&space), named(&[("a", 4), ("a (conflict bob)", 5)]));
    assert_eq!(open(&space.head), ["PutPut a -> a (conflict bob)"]);
}

#[test]
fn so_does_a_copy_that_nobody_else_has_seen() {
    let (mut space, mut ann, mut bob) = in_unseen_conflict();
    bob.write("a", 5);
    bob.rm("a (conflict bob)");
    ann.write("a", 4);
    ann.sync(&mut space);
    let met = bob.sync(&mut space).conflicts;
    assert!(!kinds(&met).contains(&ConflictKind::DropPut), "{met:?}");
    assert_eq!(files(&space), named(&[("a", 4), ("a (conflict bob)", 5)]));
}

#[test]
fn a_copy_that_another_has_changed_is_not_dropped_silently() {
    let Met { mut ann, mut bob, mut space, .. } = in_conflict();
    bob.write("a", 5);
    bob.rm("a (conflict bob)");
    ann.write("a (conflict bob)", 6);
    ann.write("a", 4);
    ann.sync(&mut space);
    let met = bob.sync(&mut space).conflicts;
    assert_eq!(kinds(&met), [ConflictKind::PutPut, ConflictKind::DropPut]);
}

#[test]
fn a_file_dropped_here_and_changed_there_keeps_the_copy_of_its_open_conflict() {
    let Met { mut ann, mut bob, mut space, .. } = in_conflict();
    bob.write("a", 5);
    bob.rm("a");
    ann.write("a", 4);
    ann.sync(&mut space);
    bob.sync(&mut space);
    assert_eq!(files(&space), named(&[("a", 4), ("a (conflict bob)", 5)]));
    assert_eq!(open(&space.head), ["PutPut a -> a (conflict bob)"]);
}

/// Bob's first content is joined with ann's, and the second one loses: its copy waits in his journal. Then ann puts
/// `last`, which the joined content meets as well.
fn joined_and_lost(last: u64) -> Space {
    let (mut space, mut ann, mut bob) = (Space::default(), Member::new(1), Member::new(2));
    ann.write("a", BITS);
    ann.sync(&mut space);
    bob.sync(&mut space);
    ann.write("a", BITS + 0b01);
    ann.sync(&mut space);
    bob.write("a", BITS + 0b10);
    bob.write("a", 7);
    bob.pull(&space);
    assert!(bob.find("a (conflict bob)").is_some());
    ann.write("a", last);
    ann.sync(&mut space);
    bob.sync(&mut space);
    ann.sync(&mut space);
    assert_eq!(ann.view, bob.view);
    space
}

#[test]
fn an_earlier_content_that_loses_too_goes_before_in_the_same_copy() {
    let space = joined_and_lost(9);
    assert_eq!(files(&space), named(&[("a", 9), ("a (conflict bob)", 7)]));
    assert_eq!(open(&space.head), ["PutPut a -> a (conflict bob)"]);
    assert!(space.contents().contains(&(BITS + 0b11)), "the joined content is the copy's first version");
}

#[test]
fn a_content_that_both_sides_have_by_now_carries_no_conflict() {
    let space = joined_and_lost(7);
    let ops = space.log.iter().flat_map(|(_, ops)| ops);
    let with_it = ops.filter(|op| op.verb.manifest().is_some_and(|manifest| number(manifest) == 7));
    let carried = with_it.filter_map(|op| match &op.verb {
        Verb::Make(make) => make.conflict.clone(),
        Verb::Put(put) => put.conflict.clone(),
        _ => None,
    });
    assert_eq!(carried.collect::<Vec<_>>(), []);
    assert!(space.contents().contains(&(BITS + 0b11)));
}

#[test]
fn a_copy_that_has_what_the_file_has_by_now_is_in_no_conflict() {
    let (mut space, mut ann, mut bob) = in_unseen_conflict();
    assert_eq!(open(&bob.view), ["PutPut a -> a (conflict bob)"]);
    ann.write("a", 3);
    ann.sync(&mut space);
    bob.sync(&mut space);
    assert_eq!(files(&space), named(&[("a", 3), ("a (conflict bob)", 3)]));
    assert_eq!(open(&space.head), [""; 0]);
}
