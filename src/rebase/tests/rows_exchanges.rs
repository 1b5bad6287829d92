//! Rows of the conflict table about exchanges, and about work below directories that others moved.

use super::rows::{meet, row};
use super::space::{Member, listing};
use crate::model::MemberNumber;
use crate::ops::Tree;

const ANN: MemberNumber = MemberNumber(1);

fn nothing(_: &mut Member) {}

fn file_and_directory(member: &mut Member) {
    member.write("a", 1);
    member.mkdir("d");
}

fn files(member: &mut Member) {
    member.write("a", 1);
    member.write("b", 2);
}

#[test]
fn an_exchange_is_two_moves_both_or_none() {
    row(files, |ann| ann.exchange("a", "b"), |bob| bob.exchange("a", "b"), "a=2; b=1", "a=2; b=1");
    row(
        files,
        |ann| ann.exchange("a", "b"),
        |bob| bob.mv("a", "c"),
        "a=2; b=1 | MoveMove",
        "b=2; c=1 | MoveMove",
    );
    row(files, |ann| ann.exchange("a", "b"), |bob| bob.write("a", 3), "a=2; b=3", "a=2; b=3");
    row(
        files,
        |ann| {
            ann.exchange("a", "b");
            ann.write("a", 4);
            ann.rm("b");
        },
        |bob| bob.mv("a", "c"),
        "a=4; c=1 | PutDrop",
        "b=4 | MoveMove",
    );
}

#[test]
fn work_under_directories_that_others_moved_follows() {
    row(
        file_and_directory,
        |ann| {
            ann.mv("a", "d/a");
            ann.mkdir("d/e");
            ann.write("d/e/b", 2);
        },
        |bob| bob.mv("d", "f"),
        "f; f/a=1; f/e; f/e/b=2",
        "f; f/a=1; f/e; f/e/b=2",
    );
}

#[test]
fn a_log_of_rebased_work_names_each_node_once() {
    let met = meet(nothing, |ann| ann.mkdir("d"), |bob| bob.mkdir("d"), ANN);
    assert_eq!(listing(&met.space.head).len(), 1);
    assert_eq!(met.space.log.len(), 1);
    let renamed = met.bob.at("d");
    assert!(met.space.head.node(renamed).is_some());
}
