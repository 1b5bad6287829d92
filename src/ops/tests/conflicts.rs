//! Conflict records: opened by the op that carries them, closed by settling or by the end of a side.

use super::*;
use crate::model::{Body, Conflict, ConflictKind, MemberNumber, NodeId, Version};

fn conflict(counter: u64, kind: ConflictKind) -> Conflict {
    let (node, base) = (node(counter), Some(Version(1)));
    Conflict { node, member: BOB, kind, base, remote: Version(2), time: mtime(3) }
}

/// A make of a copy under its own name that carries a conflict about node 1.
fn copy(counter: u64, kind: ConflictKind) -> Verb {
    let place = at(node(0), &format!("copy {counter}"));
    let made = make(node(counter), place, Body::File(content(counter as u8)));
    Verb::Make(Make { conflict: Some(conflict(1, kind)), ..made })
}

fn open(tree: &MemoryTree) -> Vec<(NodeId, MemberNumber, Option<NodeId>)> {
    tree.conflicts.iter().map(|((node, member), row)| (*node, *member, row.copy)).collect()
}

#[test]
fn the_make_of_a_copy_opens_a_conflict() {
    for kind in [ConflictKind::PutPut, ConflictKind::MakeMake, ConflictKind::PutDrop, ConflictKind::DropPut] {
        let tree = tree([file(1, 0, "f"), copy(2, kind)]);
        assert_eq!(open(&tree), [(node(1), BOB, Some(node(2)))], "{kind:?}");
        assert_eq!(tree.conflict(node(1), BOB).unwrap().conflict, conflict(1, kind));
        assert_eq!(tree.conflict_of_copy(node(2)), Some((node(1), BOB)));
        assert_eq!(tree.conflicts_of(node(1)), [BOB]);
    }
}

#[test]
fn a_file_that_comes_back_against_a_removal_is_no_copy_of_itself() {
    let back = make(node(1), at(node(0), "f"), Body::File(content(5)));
    let back = Verb::Make(Make { conflict: Some(conflict(1, ConflictKind::PutDrop)), ..back });
    let tree = tree([file(1, 0, "f"), drop_name(1, at(node(0), "f"), 1), back]);
    assert_eq!(open(&tree), [(node(1), BOB, None)]);
}

#[test]
fn a_put_opens_a_conflict_where_it_makes_its_file_a_copy_of_another() {
    let with = |about| {
        Verb::Put(Put { conflict: Some(conflict(about, ConflictKind::PutPut)), ..put_of(node(2), 1, 9) })
    };
    let other = tree([file(1, 0, "f"), file(2, 0, "g"), with(1)]);
    assert_eq!(open(&other), [(node(1), BOB, Some(node(2)))]);
    let itself = tree([file(1, 0, "f"), file(2, 0, "g"), with(2)]);
    assert_eq!(open(&itself), []);
}

#[test]
fn a_record_opens_only_what_stays_open_about_something_that_is_there() {
    let record = |counter, kind| Verb::Record(conflict(counter, kind));
    let cases = [
        (ConflictKind::DropPut, true),
        (ConflictKind::PutDrop, true),
        (ConflictKind::MoveMove, false),
        (ConflictKind::Cycle, false),
        (ConflictKind::Dropped, false),
        (ConflictKind::PutPut, false),
    ];
    for (kind, opens) in cases {
        assert_eq!(open(&tree([file(1, 0, "f"), record(1, kind)])).len(), usize::from(opens), "{kind:?}");
        assert_eq!(open(&tree([record(1, kind)])), [], "{kind:?} about nothing");
    }
}

#[test]
fn settling_closes_a_conflict_once() {
    let settle = || Verb::Settle { node: node(1), member: BOB };
    let tree = tree([file(1, 0, "f"), copy(2, ConflictKind::PutPut), settle(), settle()]);
    assert_eq!((open(&tree), tree.conflict_of_copy(node(2))), (vec![], None));
    assert_eq!(state(&tree, 2), Some((1, 2)));
}

#[test]
fn the_end_of_either_side_closes_a_conflict() {
    for (counter, name) in [(1, "f"), (2, "copy 2")] {
        let gone = drop_name(counter, at(node(0), name), 1);
        let tree = tree([file(1, 0, "f"), copy(2, ConflictKind::PutPut), gone]);
        assert_eq!(open(&tree), [], "{name}");
    }
}

#[test]
fn renaming_or_linking_a_copy_changes_nothing() {
    let moved = rename(2, at(node(0), "copy 2"), at(node(0), "mine"));
    let before = [file(1, 0, "f"), copy(2, ConflictKind::PutPut), moved, link(2, at(node(0), "too"))];
    let tree = tree(before.into_iter().chain([drop_name(2, at(node(0), "mine"), 1)]));
    assert_eq!(open(&tree), [(node(1), BOB, Some(node(2)))]);
}

#[test]
fn a_copy_saved_by_rename_stays_the_copy() {
    let save = rename_over(3, at(node(0), "t"), at(node(0), "copy 2"), (2, 1));
    let tree = tree([file(1, 0, "f"), copy(2, ConflictKind::PutPut), file(3, 0, "t"), save]);
    assert_eq!(open(&tree), [(node(1), BOB, Some(node(2)))]);
    assert_eq!(state(&tree, 2), Some((2, 3)));
}

#[test]
fn a_further_conflict_takes_the_place_of_the_one_before() {
    let tree = tree([file(1, 0, "f"), copy(2, ConflictKind::PutPut), copy(3, ConflictKind::PutPut)]);
    assert_eq!(open(&tree), [(node(1), BOB, Some(node(3)))]);
    assert_eq!(
        (tree.conflict_of_copy(node(2)), tree.conflict_of_copy(node(3))),
        (None, Some((node(1), BOB)))
    );
}

#[test]
fn a_file_is_the_copy_of_one_conflict_at_a_time() {
    let again = Put { conflict: Some(conflict(3, ConflictKind::PutPut)), ..put_of(node(2), 1, 9) };
    let before = [file(1, 0, "f"), file(3, 0, "g"), copy(2, ConflictKind::PutPut), Verb::Put(again)];
    let tree = tree(before);
    assert_eq!(open(&tree), [(node(3), BOB, Some(node(2)))]);
}
