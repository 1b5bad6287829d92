//! Attributes: which glob gives which type, and what is said of a bad line.

use crate::merge::{Attributes, FileType};

fn file_type(lines: &str, path: &str) -> Option<FileType> {
    Attributes::parse(lines.as_bytes()).expect("good attributes").file_type(path.as_bytes())
}

#[test]
fn globs_match_as_those_of_git() {
    let cases = [
        ("*.log union", "a.log", true),
        ("*.log union", "deep/down/a.log", true),
        ("*.log union", "a.log/b", false),
        ("/*.log union", "a.log", true),
        ("/*.log union", "deep/a.log", false),
        ("deep/*.log union", "deep/a.log", true),
        ("deep/*.log union", "deep/down/a.log", false),
        ("deep/**/*.log union", "deep/down/under/a.log", true),
        ("deep/**/*.log union", "deep/a.log", true),
        ("**/down/* union", "deep/down/a", true),
        ("a?c union", "abc", true),
        ("a?c union", "a/c", false),
        ("[a-c]x union", "bx", true),
        ("two words.txt\tunion", "two words.txt", true),
        ("\\*.log union", "*.log", true),
        ("\\*.log union", "a.log", false),
        ("*.LOG union", "a.log", false),
    ];
    for (lines, path, matches) in cases {
        assert_eq!(file_type(lines, path).is_some(), matches, "{lines} for {path}");
    }
}

#[test]
fn the_last_line_that_matches_decides() {
    let lines = "# types\r\n\r\n*.json text\r\n*.txt union\r\npackage-lock.json binary\r\n";
    assert_eq!(file_type(lines, "a.json"), Some(FileType::Text));
    assert_eq!(file_type(lines, "web/package-lock.json"), Some(FileType::Binary));
    assert_eq!(file_type(lines, "a.txt"), Some(FileType::Union));
    assert_eq!(file_type(lines, "a.rs"), None);
    assert_eq!(file_type("", "a"), None);
}

#[test]
fn a_bad_line_is_named_with_what_to_do() {
    let cases = [
        (
            "a text\n*.json",
            "attributes, line 2: \"*.json\" is a glob without a type; write one of text, json, xml, binary or union after it",
        ),
        (
            "*.json yaml",
            "attributes, line 1: \"*.json yaml\": \"yaml\" is no file type; write text, json, xml, binary or union",
        ),
        (
            "!a text",
            "attributes, line 1: \"!a text\": a glob cannot take files out again; give them another type on a later line",
        ),
        (
            "\n\n[a text",
            "attributes, line 3: \"[a text\" is no glob: unclosed character class; missing ']'; put a backslash before a character that means itself",
        ),
    ];
    for (lines, said) in cases {
        assert_eq!(Attributes::parse(lines.as_bytes()).unwrap_err().to_string(), said);
    }
    let not_text = Attributes::parse(b"a text\n\xff text").unwrap_err();
    assert_eq!(not_text.to_string(), "attributes, line 2: not UTF-8; save the file as UTF-8");
    assert!(Attributes::parse(&vec![b'\n'; 1 << 20]).is_err());
}

#[test]
fn a_path_need_not_be_utf8() {
    let attributes = Attributes::parse(b"*.log union").unwrap();
    assert_eq!(attributes.file_type(b"\xff\xfe.log"), Some(FileType::Union));
}
