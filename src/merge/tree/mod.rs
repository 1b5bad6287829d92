//! Documents as trees over their text, merged by path.
//!
//! A [`Node`] knows where it stands in its text and what it means; the bytes stay where they are. Rules:
//!
//! - A *keyed* list (members of a JSON object, attributes of an XML element) merges by key: different keys merge, and
//!   so does anything below different keys. The same key changed differently, removed and changed, or added with
//!   different values, is a conflict.
//! - An *ordered* list (elements of a JSON array, children of an XML element) is aligned with the base's: equal items
//!   first, by the diff that text uses, or place by place if the length is the same and no more differs so; then, among what is left between them, items with the same identity, and
//!   then items of a kind, one after the other, if both sides have as many of it there. Paired items merge by what is
//!   below them. Items put in at different places are all kept. Items put in at one place by both, differently,
//!   are a conflict, and so are items put in beside or among what the other side took out or replaced whole (beside
//!   a change inside an object or element they are not). What both took out is out; what one took out and the other changed is a conflict.
//! - The same change on both sides is made once.
//! - The result is one side's text, the *carrier*, with the other's changed spans spliced in. The carrier is the
//!   remote side, unless the local one has new formatting and the remote one has none.
//!
//! Invariant: outside changed spans, the carrier's bytes come out as they went in. Whichever side carries, the
//! result means the same, or it is a conflict; only the order of keys put in at one place, and formatting that both
//! changed, may differ. Depth is limited by whoever parses. Nothing here knows JSON or XML.

mod align;
mod changes;
mod keyed;
mod merge;
mod node;
mod ordered;
mod three;
mod weave;

pub use changes::{Kind, changes};
pub use node::{Item, List, Meaning, Meanings, Node, Source};
pub use three::merge_documents;

/// What the engine has to know of a language.
#[derive(Debug, Clone, Copy)]
pub struct Grammar {
    /// What a person calls a document of it.
    pub name: &'static str,
    /// What stands between two items of a list, white space aside.
    pub separator: &'static str,
    /// Whether a step into an ordered list is a number, which another item put in before it changes.
    pub numbered: bool,
    /// Whether white space after a line end, inside an item, is never content.
    pub reindents: bool,
    /// The step that leads to an item, as a path shows it.
    pub step: fn(list: &List, at: usize) -> String,
    /// The tree of a text; none if it is not in this language, or beyond what is handled.
    pub parse: fn(meanings: &mut Meanings, text: &[u8]) -> Option<Node>,
    /// Whether a text is in this language, however large or deep.
    pub is_document: fn(text: &[u8]) -> bool,
}
