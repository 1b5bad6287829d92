//! One list of patterns in the syntax of gitignore: which paths it ignores, takes back, or has nothing to say of.
//!
//! Pure: made from bytes, asked about paths relative to the directory that the list is for. A line that is no pattern
//! is told, and the others hold.

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::path::Path;

/// A list larger than this is not read.
pub(super) const PATTERNS_BYTES_MAX: u64 = 1024 * 1024;

/// A line that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BadLine {
    /// From 1.
    pub line: usize,
    pub reason: String,
}

/// A list of patterns, later ones over earlier ones.
pub(super) struct Patterns {
    set: Gitignore,
    pub bad_lines: Vec<BadLine>,
}

/// What a list says of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Ignored,
    /// A pattern with `!` takes it back.
    Kept,
}

impl Patterns {
    pub fn parse(bytes: &[u8]) -> Patterns {
        // With this root no path is taken for one that begins with it.
        let mut builder = GitignoreBuilder::new(".");
        let mut bad_lines = Vec::new();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        for (at, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let reason = match std::str::from_utf8(line) {
                Ok(text) => builder.add_line(None, text).err().map(|error| error.to_string()),
                Err(_) => Some("not UTF-8".to_owned()),
            };
            bad_lines.extend(reason.map(|reason| BadLine { line: at + 1, reason }));
        }
        let set = builder.build().unwrap_or_else(|error| {
            bad_lines.push(BadLine { line: 1, reason: format!("the list as a whole: {error}") });
            Gitignore::empty()
        });
        Patterns { set, bad_lines }
    }

    /// What is said of this path alone; directories above it are the caller's to ask about.
    pub fn verdict(&self, path: &Path, is_directory: bool) -> Option<Verdict> {
        match self.set.matched(path, is_directory) {
            Match::None => None,
            Match::Ignore(_) => Some(Verdict::Ignored),
            Match::Whitelist(_) => Some(Verdict::Kept),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_gitignore() {
        let (ignored, kept) = (Some(Verdict::Ignored), Some(Verdict::Kept));
        let cases: [(&str, &str, bool, Option<Verdict>); 20] = [
            ("*.o", "deep/a.o", false, ignored),
            ("*.o", "a.c", false, None),
            ("target/", "target", true, ignored),
            ("target/", "target", false, None),
            ("target/", "deep/target", true, ignored),
            ("/target", "deep/target", true, None),
            ("a/b", "a/b", false, ignored),
            ("a/b", "c/a/b", false, None),
            ("**/b", "c/a/b", false, ignored),
            ("a/**/z", "a/b/c/z", false, ignored),
            ("a/*", "a/b/c", false, None),
            ("*.log\n!keep.log", "keep.log", false, kept),
            ("!keep.log\n*.log", "keep.log", false, ignored),
            ("# comment\n\n  \n", "# comment", false, None),
            ("\\#name", "#name", false, ignored),
            ("\\!name", "!name", false, ignored),
            ("space\\ ", "space ", false, ignored),
            ("windows\r\nlines\r\n", "lines", false, ignored),
            ("\u{feff}first", "first", false, ignored),
            ("f\u{fc}r", "f\u{fc}r", false, ignored),
        ];
        for (list, path, is_directory, expected) in cases {
            let verdict = Patterns::parse(list.as_bytes()).verdict(Path::new(path), is_directory);
            assert_eq!(verdict, expected, "{list:?} on {path}");
        }
    }

    #[test]
    fn a_bad_line_is_named_and_the_others_hold() {
        let patterns = Patterns::parse(b"*.o\n[z-a]\n\xff\xfe\n*.log\n");
        let lines: Vec<usize> = patterns.bad_lines.iter().map(|bad| bad.line).collect();
        assert_eq!(lines, [2, 3]);
        assert_eq!(patterns.verdict(Path::new("a.o"), false), Some(Verdict::Ignored));
        assert_eq!(patterns.verdict(Path::new("a.log"), false), Some(Verdict::Ignored));
        assert_eq!(patterns.verdict(Path::new("a"), false), None);
    }
}
