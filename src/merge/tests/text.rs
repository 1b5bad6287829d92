//! Text by line, in named cases.

use super::{merged, outcome};
use crate::merge::{FileType, Labels, Outcome, Unclean, Versions, marked_up, merge};

/// Line by line: base, local, remote, and the result or none for a conflict.
const CASES: [(&str, &str, &str, &str, Option<&str>); 16] = [
    ("inserts at different lines", "a b c", "x a b c", "a b c y", Some("x a b c y")),
    ("the same insert", "a b", "a x b", "a x b", Some("a x b")),
    ("the same insert, and another", "a b c", "a x b c", "a x b c y", Some("a x b c y")),
    ("different inserts at one place", "a b", "a x b", "a y b", None),
    ("changes with a line between", "a b c", "x b c", "a b y", Some("x b y")),
    ("changes of neighbours", "a b c", "x b c", "a y c", None),
    ("the same line", "a b c", "a x c", "a y c", None),
    ("equal deletions", "a b c d", "a d", "a d", Some("a d")),
    ("deletions that overlap", "a b c d e", "a d e", "a b e", None),
    ("a deletion inside a deletion", "a b c d e", "a e", "a b d e", None),
    ("deletions side by side", "a b c d", "a c d", "a b d", None),
    ("deletions with a line between", "a b c d e", "a c d e", "a b c e", Some("a c e")),
    ("an insert inside a deletion", "a b c d", "a d", "a b x c d", None),
    ("an insert at the edge of a deletion", "a b c d", "a d", "a b c x d", None),
    ("a change inside a deletion", "a b c d", "a d", "a x c d", None),
    ("everything deleted, and a change", "a b c", "", "a x c", None),
];

#[test]
fn lines_merge_as_the_table_says() {
    let lines = |words: &str| words.split_whitespace().map(|word| format!("{word}\n")).collect::<String>();
    for (name, base, local, remote, expected) in CASES {
        let (base, local, remote) = (lines(base), lines(local), lines(remote));
        let expected = expected.map(lines);
        assert_eq!(merged(&base, &local, &remote).ok(), expected, "{name}");
        assert_eq!(merged(&base, &remote, &local).ok(), expected, "{name}, swapped");
    }
}

#[test]
fn line_endings_stay_as_they_are() {
    assert_eq!(merged("a\r\nb\r\nc\r\n", "x\r\nb\r\nc\r\n", "a\r\nb\r\ny").unwrap(), "x\r\nb\r\ny");
    assert_eq!(merged("a\nb\nc", "x\nb\nc", "a\nb\ny").unwrap(), "x\nb\ny");
    assert_eq!(merged("a\nb\r\nc\n", "x\nb\r\nc\n", "a\nb\r\ny\n").unwrap(), "x\nb\r\ny\n", "mixed ones too");
}

#[test]
fn a_side_that_turns_all_line_endings_does_not_touch_every_line() {
    assert_eq!(merged("a\nb\nc\n", "a\r\nb\r\nc\r\n", "a\nx\nc\n").unwrap(), "a\r\nx\r\nc\r\n");
    assert_eq!(merged("a\r\nb\r\nc\r\n", "x\r\nb\r\nc\r\n", "a\nb\nc\n").unwrap(), "x\nb\nc\n");
    assert!(merged("a\nb\n", "a\r\nx\r\n", "a\ny\n").is_err(), "a real conflict stays one");
}

#[test]
fn a_missing_final_newline_is_a_change_of_the_last_line() {
    assert_eq!(merged("a\nb\nc\n", "x\nb\nc\n", "a\nb\nc").unwrap(), "x\nb\nc");
    assert!(merged("a\nb\n", "a\nb", "a\nb\nc\n").is_err());
}

#[test]
fn what_depends_on_how_equal_lines_are_paired_is_a_conflict() {
    let (base, local) = ("{\na\n}\n{\nb\n}\n{\nc\n}\n", "{\na\n}\n{\nc\n}\n");
    assert!(merged(base, local, "{\na\n}\n{\nb\n}\n{\nc\n}\nd\n").is_ok(), "far away it does not matter");
    assert!(merged("x\nx\n", "x\n", "x\ny\nx\n").is_err());
}

