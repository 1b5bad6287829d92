//! Ordered lists of both sides, item by item along the base's.
//!
//! Invariant: an item that one side took out is never kept because the other left it, nor dropped if the other
//! changed it; a run is placed only where no change of the other side makes its place a guess.

use super::align::{Aligned, Run, align};
use super::node::List;
use super::weave::Piece;

/// An ordered list, merged: its pieces in order, and the items of the base that are in conflict.
pub struct Ordered {
    pub pieces: Vec<Piece>,
    pub conflicts: Vec<usize>,
}

/// Merges the ordered lists of the base, the carrier and the other side.
pub fn merge(base: &List, carrier: &List, other: &List) -> Ordered {
    let (ours, theirs) = (align(base, carrier), align(base, other));
    let mut conflicts = Vec::new();
    let twice = meeting_runs(carrier, &ours, other, &theirs, &mut conflicts);
    beside_taken_out(&ours, &theirs, &twice, &mut conflicts);
    let single = theirs.runs.iter().enumerate().filter(|(at, _)| !twice.iter().any(|(_, both)| both == at));
    let mut runs: Vec<(usize, Vec<Piece>)> = Vec::new();
    for run in &ours.runs {
        let pieces = run.items.clone().map(|own| Piece::Own { own, pair: None });
        runs.push((*run.before.start(), pieces.collect()));
    }
    for (_, run) in single {
        runs.push((*run.before.start(), run.items.clone().map(Piece::Other).collect()));
    }
    runs.sort_by_key(|(before, _)| *before);
    let mut runs = runs.into_iter().peekable();
    let mut pieces = Vec::new();
    for at in 0..=base.items.len() {
        while let Some((_, run)) = runs.next_if(|(before, _)| *before == at) {
            pieces.extend(run);
        }
        let Some(item) = base.items.get(at) else { break };
        let unchanged = |list: &List, became: usize| list.items[became].node.meaning == item.node.meaning;
        match (ours.became[at], theirs.became[at]) {
            (Some(own), Some(theirs)) => pieces.push(Piece::Own { own, pair: Some((at, theirs)) }),
            (Some(own), None) if !unchanged(carrier, own) => conflicts.push(at),
            (None, Some(theirs)) if !unchanged(other, theirs) => conflicts.push(at),
            _ => {}
        }
    }
    Ordered { pieces, conflicts }
}

/// The runs that both sides put in alike; the places of those that differ are in conflict.
fn meeting_runs(
    carrier: &List,
    ours: &Aligned,
    other: &List,
    theirs: &Aligned,
    conflicts: &mut Vec<usize>,
) -> Vec<(usize, usize)> {
    let meanings = |list: &List, run: &Run| {
        list.items[run.items.clone()].iter().map(|item| item.node.meaning).collect::<Vec<_>>()
    };
    let (mut at_ours, mut at_theirs, mut twice) = (0, 0, Vec::new());
    while let (Some(own), Some(their)) = (ours.runs.get(at_ours), theirs.runs.get(at_theirs)) {
        if own.before.start() <= their.before.end() && their.before.start() <= own.before.end() {
            if own.before == their.before && meanings(carrier, own) == meanings(other, their) {
                twice.push((at_ours, at_theirs));
            } else {
                conflicts.push(*own.before.start().max(their.before.start()));
            }
        }
        if own.before.end() <= their.before.end() { at_ours += 1 } else { at_theirs += 1 }
    }
    twice
}

/// Runs of one side beside or among what the other side took out.
fn beside_taken_out(ours: &Aligned, theirs: &Aligned, twice: &[(usize, usize)], conflicts: &mut Vec<usize>) {
    let mut check = |runs: &[Run], became: &[Option<usize>], is_twice: &dyn Fn(usize) -> bool| {
        for (_, run) in runs.iter().enumerate().filter(|(at, _)| !is_twice(*at)) {
            let near = run.before.start().saturating_sub(1)..(run.before.end() + 1).min(became.len());
            conflicts.extend(near.filter(|at| became[*at].is_none()).take(1));
        }
    };
    check(&ours.runs, &theirs.became, &|at| twice.iter().any(|(own, _)| *own == at));
    check(&theirs.runs, &ours.became, &|at| twice.iter().any(|(_, their)| *their == at));
}
