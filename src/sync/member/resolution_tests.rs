//! Every kind of conflict with every choice: the ops that settle it, applied, or why it is refused.

use super::*;
use crate::model::{ChunkId, ChunkList, Conflict, Extent, MemberNumber, Name, Xattrs};
use crate::ops::{Link, Make, MemoryTree, Op, TreeMut, apply};

const ANNE: MemberNumber = MemberNumber(1);
const BOB: MemberNumber = MemberNumber(2);
const KINDS: [ConflictKind; 7] = [
    ConflictKind::PutPut,
    ConflictKind::MakeMake,
    ConflictKind::PutDrop,
    ConflictKind::DropPut,
    ConflictKind::MoveMove,
    ConflictKind::Cycle,
    ConflictKind::Dropped,
];

fn id(counter: u64) -> NodeId {
    NodeId { member: ANNE, counter }
}

fn at(name: &str) -> Place {
    Place { parent: NodeId::ROOT, name: Name::new(name).unwrap() }
}

fn content(mark: u8) -> Manifest {
    let extent = Extent { chunk: Some(ChunkId([mark; 32])), length: 1 };
    Manifest { length: 1, chunks: ChunkList::Flat(vec![extent]), ..Manifest::empty() }
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

fn write(tree: &mut MemoryTree, verbs: Vec<Verb>) {
    for verb in verbs {
        let changes = apply(tree, ANNE, &Op { time: seconds(9), verb }).expect("an op of a plan applies");
        tree.write(changes);
    }
}

fn make(counter: u64, name: &str, body: Body) -> Verb {
    let (mtime, xattrs) = (seconds(counter as i64), Xattrs::new());
    let (node, place, owner) = (id(counter), at(name), None);
    let (came_from, conflict) = (None, None);
    Verb::Make(Make { node, place, body, mode: 0o644, owner, mtime, xattrs, came_from, conflict })
}

fn put_on(counter: u64, base: u64, mark: u8) -> Verb {
    let (node, base, manifest) = (id(counter), Version(base), content(mark));
    let (attributes, came_from, conflict) = (None, None, None);
    Verb::Put(Put { node, base, manifest, mtime: seconds(3), attributes, came_from, conflict })
}

/// Node 1 is `f` at version 2 with content 2; node 2, where there is a copy, is `f (conflict bob)` with content 7.
fn in_conflict(kind: ConflictKind, copy: bool) -> (MemoryTree, ConflictRow) {
    let mut tree = MemoryTree::default();
    write(&mut tree, vec![make(1, "f", Body::File(content(1))), put_on(1, 1, 2)]);
    if copy {
        write(&mut tree, vec![make(2, "f (conflict bob)", Body::File(content(7)))]);
    }
    let time = seconds(5);
    let (base, remote) = (Some(Version(1)), Version(2));
    let conflict = Conflict { node: id(1), member: BOB, kind, base, remote, time };
    let row = ConflictRow { conflict, copy: copy.then(|| id(2)) };
    let (node, member) = (id(1), BOB);
    tree.write(vec![crate::ops::Change::Conflict { node, member, was: None, now: Some(row.clone()) }]);
    (tree, row)
}

fn merged_with(mark: u8, of: Option<Seen>) -> Choice {
    Choice::Merged { manifest: content(mark), mtime: seconds(8), of }
}

fn choices() -> [Choice; 6] {
    [Choice::Ours, Choice::Theirs, Choice::Both, merged_with(9, None), Choice::Revive, Choice::Delete]
}

/// The marks of the contents of node 1 and node 2, where they are.
fn contents(tree: &MemoryTree) -> (Option<u8>, Option<u8>) {
    let mark = |counter| {
        let node = tree.node(id(counter))?;
        node.manifest()?.chunk_ids().next().map(|chunk| chunk.0[0])
    };
    (mark(1), mark(2))
}

fn settled(tree: &mut MemoryTree, row: &ConflictRow, choice: &Choice) {
    let verbs = plan(tree, row, choice).unwrap_or_else(|refusal| panic!("{choice:?}: {refusal}"));
    write(tree, verbs);
    assert_eq!(tree.conflict(id(1), BOB), None, "{choice:?}");
    assert_eq!(tree.conflict_of_copy(id(2)), None, "{choice:?}");
}

#[test]
fn every_choice_about_two_contents_leaves_what_it_says() {
    for kind in KINDS {
        let expected = [
            Ok((Some(7), None)),
            Ok((Some(2), None)),
            Ok((Some(2), Some(7))),
            Ok((Some(9), None)),
            Err(Refusal::WrongChoice(Question::Content)),
            Err(Refusal::WrongChoice(Question::Content)),
        ];
        for (choice, expected) in choices().iter().zip(expected) {
            let (mut tree, row) = in_conflict(kind, true);
            match expected {
                Ok(expected) => {
                    settled(&mut tree, &row, choice);
                    assert_eq!(contents(&tree), expected, "{kind:?} {choice:?}");
                }
                Err(refusal) => assert_eq!(plan(&tree, &row, choice), Err(refusal), "{kind:?} {choice:?}"),
            }
        }
    }
}

#[test]
fn a_removal_is_revived_or_done_and_nothing_else() {
    for kind in [ConflictKind::PutDrop, ConflictKind::DropPut] {
        for choice in choices() {
            let (mut tree, row) = in_conflict(kind, false);
            match choice {
                Choice::Revive => {
                    settled(&mut tree, &row, &choice);
                    assert_eq!(contents(&tree).0, Some(2), "{kind:?}");
                }
                Choice::Delete => {
                    settled(&mut tree, &row, &choice);
                    assert_eq!(contents(&tree).0, None, "{kind:?}");
                    assert!(tree.tombstone(id(1)).is_some(), "{kind:?}");
                }
                _ => {
                    let refusal = Err(Refusal::WrongChoice(Question::Removal));
                    assert_eq!(plan(&tree, &row, &choice), refusal, "{kind:?} {choice:?}");
                }
            }
        }
    }
}

#[test]
fn what_only_happened_is_settled_as_it_is() {
    for kind in
        KINDS.into_iter().filter(|kind| !matches!(kind, ConflictKind::PutDrop | ConflictKind::DropPut))
    {
        for choice in choices() {
            let (mut tree, row) = in_conflict(kind, false);
            if matches!(choice, Choice::Theirs | Choice::Both) {
                settled(&mut tree, &row, &choice);
                assert_eq!(contents(&tree), (Some(2), None), "{kind:?}");
            } else {
                let refusal = Err(Refusal::WrongChoice(Question::Notice));
                assert_eq!(plan(&tree, &row, &choice), refusal, "{kind:?} {choice:?}");
            }
        }
    }
}

#[test]
fn content_that_takes_the_name_is_the_next_version_and_says_what_it_was_made_of() {
    let (mut tree, row) = in_conflict(ConflictKind::PutPut, true);
    let verbs = plan(&tree, &row, &merged_with(9, None)).unwrap();
    let Some(Verb::Put(put)) = verbs.last() else { panic!("{verbs:?}") };
    let merged = Merged { base: Version(1), local: Version(2), remote: Version(2) };
    assert_eq!(put.came_from, Some(Origin::Merged(merged)));
    assert_eq!((put.base, put.mtime), (Version(2), seconds(8)));
    let verbs = plan(&tree, &row, &Choice::Ours).unwrap();
    let from = verbs.last().and_then(Verb::came_from);
    assert_eq!(from, Some(Origin::Restored(Restored { node: id(2), version: Version(1) })));
    settled(&mut tree, &row, &Choice::Ours);
    let node = tree.node(id(1)).unwrap();
    assert_eq!((node.version, node.mtime, node.mode), (Version(3), seconds(2), 0o644));
}

#[test]
fn the_same_content_makes_no_version() {
    let (mut tree, row) = in_conflict(ConflictKind::PutPut, true);
    settled(&mut tree, &row, &merged_with(2, None));
    assert_eq!(tree.node(id(1)).unwrap().version, Version(2));
    assert_eq!(contents(&tree), (Some(2), None));
}

#[test]
fn a_merge_of_what_is_not_there_any_more_is_refused() {
    let (mut tree, row) = in_conflict(ConflictKind::PutPut, true);
    let seen = |remote, local| {
        Some(Seen { remote: content_of(&content(remote)), local: content_of(&content(local)) })
    };
    for of in [seen(1, 7), seen(2, 6), seen(7, 2)] {
        assert_eq!(plan(&tree, &row, &merged_with(9, of)), Err(Refusal::Changed), "{of:?}");
    }
    settled(&mut tree, &row, &merged_with(9, seen(2, 7)));
}

#[test]
fn a_conflict_is_settled_once_and_not_when_it_is_another_by_now() {
    let (mut tree, row) = in_conflict(ConflictKind::PutPut, true);
    let other =
        ConflictRow { conflict: Conflict { time: seconds(6), ..row.conflict.clone() }, ..row.clone() };
    assert_eq!(plan(&tree, &other, &Choice::Both), Err(Refusal::Settled));
    settled(&mut tree, &row, &Choice::Both);
    for choice in choices() {
        assert_eq!(plan(&tree, &row, &choice), Err(Refusal::Settled), "{choice:?}");
    }
}

#[test]
fn a_name_that_the_copy_was_given_since_stays() {
    let (mut tree, row) = in_conflict(ConflictKind::PutPut, true);
    write(&mut tree, vec![Verb::Link(Link { node: id(2), place: at("z kept") })]);
    settled(&mut tree, &row, &Choice::Ours);
    assert_eq!(contents(&tree), (Some(7), Some(7)));
    assert_eq!(tree.places(id(2)), [at("z kept")]);
}

#[test]
fn all_names_of_what_is_deleted_go_but_no_directory_with_something_in_it() {
    let (mut tree, row) = in_conflict(ConflictKind::DropPut, false);
    write(&mut tree, vec![Verb::Link(Link { node: id(1), place: at("too") })]);
    settled(&mut tree, &row, &Choice::Delete);
    assert_eq!((tree.node(id(1)), tree.child(NodeId::ROOT, &at("too").name)), (None, None));

    let mut tree = MemoryTree::default();
    let inside = Place { parent: id(1), name: Name::new("inside").unwrap() };
    let Verb::Make(inner) = make(3, "x", Body::Directory) else { panic!() };
    write(&mut tree, vec![make(1, "d", Body::Directory), Verb::Make(Make { place: inside, ..inner })]);
    let conflict = Conflict {
        node: id(1),
        member: BOB,
        kind: ConflictKind::PutDrop,
        base: None,
        remote: Version(0),
        time: seconds(5),
    };
    write(&mut tree, vec![Verb::Record(conflict.clone())]);
    let row = ConflictRow { conflict, copy: None };
    assert_eq!(plan(&tree, &row, &Choice::Delete), Err(Refusal::NotEmpty));
    settled(&mut tree, &row, &Choice::Revive);
}
