//! Lines, and what differs between two lists of them.
//!
//! The diff is `imara-diff`'s, near linear in time on most input. Three things are done around it: what git
//! leaves out of a diff is left out here too (see `frequent`); lists that would take it quadratic time are given
//! up as one change; and what it finds is checked.
//!
//! Invariant: hunks are in order, at least one unchanged item apart, and what lies between them is equal on
//! both sides. Nothing here knows of three versions.

use std::ops::Range;

use imara_diff::{Algorithm, Diff, Interner, NoSliderHeuristic, Token};

use super::frequent::{Middle, is_too_repetitive};

/// The longest differing stretch that is aligned a second way: the histogram's time grows with its square, its
/// stack with its length.
const HISTOGRAM_LINES_MAX: usize = 4_000;

/// A range of the one list that a range of the other stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    pub before: Range<usize>,
    pub after: Range<usize>,
}

/// How equal items of two lists are paired, where there is more than one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alignment {
    /// The fewest changes, as git does it.
    Shortest,
    /// Around what is rare; the same as `Shortest` if that would take too long.
    Rarest,
}

/// The lines of a text, each with its ending.
pub fn split(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|byte| *byte == b'\n').collect()
}

/// What differs between two lists of lines.
pub fn hunks(before: &[&[u8]], after: &[&[u8]]) -> Vec<Hunk> {
    let mut interner = Interner::new(before.len() + after.len());
    let (before, after) = (numbered(&mut interner, before), numbered(&mut interner, after));
    changes(Alignment::Shortest, &before, &after)
}

/// The number of every line: equal lines have equal numbers.
pub fn numbered<'a>(interner: &mut Interner<&'a [u8]>, lines: &[&'a [u8]]) -> Vec<Token> {
    lines.iter().map(|line| interner.intern(*line)).collect()
}

/// What differs between two lists of numbers.
pub fn changes(alignment: Alignment, before: &[Token], after: &[Token]) -> Vec<Hunk> {
    let middle = Middle::new(before, after);
    if is_too_repetitive(&middle.before_kept(before), &middle.after_kept(after)) {
        return whole(before, after);
    }
    let mut diff = match alignment {
        Alignment::Rarest if middle.len() <= HISTOGRAM_LINES_MAX => by_histogram(before, after),
        _ => by_myers(&middle, before, after),
    };
    // Changes go down as far as they can, as git's do: so a change is at one place whoever made it.
    diff.postprocess_with(before, after, NoSliderHeuristic);
    let found: Vec<Hunk> = hunks_of(&diff).collect();
    if holds(&found, before, after) { found } else { whole(before, after) }
}

fn by_histogram(before: &[Token], after: &[Token]) -> Diff {
    let mut diff = Diff::default();
    diff.compute_with(Algorithm::Histogram, before, after, number_end(before, after));
    diff
}

/// The diff of what is kept, put back among what was left out.
fn by_myers(middle: &Middle, before: &[Token], after: &[Token]) -> Diff {
    let (kept_before, kept_after) = (middle.before_kept(before), middle.after_kept(after));
    let mut diff = Diff::default();
    diff.compute_with(Algorithm::Myers, &kept_before, &kept_after, number_end(before, after));
    // A `Diff` cannot be made of pairs. Numbering each pair by itself, and all else too, leaves one to be found.
    let mut fresh = (0..).map(Token);
    let mut before: Vec<Token> = fresh.by_ref().take(before.len()).collect();
    let mut after: Vec<Token> = fresh.by_ref().take(after.len()).collect();
    let end = Hunk { before: kept_before.len()..0, after: kept_after.len()..0 };
    let (mut at_before, mut at_after) = (0, 0);
    for hunk in hunks_of(&diff).chain([end]) {
        for (one, other) in (at_before..hunk.before.start).zip(at_after..hunk.after.start) {
            after[middle.after[other]] = before[middle.before[one]];
        }
        (at_before, at_after) = (hunk.before.end, hunk.after.end);
    }
    let suffix_before = before.len() - middle.suffix;
    let suffix_after = after.len() - middle.suffix;
    after[..middle.prefix].copy_from_slice(&before[..middle.prefix]);
    after[suffix_after..].copy_from_slice(&before[suffix_before..]);
    let end = number_end(&before, &after);
    diff.compute_with(Algorithm::Myers, &std::mem::take(&mut before), &after, end);
    diff
}

fn number_end(before: &[Token], after: &[Token]) -> u32 {
    before.iter().chain(after).map(|token| token.0 + 1).max().unwrap_or(0)
}

fn hunks_of(diff: &Diff) -> impl Iterator<Item = Hunk> + '_ {
    let range = |range: Range<u32>| range.start as usize..range.end as usize;
    diff.hunks().map(move |hunk| Hunk { before: range(hunk.before), after: range(hunk.after) })
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
    let Middle { prefix, suffix, .. } = Middle::new(before, after);
    let hunk = Hunk { before: prefix..before.len() - suffix, after: prefix..after.len() - suffix };
    if hunk.before.is_empty() && hunk.after.is_empty() { Vec::new() } else { vec![hunk] }
}
