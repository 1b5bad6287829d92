//! Rows of the conflict table about names, both ways round.

use super::rows::{meet, open, row};
use super::space::Member;
use crate::model::{Body, MemberNumber, Special, Version};
use crate::ops::Verb;

const ANN: MemberNumber = MemberNumber(1);
const BOB: MemberNumber = MemberNumber(2);

fn nothing(_: &mut Member) {}

fn file(member: &mut Member) {
    member.write("a", 1);
}

fn file_and_directory(member: &mut Member) {
    member.write("a", 1);
    member.mkdir("d");
}

fn files(member: &mut Member) {
    member.write("a", 1);
    member.write("b", 2);
}

#[test]
fn a_directory_made_twice_is_one() {
    row(
        nothing,
        |ann| {
            ann.mkdir("d");
            ann.mkdir("d/e");
            ann.write("d/e/a", 1);
            ann.write("d/x", 3);
        },
        |bob| {
            bob.mkdir("d");
            bob.mkdir("d/e");
            bob.write("d/e/b", 2);
            bob.write("d/x", 4);
        },
        "d; d/e; d/e/a=1; d/e/b=2; d/x=3; d/x (conflict bob)=4 | MakeMake",
        "d; d/e; d/e/a=1; d/e/b=2; d/x=4; d/x (conflict ann)=3 | MakeMake",
    );
}

#[test]
fn work_in_a_directory_made_twice_goes_on_in_the_one() {
    row(
        nothing,
        |ann| ann.mkdir("d"),
        |bob| {
            bob.mkdir("d");
            bob.chmod("d", 0o700);
            bob.write("d/b", 2);
            bob.mv("d/b", "d/c");
            bob.mv("d", "e");
            bob.write("e/c", 3);
        },
        "e; e/c=3",
        "d; e; e/c=3",
    );
}

#[test]
fn equal_files_made_twice_are_one() {
    row(nothing, |ann| ann.write("a", 1), |bob| bob.write("a", 1), "a=1", "a=1");
    row(
        nothing,
        |ann| ann.write("a", 1),
        |bob| {
            bob.write("a", 1);
            bob.write("a", 2);
            bob.mv("a", "b");
        },
        "b=2",
        "a=1; b=2",
    );
}

#[test]
fn two_files_made_under_one_name_are_both_kept() {
    row(
        nothing,
        |ann| ann.write("a.txt", 1),
        |bob| {
            bob.write("a.txt", 2);
            bob.write("a.txt", 3);
            bob.chmod("a.txt", 0o600);
        },
        "a (conflict bob).txt=3; a.txt=1 | MakeMake",
        "a (conflict ann).txt=1; a.txt=3 | MakeMake",
    );
    let met = meet(nothing, |ann| ann.write("a", 1), |bob| bob.write("a", 2), ANN);
    assert_eq!(open(&met.space.head), ["MakeMake a -> a (conflict bob)"]);
    assert_eq!(met.conflicts[0].remote, Version(1));
}

#[test]
fn files_made_one_after_another_under_a_taken_name_are_all_kept() {
    row(
        nothing,
        |ann| ann.write("a", 1),
        |bob| {
            bob.write("a", 2);
            bob.mv("a", "b");
            bob.write("a", 3);
        },
        "a=1; a (conflict bob)=3; b=2 | MakeMake",
        "a=3; a (conflict ann)=1; b=2 | MakeMake",
    );
}

#[test]
fn equal_links_and_specials_made_twice_are_one() {
    row(nothing, |ann| ann.symlink("l", "x"), |bob| bob.symlink("l", "x"), "l", "l");
    row(
        nothing,
        |ann| ann.symlink("l", "x"),
        |bob| bob.symlink("l", "y"),
        "l; l (conflict bob) | MakeMake",
        "l; l (conflict ann) | MakeMake",
    );
    let fifo = |member: &mut Member| member.make("f", Body::Special(Special::Fifo));
    row(nothing, fifo, fifo, "f", "f");
    let socket = |member: &mut Member| member.make("f", Body::Special(Special::Socket));
    row(nothing, fifo, socket, "f; f (conflict bob) | MakeMake", "f; f (conflict ann) | MakeMake");
}

