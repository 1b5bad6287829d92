//! Patches: what changed, as others read it.

use crate::merge::patch::{json_patch, unified, xml_changes};

#[test]
fn a_unified_diff_shows_three_lines_around_a_change() {
    let old = "1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15\n";
    let new = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10\n11\n12\n13\n14\n15";
    let diff = unified("a/list", "b/list", old.as_bytes(), new.as_bytes());
    let expected = "--- a/list\n+++ b/list\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n\
                    @@ -12,4 +12,4 @@\n 12\n 13\n 14\n-15\n+15\n\\ No newline at end of file\n";
    assert_eq!(String::from_utf8(diff).unwrap(), expected);
}

#[test]
fn a_unified_diff_of_a_new_file_begins_at_no_line() {
    assert_eq!(unified("a", "b", b"", b"x\ny\n"), b"--- a\n+++ b\n@@ -0,0 +1,2 @@\n+x\n+y\n");
    assert_eq!(unified("a", "b", b"x\n", b""), b"--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n");
    assert_eq!(unified("a", "b", b"x\n", b"x\n"), b"");
    assert_eq!(unified("a", "b", b"\0", b"x\n"), b"Binary files a and b differ\n");
}

#[test]
fn a_json_patch_names_paths_with_their_values() {
    let (old, new) = (
        r#"{"a": 1, "b": {"c/d": [1, 2, 3]}, "e": 0}"#,
        "{\"a\": 1.50,\n \"b\": {\"c/d\": [0, 2, 3, { \"x\" :\n \"a b\" }]}, \"f\": []}",
    );
    let operations = json_patch(old.as_bytes(), new.as_bytes()).unwrap();
    let said: Vec<String> =
        operations.iter().map(|op| format!("{} {} {:?}", op.verb.as_str(), op.path, op.value)).collect();
    let expected = [
        "replace /a Some(\"1.50\")",
        "add /b/c~1d/3 Some(\"{\\\"x\\\":\\\"a b\\\"}\")",
        "replace /b/c~1d/0 Some(\"0\")",
        "remove /e None",
        "add /f Some(\"[]\")",
    ];
    assert_eq!(said, expected);
    assert_eq!(json_patch(b"{}", b"[]").unwrap()[0].path, "");
    assert_eq!(json_patch(b"{}", b"{ }"), Some(vec![]));
    assert_eq!(json_patch(b"{}", b"text"), None);
}

#[test]
fn xml_changes_read_well() {
    let old = "<svg><rect id='a' fill=\"red\"/><rect/><g>one</g></svg>";
    let new = "<svg><rect id='a' fill=\"blue\"/><circle r='1'/><g>one\n two</g></svg>";
    let said: Vec<String> =
        xml_changes(old.as_bytes(), new.as_bytes()).unwrap().iter().map(ToString::to_string).collect();
    let expected = [
        "changed /svg/rect[1]/@fill: \"red\" -> \"blue\"",
        "removed /svg/rect[2]: <rect/>",
        "added /svg/circle: <circle r='1'/>",
        "changed /svg/g/text(): one -> one two",
    ];
    assert_eq!(said, expected);
    assert_eq!(xml_changes(old.as_bytes(), b"text"), None);
}
