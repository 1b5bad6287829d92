//! The unified diff of two texts.
//!
//! Invariant: applied to the old text the diff gives the new one, byte for byte, a missing final newline
//! included. Content with a NUL byte is only said to differ.

use std::ops::Range;

use super::super::text::{Hunk, hunks, split};

/// Unchanged lines shown before and after a change.
const CONTEXT_LINES: usize = 3;

/// The unified diff from `old` to `new`; nothing if they are equal.
pub fn unified(old_label: &str, new_label: &str, old: &[u8], new: &[u8]) -> Vec<u8> {
    if old == new {
        return Vec::new();
    }
    if old.contains(&0) || new.contains(&0) {
        return format!("Binary files {old_label} and {new_label} differ\n").into_bytes();
    }
    let (old, new) = (split(old), split(new));
    let mut diff = format!("--- {old_label}\n+++ {new_label}\n").into_bytes();
    let hunks = hunks(&old, &new);
    // Changes that share lines of context are shown together.
    for group in hunks.chunk_by(|a, b| b.before.start - a.before.end <= 2 * CONTEXT_LINES) {
        put_group(&mut diff, group, &old, &new);
    }
    diff
}

fn put_group(diff: &mut Vec<u8>, group: &[Hunk], old: &[&[u8]], new: &[&[u8]]) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let lead = CONTEXT_LINES.min(first.before.start);
    let trail = CONTEXT_LINES.min(old.len() - last.before.end);
    let shown = first.before.start - lead..last.before.end + trail;
    let shown_new = first.after.start - lead..last.after.end + trail;
    let header = format!("@@ -{} +{} @@\n", counted(&shown), counted(&shown_new));
    diff.extend_from_slice(header.as_bytes());
    let mut at = shown.start;
    for hunk in group {
        put_lines(diff, b' ', &old[at..hunk.before.start]);
        put_lines(diff, b'-', &old[hunk.before.clone()]);
        put_lines(diff, b'+', &new[hunk.after.clone()]);
        at = hunk.before.end;
    }
    put_lines(diff, b' ', &old[at..shown.end]);
}

/// First line and number of lines; an empty range is named by the line before it.
fn counted(lines: &Range<usize>) -> String {
    match lines.len() {
        0 => format!("{},0", lines.start),
        1 => (lines.start + 1).to_string(),
        count => format!("{},{count}", lines.start + 1),
    }
}

fn put_lines(diff: &mut Vec<u8>, sign: u8, lines: &[&[u8]]) {
    for line in lines {
        diff.push(sign);
        diff.extend_from_slice(line);
        if !line.ends_with(b"\n") {
            diff.extend_from_slice(b"\n\\ No newline at end of file\n");
        }
    }
}
