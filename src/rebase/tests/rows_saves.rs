//! Rows of the conflict table about saves by rename and by backup, both ways round.

use super::rows::{meet, open, row};
use super::space::{Member, version};
use crate::model::{MemberNumber, Version};

const ANN: MemberNumber = MemberNumber(1);
const BOB: MemberNumber = MemberNumber(2);

fn file(member: &mut Member) {
    member.write("a", 1);
}

fn linked(member: &mut Member) {
    member.write("a", 1);
    member.ln("a", "b");
}

fn by_rename(member: &mut Member) {
    member.save_by_rename("a", 2);
}

fn by_backup(member: &mut Member) {
    member.save_by_backup("a", 2);
}

const SAVES: [fn(&mut Member); 2] = [by_rename, by_backup];

#[test]
fn a_save_and_a_put_are_two_puts_of_one_file() {
    for save in SAVES {
        row(
            file,
            save,
            |bob| bob.write("a", 3),
            "a=2; a (conflict bob)=3 | PutPut",
            "a=3; a (conflict ann)=2 | PutPut",
        );
        for first in [ANN, BOB] {
            let met = meet(file, save, |bob| bob.write("a", 3), first);
            let loser = if first == ANN { "bob" } else { "ann" };
            assert_eq!(open(&met.space.head), [format!("PutPut a -> a (conflict {loser})")]);
            assert_eq!(met.ann.at("a").counter, 1, "the file is still the same node");
            assert_eq!(version(&met.space.head, met.ann.at("a")), Version(2));
        }
    }
}

#[test]
fn two_saves_are_two_puts_of_one_file() {
    row(
        file,
        by_rename,
        |bob| bob.save_by_backup("a", 3),
        "a=2; a (conflict bob)=3 | PutPut",
        "a=3; a (conflict ann)=2 | PutPut",
    );
    row(
        file,
        by_backup,
        |bob| bob.save_by_backup("a", 3),
        "a=2; a (conflict bob)=3 | PutPut",
        "a=3; a (conflict ann)=2 | PutPut",
    );
}

#[test]
fn saves_of_equal_content_are_one() {
    for save in SAVES {
        for other in [by_rename, by_backup, |bob: &mut Member| bob.write("a", 2)] {
            row(file, save, other, "a=2", "a=2");
        }
    }
}

#[test]
fn saves_again_and_again_go_on_in_one_copy() {
    row(
        file,
        |ann| {
            ann.save_by_rename("a", 2);
            ann.save_by_backup("a", 4);
            ann.write("a", 5);
            ann.save_by_backup("a", 6);
            ann.save_by_rename("a", 7);
        },
        |bob| bob.write("a", 3),
        "a=7; a (conflict bob)=3 | PutPut",
        "a=3; a (conflict ann)=7 | PutPut",
    );
}

#[test]
fn a_save_and_new_attributes_are_both() {
    for save in SAVES {
        row(file, save, |bob| bob.chmod("a", 0o600), "a=2", "a=2");
    }
}

#[test]
fn a_save_wins_over_a_removal() {
    row(file, by_rename, |bob| bob.rm("a"), "a=2 | DropPut", "a=2");
    row(file, by_backup, |bob| bob.rm("a"), "a=2 | DropPut", "a=2 | PutDrop");
    let met = meet(file, by_backup, |bob| bob.rm("a"), BOB);
    assert_eq!(open(&met.space.head), ["PutDrop a"]);
    assert_eq!(met.ann.at("a").counter, 1, "the file is still the same node");
}

#[test]
fn work_goes_on_after_a_save_over_a_removed_file() {
    row(
        file,
        |ann| {
            ann.save_by_rename("a", 2);
            ann.save_by_rename("a", 4);
            ann.write("a", 5);
            ann.save_by_backup("a", 6);
            ann.chmod("a", 0o600);
        },
        |bob| bob.rm("a"),
        "a=6 | DropPut",
        "a=6",
    );
}

#[test]
fn a_save_follows_a_file_that_was_moved() {
    row(file, by_rename, |bob| bob.mv("a", "b"), "b=2", "b=2");
    row(file, by_backup, |bob| bob.mv("a", "b"), "b=2", "b=2 | MoveMove");
    for save in SAVES {
        let met = meet(file, save, |bob| bob.mv("a", "b"), BOB);
        assert_eq!(met.ann.at("b").counter, 1, "the file is still the same node");
    }
}

#[test]
fn saves_again_and_again_follow_a_file_that_was_moved() {
    row(
        file,
        |ann| {
            ann.save_by_rename("a", 2);
            ann.save_by_backup("a", 4);
            ann.save_by_rename("a", 5);
            ann.write("a", 6);
        },
        |bob| bob.mv("a", "b"),
        "b=6",
        "b=6",
    );
}

#[test]
fn a_save_over_a_file_made_anew_is_as_two_makes() {
    for save in SAVES {
        let met = meet(
            file,
            save,
            |bob| {
                bob.rm("a");
                bob.write("a", 3);
            },
            BOB,
        );
        assert_eq!(open(&met.space.head), ["MakeMake a -> a (conflict ann)"]);
    }
}

#[test]
fn a_save_over_a_file_with_two_names_replaces_one() {
    for save in SAVES {
        row(linked, save, |bob| bob.write("b", 3), "a=2; b=3", "a=2; b=3");
        row(file, save, |bob| bob.ln("a", "b"), "a=2; b=2", "a=2; b=1");
    }
}

#[test]
fn a_moved_file_over_another_meets_edits_of_either() {
    let files = |ann: &mut Member| {
        ann.write("a", 1);
        ann.write("b", 2);
    };
    row(
        files,
        |ann| ann.mv("b", "a"),
        |bob| bob.write("a", 3),
        "a=2; a (conflict bob)=3 | PutPut",
        "a=3; a (conflict ann)=2 | PutPut",
    );
    row(files, |ann| ann.mv("b", "a"), |bob| bob.write("b", 3), "a=3", "a=3");
    row(files, |ann| ann.mv("b", "a"), |bob| bob.rm("b"), "a=2", "a=2");
    row(files, |ann| ann.mv("b", "a"), |bob| bob.rm("a"), "a=2 | DropPut", "a=2");
    row(files, |ann| ann.mv("b", "a"), |bob| bob.mv("b", "c"), "a=2 | MoveMove", "a=1; c=2 | MoveMove");
    row(files, |ann| ann.mv("b", "a"), |bob| bob.mv("a", "c"), "c=2", "c=2");
}

#[test]
fn edits_of_a_file_that_went_into_another_go_there() {
    let files = |ann: &mut Member| {
        ann.write("a", 1);
        ann.write("b", 2);
    };
    row(
        files,
        |ann| ann.mv("b", "a"),
        |bob| {
            bob.write("b", 3);
            bob.write("b", 4);
            bob.chmod("b", 0o600);
        },
        "a=4",
        "a=4",
    );
    row(
        files,
        |ann| {
            ann.write("b", 5);
            ann.mv("b", "a");
        },
        |bob| bob.write("b", 3),
        "a=5; a (conflict bob)=3 | PutPut",
        "a=3; b (conflict ann)=5 | PutPut",
    );
}
