//! Text by line, in named cases.

use super::merged;

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
