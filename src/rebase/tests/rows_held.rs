//! Rows of the conflict table under the policy `hold`: what cannot be joined stays with the member whose it is.

use super::space::{Member, Space, listing};
use crate::ops::{Tree, Verb};
use crate::rebase::Policy;

/// Ann and Bob with `a` in both, and Bob holding.
fn apart() -> (Space, Member, Member) {
    let (mut space, mut ann, mut bob) = (Space::default(), Member::new(1), Member::new(2));
    bob.policy = Policy::Hold;
    ann.write("a", 1);
    ann.write("other", 1);
    ann.sync(&mut space);
    bob.sync(&mut space);
    (space, ann, bob)
}

fn shown(member: &Member, path: &str) -> Option<u64> {
    listing(&member.view)[path]
}

fn withheld(member: &Member) -> usize {
    member.journal.iter().filter(|pending| pending.withheld).count()
}

#[test]
fn a_held_content_stays_under_its_name_and_is_not_sent_and_all_else_is() {
    let (mut space, mut ann, mut bob) = apart();
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.write("a", 3);
    bob.write("other", 4);
    bob.mkdir("made");
    bob.sync(&mut space);
    assert_eq!((shown(&bob, "a"), withheld(&bob)), (Some(3), 1));
    ann.sync(&mut space);
    assert_eq!((shown(&ann, "a"), shown(&ann, "other")), (Some(2), Some(4)));
    assert!(ann.find("made").is_some());
    assert!(!space.contents().contains(&3), "what is held was sent");
    let conflict = bob.journal.iter().find_map(|pending| match &pending.op.verb {
        Verb::Put(put) => put.conflict.clone(),
        _ => None,
    });
    let conflict = conflict.expect("it says what it is in conflict with");
    assert_eq!((conflict.base.map(|base| base.0), conflict.remote.0), (Some(1), 2));
}

#[test]
fn further_contents_of_both_sides_change_nothing_about_it() {
    let (mut space, mut ann, mut bob) = apart();
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.write("a", 3);
    bob.sync(&mut space);
    for content in [5, 6] {
        ann.write("a", content);
        ann.sync(&mut space);
        bob.save_by_rename("a", content + 10);
        bob.sync(&mut space);
        bob.write("a", content + 20);
        bob.sync(&mut space);
        assert_eq!((shown(&bob, "a"), withheld(&bob)), (Some(content + 20), 1));
        ann.sync(&mut space);
        assert_eq!(shown(&ann, "a"), Some(content));
        assert_eq!(ann.view.conflicts_of(ann.at("a")).len(), 0);
    }
}

#[test]
fn names_and_attributes_of_a_held_file_go_on() {
    let (mut space, mut ann, mut bob) = apart();
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.write("a", 3);
    bob.sync(&mut space);
    bob.mv("a", "b");
    bob.ln("b", "c");
    bob.sync(&mut space);
    ann.sync(&mut space);
    assert_eq!((shown(&ann, "b"), shown(&ann, "c"), shown(&bob, "b")), (Some(2), Some(2), Some(3)));
    ann.mv("b", "d");
    ann.sync(&mut space);
    bob.sync(&mut space);
    assert_eq!((shown(&bob, "d"), withheld(&bob)), (Some(3), 1));
}

#[test]
fn two_files_made_under_one_name_are_held_as_well() {
    let (mut space, mut ann, mut bob) = apart();
    ann.write("new", 2);
    ann.sync(&mut space);
    bob.write("new", 3);
    bob.sync(&mut space);
    assert_eq!((shown(&bob, "new"), withheld(&bob)), (Some(3), 1));
    ann.sync(&mut space);
    assert_eq!(shown(&ann, "new"), Some(2));
}

#[test]
fn equal_contents_are_held_no_longer() {
    let (mut space, mut ann, mut bob) = apart();
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.write("a", 3);
    bob.sync(&mut space);
    ann.write("a", 3);
    ann.sync(&mut space);
    bob.sync(&mut space);
    assert_eq!((shown(&bob, "a"), withheld(&bob)), (Some(3), 0));
}

