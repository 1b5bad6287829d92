//! XML, by element.
//!
//! [`merge`] joins two sides by the element tree, with the rules of `tree`: attributes are keyed, children ordered. What
//! is particular:
//!
//! - A child is known by its attribute `id` or `xml:id`; an element with another name or another `id` is another
//!   element. Children put in at one place by both sides, differently, are a conflict: nothing says in which order.
//! - In an element whose text children are all white space beside child elements, white space is formatting. In any
//!   other element text is content, to the byte, and a run of text (with its CDATA and references) is one child.
//! - Attribute values are compared without their quotes. `<a/>` and `<a></a>` differ.
//! - Where a side changed an element's namespace declarations or `xml:space`, turned `<a/>` into `<a></a>`, or gave
//!   text to an element of elements, the element is one value on that side: it merges with no other change of it.
//! - The declaration, the document type, and comments and instructions around the root are children of the document.
//! - A document that declares entities is not merged: what a change in it means cannot be seen where it is made.
//! - A document deeper or larger than the limits in `parse` is merged by line, and is a conflict if that is no XML.
//!
//! Invariant: a clean result is well formed, as another parser than the one that made the spans sees it.

mod names;
mod parse;
mod well_formed;

use super::outcome::{Outcome, Unclean};
use super::tree::{self, Grammar, List};
pub(super) use well_formed::is_document;

pub(super) const GRAMMAR: Grammar = Grammar {
    name: "XML",
    separator: "",
    numbered: false,
    reindents: false,
    step,
    parse: parse::parse,
    is_document,
};

/// Merges three XML documents.
pub(super) fn merge(base: &[u8], local: &[u8], remote: &[u8]) -> Outcome {
    if [base, local, remote].into_iter().any(well_formed::declares_entities) {
        return Outcome::Conflict(Unclean::Entities);
    }
    tree::merge_documents(&GRAMMAR, base, local, remote)
}

/// A step as XPath writes it: `/name`, or `/name[2]` where it has a namesake; `/@name` for an attribute.
fn step(list: &List, at: usize) -> String {
    match list.items.get(at) {
        Some(item) if list.keyed => format!("/@{}", item.key),
        Some(item) => format!("/{}", item.key),
        None => "/node()[last()]".to_owned(),
    }
}