#[test]
fn of_different_kinds_the_local_one_moves_with_all_below_it() {
    row(
        nothing,
        |ann| ann.write("x", 1),
        |bob| {
            bob.mkdir("x");
            bob.mkdir("x/y");
            bob.write("x/y/b", 2);
        },
        "x=1; x (conflict bob); x (conflict bob)/y; x (conflict bob)/y/b=2 | MakeMake",
        "x; x (conflict ann)=1; x/y; x/y/b=2 | MakeMake",
    );
}

#[test]
fn a_removed_directory_comes_back_as_the_one_made_in_its_place() {
    row(
        |ann| ann.mkdir("d"),
        |ann| ann.write("d/a", 1),
        |bob| {
            bob.rm("d");
            bob.mkdir("d");
            bob.write("d/b", 2);
        },
        "d; d/a=1; d/b=2 | Dropped",
        "d; d/a=1; d/b=2",
    );
}

#[test]
fn a_file_made_in_a_removed_directory_brings_it_back() {
    let met = meet(|ann| ann.mkdir("d"), |ann| ann.write("d/a", 1), |bob| bob.rm("d"), BOB);
    assert_eq!(met.ann.at("d"), met.bob.at("d"));
    assert!(matches!(&met.space.log[2].1[0].verb, Verb::Make(make) if make.node == met.ann.at("d")));
    row(|ann| ann.mkdir("d"), |ann| ann.write("d/a", 1), |bob| bob.rm("d"), "d; d/a=1 | Dropped", "d; d/a=1");
}

#[test]
fn a_link_or_move_to_a_taken_name_gets_the_conflict_name() {
    row(
        file,
        |ann| ann.ln("a", "b"),
        |bob| bob.write("b", 2),
        "a=1; b=1; b (conflict bob)=2 | MakeMake",
        "a=1; b=2; b (conflict ann)=1",
    );
    row(
        file,
        |ann| ann.mv("a", "b"),
        |bob| bob.mkdir("b"),
        "b=1; b (conflict bob) | MakeMake",
        "b; b (conflict ann)=1",
    );
    row(
        file_and_directory,
        |ann| ann.mv("d", "b"),
        |bob| bob.mv("a", "b"),
        "b; b (conflict bob)=1",
        "b=1; b (conflict ann)",
    );
}

#[test]
fn a_file_moved_to_the_name_of_another_is_as_made_there() {
    row(
        file,
        |ann| ann.mv("a", "b"),
        |bob| bob.write("b", 2),
        "b=1; b (conflict bob)=2 | MakeMake",
        "b=2; b (conflict ann)=1 | MakeMake",
    );
    row(file, |ann| ann.mv("a", "b"), |bob| bob.write("b", 1), "b=1", "b=1");
    let met = meet(file, |ann| ann.mv("a", "b"), |bob| bob.write("b", 2), BOB);
    assert_eq!(open(&met.space.head), ["MakeMake b -> b (conflict ann)"]);
}

#[test]
fn a_diverted_name_is_the_one_that_later_ops_mean() {
    row(
        files,
        |ann| ann.write("c", 3),
        |bob| {
            bob.ln("a", "c");
            bob.ln("a", "e");
            bob.rm("c");
            bob.mv("b", "c");
            bob.write("c", 4);
            bob.mv("c", "f");
        },
        "a=1; c=3; e=1; f=4 | MakeMake",
        "a=1; c=3; e=1; f=4",
    );
}

#[test]
fn of_two_moves_the_accepted_place_stays() {
    row(file, |ann| ann.mv("a", "b"), |bob| bob.mv("a", "c"), "b=1 | MoveMove", "c=1 | MoveMove");
    row(file, |ann| ann.mv("a", "b"), |bob| bob.mv("a", "b"), "b=1", "b=1");
    let met = meet(file, |ann| ann.mv("a", "b"), |bob| bob.mv("a", "c"), ANN);
    assert!(open(&met.space.head).is_empty());
    row(
        file_and_directory,
        |ann| ann.mv("d", "e"),
        |bob| {
            bob.mv("d", "f");
            bob.mv("a", "f/a");
            bob.mv("f", "g");
        },
        "e; e/a=1 | MoveMove",
        "g; g/a=1 | MoveMove",
    );
}

