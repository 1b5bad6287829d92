//! Whether a text is a well-formed XML document, by `roxmltree`.
//!
//! Invariant: no entity that a document declares is ever expanded, so none can explode. Documents that declare some
//! are taken for XML by their tags alone, to be refused by name.

use roxmltree::{Document, ParsingOptions};

use super::parse;

/// The most nodes that a document may have.
const NODES_MAX: u32 = 4_000_000;

/// Whether this is an XML document in UTF-8.
pub fn is_document(text: &[u8]) -> bool {
    let Some(text) = document_text(text) else { return false };
    if declares_entities(text.as_bytes()) {
        return parse::has_matching_tags(text);
    }
    let options = ParsingOptions { allow_dtd: true, nodes_limit: NODES_MAX, entity_resolver: None };
    Document::parse_with_options(text, options).is_ok()
}

/// The text after a byte order mark, if it can be XML at all.
fn document_text(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(super::super::json::without_bom(text)).ok()?;
    text.trim_start().starts_with('<').then_some(text)
}

pub fn declares_entities(text: &[u8]) -> bool {
    text.windows(8).any(|window| window == b"<!ENTITY")
}
