//! One document out of three, written into the carrier's text.
//!
//! Invariant: where only the carrier changed something, its bytes are copied; where only the other side did, its
//! bytes are taken at the smallest node that has changed. A place that both changed is in the list of conflicts.
//! Recursion is as deep as the documents are.

use super::node::{List, Node, Source};
use super::ordered;
use super::weave::{Piece, Weave, put_adopted};
use super::{Grammar, Meaning};

/// The versions of a merge, by their parts in it.
#[derive(Clone, Copy)]
pub struct Parts<'a> {
    pub base: &'a Source<'a>,
    pub carrier: &'a Source<'a>,
    pub other: &'a Source<'a>,
    /// Whether what the carrier put in at a place comes before what the other side put in there.
    pub carrier_first: bool,
}

/// The merged text, or the paths in conflict.
pub fn merge(grammar: &Grammar, parts: Parts<'_>) -> Result<Vec<u8>, Vec<String>> {
    let Parts { base, carrier, other, .. } = parts;
    let mut merger = Merger { grammar, parts, path: Vec::new(), conflicts: Vec::new() };
    let mut out = Vec::with_capacity(carrier.text.len() + other.text.len() / 8);
    out.extend_from_slice(&carrier.text[..carrier.root.span.start]);
    merger.node(&base.root, &carrier.root, &other.root, &mut out);
    out.extend_from_slice(&carrier.text[carrier.root.span.end..]);
    if merger.conflicts.is_empty() { Ok(out) } else { Err(merger.conflicts) }
}

struct Merger<'a> {
    grammar: &'a Grammar,
    parts: Parts<'a>,
    /// The steps from the root to the node at hand.
    path: Vec<String>,
    conflicts: Vec<String>,
}

impl Merger<'_> {
    fn conflict(&mut self, step: &str) {
        self.conflicts.push(self.path.concat() + step);
    }

    fn own(&self, span: std::ops::Range<usize>) -> &[u8] {
        &self.parts.carrier.text[span]
    }

    fn node(&mut self, base: &Node, own: &Node, other: &Node, out: &mut Vec<u8>) {
        if other.meaning == base.meaning || own.meaning == other.meaning {
            out.extend_from_slice(self.own(own.span.clone()));
        } else if own.has_shape_of(base) && other.has_shape_of(base) {
            let mut at = own.span.start;
            for (which, list) in own.lists.iter().enumerate() {
                out.extend_from_slice(self.own(at..list.inside.start));
                self.list(&base.lists[which], list, &other.lists[which], out);
                at = list.inside.end;
            }
            out.extend_from_slice(self.own(at..own.span.end));
        } else if own.meaning == base.meaning {
            let from = (self.parts.other.text, other.span.clone());
            put_adopted(self.grammar, from, self.parts.carrier.text, out);
        } else {
            self.conflict("");
        }
    }

    fn list(&mut self, base: &List, own: &List, other: &List, out: &mut Vec<u8>) {
        let pieces = if own.keyed { self.keyed(base, own, other) } else { self.ordered(base, own, other) };
        let weave =
            Weave::new(self.grammar, (self.parts.carrier.text, own), (self.parts.other.text, other), out);
        let mut previous = None;
        for piece in pieces {
            weave.put_gap(piece, previous, out);
            previous = Some(piece);
            match piece {
                Piece::Own { own: at, pair: None } => {
                    out.extend_from_slice(self.own(own.items[at].span.clone()));
                }
                Piece::Own { own: at, pair: Some((in_base, in_other)) } => {
                    let item = &own.items[at];
                    self.path.push((self.grammar.step)(self.parts.base.text, base, in_base));
                    out.extend_from_slice(self.own(item.span.start..item.node.span.start));
                    self.node(&base.items[in_base].node, &item.node, &other.items[in_other].node, out);
                    out.extend_from_slice(self.own(item.node.span.end..item.span.end));
                    self.path.pop();
                }
                Piece::Other(at) => weave.put_other(other.items[at].span.clone(), out),
            }
        }
        weave.put_tail(previous.is_none(), out);
    }

    fn ordered(&mut self, base: &List, own: &List, other: &List) -> Vec<Piece> {
        let merged = ordered::merge(base, own, other);
        for at in merged.conflicts {
            let step = (self.grammar.step)(self.parts.base.text, base, at);
            self.conflict(&step);
        }
        merged.pieces
    }

    fn keyed(&mut self, base: &List, own: &List, other: &List) -> Vec<Piece> {
        let (in_base, in_own, in_other) = (base.by_key(), own.by_key(), other.by_key());
        let meaning = |list: &List, at: usize| -> Meaning { list.items[at].node.meaning };
        let mut pieces = Vec::new();
        for (at, item) in own.items.iter().enumerate() {
            let key = item.key.as_str();
            let pair = match (in_base.get(key), in_other.get(key)) {
                (Some(base), Some(other)) => Some((*base, *other)),
                (Some(before), None) if meaning(base, *before) == item.node.meaning => continue,
                (Some(_), None) => {
                    self.conflict(&(self.grammar.step)(self.parts.carrier.text, own, at));
                    None
                }
                (None, Some(their)) if meaning(other, *their) != item.node.meaning => {
                    self.conflict(&(self.grammar.step)(self.parts.carrier.text, own, at));
                    None
                }
                (None, _) => None,
            };
            pieces.push(Piece::Own { own: at, pair });
        }
        // The key after which a new one stands on the other side.
        let mut after = None;
        for (at, item) in other.items.iter().enumerate() {
            let key = item.key.as_str();
            match (in_own.get(key), in_base.get(key)) {
                (Some(own), _) => after = Some(*own),
                (None, Some(before)) if meaning(base, *before) == item.node.meaning => {}
                (None, Some(_)) => self.conflict(&(self.grammar.step)(self.parts.other.text, other, at)),
                (None, None) => self.insert(&mut pieces, after, at, |own_at| {
                    !in_base.contains_key(own.items[own_at].key.as_str())
                }),
            }
        }
        pieces
    }

    /// Puts an item of the other side behind the item it follows there, and behind those already put in at that place.
    fn insert(
        &self,
        pieces: &mut Vec<Piece>,
        after: Option<usize>,
        at: usize,
        is_new: impl Fn(usize) -> bool,
    ) {
        let follows = |piece: &Piece| matches!(piece, Piece::Own { own, .. } if Some(*own) == after);
        let mut place = pieces.iter().position(follows).map_or(0, |found| found + 1);
        while let Some(piece) = pieces.get(place) {
            match piece {
                Piece::Own { own, .. } if self.parts.carrier_first && is_new(*own) => {}
                Piece::Other(_) => {}
                Piece::Own { .. } => break,
            }
            place += 1;
        }
        pieces.insert(place, Piece::Other(at));
    }
}
