//! Keyed lists of both sides, key by key.
//!
//! Invariant: a key that one side took out is never kept because the other left it, nor dropped if the other changed
//! it. A key that only the other side put in comes behind the one it follows there.

use std::collections::BTreeMap;

use super::node::List;
use super::weave::Piece;

/// A keyed list, merged: its pieces in order, and the items of either side that are in conflict.
pub struct Keyed {
    pub pieces: Vec<Piece>,
    pub own_conflicts: Vec<usize>,
    pub other_conflicts: Vec<usize>,
}

/// Merges the keyed lists of the base, the carrier and the other side.
///
/// What both put in at one place has the carrier's items first, or last.
pub fn merge(base: &List, carrier: &List, other: &List, carrier_first: bool) -> Keyed {
    let (in_base, in_other) = (base.by_key(), other.by_key());
    let (mut new, other_conflicts) = put_in(base, carrier, other);
    let mut merged = Keyed { pieces: Vec::new(), own_conflicts: Vec::new(), other_conflicts };
    let mut waiting = new.remove(&None).unwrap_or_default();
    for (own, item) in carrier.items.iter().enumerate() {
        let before = in_base.get(item.key.as_str()).copied();
        let theirs = in_other.get(item.key.as_str()).copied();
        let is_as = |list: &List, at: usize| list.items[at].node.meaning == item.node.meaning;
        let pair = match (before, theirs) {
            (Some(before), Some(theirs)) => Some((before, theirs)),
            (Some(before), None) if is_as(base, before) => continue,
            (None, Some(theirs)) if is_as(other, theirs) => None,
            (None, None) => None,
            _ => {
                merged.own_conflicts.push(own);
                None
            }
        };
        let goes_first = carrier_first && before.is_none();
        if !goes_first {
            merged.pieces.extend(waiting.drain(..).map(Piece::Other));
        }
        merged.pieces.push(Piece::Own { own, pair });
        waiting.extend(new.remove(&Some(own)).unwrap_or_default());
    }
    merged.pieces.extend(waiting.into_iter().map(Piece::Other));
    merged
}

/// What only the other side put in, by the carrier's item that it follows there; and what it changed that the carrier
/// took out.
fn put_in(base: &List, carrier: &List, other: &List) -> (BTreeMap<Option<usize>, Vec<usize>>, Vec<usize>) {
    let (in_base, in_carrier) = (base.by_key(), carrier.by_key());
    let mut new: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    let (mut conflicts, mut after) = (Vec::new(), None);
    for (at, item) in other.items.iter().enumerate() {
        match (in_carrier.get(item.key.as_str()), in_base.get(item.key.as_str())) {
            (Some(own), _) => after = Some(*own),
            (None, Some(before)) if base.items[*before].node.meaning == item.node.meaning => {}
            (None, Some(_)) => conflicts.push(at),
            (None, None) => new.entry(after).or_default().push(at),
        }
    }
    (new, conflicts)
}
