//! Rows of the conflict table about content and attributes, both ways round.

use super::rows::{meet, open, row};
use super::space::{Member, Space, version};
use crate::model::{MemberNumber, Version};
use crate::ops::{Tree, Verb};

const ANN: MemberNumber = MemberNumber(1);
const BOB: MemberNumber = MemberNumber(2);

fn file(member: &mut Member) {
    member.write("a", 1);
}

#[test]
fn equal_puts_are_one() {
    let met = meet(file, |ann| ann.write("a", 2), |bob| bob.write("a", 2), ANN);
    assert_eq!(met.space.log.len(), 2, "the second put is nothing to send");
    row(file, |ann| ann.write("a", 2), |bob| bob.write("a", 2), "a=2", "a=2");
}

#[test]
fn two_puts_keep_both_contents() {
    row(
        file,
        |ann| ann.write("a", 2),
        |bob| bob.write("a", 3),
        "a=2; a (conflict bob)=3 | PutPut",
        "a=3; a (conflict ann)=2 | PutPut",
    );
    let met = meet(file, |ann| ann.write("a", 2), |bob| bob.write("a", 3), ANN);
    assert_eq!(open(&met.space.head), ["PutPut a -> a (conflict bob)"]);
    let conflict = &met.conflicts[0];
    assert_eq!((conflict.base, conflict.remote), (Some(Version(1)), Version(2)));
}

#[test]
fn later_puts_of_a_lost_content_go_on_in_its_copy() {
    row(
        file,
        |ann| ann.write("a", 2),
        |bob| [3, 4, 5].into_iter().for_each(|content| bob.write("a", content)),
        "a=2; a (conflict bob)=5 | PutPut",
        "a=5; a (conflict ann)=2 | PutPut",
    );
}

#[test]
fn a_put_after_equal_puts_is_no_conflict() {
    row(
        file,
        |ann| ann.write("a", 2),
        |bob| [2, 3].into_iter().for_each(|content| bob.write("a", content)),
        "a=3",
        "a=3; a (conflict ann)=2 | PutPut",
    );
}

#[test]
fn a_further_conflict_is_a_further_version_of_the_copy() {
    let mut met = meet(file, |ann| ann.write("a", 2), |bob| bob.write("a", 3), ANN);
    met.bob.mv("a (conflict bob)", "mine");
    met.bob.sync(&mut met.space);
    met.ann.sync(&mut met.space);
    met.ann.write("a", 4);
    met.ann.sync(&mut met.space);
    met.bob.write("a", 5);
    met.bob.sync(&mut met.space);
    assert_eq!(
        super::space::listing(&met.space.head).into_iter().collect::<Vec<_>>(),
        [("a".to_string(), Some(4)), ("mine".to_string(), Some(5)),]
    );
    assert_eq!(open(&met.space.head), ["PutPut a -> mine"]);
}

#[test]
fn removing_the_copy_settles_and_the_next_conflict_gets_a_new_copy() {
    let mut met = meet(file, |ann| ann.write("a", 2), |bob| bob.write("a", 3), ANN);
    met.bob.rm("a (conflict bob)");
    met.bob.sync(&mut met.space);
    assert!(open(&met.space.head).is_empty());
    met.ann.sync(&mut met.space);
    met.ann.write("a", 4);
    met.ann.sync(&mut met.space);
    met.bob.write("a", 5);
    met.bob.sync(&mut met.space);
    assert_eq!(open(&met.space.head), ["PutPut a -> a (conflict bob)"]);
}

#[test]
fn a_copy_never_gets_a_copy() {
    let mut met = meet(file, |ann| ann.write("a", 2), |bob| bob.write("a", 3), ANN);
    let copy = met.ann.at("a (conflict bob)");
    met.ann.write("a (conflict bob)", 4);
    met.bob.write("a (conflict bob)", 5);
    met.bob.write("a (conflict bob)", 6);
    met.ann.sync(&mut met.space);
    met.bob.sync(&mut met.space);
    assert_eq!(
        super::space::listing(&met.space.head).into_iter().collect::<Vec<_>>(),
        [("a".to_string(), Some(2)), ("a (conflict bob)".to_string(), Some(4)),]
    );
    assert!(met.space.contents().is_superset(&[4, 5, 6].into()));
    assert_eq!(version(&met.space.head, copy), Version(6));
}

#[test]
fn an_edit_wins_over_a_removal() {
    row(file, |ann| ann.write("a", 2), |bob| bob.rm("a"), "a=2 | DropPut", "a=2 | PutDrop");
    let met = meet(file, |ann| ann.write("a", 2), |bob| bob.rm("a"), ANN);
    assert_eq!(open(&met.space.head), ["DropPut a"]);
    let met = meet(file, |ann| ann.write("a", 2), |bob| bob.rm("a"), BOB);
    assert_eq!(open(&met.space.head), ["PutDrop a"]);
    assert_eq!(met.ann.at("a"), met.bob.at("a"));
    assert_eq!(version(&met.space.head, met.ann.at("a")), Version(3));
}

#[test]
fn a_file_that_comes_back_goes_on() {
    row(
        file,
        |ann| [2, 3].into_iter().for_each(|content| ann.write("a", content)),
        |bob| bob.rm("a"),
        "a=3 | DropPut",
        "a=3 | PutDrop",
    );
}

#[test]
fn a_file_edited_and_removed_here_is_the_other_sides_if_edited_there() {
    row(
        file,
        |ann| {
            ann.write("a", 2);
            ann.rm("a");
        },
        |bob| bob.write("a", 3),
        "a=3 | PutDrop",
        "a=3 | PutPut DropPut",
    );
}

