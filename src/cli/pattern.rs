//! Patterns of paths as a shell has them, for what it has left unexpanded: `*`, `?`, `[a-z]`, and `**` for any number
//! of directories. They are matched byte by byte against names that need not be there.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Tells whether a path could be a pattern.
pub fn is_one(path: &Path) -> bool {
    path.as_os_str().as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Tells whether a path matches, component by component.
pub fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let parts = |path: &'_ [u8]| -> Vec<Vec<u8>> { path.split(|b| *b == b'/').map(<[u8]>::to_vec).collect() };
    matches_parts(&parts(pattern), &parts(path))
}

fn matches_parts(pattern: &[Vec<u8>], path: &[Vec<u8>]) -> bool {
    match (pattern.split_first(), path.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == b"**" => {
            (0..=path.len()).any(|skipped| matches_parts(rest, &path[skipped..]))
        }
        (Some((first, rest)), Some((name, below))) => matches_name(first, name) && matches_parts(rest, below),
        _ => false,
    }
}

fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    match pattern.split_first() {
        None => name.is_empty(),
        Some((b'*', rest)) => (0..=name.len()).any(|skipped| matches_name(rest, &name[skipped..])),
        Some((b'?', rest)) => name.split_first().is_some_and(|(_, name)| matches_name(rest, name)),
        Some((b'[', rest)) => match (set(rest), name.split_first()) {
            (Some((set, rest)), Some((byte, name))) => set.has(*byte) && matches_name(rest, name),
            // A bracket that nothing closes stands for itself.
            (None, Some((b'[', name))) => matches_name(rest, name),
            _ => false,
        },
        Some((b'\\', rest)) if !rest.is_empty() => {
            name.first() == rest.first() && matches_name(&rest[1..], &name[1..])
        }
        Some((byte, rest)) => name.first() == Some(byte) && matches_name(rest, &name[1..]),
    }
}

/// A set of bytes: `abc`, `a-z`, with `!` or `^` in front all others.
struct Set<'a> {
    members: &'a [u8],
    inverted: bool,
}

/// The set that begins after a bracket, and what follows it.
fn set(pattern: &[u8]) -> Option<(Set<'_>, &[u8])> {
    let inverted = matches!(pattern.first(), Some(b'!' | b'^'));
    let begin = usize::from(inverted);
    // A closing bracket that comes first is a member.
    let length = pattern.get(begin + 1..)?.iter().position(|byte| *byte == b']')? + 1;
    Some((Set { members: &pattern[begin..begin + length], inverted }, &pattern[begin + length + 1..]))
}

impl Set<'_> {
    fn has(&self, byte: u8) -> bool {
        let mut rest = self.members;
        let mut found = false;
        while let Some(&first) = rest.first() {
            let range = if rest.len() >= 3 && rest[1] == b'-' { 3 } else { 1 };
            found |= (first..=rest[range - 1]).contains(&byte);
            rest = &rest[range..];
        }
        found != self.inverted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_a_shell() {
        let cases = [
            ("*.txt", "a.txt", true),
            ("*.txt", "d/a.txt", false),
            ("d/*", "d/a.txt", true),
            ("d/*", "d/e/a.txt", false),
            ("**/a", "a", true),
            ("**/a", "d/e/a", true),
            ("d/**", "d/e/a", true),
            ("?", "", false),
            ("?", "é", false),
            ("??", "é", true),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[!a-c]x", "dx", true),
            ("[]]", "]", true),
            ("[", "[", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("a (*).txt", "a (conflict b).txt", true),
        ];
        for (pattern, path, expected) in cases {
            assert_eq!(matches(pattern.as_bytes(), path.as_bytes()), expected, "{pattern} {path}");
        }
    }

    #[test]
    fn a_path_without_special_characters_is_no_pattern() {
        assert!(!is_one(Path::new("a b (c).txt")));
        assert!(is_one(Path::new("a?")) && is_one(Path::new("[a]")) && is_one(Path::new("/x/*.y")));
    }
}
