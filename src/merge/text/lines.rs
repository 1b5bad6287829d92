//! Lines, and what differs between two lists of them.
//!
//! The diff is `imara-diff`'s Myers with git's heuristics, so its time stays near linear on hostile input, and
//! changes slide down as far as they go, as git's do.
//!
//! Invariant: hunks are in order, at least one unchanged item apart, and what lies between them is equal on
//! both sides; [`changes`] checks that and falls back to one hunk. Nothing here knows of three versions.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, Interner, NoSliderHeuristic, Token};

/// A range of the one list that a range of the other stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    pub before: Range<usize>,
    pub after: Range<usize>,
}

/// The lines of a text, each with its ending.
pub fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// What differs between two lists of lines.
pub fn hunks(before: &[&[u8]], after: &[&[u8]]) -> Vec<Hunk> {
    let mut interner = Interner::new(before.len() + after.len());
    let (before, after) = (numbered(&mut interner, before), numbered(&mut interner, after));
    changes(&before, &after)
}

/// The number of every line: equal lines have equal numbers.
pub fn numbered<'a>(interner: &mut Interner<&'a [u8]>, lines: &[&'a [u8]]) -> Vec<Token> {
    lines.iter().map(|line| interner.intern(*line)).collect()
}

/// What differs between two lists of numbers.
pub fn changes(before: &[Token], after: &[Token]) -> Vec<Hunk> {
    let tokens = before.iter().chain(after).map(|token| token.0 + 1).max().unwrap_or(0);
    let mut diff = Diff::default();
    diff.compute_with(Algorithm::Myers, before, after, tokens);
    diff.postprocess_with(before, after, NoSliderHeuristic);
    let range = |range: &Range<u32>| range.start as usize..range.end as usize;
    let found = diff.hunks().map(|hunk| Hunk { before: range(&hunk.before), after: range(&hunk.after) });
    let found: Vec<Hunk> = found.collect();
    if holds(&found, before, after) { found } else { whole(before, after) }
}

fn holds(hunks: &[Hunk], before: &[Token], after: &[Token]) -> bool {
    let (mut at_before, mut at_after) = (0, 0);
    let end = Hunk { before: before.len()..before.len(), after: after.len()..after.len() };
    hunks.iter().chain([&end]).all(|hunk| {
        let between = (before.get(at_before..hunk.before.start), after.get(at_after..hunk.after.start));
        (at_before, at_after) = (hunk.before.end, hunk.after.end);
        between.0.is_some() && between.0 == between.1
    })
}

/// One hunk between the common beginning and the common end.
fn whole(before: &[Token], after: &[Token]) -> Vec<Hunk> {
    let first = before.iter().zip(after).take_while(|(a, b)| a == b).count();
    let rest = before[first..].iter().rev().zip(after[first..].iter().rev());
    let last = rest.take_while(|(a, b)| a == b).count();
    let hunk = Hunk { before: first..before.len() - last, after: first..after.len() - last };
    if hunk.before.is_empty() && hunk.after.is_empty() { Vec::new() } else { vec![hunk] }
}
