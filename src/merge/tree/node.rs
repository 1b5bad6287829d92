//! Nodes: where they stand in their text, and what they mean.
//!
//! Invariant: two nodes made with the same [`Meanings`] mean the same exactly if their numbers are equal: there
//! is no hash that could collide. Spans are in order and nested. A node holds no text.

use std::collections::BTreeMap;
use std::ops::Range;

use super::Grammar;
use crate::merge::text::Ending;

/// A number for everything that means the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Meaning(pub u32);

/// A document: a text, and the tree over it.
#[derive(Debug)]
pub struct Source<'a> {
    pub text: &'a [u8],
    pub root: Node,
    /// How its lines end; looked for once, since a text on one line is read to its end for it.
    pub ending: Ending,
}

impl<'a> Source<'a> {
    /// The document in this text, if it is one of the language.
    pub fn parse(grammar: &Grammar, meanings: &mut Meanings, text: &'a [u8]) -> Option<Source<'a>> {
        Some(Source { text, root: (grammar.parse)(meanings, text)?, ending: Ending::of(text) })
    }
}

#[derive(Debug)]
pub struct Node {
    pub span: Range<usize>,
    pub meaning: Meaning,
    /// Nodes of the same shape are merged by what is in them.
    pub shape: Meaning,
    /// A changed node is taken for another only within its kind.
    pub kind: Meaning,
    /// What it is known by among its siblings, if it says so.
    pub identity: Option<Meaning>,
    /// What it is made of, in the order of the text; nothing for a leaf.
    pub lists: Vec<List>,
}

#[derive(Debug)]
pub struct List {
    /// Between what opens the list and what closes it.
    pub inside: Range<usize>,
    /// Whether items are known by key, and their order means nothing.
    pub keyed: bool,
    pub items: Vec<Item>,
}

#[derive(Debug)]
pub struct Item {
    /// Unique in a keyed list. In an ordered one it is how a path calls the item, if not by its number.
    pub key: String,
    /// The node, with its key.
    pub span: Range<usize>,
    pub node: Node,
}

/// Gives numbers to meanings.
#[derive(Debug, Default)]
pub struct Meanings {
    numbers: BTreeMap<Vec<u8>, u32>,
}

impl Node {
    /// Whether two nodes can be merged by what is in them.
    pub fn has_shape_of(&self, other: &Node) -> bool {
        self.shape == other.shape && self.lists.len() == other.lists.len() && !self.lists.is_empty()
    }

    /// Whether a node can be what became of another.
    pub fn may_follow(&self, other: &Node) -> bool {
        let known_apart =
            self.identity.is_some() && other.identity.is_some() && self.identity != other.identity;
        self.kind == other.kind && !known_apart
    }
}

impl List {
    /// What stands before an item, back to the one before it.
    pub fn gap(&self, at: usize) -> Range<usize> {
        let from = if at == 0 { self.inside.start } else { self.items[at - 1].span.end };
        from..self.items[at].span.start
    }

    /// What stands after the last item.
    pub fn tail(&self) -> Range<usize> {
        self.items.last().map_or(self.inside.start, |last| last.span.end)..self.inside.end
    }

    /// The items by key.
    pub fn by_key(&self) -> BTreeMap<&str, usize> {
        self.items.iter().enumerate().map(|(at, item)| (item.key.as_str(), at)).collect()
    }
}

impl Meanings {
    /// The number of a word with a text and parts.
    pub fn number(&mut self, word: &str, text: &[u8], parts: &[Meaning]) -> Meaning {
        let mut form = Vec::with_capacity(word.len() + text.len() + 4 * parts.len() + 9);
        form.extend_from_slice(word.as_bytes());
        form.push(0);
        form.extend_from_slice(&(text.len() as u64).to_le_bytes());
        form.extend_from_slice(text);
        parts.iter().for_each(|part| form.extend_from_slice(&part.0.to_le_bytes()));
        let next = self.numbers.len() as u32;
        Meaning(*self.numbers.entry(form).or_insert(next))
    }

    /// A node without parts, which means its text.
    pub fn leaf(&mut self, kind: &str, span: Range<usize>, text: &[u8]) -> Node {
        let meaning = self.number(kind, text, &[]);
        let kind = self.number(kind, b"", &[]);
        Node { span, meaning, shape: kind, kind, identity: None, lists: Vec::new() }
    }

    /// A node made of lists, of a kind and a shape; its meaning is what is in them.
    pub fn branch(&mut self, kind: Meaning, shape: Meaning, span: Range<usize>, lists: Vec<List>) -> Node {
        let mut parts = vec![shape];
        for list in &lists {
            parts.push(Meaning(list.items.len() as u32));
            if list.keyed {
                let mut pairs: Vec<[Meaning; 2]> = Vec::with_capacity(list.items.len());
                for item in &list.items {
                    pairs.push([self.number("key", item.key.as_bytes(), &[]), item.node.meaning]);
                }
                pairs.sort_unstable();
                parts.extend(pairs.into_iter().flatten());
            } else {
                parts.extend(list.items.iter().map(|item| item.node.meaning));
            }
        }
        let meaning = self.number("branch", b"", &parts);
        Node { span, meaning, shape, kind, identity: None, lists }
    }
}