#[test]
fn a_move_wins_over_a_removal_only_if_it_was_not_first() {
    row(file, |ann| ann.mv("a", "b"), |bob| bob.rm("a"), "", "b=1 | PutDrop");
    row(file_and_directory, |ann| ann.mv("d", "e"), |bob| bob.rm("d"), "a=1", "a=1; e | PutDrop");
}

#[test]
fn a_moved_and_edited_file_comes_back_where_it_was_moved_to() {
    row(
        file_and_directory,
        |ann| {
            ann.mv("a", "d/b");
            ann.write("d/b", 2);
        },
        |bob| {
            bob.rm("a");
            bob.rm("d");
        },
        "d; d/b=2 | DropPut Dropped",
        "d; d/b=2 | PutDrop",
    );
}

#[test]
fn two_moves_that_would_close_a_ring_end_with_the_first() {
    let directories = |ann: &mut Member| {
        ann.mkdir("d");
        ann.mkdir("e");
    };
    row(
        directories,
        |ann| ann.mv("d", "e/d"),
        |bob| {
            bob.mv("e", "d/e");
            bob.write("d/e/a", 1);
        },
        "e; e/a=1; e/d | Cycle",
        "d; d/e; d/e/a=1 | Cycle",
    );
}

#[test]
fn a_directory_filled_meanwhile_is_not_removed() {
    row(
        |ann| ann.mkdir("d"),
        |ann| ann.write("d/a", 1),
        |bob| {
            bob.rm("d");
            bob.write("d", 2);
        },
        "d; d (conflict bob)=2; d/a=1 | Dropped MakeMake",
        "d=2; d (conflict ann); d (conflict ann)/a=1 | MakeMake",
    );
}

#[test]
fn a_removal_follows_a_moved_node() {
    row(
        file_and_directory,
        |ann| {
            ann.mv("a", "d/b");
            ann.mv("d", "e");
            ann.chmod("e/b", 0o600);
        },
        |bob| bob.rm("a"),
        "e",
        "e; e/b=1 | PutDrop",
    );
}

#[test]
fn two_removals_are_one() {
    let remove = |member: &mut Member| {
        member.rm("a");
        member.rm("d");
    };
    row(file_and_directory, remove, remove, "", "");
    assert_eq!(meet(file_and_directory, remove, remove, ANN).space.log.len(), 2);
}

#[test]
fn a_link_outlives_the_removal_of_another_name() {
    row(file, |ann| ann.ln("a", "b"), |bob| bob.rm("a"), "b=1", "b=1");
    let linked = |ann: &mut Member| {
        ann.write("a", 1);
        ann.ln("a", "b");
    };
    row(linked, |ann| ann.rm("a"), |bob| bob.rm("b"), "", "");
    row(linked, |ann| ann.rm("a"), |bob| bob.rm("a"), "b=1", "b=1");
    row(linked, |ann| ann.rm("a"), |bob| bob.write("b", 2), "b=2", "b=2");
    row(
        linked,
        |ann| ann.rm("a"),
        |bob| {
            bob.rm("a");
            bob.mv("b", "c");
        },
        "c=1",
        "c=1",
    );
    row(
        linked,
        |ann| {
            ann.write("a", 2);
            ann.rm("a");
        },
        |bob| bob.rm("b"),
        "b=2 | DropPut",
        "b=2 | PutDrop",
    );
    row(
        file,
        |ann| {
            ann.ln("a", "b");
            ann.rm("b");
        },
        |bob| bob.mv("a", "b"),
        "b=1",
        "b=1",
    );
    row(linked, |ann| ann.mv("a", "c"), |bob| bob.rm("a"), "b=1", "b=1; c=1");
    row(linked, |ann| ann.mv("a", "c"), |bob| bob.mv("b", "e"), "c=1; e=1", "c=1; e=1");
    row(linked, |ann| ann.mv("a", "c"), |bob| bob.mv("a", "e"), "b=1; c=1 | MoveMove", "b=1; e=1 | MoveMove");
}

#[test]
fn a_link_to_a_file_that_is_edited_is_of_the_edited_file() {
    row(file, |ann| ann.ln("a", "b"), |bob| bob.write("a", 2), "a=2; b=2", "a=2; b=2");
}