#[test]
fn a_held_file_that_is_removed_is_what_was_accepted() {
    let (mut space, mut ann, mut bob) = apart();
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.write("a", 3);
    bob.sync(&mut space);
    bob.rm("a");
    bob.sync(&mut space);
    assert_eq!((shown(&bob, "a"), withheld(&bob)), (Some(2), 0));
    ann.rm("a");
    ann.sync(&mut space);
    bob.sync(&mut space);
    assert!(bob.find("a").is_none());
}

#[test]
fn a_held_file_renamed_over_another_takes_its_conflict_there() {
    let (mut space, mut ann, mut bob) = apart();
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.write("a", 3);
    bob.sync(&mut space);
    bob.mv("a", "other");
    bob.sync(&mut space);
    assert_eq!((shown(&bob, "other"), withheld(&bob)), (Some(3), 1));
    assert_eq!(shown(&bob, "a"), Some(2), "what nobody here had seen stays");
    ann.sync(&mut space);
    assert_eq!((shown(&ann, "a"), shown(&ann, "other")), (Some(2), Some(1)));
    bob.write("other", 5);
    bob.sync(&mut space);
    ann.sync(&mut space);
    assert_eq!((shown(&bob, "other"), shown(&ann, "other")), (Some(5), Some(1)));
    assert!(!space.contents().contains(&5), "what is held was sent");
}

#[test]
fn a_held_content_stays_where_each_side_drops_another_name() {
    let (mut space, mut ann, mut bob) = apart();
    ann.ln("a", "b");
    ann.sync(&mut space);
    bob.sync(&mut space);
    ann.write("a", 2);
    ann.rm("b");
    ann.sync(&mut space);
    bob.write("a", 3);
    bob.rm("a");
    bob.sync(&mut space);
    assert_eq!((shown(&bob, "b"), withheld(&bob)), (Some(3), 1));
}

#[test]
fn attributes_set_on_a_held_file_after_a_save_stay() {
    let (mut space, mut ann, mut bob) = apart();
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.save_by_rename("a", 3);
    bob.sync(&mut space);
    bob.chmod("a", 0o600);
    bob.sync(&mut space);
    ann.write("a", 4);
    ann.sync(&mut space);
    bob.sync(&mut space);
    ann.sync(&mut space);
    let mode = |member: &Member| member.view.node(member.at("a")).map(|node| node.mode);
    assert_eq!((mode(&bob), mode(&ann)), (Some(0o600), Some(0o600)));
    assert_eq!((shown(&bob, "a"), withheld(&bob)), (Some(3), 1));
}

#[test]
fn two_contents_written_through_cut_off_handles_are_both_kept() {
    let (mut space, mut ann, mut bob) = apart();
    let (node, base) = (bob.at("a"), bob.open(bob.at("a")).version);
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.sync(&mut space);
    bob.put_late(node, base, 3);
    bob.put_late(node, base, 4);
    let mut old = bob.base.clone();
    bob.replay_on_base(&mut old);
    bob.sync(&mut space);
    let all: Vec<Option<u64>> = listing(&bob.view).into_values().collect();
    assert!(all.contains(&Some(3)) && all.contains(&Some(4)), "{all:?}");
}

#[test]
fn a_held_content_comes_back_where_the_file_was_removed() {
    let (mut space, mut ann, mut bob) = apart();
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.write("a", 3);
    bob.sync(&mut space);
    ann.rm("a");
    ann.sync(&mut space);
    bob.sync(&mut space);
    assert_eq!((shown(&bob, "a"), withheld(&bob)), (Some(3), 0));
    ann.sync(&mut space);
    assert_eq!(shown(&ann, "a"), Some(3), "an edit wins over a removal");
}

#[test]
fn what_was_held_goes_beside_where_the_policy_is_copy_again() {
    let (mut space, mut ann, mut bob) = apart();
    ann.write("a", 2);
    ann.sync(&mut space);
    bob.write("a", 3);
    bob.sync(&mut space);
    bob.policy = Policy::Copy;
    let mut old = bob.base.clone();
    bob.replay_on_base(&mut old);
    bob.sync(&mut space);
    ann.sync(&mut space);
    assert_eq!((shown(&ann, "a"), shown(&ann, "a (conflict bob)")), (Some(2), Some(3)));
    assert_eq!(withheld(&bob), 0);
}
