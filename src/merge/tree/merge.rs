//! One document out of three, written into the carrier's text.
//!
//! Invariant: where only the carrier changed something, its bytes are copied; where only the other side did, its
//! bytes are taken at the smallest node that has changed. A place that both changed is in the list of conflicts.
//! Recursion is as deep as the documents are.

use std::ops::Range;

use super::node::{List, Node, Source};
use super::ordered;
use super::weave::{Piece, Weave, put_adopted};
use super::{Grammar, keyed};
use crate::merge::outcome::PLACES_MAX;

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
pub fn merge<'a>(grammar: &'a Grammar, parts: Parts<'a>) -> Result<Vec<u8>, Vec<String>> {
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
    /// The lists and places in them that lead from the root to the node at hand.
    path: Vec<(&'a List, usize)>,
    conflicts: Vec<String>,
}

impl<'a> Merger<'a> {
    /// A conflict at the node at hand, or at an item of a list in it. Writing paths takes time, so not all are.
    fn conflict(&mut self, item: Option<(&'a List, usize)>) {
        if self.conflicts.len() < PLACES_MAX {
            let steps = self.path.iter().copied().chain(item);
            self.conflicts.push(steps.map(|(list, at)| (self.grammar.step)(list, at)).collect());
        }
    }

    fn own(&self, span: Range<usize>) -> &'a [u8] {
        &self.parts.carrier.text[span]
    }

    fn node(&mut self, base: &'a Node, own: &'a Node, other: &'a Node, out: &mut Vec<u8>) {
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
            put_adopted(self.grammar, from, self.parts.carrier.ending, out);
        } else {
            self.conflict(None);
        }
    }

    fn list(&mut self, base: &'a List, own: &'a List, other: &'a List, out: &mut Vec<u8>) {
        let pieces = if own.keyed { self.keyed(base, own, other) } else { self.ordered(base, own, other) };
        let weave = Weave::new(self.grammar, (self.parts.carrier, own), (self.parts.other, other), out);
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
                    self.path.push((base, in_base));
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

    fn ordered(&mut self, base: &'a List, own: &'a List, other: &'a List) -> Vec<Piece> {
        let merged = ordered::merge(base, own, other);
        merged.conflicts.into_iter().for_each(|at| self.conflict(Some((base, at))));
        merged.pieces
    }

    fn keyed(&mut self, base: &'a List, own: &'a List, other: &'a List) -> Vec<Piece> {
        let merged = keyed::merge(base, own, other, self.parts.carrier_first);
        merged.own_conflicts.into_iter().for_each(|at| self.conflict(Some((own, at))));
        merged.other_conflicts.into_iter().for_each(|at| self.conflict(Some((other, at))));
        merged.pieces
    }
}
