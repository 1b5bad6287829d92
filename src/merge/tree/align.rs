//! Which items of an ordered list are which items of the base's list.
//!
//! Invariant: pairs are in order on both sides. Every item of the base is paired or taken out; every item of the
//! side is paired or in exactly one run of items put in. Equal lists align the same way whoever's they are.

use std::collections::BTreeMap;
use std::ops::{Range, RangeInclusive};

use imara_diff::Token;

use super::node::{Item, List, Meaning};
use crate::merge::text::{Alignment, Hunk, changes as hunks_between};

/// An ordered list beside that of the base.
#[derive(Debug)]
pub struct Aligned {
    /// For every item of the base, the item it became; none if it was taken out.
    pub became: Vec<Option<usize>>,
    pub runs: Vec<Run>,
}

/// Items put in between two paired items.
#[derive(Debug)]
pub struct Run {
    /// The places where it may stand: before the item of the base of this number. More than one if items of the
    /// base were taken out there.
    pub before: RangeInclusive<usize>,
    pub items: Range<usize>,
}

/// Aligns a side's list with the base's.
pub fn align(base: &List, side: &List) -> Aligned {
    let tokens = |list: &List| list.items.iter().map(|item| Token(item.node.meaning.0)).collect::<Vec<_>>();
    let (base_tokens, side_tokens) = numbered(tokens(base), tokens(side));
    let mut aligned = Aligned { became: vec![None; base.items.len()], runs: Vec::new() };
    let (mut at_base, mut at_side) = (0, 0);
    for hunk in hunks(&base_tokens, &side_tokens) {
        aligned.pair(at_base..hunk.before.start, at_side..hunk.after.start);
        (at_base, at_side) = (hunk.before.end, hunk.after.end);
        pair_up(&mut aligned, base, side, hunk);
    }
    aligned.pair(at_base..base.items.len(), at_side..side.items.len());
    aligned
}

impl Aligned {
    fn pair(&mut self, base: Range<usize>, side: Range<usize>) {
        base.zip(side).for_each(|(one, other)| self.became[one] = Some(other));
    }
}

/// Where the lists differ: place by place if that is as little as can differ, so that a list of fixed length is one.
fn hunks(base: &[Token], side: &[Token]) -> Vec<Hunk> {
    let shortest = hunks_between(Alignment::Shortest, base, side);
    let differing: Vec<usize> = (0..base.len().min(side.len())).filter(|at| base[*at] != side[*at]).collect();
    if base.len() != side.len() || differing.len() > shortest.iter().map(|hunk| hunk.before.len()).sum() {
        return shortest;
    }
    let runs = differing.chunk_by(|one, next| one + 1 == *next);
    runs.map(|run| run[0]..run[0] + run.len()).map(|run| Hunk { before: run.clone(), after: run }).collect()
}

/// The same items under numbers from 0, since the diff counts up to the greatest.
fn numbered(mut base: Vec<Token>, mut side: Vec<Token>) -> (Vec<Token>, Vec<Token>) {
    let mut all: Vec<u32> = base.iter().chain(&side).map(|token| token.0).collect();
    all.sort_unstable();
    all.dedup();
    let number = |token: &mut Token| token.0 = all.partition_point(|known| *known < token.0) as u32;
    base.iter_mut().chain(&mut side).for_each(number);
    (base, side)
}

/// Pairs what differs: by identity, then by kind where there are as many of it on both sides; the rest is a run.
fn pair_up(aligned: &mut Aligned, base: &List, side: &List, hunk: Hunk) {
    for part in pair_named(aligned, (base, side), hunk, by_identity) {
        for left in pair_named(aligned, (base, side), part, by_kind) {
            if !left.after.is_empty() {
                aligned.runs.push(Run { before: left.before.start..=left.before.end, items: left.after });
            }
        }
    }
}

/// Something by which an item is found on the other side, and how many there were of it before.
type Name = ((Meaning, Meaning), usize);
type Named = BTreeMap<Name, usize>;

/// Pairs items of one name, in order; gives what is left between the pairs.
fn pair_named(
    aligned: &mut Aligned,
    (base, side): (&List, &List),
    hunk: Hunk,
    names: fn(&[Item], &[Item]) -> [Named; 2],
) -> Vec<Hunk> {
    let [in_base, in_side] = names(&base.items[hunk.before.clone()], &side.items[hunk.after.clone()]);
    let found = in_side.iter().filter_map(|(name, other)| Some((*other, *in_base.get(name)?)));
    let mut found: Vec<(usize, usize)> = found.collect();
    found.sort_unstable();
    let (first_base, first_side) = (hunk.before.start, hunk.after.start);
    let mut left = Vec::new();
    let mut at = hunk;
    for (other, one) in found {
        let (other, one) = (first_side + other, first_base + one);
        if one >= at.before.start && side.items[other].node.may_follow(&base.items[one].node) {
            aligned.became[one] = Some(other);
            left.push(Hunk { before: at.before.start..one, after: at.after.start..other });
            (at.before.start, at.after.start) = (one + 1, other + 1);
        }
    }
    left.push(at);
    left
}

/// The items whose identity no other of them has.
fn by_identity(base: &[Item], side: &[Item]) -> [Named; 2] {
    let identified = |item: &Item| item.node.identity.map(|identity| (identity, item.node.kind));
    [base, side].map(|items| {
        let mut named = numbered_names(items, identified);
        let twice: Vec<_> = named.keys().filter(|(_, before)| *before > 0).map(|(name, _)| *name).collect();
        named.retain(|(name, _), _| twice.binary_search(name).is_err());
        named
    })
}

/// The items of kinds that are there as often on both sides.
fn by_kind(base: &[Item], side: &[Item]) -> [Named; 2] {
    let kind = |item: &Item| Some((item.node.kind, item.node.kind));
    let named = [base, side].map(|items| numbered_names(items, kind));
    let times = |named: &Named, kind| named.range((kind, 0)..=(kind, usize::MAX)).count();
    let balanced = |kind| times(&named[0], kind) == times(&named[1], kind);
    let mut kinds: Vec<(Meaning, Meaning)> = named[1].keys().map(|(kind, _)| *kind).collect();
    kinds.dedup();
    kinds.retain(|kind| balanced(*kind));
    named.map(|mut named| {
        named.retain(|(kind, _), _| kinds.binary_search(kind).is_ok());
        named
    })
}

fn numbered_names(items: &[Item], name: impl Fn(&Item) -> Option<(Meaning, Meaning)>) -> Named {
    let mut times: BTreeMap<(Meaning, Meaning), usize> = BTreeMap::new();
    let named = items.iter().enumerate().filter_map(|(at, item)| {
        let name = name(item)?;
        let before = times.entry(name).or_default();
        *before += 1;
        Some(((name, *before - 1), at))
    });
    named.collect()
}
