//! What changed in a JSON document, as JSON Patch (RFC 6902).
//!
//! Invariant: the operations, applied in order, turn the old document into one that means the new one. Formatting and
//! the order of members are not in a patch. Values keep their spelling, without white space around it.

use crate::merge::json::GRAMMAR;
use crate::merge::tree::{self, Kind, Meanings, Source};

/// An operation of a JSON Patch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    pub verb: Verb,
    /// A JSON Pointer; empty for the whole document.
    pub path: String,
    /// JSON on one line; none for a removal.
    pub value: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Add,
    Remove,
    Replace,
}

impl Verb {
    /// The operation's name in RFC 6902.
    pub fn as_str(self) -> &'static str {
        match self {
            Verb::Add => "add",
            Verb::Remove => "remove",
            Verb::Replace => "replace",
        }
    }
}

/// The operations that lead from `old` to `new`; none if one of them is not a JSON object or array, or too large.
pub fn json_patch(old: &[u8], new: &[u8]) -> Option<Vec<Operation>> {
    let mut meanings = Meanings::default();
    let mut parsed = |text| Source::parse(&GRAMMAR, &mut meanings, text);
    let (old, new) = (parsed(old)?, parsed(new)?);
    let changes = tree::changes(&GRAMMAR, &old, &new);
    let operations = changes.into_iter().map(|change| Operation {
        verb: match change.kind {
            Kind::Added => Verb::Add,
            Kind::Removed => Verb::Remove,
            Kind::Replaced => Verb::Replace,
        },
        path: change.path,
        value: change.new.map(|node| on_one_line(&new.text[node.span.clone()])),
    });
    Some(operations.collect())
}

/// JSON without white space between its parts.
fn on_one_line(json: &[u8]) -> String {
    let (mut line, mut in_string, mut escaped) = (Vec::with_capacity(json.len()), false, false);
    for byte in json {
        match byte {
            b'"' if !escaped => in_string = !in_string,
            b' ' | b'\t' | b'\r' | b'\n' if !in_string => continue,
            _ => {}
        }
        escaped = *byte == b'\\' && !escaped;
        line.push(*byte);
    }
    String::from_utf8_lossy(&line).into_owned()
}
