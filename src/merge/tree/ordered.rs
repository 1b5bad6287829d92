//! Ordered lists of both sides, item by item along the base's.
//!
//! Invariant: an item that one side took out is never kept because the other left it, nor dropped if the other
//! changed it; a run is placed only where no change of the other side makes its place a guess.

use super::align::{Aligned, Run, align};
use super::node::{List, Meaning};
use super::weave::Piece;

/// An ordered list, merged: its pieces in order, and the items of the base that are in conflict.
pub struct Ordered {
    pub pieces: Vec<Piece>,
    pub conflicts: Vec<usize>,
}

/// Merges the ordered lists of the base, the carrier and the other side.
pub fn merge(base: &List, carrier: &List, other: &List) -> Ordered {
    let ours = Side { list: carrier, aligned: align(base, carrier) };
    let theirs = Side { list: other, aligned: align(base, other) };
    let mut conflicts = Vec::new();
    let alike = alike(&ours, &theirs, &mut conflicts);
    // In order on both sides, since runs are.
    let ours_alike = |run| alike.binary_search_by_key(&run, |(own, _)| *own).is_ok();
    let theirs_alike = |run| alike.binary_search_by_key(&run, |(_, their)| *their).is_ok();
    conflicts.extend(beside_gone(base, &ours, &theirs, |run| !ours_alike(run)));
    conflicts.extend(beside_gone(base, &theirs, &ours, |run| !theirs_alike(run)));
    let mut runs: Vec<(usize, Vec<Piece>)> = Vec::new();
    for run in &ours.aligned.runs {
        let pieces = run.items.clone().map(|own| Piece::Own { own, pair: None });
        runs.push((*run.before.start(), pieces.collect()));
    }
    for (which, run) in theirs.aligned.runs.iter().enumerate() {
        if !theirs_alike(which) {
            runs.push((*run.before.start(), run.items.clone().map(Piece::Other).collect()));
        }
    }
    runs.sort_by_key(|(before, _)| *before);
    let mut runs = runs.into_iter().peekable();
    let mut pieces = Vec::new();
    for (at, item) in base.items.iter().enumerate() {
        while let Some((_, run)) = runs.next_if(|(before, _)| *before == at) {
            pieces.extend(run);
        }
        let is_changed =
            |side: &Side, became: usize| side.list.items[became].node.meaning != item.node.meaning;
        match (ours.aligned.became[at], theirs.aligned.became[at]) {
            (Some(own), Some(their)) => pieces.push(Piece::Own { own, pair: Some((at, their)) }),
            (Some(own), None) if is_changed(&ours, own) => conflicts.push(at),
            (None, Some(their)) if is_changed(&theirs, their) => conflicts.push(at),
            _ => {}
        }
    }
    pieces.extend(runs.flat_map(|(_, run)| run));
    Ordered { pieces, conflicts }
}

struct Side<'a> {
    list: &'a List,
    aligned: Aligned,
}

impl Side<'_> {
    fn meanings(&self, run: &Run) -> Vec<Meaning> {
        self.list.items[run.items.clone()].iter().map(|item| item.node.meaning).collect()
    }

    /// Whether nothing of an item of the base goes on here: it was taken out, or another value is in its place.
    fn is_gone(&self, base: &List, at: usize) -> bool {
        let item = &base.items[at].node;
        let Some(became) = self.aligned.became[at] else { return true };
        let became = &self.list.items[became].node;
        became.meaning != item.meaning && !became.has_shape_of(item)
    }
}

/// The runs that both sides put in alike; the places of those that meet and differ are in conflict.
fn alike(ours: &Side<'_>, theirs: &Side<'_>, conflicts: &mut Vec<usize>) -> Vec<(usize, usize)> {
    let (mut at_ours, mut at_theirs, mut alike) = (0, 0, Vec::new());
    while let (Some(own), Some(their)) = (ours.aligned.runs.get(at_ours), theirs.aligned.runs.get(at_theirs))
    {
        if own.before.start() <= their.before.end() && their.before.start() <= own.before.end() {
            if own.before == their.before && ours.meanings(own) == theirs.meanings(their) {
                alike.push((at_ours, at_theirs));
            } else {
                conflicts.push(*own.before.start().max(their.before.start()));
            }
        }
        if own.before.end() <= their.before.end() { at_ours += 1 } else { at_theirs += 1 }
    }
    alike
}

/// The items of the base that are gone on one side, beside or among what the other side alone put in.
fn beside_gone(
    base: &List,
    putting: &Side<'_>,
    other: &Side<'_>,
    counts: impl Fn(usize) -> bool,
) -> Vec<usize> {
    let runs = putting.aligned.runs.iter().enumerate().filter(|(which, _)| counts(*which));
    let gone = runs.filter_map(|(_, run)| {
        let mut near = run.before.start().saturating_sub(1)..(run.before.end() + 1).min(base.items.len());
        near.find(|at| other.is_gone(base, *at))
    });
    gone.collect()
}
