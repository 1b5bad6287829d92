//! What changed in an XML document, element by element, for a person to read.
//!
//! Invariant: every change of meaning is in the list, white space between elements is not. This is no patch format:
//! nothing applies it.

use std::fmt;

use crate::merge::tree::{self, Kind, Meanings, Source};
use crate::merge::xml::GRAMMAR;

/// How much of a value is shown.
const SHOWN_CHARS: usize = 100;

/// A change of an element, an attribute or a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ElementChange {
    /// As XPath writes it: `/svg/rect[2]/@fill`.
    pub path: String,
    /// The XML before, unless it is new.
    pub old: Option<String>,
    /// The XML after, unless it is gone.
    pub new: Option<String>,
}

/// The changes that lead from `old` to `new`; none if one of them is no XML document, too large, or declares entities.
pub fn xml_changes(old: &[u8], new: &[u8]) -> Option<Vec<ElementChange>> {
    let mut meanings = Meanings::default();
    let mut parsed = |text| Source::parse(&GRAMMAR, &mut meanings, text);
    let (old, new) = (parsed(old)?, parsed(new)?);
    let written =
        |text: &[u8], node: &tree::Node| String::from_utf8_lossy(&text[node.span.clone()]).into_owned();
    let changes = tree::changes(&GRAMMAR, &old, &new).into_iter().map(|change| {
        debug_assert_eq!(change.kind == Kind::Replaced, change.old.is_some() && change.new.is_some());
        ElementChange {
            path: change.path,
            old: change.old.map(|node| written(old.text, node)),
            new: change.new.map(|node| written(new.text, node)),
        }
    });
    Some(changes.collect())
}

impl fmt::Display for ElementChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "/" } else { &self.path };
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "changed {path}: {} -> {}", shown(old), shown(new)),
            (Some(old), None) => write!(f, "removed {path}: {}", shown(old)),
            (None, new) => write!(f, "added {path}: {}", shown(new.as_deref().unwrap_or_default())),
        }
    }
}

/// A value on one line, cut where it gets long.
fn shown(value: &str) -> String {
    let line = value.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &line[..end]),
        None => line,
    }
}
