//! The name that keeps what lost: `NAME (conflict MEMBER).EXT`.

use crate::model::{MemberName, Name};

/// A longer ending is taken for a part of the stem, so that there is always room to cut.
const EXTENSION_BYTES_MAX: usize = 32;

/// Chooses the conflict name for `original` that is not taken: the plain one, or with ` 2`, ` 3` and so on.
///
/// The extension is what follows the last dot, together with a `.tar` before it; leading dots belong to
/// the stem. The stem is cut to fit, at a character boundary where it is UTF-8.
pub fn conflict_name(original: &Name, member: &MemberName, taken: impl Fn(&Name) -> bool) -> Name {
    let (stem, extension) = split(original.as_bytes());
    let suffix = format!(" (conflict {member})");
    let stem = without_suffix(stem, suffix.as_bytes());
    let numbered = |number: u64| {
        let number = if number < 2 { String::new() } else { format!(" {number}") };
        let room = Name::BYTES_MAX - suffix.len() - number.len() - extension.len();
        let bytes = [cut(stem, room), suffix.as_bytes(), number.as_bytes(), extension].concat();
        Name::new(bytes).expect("parts of a name, a plain member name and no slash make a name")
    };
    (1..)
        .map(numbered)
        .find(|name| !taken(name))
        .expect("a directory holds fewer names than there are numbers")
}

/// Stem and extension, the latter with its dots.
fn split(name: &[u8]) -> (&[u8], &[u8]) {
    let leading_dots = name.iter().take_while(|byte| **byte == b'.').count();
    let Some(dot) = name.iter().rposition(|byte| *byte == b'.').filter(|dot| *dot > leading_dots) else {
        return (name, b"");
    };
    let stem = &name[..dot];
    let at = match stem.strip_suffix(b".tar") {
        Some(shorter) if shorter.len() > leading_dots => shorter.len(),
        _ => dot,
    };
    let length = name.len() - at;
    if dot + 1 == name.len() || length > EXTENSION_BYTES_MAX { (name, b"") } else { name.split_at(at) }
}

/// The stem without a suffix (and number) that an earlier conflict of the same member gave it.
fn without_suffix<'a>(stem: &'a [u8], suffix: &[u8]) -> &'a [u8] {
    let digits = stem.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let unnumbered = stem[..stem.len() - digits].strip_suffix(b" ").filter(|_| digits > 0);
    let bare = [Some(stem), unnumbered].into_iter().flatten().find_map(|stem| stem.strip_suffix(suffix));
    bare.filter(|bare| !bare.is_empty()).unwrap_or(stem)
}

fn cut(stem: &[u8], room: usize) -> &[u8] {
    if stem.len() <= room {
        return stem;
    }
    match std::str::from_utf8(stem) {
        Ok(text) => {
            let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            &stem[..end]
        }
        Err(_) => &stem[..room],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(original: &[u8], taken: &[&str]) -> Vec<u8> {
        let member = MemberName::new("ann").unwrap();
        let name = Name::new(original).unwrap();
        conflict_name(&name, &member, |name| taken.iter().any(|taken| taken.as_bytes() == name.as_bytes()))
            .into()
    }

    #[test]
    fn the_suffix_stands_before_the_extension() {
        let cases = [
            ("a.txt", "a (conflict ann).txt"),
            ("a", "a (conflict ann)"),
            ("a.tar.gz", "a (conflict ann).tar.gz"),
            ("a.b.gz", "a.b (conflict ann).gz"),
            (".tar.gz", ".tar (conflict ann).gz"),
            (".bashrc", ".bashrc (conflict ann)"),
            ("..x", "..x (conflict ann)"),
            ("...", "... (conflict ann)"),
            (".config.json", ".config (conflict ann).json"),
            ("a.", "a. (conflict ann)"),
            ("a b.c d", "a b (conflict ann).c d"),
        ];
        for (original, expected) in cases {
            assert_eq!(named(original.as_bytes(), &[]), expected.as_bytes(), "{original}");
        }
    }

    #[test]
    fn taken_names_are_numbered() {
        let taken = ["a (conflict ann).txt", "a (conflict ann) 2.txt"];
        assert_eq!(named(b"a.txt", &taken[..1]), b"a (conflict ann) 2.txt");
        assert_eq!(named(b"a.txt", &taken), b"a (conflict ann) 3.txt");
    }

    #[test]
    fn a_conflict_name_is_not_suffixed_twice() {
        let taken = ["a (conflict ann).txt"];
        assert_eq!(named(b"a (conflict ann).txt", &taken), b"a (conflict ann) 2.txt");
        assert_eq!(named(b"a (conflict ann) 2.txt", &taken), b"a (conflict ann) 2.txt");
        assert_eq!(named(b"a (conflict bob).txt", &[]), b"a (conflict bob) (conflict ann).txt");
        assert_eq!(named(b" (conflict ann)", &[]), b" (conflict ann) (conflict ann)");
    }

    #[test]
    fn long_stems_are_cut_at_a_character() {
        let name = named(&[&"\u{e4}".repeat(125).into_bytes()[..], b".txt"].concat(), &[]);
        assert_eq!(name.len(), Name::BYTES_MAX);
        assert!(String::from_utf8(name).unwrap().ends_with("\u{e4} (conflict ann).txt"));
        let name = named(&[&b"x"[..], &"\u{e4}".repeat(127).into_bytes()].concat(), &[]);
        assert_eq!(name.len(), Name::BYTES_MAX - 1);
        let name = named(&[&b"x"[..], &"\u{e4}".repeat(124).into_bytes(), b".txt"].concat(), &[]);
        assert_eq!(name.len(), Name::BYTES_MAX - 1);
        assert!(String::from_utf8(name).is_ok());
    }

    #[test]
    fn names_that_are_no_text_are_cut_at_a_byte() {
        let name = named(&[0xff; 255], &[]);
        assert_eq!(name.len(), Name::BYTES_MAX);
        assert!(name.ends_with(b"\xff (conflict ann)"));
        assert!(named(&[&b"a."[..], &[b'x'; 200]].concat(), &[]).ends_with(b" (conflict ann)"));
    }
}
