//! Where the two sides' changes to the base meet.
//!
//! Invariant: the regions cover each version from its beginning to its end, in order and without a gap; a
//! region that only one side changed has an unchanged line of the base on either side. This file compares
//! lists; what it means that neither side is taken is for others to say.

use std::ops::Range;

use imara_diff::Interner;

use super::lines::{Alignment, Hunk, changes, numbered};

/// A stretch of the three versions, and which of them is the merged one there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    pub taken: Taken,
    pub base: Range<usize>,
    pub local: Range<usize>,
    pub remote: Range<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Nobody changed it.
    Base,
    Local,
    Remote,
    /// Both sides say the same.
    Both,
    /// A conflict.
    Neither,
}

/// The regions of base, local and remote lines.
pub fn regions(alignment: Alignment, versions: &[Vec<&[u8]>; 3]) -> Vec<Region> {
    let mut interner = Interner::new(versions.iter().map(Vec::len).sum());
    let [base, local, remote] = [0, 1, 2].map(|which| numbered(&mut interner, &versions[which]));
    let sides = [&local, &remote].map(|side| changes(alignment, &base, side));
    let mut cursor = Cursor { sides: &sides, next: [0, 0], at: [0, 0, 0] };
    let mut regions = Vec::new();
    while let Some((base_range, hunks)) = cursor.meeting() {
        regions.extend(cursor.advance(Taken::Base, base_range.start, [None, None]));
        let taken = match &hunks {
            [Some(_), None] => Taken::Local,
            [None, Some(_)] => Taken::Remote,
            _ => Taken::Neither,
        };
        let mut region = cursor.advance(taken, base_range.end, hunks);
        if let Some(region) = &mut region
            && region.taken == Taken::Neither
            && local[region.local.clone()] == remote[region.remote.clone()]
        {
            region.taken = Taken::Both;
        }
        regions.extend(region);
    }
    regions.extend(cursor.advance(Taken::Base, base.len(), [None, None]));
    regions
}

/// The last hunk of a side that a region takes in.
type Last<'a> = Option<&'a Hunk>;

struct Cursor<'a> {
    sides: &'a [Vec<Hunk>; 2],
    /// The next hunk of each side.
    next: [usize; 2],
    /// How far base, local and remote are covered.
    at: [usize; 3],
}

impl<'a> Cursor<'a> {
    fn peek(&self, side: usize) -> Option<&'a Hunk> {
        self.sides[side].get(self.next[side])
    }

    /// The next range of the base within which changes overlap or touch, with the last change of each side.
    fn meeting(&mut self) -> Option<(Range<usize>, [Last<'a>; 2])> {
        let start = (0..2).filter_map(|side| self.peek(side)).map(|hunk| hunk.before.start).min()?;
        let mut end = start;
        let mut last = [None, None];
        while let Some(side) =
            (0..2).find(|side| self.peek(*side).is_some_and(|hunk| hunk.before.start <= end))
        {
            let hunk = self.peek(side)?;
            end = end.max(hunk.before.end);
            last[side] = Some(hunk);
            self.next[side] += 1;
        }
        Some((start..end, last))
    }

    /// Covers the base up to `base_end`, and each side up to what stands for it.
    fn advance(&mut self, taken: Taken, base_end: usize, last: [Last<'a>; 2]) -> Option<Region> {
        let from = self.at;
        let unchanged = base_end - self.at[0];
        for (at, last) in self.at[1..].iter_mut().zip(last) {
            *at = last.map_or(*at + unchanged, |hunk| hunk.after.end + (base_end - hunk.before.end));
        }
        self.at[0] = base_end;
        let [base, local, remote] = [0, 1, 2].map(|which| from[which]..self.at[which]);
        let empty = base.is_empty() && local.is_empty() && remote.is_empty();
        (!empty).then_some(Region { taken, base, local, remote })
    }
}