#[test]
fn the_directories_of_an_edited_file_come_back() {
    row(
        |ann| {
            ann.mkdir("d");
            ann.mkdir("d/e");
            ann.write("d/e/a", 1);
        },
        |ann| ann.write("d/e/a", 2),
        |bob| {
            bob.rm("d/e/a");
            bob.rm("d/e");
            bob.rm("d");
        },
        "d; d/e; d/e/a=2 | DropPut Dropped Dropped",
        "d; d/e; d/e/a=2 | PutDrop",
    );
}

#[test]
fn a_file_comes_back_beside_what_took_its_name() {
    row(
        file,
        |ann| ann.write("a", 2),
        |bob| {
            bob.rm("a");
            bob.write("a", 3);
        },
        "a=2; a (conflict bob)=3 | DropPut MakeMake",
        "a=3; a (conflict ann)=2 | PutDrop MakeMake",
    );
    row(
        file,
        |ann| ann.write("a", 2),
        |bob| {
            bob.rm("a");
            bob.write("a", 2);
        },
        "a=2 | DropPut",
        "a=2 | PutDrop",
    );
}

#[test]
fn both_sides_bring_a_removed_file_back() {
    let (mut space, mut ann, mut bob, mut cid) =
        (Space::default(), Member::new(1), Member::new(2), Member::new(3));
    ann.write("a", 1);
    ann.sync(&mut space);
    bob.sync(&mut space);
    cid.sync(&mut space);
    cid.rm("a");
    cid.sync(&mut space);
    ann.write("a", 2);
    bob.write("a", 3);
    bob.pull(&space);
    assert!(matches!(bob.journal[0].op.verb, Verb::Make(_)));
    ann.sync(&mut space);
    bob.sync(&mut space);
    ann.sync(&mut space);
    assert_eq!(ann.view, bob.view);
    assert_eq!(
        super::space::listing(&space.head).into_iter().collect::<Vec<_>>(),
        [("a".to_string(), Some(2)), ("a (conflict bob)".to_string(), Some(3)),]
    );
}

#[test]
fn edits_and_attributes_follow_a_moved_file() {
    row(
        |ann| {
            ann.mkdir("d");
            ann.write("d/a", 1);
        },
        |ann| {
            ann.write("d/a", 2);
            ann.chmod("d/a", 0o600);
        },
        |bob| {
            bob.mv("d/a", "d/b");
            bob.mv("d", "e");
        },
        "e; e/b=2",
        "e; e/b=2",
    );
}

#[test]
fn attributes_and_content_of_both_sides_meet() {
    for first in [ANN, BOB] {
        let met = meet(file, |ann| ann.chmod("a", 0o600), |bob| bob.write("a", 2), first);
        let node = met.space.head.node(met.ann.at("a")).unwrap();
        assert_eq!((node.mode, node.version), (0o600, Version(2)));
        assert!(met.conflicts.is_empty());
    }
}

#[test]
fn attributes_of_both_sides_meet_by_field() {
    for (first, mode) in [(ANN, 0o640), (BOB, 0o600)] {
        let met = meet(
            file,
            |ann| {
                let node = ann.at("a");
                ann.set(node, Some(0o600), None, vec![(b"user.x".to_vec(), Some(b"1".to_vec()))]);
            },
            |bob| {
                let node = bob.at("a");
                bob.set(node, Some(0o640), Some(7), vec![(b"user.y".to_vec(), Some(b"2".to_vec()))]);
            },
            first,
        );
        let node = met.space.head.node(met.ann.at("a")).unwrap();
        assert_eq!((node.mode, node.mtime.seconds, node.xattrs.len()), (mode, 7, 2));
        assert!(met.conflicts.is_empty());
    }
}

#[test]
fn attributes_of_a_removed_file_are_nothing() {
    row(file, |ann| ann.chmod("a", 0o600), |bob| bob.rm("a"), "", "");
}

#[test]
fn attributes_set_after_a_lost_put_belong_to_both() {
    let met = meet(
        file,
        |ann| ann.write("a", 2),
        |bob| {
            bob.write("a", 3);
            let node = bob.at("a");
            bob.set(node, Some(0o600), Some(9), Vec::new());
        },
        ANN,
    );
    let of = |path| met.space.head.node(met.bob.at(path)).unwrap();
    assert_eq!((of("a").mode, of("a").mtime.seconds), (0o600, 0));
    assert_eq!((of("a (conflict bob)").mode, of("a (conflict bob)").mtime.seconds), (0o600, 9));
}

#[test]
fn a_put_that_comes_late_is_replayed_like_any_other() {
    let (mut space, mut ann, mut bob) = (Space::default(), Member::new(1), Member::new(2));
    ann.write("a", 1);
    let node = ann.at("a");
    ann.sync(&mut space);
    bob.sync(&mut space);
    bob.write("a", 2);
    bob.sync(&mut space);
    ann.sync(&mut space);
    let replayed = ann.put_late(node, Version(1), 3);
    assert_eq!(open(&ann.view), ["PutPut a -> a (conflict ann)"]);
    let copy = ann.at("a (conflict ann)");
    assert_eq!(replayed.versions[&(node, Version(2))], (copy, Version(1)));
    ann.rm("a");
    ann.sync(&mut space);
    ann.put_late(node, Version(2), 4);
    ann.sync(&mut space);
    assert_eq!(
        super::space::listing(&space.head).into_iter().collect::<Vec<_>>(),
        [("a".to_string(), Some(4)), ("a (conflict ann)".to_string(), Some(3)),]
    );
}
