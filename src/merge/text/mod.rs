//! Text, by line.
//!
//! Each side's changes to the base are found by a Myers diff, with the heuristics of git, so that what git's
//! `merge-file` joins comes out in the same bytes. Rules:
//!
//! - A line is its bytes up to and with the line feed; white space counts. A last line without one differs from
//!   the same line with one.
//! - Changes of the two sides that leave at least one unchanged line between them are both taken. Changes that
//!   overlap or touch are a conflict: so are two inserts at one place, an insert inside or at the edge of what
//!   the other side deleted, and deletions that overlap without being equal.
//! - Where both sides say the same over the whole of such a place, it is taken once (as git's merge does).
//! - Where equal lines can be paired in more than one way (repeated lines, moved ones), the merge must not depend
//!   on it: both the alignment with the fewest changes and the one around rare lines give the same result, or it is a
//!   conflict. Git does not ask this; it costs a fraction of a percent of its clean merges.
//! - Line endings stay as they are. If all three versions are uniform and a side turned all of them (LF to CRLF
//!   or back), the lines are compared without them and the result has the new ones.
//!
//! Invariant: no byte of a clean result is invented but such a line ending. This part does not know types.

mod endings;
mod frequent;
mod lines;
mod regions;

use super::outcome::{Outcome, Place, Unclean};
pub(super) use endings::Ending;
pub(super) use lines::{Alignment, Hunk, changes, hunks, split};
pub(super) use regions::{Region, Taken, regions};

/// Merges by line.
pub(super) fn merge(base: &[u8], local: &[u8], remote: &[u8]) -> Outcome {
    match endings::turned(base, local, remote) {
        Some(turned) => {
            let [base, local, remote] = [base, local, remote].map(|version| Ending::Lf.turn(version));
            match merge_lines(&base, &local, &remote) {
                Outcome::Clean(merged) => Outcome::Clean(turned.turn(&merged)),
                conflict => conflict,
            }
        }
        None => merge_lines(base, local, remote),
    }
}

fn merge_lines(base: &[u8], local: &[u8], remote: &[u8]) -> Outcome {
    let versions = [split(base), split(local), split(remote)];
    let regions = doubted_regions(&versions);
    let overlaps = regions.iter().filter(|region| region.taken == Taken::Neither);
    let places: Vec<Place> = overlaps
        .map(|region| Place::Lines { first: region.base.start + 1, count: region.base.len() })
        .collect();
    if !places.is_empty() {
        return Outcome::Conflict(Unclean::overlap(places));
    }
    Outcome::Clean(joined(&versions, &regions))
}

/// The regions; all changes are in conflict if the result would depend on how equal lines are paired.
pub(super) fn doubted_regions(versions: &[Vec<&[u8]>; 3]) -> Vec<Region> {
    let mut shortest = regions(Alignment::Shortest, versions);
    if shortest.iter().any(|region| region.taken == Taken::Neither) {
        return shortest;
    }
    let rarest = regions(Alignment::Rarest, versions);
    if rarest.iter().any(|region| region.taken == Taken::Neither) {
        return rarest;
    }
    if joined(versions, &shortest) != joined(versions, &rarest) {
        let changed = shortest.iter_mut().filter(|region| region.taken != Taken::Base);
        changed.for_each(|region| region.taken = Taken::Neither);
    }
    shortest
}

fn joined(versions: &[Vec<&[u8]>; 3], regions: &[Region]) -> Vec<u8> {
    let mut joined = Vec::new();
    for region in regions {
        match region.taken {
            Taken::Base | Taken::Local | Taken::Both => put(&mut joined, &versions[1][region.local.clone()]),
            Taken::Remote | Taken::Neither => put(&mut joined, &versions[2][region.remote.clone()]),
        }
    }
    joined
}

/// Merges by line and keeps the lines of both sides where they meet: the remote ones first, equal ones once.
pub(super) fn union(base: &[u8], local: &[u8], remote: &[u8]) -> Vec<u8> {
    let versions = [split(base), split(local), split(remote)];
    let mut merged = Vec::new();
    for region in regions(Alignment::Shortest, &versions) {
        let (local, remote) = (&versions[1][region.local], &versions[2][region.remote]);
        match region.taken {
            Taken::Base | Taken::Local | Taken::Both => put_whole(&mut merged, local),
            Taken::Remote => put_whole(&mut merged, remote),
            Taken::Neither => put_both(&mut merged, local, remote),
        }
    }
    merged
}

fn put_both(merged: &mut Vec<u8>, local: &[&[u8]], remote: &[&[u8]]) {
    let mut at = 0;
    for hunk in hunks(remote, local) {
        put_whole(merged, &remote[at..hunk.before.end]);
        put_whole(merged, &local[hunk.after]);
        at = hunk.before.end;
    }
    put_whole(merged, &remote[at..]);
}

pub(super) fn put(merged: &mut Vec<u8>, lines: &[&[u8]]) {
    lines.iter().for_each(|line| merged.extend_from_slice(line));
}

/// Puts lines, each on a line of its own though what stands before it had no line feed.
pub(super) fn put_whole(merged: &mut Vec<u8>, lines: &[&[u8]]) {
    for line in lines {
        if merged.last().is_some_and(|last| *last != b'\n') {
            merged.extend_from_slice(Ending::of(merged).bytes());
        }
        merged.extend_from_slice(line);
    }
}
