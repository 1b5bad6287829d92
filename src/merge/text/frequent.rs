//! Items that say nothing about where a change is: blank lines, braces, zeros.
//!
//! Between a common beginning and a common end, an item that the other list lacks is changed for certain, and a
//! frequent item among many such ones would only be paired by accident. Both are left out of the diff. The limits
//! are those of git's Myers diff, so that both find the same changes in real text.
//!
//! Invariant: what is left out counts as changed; nothing is paired here.

use imara_diff::Token;

/// How far around a frequent item its neighbours are looked at.
const NEIGHBOURS: usize = 100;
/// An item is frequent if the other list has it as often as this, or as the root of its own length if less.
const FREQUENT_MAX: u32 = 1024;
/// How often an item occurs that takes `imara-diff` a search among its neighbours.
const SEARCHED_MIN: u32 = 64;
/// How many steps all these searches may take.
const SEARCH_STEPS_MAX: usize = 100_000_000;

/// Two lists between their common beginning and their common end.
pub struct Middle {
    pub prefix: usize,
    pub suffix: usize,
    /// Where the items are that take part in the diff.
    pub before: Vec<usize>,
    pub after: Vec<usize>,
    len: usize,
}

impl Middle {
    pub fn new(before: &[Token], after: &[Token]) -> Middle {
        let prefix = before.iter().zip(after).take_while(|(a, b)| a == b).count();
        let rest = before[prefix..].iter().rev().zip(after[prefix..].iter().rev());
        let suffix = rest.take_while(|(a, b)| a == b).count();
        let len = before.len().max(after.len()) - prefix - suffix;
        let kept = |list: &[Token], there: &[Token]| {
            let counts = counts(there);
            let frequent = frequent_min(list.len());
            let middle = &list[prefix..list.len() - suffix];
            let standings: Vec<Standing> =
                middle.iter().map(|item| Standing::new(count(&counts, *item), frequent)).collect();
            let kept = (0..middle.len()).filter(|at| is_kept(&standings, *at));
            kept.map(|at| at + prefix).collect()
        };
        Middle { prefix, suffix, before: kept(before, after), after: kept(after, before), len }
    }

    /// The longer of the two, with what is left out.
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn before_kept(&self, before: &[Token]) -> Vec<Token> {
        self.before.iter().map(|at| before[*at]).collect()
    }

    pub fn after_kept(&self, after: &[Token]) -> Vec<Token> {
        self.after.iter().map(|at| after[*at]).collect()
    }
}

/// Whether a diff of these would take quadratic time: long runs of nothing but frequent items.
pub fn is_too_repetitive(before: &[Token], after: &[Token]) -> bool {
    let steps = |list: &[Token], there: &[Token]| {
        let counts = counts(there);
        let runs = list.split(|item| count(&counts, *item) < SEARCHED_MIN);
        runs.map(|run| run.len().saturating_mul(run.len())).fold(0, usize::saturating_add)
    };
    steps(before, after).saturating_add(steps(after, before)) > SEARCH_STEPS_MAX
}

/// How an item stands in the other list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Missing,
    There,
    Frequent,
}

impl Standing {
    fn new(times: u32, frequent_min: u32) -> Standing {
        match times {
            0 => Standing::Missing,
            times if times < frequent_min => Standing::There,
            _ => Standing::Frequent,
        }
    }
}

fn is_kept(standings: &[Standing], at: usize) -> bool {
    match standings[at] {
        Standing::Missing => return false,
        Standing::There => return true,
        Standing::Frequent => {}
    }
    let (missing_before, frequent_before) = tally(standings[..at].iter().rev());
    let (missing_after, frequent_after) = tally(standings[at + 1..].iter());
    let (missing, frequent) = (missing_before + missing_after, frequent_before + frequent_after + 2);
    missing_before == 0 || missing_after == 0 || missing <= 3 * frequent
}

/// How many are missing and frequent, up to the first that is neither.
fn tally<'a>(near: impl Iterator<Item = &'a Standing>) -> (usize, usize) {
    let run = near.take(NEIGHBOURS).take_while(|standing| **standing != Standing::There);
    run.fold((0, 0), |(missing, frequent), standing| match standing {
        Standing::Missing => (missing + 1, frequent),
        _ => (missing, frequent + 1),
    })
}

/// The root of a length, as a power of two.
fn frequent_min(len: usize) -> u32 {
    let bits = usize::BITS - len.leading_zeros();
    (1 << bits.div_ceil(2)).min(FREQUENT_MAX)
}

fn counts(list: &[Token]) -> Vec<u32> {
    let mut counts = vec![0; list.iter().map(|item| item.0 as usize + 1).max().unwrap_or(0)];
    list.iter().for_each(|item| counts[item.0 as usize] += 1);
    counts
}

fn count(counts: &[u32], item: Token) -> u32 {
    counts.get(item.0 as usize).copied().unwrap_or(0)
}
