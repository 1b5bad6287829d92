//! JSON by path, in named cases; the shared-space document's grid is one of them.

use super::{merged, outcome};
use crate::merge::{FileType, Outcome, Unclean};

const GRID: &str = "{\n\"0\": \"ffffff\",\n\"1\": \"ffffff\",\n\"2\": \"ffffff\",\n\"3\": \"ffffff\"\n}\n";

/// Both orders; the same bytes in both.
fn both(base: &str, local: &str, remote: &str) -> Result<String, Unclean> {
    let one = merged(base, local, remote);
    assert_eq!(one.is_ok(), merged(base, remote, local).is_ok(), "swapped");
    one
}

fn paths(base: &str, local: &str, remote: &str) -> Vec<String> {
    match both(base, local, remote) {
        Err(Unclean::Overlap { places }) => places.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_grid_takes_two_remote_replacements_and_a_local_one() {
    let painted = |cells: &[usize]| {
        cells.iter().fold(GRID.to_owned(), |grid, cell| {
            grid.replace(&format!("\"{cell}\": \"ffffff\""), &format!("\"{cell}\": \"ff0000\""))
        })
    };
    assert_eq!(both(GRID, &painted(&[2]), &painted(&[3, 1])), Ok(painted(&[1, 2, 3])));
    assert_eq!(paths(GRID, &painted(&[2]), &painted(&[2]).replace("ff0000", "00ff00")), ["/2"]);
}

#[test]
fn disjoint_paths_merge_in_one_line_and_keep_their_formatting() {
    let base = r#"{ "a" : 1,"b":[1, 2 ,3],   "c":{"d":1e5,"e":"x"}}"#;
    let local = r#"{ "a" : 2,"b":[1, 2 ,3],   "c":{"d":1e5,"e":"x"}}"#;
    let remote = r#"{ "a" : 1,"b":[1, 2 ,30],   "c":{"d":1.50,"e":"x"}}"#;
    let expected = r#"{ "a" : 2,"b":[1, 2 ,30],   "c":{"d":1.50,"e":"x"}}"#;
    assert_eq!(both(base, local, remote).as_deref(), Ok(expected));
}

#[test]
fn equal_paths_and_prefixes_conflict() {
    let base = r#"{"a":{"b":1,"c":2},"l":[1,2,3]}"#;
    let cases = [
        (r#"{"a":{"b":5,"c":2},"l":[1,2,3]}"#, r#"{"a":{"b":6,"c":2},"l":[1,2,3]}"#, "/a/b"),
        (r#"{"a":{"b":5,"c":2},"l":[1,2,3]}"#, r#"{"l":[1,2,3]}"#, "/a"),
        (r#"{"a":{"b":5,"c":2},"l":[1,2,3]}"#, r#"{"a":7,"l":[1,2,3]}"#, "/a"),
        (r#"{"a":{"b":1,"c":2},"l":[1,2,3],"n":1}"#, r#"{"a":{"b":1,"c":2},"l":[1,2,3],"n":2}"#, "/n"),
        (r#"{"a":{"b":1,"c":2},"l":[9,2,3]}"#, r#"{"a":{"b":1,"c":2},"l":[8,2,3]}"#, "/l/0"),
        (r#"{"a":{"b":1,"c":2},"l":[2,3]}"#, r#"{"a":{"b":1,"c":2},"l":[8,2,3]}"#, "/l/0"),
    ];
    for (local, remote, path) in cases {
        assert_eq!(paths(base, local, remote), [path], "{local} {remote}");
    }
}

#[test]
fn the_same_change_is_made_once() {
    let (base, side) = (r#"{"a":1,"l":[1]}"#, r#"{"a":2,"n":{"x":1},"l":[1,5]}"#);
    let reformatted = "{\"a\":2, \"n\":{\"x\" : 1},\"l\":[1,5]}";
    assert_eq!(both(base, side, side).as_deref(), Ok(side));
    assert_eq!(merged(base, side, reformatted).as_deref(), Ok(reformatted));
}

#[test]
fn new_members_look_like_their_surroundings() {
    let base = "{\n  \"a\": 1,\n  \"z\": {\n    \"y\": 1\n  }\n}\n";
    let local =
        "{\n  \"a\": 1,\n  \"l\": {\n    \"m\": [\n      1\n    ]\n  },\n  \"z\": {\n    \"y\": 1\n  }\n}\n";
    let remote = "{\n    \"a\": 2,\n    \"z\": {\n        \"y\": 1\n    }\n}\n";
    let expected = "{\n    \"a\": 2,\n    \"l\": {\n      \"m\": [\n        1\n      ]\n    },\n    \"z\": {\n        \"y\": 1\n    }\n}\n";
    assert_eq!(merged(base, local, remote).as_deref(), Ok(expected), "the inner steps stay the author's");
}

#[test]
fn members_put_in_at_one_place_are_all_kept_the_remote_ones_first() {
    let (base, local, remote) =
        ("{\n  \"a\": 1\n}\n", "{\n  \"a\": 1,\n  \"l\": 1\n}\n", "{\n  \"a\": 1,\n  \"r\": 1\n}\n");
    assert_eq!(both(base, local, remote).as_deref(), Ok("{\n  \"a\": 1,\n  \"r\": 1,\n  \"l\": 1\n}\n"));
    assert_eq!(both("{}", "{\"l\":1}", "{ \"r\": 1 }").as_deref(), Ok("{ \"r\": 1, \"l\":1 }"));
    assert_eq!(
        both("[{}]", "[{\"l\":1,\"m\":2}]", "[{ \"r\": 1 }]").as_deref(),
        Ok("[{ \"r\": 1,\"l\":1,\"m\":2 }]")
    );
}

#[test]
fn members_go_without_leaving_a_comma() {
    let base = r#"{"a": 1, "b": 2, "c": 3}"#;
    assert_eq!(both(base, r#"{"b": 2, "c": 3}"#, r#"{"a": 1, "b": 2}"#).as_deref(), Ok(r#"{"b": 2}"#));
    assert_eq!(both(base, r#"{"b": 2}"#, r#"{"a": 1, "c": 3}"#).as_deref(), Ok("{}"));
    assert_eq!(both("[1, 2, 3, 4]", "[2, 3, 4]", "[1, 2, 3]").as_deref(), Ok("[2, 3]"));
}

#[test]
fn arrays_merge_by_aligned_elements() {
    let cases = [
        ("cells of a grid", "[0,0,0,0]", "[0,5,0,0]", "[6,0,0,7]", Some("[6,5,0,7]")),
        ("a shift, and a change of what goes on", "[1,2,3,4]", "[2,3,4,5]", "[1,2,9,4]", Some("[2,9,4,5]")),
        ("inserts at different places", "[1,2,3]", "[0,1,2,3]", "[1,2,3,4]", Some("[0,1,2,3,4]")),
        ("inserts at one place", "[1,2]", "[1,2,3]", "[1,2,4]", None),
        ("the same insert", "[1,2]", "[1,2,3]", "[1,2,3]", Some("[1,2,3]")),
        ("an insert beside another value", "[1,2]", "[1,5]", "[1,2,3]", None),
        ("an insert beside a change inside", "[1,[2]]", "[1,[5]]", "[1,[2],3]", Some("[1,[5],3]")),
        ("a removal and an insert, or another value", "[1,2]", "[1,5]", "[1,5,2]", None),
        ("an insert beside a removal", "[1,2,3]", "[1,3]", "[1,2,9,3]", None),
        ("a change and a removal apart", "[1,2,3]", "[7,2,3]", "[1,2]", Some("[7,2]")),
        ("removals that overlap", "[1,2,3,4]", "[1,4]", "[1,2]", Some("[1]")),
        ("a change of a removed one", "[1,2,3]", "[1,3]", "[1,5,3]", None),
        ("a move and a change of the moved", "[[1],[2],[3]]", "[[2],[3],[1]]", "[[1,1],[2],[3]]", None),
        (
            "changes in one object",
            r#"[{"a":1,"b":1}]"#,
            r#"[{"a":2,"b":1}]"#,
            r#"[{"a":1,"b":2}]"#,
            Some(r#"[{"a":2,"b":2}]"#),
        ),
        (
            "an id that changes is another element",
            r#"[{"id":1,"b":1}]"#,
            r#"[{"id":2,"b":1}]"#,
            r#"[{"id":1,"b":2}]"#,
            None,
        ),
        (
            "a change beside an insert, known by id",
            r#"[{"id":1,"b":1},{"id":2}]"#,
            r#"[{"id":1,"b":5},{"id":3},{"id":2}]"#,
            r#"[{"id":1,"b":1,"c":7},{"id":2}]"#,
            Some(r#"[{"id":1,"b":5,"c":7},{"id":3},{"id":2}]"#),
        ),
    ];
    for (name, base, local, remote, expected) in cases {
        assert_eq!(both(base, local, remote).ok().as_deref(), expected, "{name}");
    }
}

#[test]
fn spelling_is_kept_and_counts() {
    let base = r#"{"n":1.0,"s":"\u0041","big":123456789012345678901234567890,"x":0,"y":0}"#;
    let (local, remote) = (base.replace(r#""x":0"#, r#""x":1"#), base.replace(r#""y":0"#, r#""y":1E+2"#));
    let expected = local.replace(r#""y":0"#, r#""y":1E+2"#);
    assert_eq!(both(base, &local, &remote), Ok(expected));
    assert_eq!(paths(r#"{"n":1}"#, r#"{"n":1.0}"#, r#"{"n":1.00}"#), ["/n"]);
    assert_eq!(
        paths(r#"{"a/b~":1}"#, r#"{"a/b~":2}"#, r#"{"a\/b\u007e":3}"#),
        ["/a~1b~0"],
        "keys are decoded"
    );
}

#[test]
fn a_side_that_reformats_keeps_its_formatting() {
    let (base, local) = ("{\"a\":1,\"b\":[1,2]}", "{\n  \"b\": [ 1, 2 ],\n  \"a\": 1\n}\n");
    let expected = "{\n  \"b\": [ 1, 2 ],\n  \"a\": 5\n}\n";
    assert_eq!(both(base, local, "{\"a\":5,\"b\":[1,2]}").as_deref(), Ok(expected));
    let added = "{\n  \"b\": [ 1, 2, 3 ],\n  \"a\": 1,\n  \"c\":1\n}\n";
    assert_eq!(both(base, local, "{\"a\":1,\"c\":1,\"b\":[1,2,3]}").as_deref(), Ok(added));
}

#[test]
fn an_object_with_a_key_twice_is_one_value() {
    let base = r#"{"a":{"k":1,"k":2,"m":1},"b":1}"#;
    let local = r#"{"a":{"k":1,"k":2,"m":5},"b":1}"#;
    assert_eq!(
        both(base, local, r#"{"a":{"k":1,"k":2,"m":1},"b":2}"#),
        Ok(local.replace("\"b\":1", "\"b\":2"))
    );
    assert_eq!(paths(base, local, r#"{"a":{"k":3,"k":2,"m":1},"b":1}"#), ["/a"]);
}

#[test]
fn line_endings_and_a_byte_order_mark_stay() {
    let turn = |text: &str| format!("\u{feff}{}", text.replace('\n', "\r\n"));
    let base = "{\n  \"a\": 1,\n  \"b\": 1\n}\n";
    let (local, remote) = (
        base.replace("\"a\": 1", "\"a\": 2"),
        base.replace("\"b\": 1", "\"b\": 1,\n  \"c\": {\n    \"d\": 1\n  }"),
    );
    let expected = remote.replace("\"a\": 1", "\"a\": 2");
    assert_eq!(both(&turn(base), &turn(&local), &turn(&remote)), Ok(turn(&expected)));
    assert_eq!(merged(base, &turn(&local), &remote).map(|text| text.starts_with('\u{feff}')), Ok(true));
}

#[test]
fn what_is_no_json_on_one_side_is_text() {
    let base = "{\n\"a\": 1,\n\n\n\"b\": 1\n}\n";
    let broken = base.replace("\"a\": 1", "\"a\": ");
    let remote = base.replace("\"b\": 1", "\"b\": 2");
    let expected = broken.replace("\"b\": 1", "\"b\": 2");
    assert_eq!(both(base, &broken, &remote), Ok(expected.clone()));
    assert_eq!(outcome(Some(FileType::Json), base, &broken, &remote), Outcome::Clean(expected.into_bytes()));
}

#[test]
fn lines_that_join_to_no_json_are_not_taken() {
    // Deeper than trees go: only lines are left, and each side moved a comma.
    let deep = |inner: &str| format!("{}\n{inner}\n{}\n", "[".repeat(150), "]".repeat(150));
    let (base, local, remote) = (deep("1\n,\n2\n,\n3"), deep("1\n,\n2"), deep("1\n,\n2\n,\n3\n,\n4"));
    assert!(merged(&base, &local, &remote).is_err());
    let (local, remote) = (deep("5\n,\n2\n,\n3"), deep("1\n,\n2\n,\n6"));
    assert_eq!(merged(&base, &local, &remote), Ok(deep("5\n,\n2\n,\n6")));
}
