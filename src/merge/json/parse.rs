//! JSON text to a tree of spans, by `serde_json`: what it does not take is not JSON.
//!
//! Invariant: spans are exact, since values are borrowed from the text as they stand there. A document beyond the
//! limits gives no tree. Nothing is decoded but keys.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::merge::tree::{Item, List, Meaning, Meanings, Node};

/// How deep objects and arrays may be in each other.
const DEPTH_MAX: usize = 100;
/// How long a document may be; each level of depth is read once more.
const BYTES_MAX: usize = 4 << 20;

/// Whether a text is a JSON object or array; takes neither stack nor memory.
pub fn is_document(text: &[u8]) -> bool {
    let text = without_bom(text);
    let first = text.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'[')) && serde_json::from_slice::<IgnoredAny>(text).is_ok()
}

/// The text after a byte order mark.
pub fn without_bom(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// The tree of a JSON document.
pub fn parse(meanings: &mut Meanings, text: &[u8]) -> Option<Node> {
    if text.len() > BYTES_MAX || !is_document(text) {
        return None;
    }
    let text = std::str::from_utf8(text).ok()?;
    let document = std::str::from_utf8(without_bom(text.as_bytes())).ok()?;
    let root: &RawValue = serde_json::from_str(document).ok()?;
    Parser { text, meanings }.node(root.get(), DEPTH_MAX)
}

struct Parser<'a, 'm> {
    text: &'a str,
    meanings: &'m mut Meanings,
}

impl<'a> Parser<'a, '_> {
    /// Where a part of the text stands in it.
    fn span(&self, part: &str) -> Range<usize> {
        let start = part.as_ptr() as usize - self.text.as_ptr() as usize;
        start..start + part.len()
    }

    fn node(&mut self, value: &'a str, depth_left: usize) -> Option<Node> {
        let keyed = match value.as_bytes().first() {
            Some(b'{') => true,
            Some(b'[') => false,
            _ => return Some(self.leaf(value)),
        };
        let depth_left = depth_left.checked_sub(1)?;
        let items = if keyed { self.members(value, depth_left)? } else { self.elements(value, depth_left)? };
        let span = self.span(value);
        // An object without paths below it is compared as it is spelled.
        let Some(items) = items else { return Some(self.leaf(value)) };
        let identity = self.identity(&items);
        let shape = self.meanings.number(if keyed { "object" } else { "array" }, b"", &[]);
        let kind = self.meanings.number("value", b"", &[]);
        let list = List { inside: span.start + 1..span.end - 1, keyed, items };
        let node = self.meanings.branch(kind, shape, span, vec![list]);
        Some(Node { identity, ..node })
    }

    fn leaf(&mut self, value: &str) -> Node {
        let span = self.span(value);
        self.meanings.leaf("value", span, value.as_bytes())
    }

    fn identity(&mut self, items: &[Item]) -> Option<Meaning> {
        items.iter().find(|item| item.key == "id" && item.node.lists.is_empty()).map(|item| item.node.meaning)
    }

    fn elements(&mut self, value: &'a str, depth_left: usize) -> Option<Option<Vec<Item>>> {
        let elements: Vec<&RawValue> = serde_json::from_str(value).ok()?;
        let mut items = Vec::with_capacity(elements.len());
        for element in elements {
            let node = self.node(element.get(), depth_left)?;
            items.push(Item { key: String::new(), span: node.span.clone(), node });
        }
        Some(Some(items))
    }

    fn members(&mut self, value: &'a str, depth_left: usize) -> Option<Option<Vec<Item>>> {
        let members = serde_json::Deserializer::from_str(value).deserialize_map(Members).ok()?;
        let mut keys = BTreeSet::new();
        let mut items = Vec::with_capacity(members.len());
        for (key, value) in members {
            let node = self.node(value.get(), depth_left)?;
            let span = self.span(key.get()).start..node.span.end;
            let Ok(key) = serde_json::from_str::<String>(key.get()) else { return Some(None) };
            if !keys.insert(key.clone()) {
                return Some(None);
            }
            items.push(Item { key, span, node });
        }
        Some(Some(items))
    }
}

/// The members of an object as they stand in the text.
struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(&'de RawValue, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
