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
//! - Line endings stay as they are. If all three versions are uniform and a side turned all of them (LF to CRLF
//!   or back), the lines are compared without them and the result has the new ones.
//!
//! Invariant: no byte of a clean result is invented but such a line ending. This part does not know types.

mod endings;
mod lines;
mod regions;

use super::outcome::{Outcome, Place, Unclean};
pub(super) use endings::Ending;
pub(super) use lines::{Hunk, hunks, split};
pub(super) use regions::{Taken, regions};

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
    let mut merged = Vec::with_capacity(local.len().max(remote.len()));
    let mut places = Vec::new();
    for region in regions(&versions) {
        match region.taken {
            Taken::Base => put(&mut merged, &versions[0][region.base]),
            Taken::Local | Taken::Both => put(&mut merged, &versions[1][region.local]),
            Taken::Remote => put(&mut merged, &versions[2][region.remote]),
            Taken::Neither => {
                places.push(Place::Lines { first: region.base.start + 1, count: region.base.len() });
            }
        }
    }
    if places.is_empty() { Outcome::Clean(merged) } else { Outcome::Conflict(Unclean::overlap(places)) }
}

/// Merges by line and keeps the lines of both sides where they meet: the remote ones first, equal ones once.
pub(super) fn union(base: &[u8], local: &[u8], remote: &[u8]) -> Vec<u8> {
    let versions = [split(base), split(local), split(remote)];
    let mut merged = Vec::new();
    for region in regions(&versions) {
        match region.taken {
            Taken::Base => put_whole(&mut merged, &versions[0][region.base]),
            Taken::Local | Taken::Both => put_whole(&mut merged, &versions[1][region.local]),
            Taken::Remote => put_whole(&mut merged, &versions[2][region.remote]),
            Taken::Neither => {
                let (local, remote) = (&versions[1][region.local], &versions[2][region.remote]);
                let mut put_until = 0;
                for hunk in hunks(remote, local) {
                    put_whole(&mut merged, &remote[put_until..hunk.before.end]);
                    put_whole(&mut merged, &local[hunk.after]);
                    put_until = hunk.before.end;
                }
                put_whole(&mut merged, &remote[put_until..]);
            }
        }
    }
    merged
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
