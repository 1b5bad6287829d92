//! The text that a person edits to settle a conflict: the lines of all three versions between markers.
//!
//! Only for `resolve`. Invariant: no clean merge passes through here, so a marker never gets into a live file
//! by itself. Documents are marked by line too: what is shown has to be readable, not well formed.

use super::file_type::{FileType, effective};
use super::outcome::Outcome;
use super::text::{Ending, Taken, doubted_regions, put, put_whole, split};
use super::three_way::{MERGE_BYTES_MAX, Versions, merge};

/// What the markers call the versions.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    pub base: &'a str,
    pub local: &'a str,
    pub remote: &'a str,
}

/// The merged text with markers around what conflicts, local first; none for binary or too large content.
pub fn marked_up(given: Option<FileType>, versions: Versions<'_>, labels: Labels<'_>) -> Option<Vec<u8>> {
    let too_large = !versions.all(|version| version.len() as u64 <= MERGE_BYTES_MAX);
    if too_large || effective(given, &versions) == FileType::Binary {
        return None;
    }
    let ending = Ending::of(versions.local);
    let lines = [split(versions.base.unwrap_or_default()), split(versions.local), split(versions.remote)];
    let mut regions = doubted_regions(&lines);
    if regions.iter().all(|region| region.taken != Taken::Neither) && is_conflict(given, versions) {
        // By line it joins, but not by what it means; so every change is shown.
        let changes = regions.iter_mut().filter(|region| region.taken != Taken::Base);
        changes.for_each(|region| region.taken = Taken::Neither);
    }
    let mut marked = Vec::new();
    for region in regions {
        let [base, local, remote] =
            [&lines[0][region.base], &lines[1][region.local], &lines[2][region.remote]];
        match region.taken {
            Taken::Base | Taken::Remote => put(&mut marked, remote),
            Taken::Local | Taken::Both => put(&mut marked, local),
            Taken::Neither => {
                put_marker(&mut marked, "<<<<<<<", labels.local, ending);
                put_whole(&mut marked, local);
                if versions.base.is_some() {
                    put_marker(&mut marked, "|||||||", labels.base, ending);
                    put_whole(&mut marked, base);
                }
                put_marker(&mut marked, "=======", "", ending);
                put_whole(&mut marked, remote);
                put_marker(&mut marked, ">>>>>>>", labels.remote, ending);
            }
        }
    }
    Some(marked)
}

fn is_conflict(given: Option<FileType>, versions: Versions<'_>) -> bool {
    matches!(merge(given, versions), Outcome::Conflict(_))
}

fn put_marker(marked: &mut Vec<u8>, marker: &str, label: &str, ending: Ending) {
    // A label on two lines would make a line that looks like the file's.
    let label = label.replace(['\n', '\r'], " ");
    let line = [marker, &label].join(" ");
    put_whole(marked, &[line.trim_end().as_bytes()]);
    marked.extend_from_slice(ending.bytes());
}
