//! Which items of an ordered list are which items of the base's list.
//!
//! Invariant: pairs are in order on both sides. Every item of the base is paired or taken out; every item of the
//! side is paired or in exactly one run of items put in. Equal lists align the same way whoever's they are.

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
    for hunk in hunks_between(Alignment::Shortest, &base_tokens, &side_tokens) {
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

/// The same items under numbers from 0, since the diff counts up to the greatest.
fn numbered(mut base: Vec<Token>, mut side: Vec<Token>) -> (Vec<Token>, Vec<Token>) {
    let mut all: Vec<u32> = base.iter().chain(&side).map(|token| token.0).collect();
    all.sort_unstable();
    all.dedup();
    let number = |token: &mut Token| token.0 = all.partition_point(|known| *known < token.0) as u32;
    base.iter_mut().chain(&mut side).for_each(number);
    (base, side)
}

/// Pairs what differs: by identity, by kind if it is the only one of it, one after the other; the rest is a run.
fn pair_up(aligned: &mut Aligned, base: &List, side: &List, hunk: Hunk) {
    let by_identity = |item: &Item| item.node.identity.map(|identity| (identity, item.node.kind));
    let by_kind = |item: &Item| Some((item.node.kind, item.node.kind));
    let mut parts = vec![hunk];
    for name in [&by_identity as &dyn Fn(&Item) -> Name, &by_kind] {
        let mut finer = Vec::new();
        for part in parts {
            finer.extend(pair_named(aligned, base, side, &part, name));
        }
        parts = finer;
    }
    parts.into_iter().for_each(|part| pair_in_turn(aligned, base, side, part));
}

type Name = Option<(Meaning, Meaning)>;

/// Pairs items of one name, if it is unique among those that differ; gives what is left between the pairs.
fn pair_named(
    aligned: &mut Aligned,
    base: &List,
    side: &List,
    hunk: &Hunk,
    name: &dyn Fn(&Item) -> Name,
) -> Vec<Hunk> {
    let (in_base, mut in_side) = (unique(base, &hunk.before, name), unique(side, &hunk.after, name));
    in_side.sort_unstable_by_key(|(_, at)| *at);
    let mut left = Vec::new();
    let mut at = hunk.clone();
    for (name, other) in in_side {
        let found = in_base.binary_search_by_key(&name, |(name, _)| *name).map(|found| in_base[found].1);
        let Ok(one) = found else { continue };
        if one < at.before.start || other < at.after.start {
            continue;
        }
        if side.items[other].node.may_follow(&base.items[one].node) {
            aligned.became[one] = Some(other);
            left.push(Hunk { before: at.before.start..one, after: at.after.start..other });
            (at.before.start, at.after.start) = (one + 1, other + 1);
        }
    }
    left.push(at);
    left
}

/// The items with a name that no other of them has, by name.
fn unique(
    list: &List,
    range: &Range<usize>,
    name: &dyn Fn(&Item) -> Name,
) -> Vec<((Meaning, Meaning), usize)> {
    let named = range.clone().filter_map(|at| Some((name(&list.items[at])?, at)));
    let mut named: Vec<_> = named.collect();
    named.sort_unstable();
    let mut unique: Vec<((Meaning, Meaning), usize)> = Vec::new();
    for same in named.chunk_by(|a, b| a.0 == b.0) {
        unique.extend(same.first().filter(|_| same.len() == 1));
    }
    unique
}

fn pair_in_turn(aligned: &mut Aligned, base: &List, side: &List, left: Hunk) {
    let mut pairs = left.before.clone().zip(left.after.clone());
    let follows = |(one, other): (usize, usize)| side.items[other].node.may_follow(&base.items[one].node);
    if left.before.len() == left.after.len() && pairs.all(follows) {
        aligned.pair(left.before, left.after);
    } else if !left.after.is_empty() {
        aligned.runs.push(Run { before: left.before.start..=left.before.end, items: left.after });
    }
}
