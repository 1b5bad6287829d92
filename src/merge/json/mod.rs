//! JSON, by path.
//!
//! A document is an object or an array; [`merge`] joins two sides by JSON Pointer paths, with the rules of `tree`
//! for objects (keyed) and arrays (ordered). What is particular:
//!
//! - A scalar is its spelling: `1` and `1.0` differ, and so do `"a"` and `"\u0061"`; what a side has spelled stays so.
//!   Keys are compared decoded.
//! - The order of members and white space mean nothing, and conflict with nothing.
//! - An array element is known by its member `id`, if it is an object with a scalar one: with another `id` it is
//!   another element.
//! - An object with a key twice, or with a key that is no text, is one value: it has no paths below it.
//! - A document deeper or larger than the limits in `parse` is merged by line, and is a conflict if that is no JSON.
//! - A byte order mark stays.
//!
//! Invariant: a clean result is JSON. Comments and other dialects are not JSON; they are text.

mod parse;

use super::outcome::Outcome;
use super::tree::{self, Grammar, List};
pub(super) use parse::{is_document, without_bom};

pub(super) const GRAMMAR: Grammar = Grammar {
    name: "JSON",
    separator: ",",
    numbered: true,
    reindents: true,
    step,
    parse: parse::parse,
    is_document,
};

/// Merges three JSON documents.
pub(super) fn merge(base: &[u8], local: &[u8], remote: &[u8]) -> Outcome {
    tree::merge_documents(&GRAMMAR, base, local, remote)
}

/// A step of a JSON Pointer (RFC 6901).
fn step(list: &List, at: usize) -> String {
    match list.items.get(at) {
        Some(item) if list.keyed => format!("/{}", item.key.replace('~', "~0").replace('/', "~1")),
        _ => format!("/{at}"),
    }
}
