//! The text of a merged list: items of the carrier and of the other side, and what stands between them.
//!
//! Invariant: two items that are neighbours in the carrier keep the bytes between them. What is put between others
//! is taken from the carrier where it has something of the kind, so that it looks like its surroundings, and holds
//! exactly one separator.

use std::ops::Range;

use super::Grammar;
use super::node::{List, Source};
use crate::merge::text::Ending;

/// How far back the beginning of a line is looked for.
const LINE_BYTES_MAX: usize = 2_000;

/// An item of a merged list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// The carrier's, with its pair in the base and on the other side if it has one.
    Own { own: usize, pair: Option<(usize, usize)> },
    /// One that only the other side has.
    Other(usize),
}

/// A list that is being written.
pub struct Weave<'a> {
    pub grammar: &'a Grammar,
    pub carrier: (&'a Source<'a>, &'a List),
    pub other: (&'a Source<'a>, &'a List),
    /// The indentation of the line where the list begins, in the result.
    indent: Vec<u8>,
}

impl<'a> Weave<'a> {
    pub fn new(
        grammar: &'a Grammar,
        carrier: (&'a Source<'a>, &'a List),
        other: (&'a Source<'a>, &'a List),
        out: &[u8],
    ) -> Weave<'a> {
        Weave { grammar, carrier, other, indent: indent_at(out, out.len()).to_vec() }
    }

    /// Writes what stands before a piece that follows another, or none.
    pub fn put_gap(&self, piece: Piece, previous: Option<Piece>, out: &mut Vec<u8>) {
        let (Source { text, .. }, list) = self.carrier;
        match (previous, piece) {
            (None, Piece::Other(_)) if list.items.is_empty() => self.put_other_gap(self.other.1.gap(0), out),
            (None, _) => out.extend_from_slice(&text[list.gap(0)]),
            (Some(_), Piece::Own { own, .. }) if own > 0 => out.extend_from_slice(&text[list.gap(own)]),
            (Some(Piece::Own { own, .. }), _) if own > 0 => out.extend_from_slice(&text[list.gap(own)]),
            _ if list.items.len() > 1 => out.extend_from_slice(&text[list.gap(1)]),
            (_, Piece::Other(at)) if self.other.1.items.len() > 1 => {
                self.put_other_gap(self.other.1.gap(at.max(1)), out);
            }
            _ => {
                out.extend_from_slice(self.grammar.separator.as_bytes());
                out.extend_from_slice(&text[list.gap(0)]);
            }
        }
    }

    /// Writes what stands between the last piece and the end of the list.
    pub fn put_tail(&self, is_empty: bool, out: &mut Vec<u8>) {
        let (Source { text, .. }, list) = self.carrier;
        let (_, other) = self.other;
        if is_empty && other.items.is_empty() {
            self.put_other_gap(other.inside.clone(), out);
        } else if list.items.is_empty() {
            self.put_other_gap(other.tail(), out);
        } else if !is_empty {
            out.extend_from_slice(&text[list.tail()]);
        }
    }

    fn put_other_gap(&self, gap: Range<usize>, out: &mut Vec<u8>) {
        let (Source { text, .. }, list) = self.other;
        let was = indent_at(text, list.inside.start);
        out.extend(adopted(&text[gap], was, &self.indent, self.carrier.0.ending));
    }

    /// Writes an item of the other side, indented as the line it comes to stand on.
    pub fn put_other(&self, span: Range<usize>, out: &mut Vec<u8>) {
        put_adopted(self.grammar, (self.other.0.text, span), self.carrier.0.ending, out);
    }
}

/// Writes a span of another text, with the line endings of the carrier and the indentation of the line it is put on.
pub fn put_adopted(grammar: &Grammar, from: (&[u8], Range<usize>), ending: Ending, out: &mut Vec<u8>) {
    let (text, span) = from;
    if !grammar.reindents {
        return out.extend_from_slice(&text[span]);
    }
    let was = indent_at(text, span.start);
    let is = indent_at(out, out.len()).to_vec();
    out.extend(adopted(&text[span], was, &is, ending));
}

/// The text with another indentation after each of its line ends, and the given line ending.
fn adopted(text: &[u8], was: &[u8], is: &[u8], ending: Ending) -> Vec<u8> {
    let mut adopted = Vec::with_capacity(text.len());
    for (at, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let is_blank = line.trim_ascii().is_empty() && line.ends_with(b"\n");
        match line.strip_prefix(was).filter(|_| at > 0 && !is_blank) {
            Some(line) => {
                adopted.extend_from_slice(is);
                adopted.extend_from_slice(line);
            }
            None => adopted.extend_from_slice(line),
        }
    }
    // A last line end is followed by indentation too, though there is nothing left to strip it from.
    if text.ends_with(b"\n") && was.is_empty() {
        adopted.extend_from_slice(is);
    }
    if text.contains(&b'\n') && Ending::of(text) != ending { ending.turn(&adopted) } else { adopted }
}

/// The white space that begins the line of this place; none on a line too long to be indented by anyone.
fn indent_at(text: &[u8], at: usize) -> &[u8] {
    let near = at.saturating_sub(LINE_BYTES_MAX);
    let line = match text[near..at].iter().rposition(|byte| *byte == b'\n') {
        Some(end) => near + end + 1,
        None if near == 0 => 0,
        None => return b"",
    };
    let rest = &text[line..at];
    let indent = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &rest[..indent]
}