#[test]
fn a_union_keeps_both_sides_where_they_meet_the_remote_first() {
    let union = |base, local, remote| match outcome(Some(FileType::Union), base, local, remote) {
        Outcome::Clean(bytes) => String::from_utf8(bytes).unwrap(),
        Outcome::Conflict(unclean) => panic!("{unclean}"),
    };
    assert_eq!(union("a\n", "a\nl\n", "a\nr\n"), "a\nr\nl\n");
    assert_eq!(union("a\n", "a\nsame\nl\n", "a\nsame\nr\n"), "a\nsame\nr\nl\n");
    assert_eq!(union("a", "a\nl", "a\nr"), "a\nr\nl", "a line is never joined to another");
    let made_twice = Versions { base: None, local: b"l\n", remote: b"r\n" };
    assert_eq!(merge(Some(FileType::Union), made_twice), Outcome::Clean(b"r\nl\n".to_vec()));
}

#[test]
fn what_is_not_text_conflicts_and_so_does_what_has_no_base() {
    let binary =
        |local: &[u8]| merge(None, Versions { base: Some(b"a\nb\nc\n"), local, remote: b"a\nb\nx\n" });
    assert_eq!(binary(b"\0\nb\nc\n"), Outcome::Conflict(Unclean::Binary));
    assert_eq!(binary(b"\xff\nb\nc\n"), Outcome::Conflict(Unclean::Binary));
    let latin1 = Versions { base: Some(b"a\nb\nc\n"), local: b"\xff\nb\nc\n", remote: b"a\nb\nx\n" };
    assert_eq!(merge(Some(FileType::Text), latin1), Outcome::Clean(b"\xff\nb\nx\n".to_vec()));
    let made_twice = Versions { base: None, local: b"l\n", remote: b"r\n" };
    assert_eq!(merge(None, made_twice), Outcome::Conflict(Unclean::NoBase));
    assert_eq!(merge(None, Versions { remote: b"l\n", ..made_twice }), Outcome::Clean(b"l\n".to_vec()));
    assert_eq!(
        outcome(Some(FileType::Binary), "a\nb\nc\n", "x\nb\nc\n", "a\nb\ny\n"),
        Outcome::Conflict(Unclean::Binary)
    );
}

#[test]
fn a_conflict_says_where() {
    let said = |base, local, remote| merged(base, local, remote).unwrap_err().to_string();
    assert_eq!(said("a\nb\nc\n", "a\nx\nc\n", "a\ny\nc\n"), "both sides changed line 2");
    assert_eq!(said("a\nb\n", "a\nx\nb\n", "a\ny\nb\n"), "both sides changed before line 2");
    assert_eq!(said("a\nb\nc\nd\n", "a\nd\n", "a\nb\nx\nd\n"), "both sides changed lines 2-3");
}

#[test]
fn the_marked_up_text_shows_all_three_versions_of_a_conflict() {
    let labels = Labels { base: "version 1", local: "here", remote: "there" };
    let versions = Versions { base: Some(b"a\nb\nc\nd"), local: b"x\nb\nl\nd", remote: b"a\nb\nr" };
    let marked = String::from_utf8(marked_up(None, versions, labels).unwrap()).unwrap();
    let expected = "x\nb\n<<<<<<< here\nl\nd\n||||||| version 1\nc\nd\n=======\nr\n>>>>>>> there\n";
    assert_eq!(marked, expected);
    let made_twice = marked_up(None, Versions { base: None, local: b"l\r\n", ..versions }, labels).unwrap();
    let expected = "<<<<<<< here\r\nl\r\n=======\r\na\nb\nr\r\n>>>>>>> there\r\n";
    assert_eq!(String::from_utf8(made_twice).unwrap(), expected);
    assert_eq!(marked_up(None, Versions { local: b"\0", ..versions }, labels), None);
}

#[test]
fn the_marked_up_text_of_a_document_shows_what_its_lines_do_not() {
    let labels = Labels { base: "base", local: "here", remote: "there" };
    let (base, local, remote) = (
        "{\n\"a\": 1,\n\n\"z\": 1\n}\n",
        "{\n\"n\": 1,\n\"a\": 1,\n\n\"z\": 1\n}\n",
        "{\n\"a\": 1,\n\n\"n\": 2,\n\"z\": 1\n}\n",
    );
    assert!(merged(base, local, remote).is_err(), "one key, two values");
    let versions =
        Versions { base: Some(base.as_bytes()), local: local.as_bytes(), remote: remote.as_bytes() };
    let marked = String::from_utf8(marked_up(None, versions, labels).unwrap()).unwrap();
    assert_eq!(marked.matches("<<<<<<< here\n").count(), 2, "{marked}");
}
