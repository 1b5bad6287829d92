//! The merge of three texts that are documents: which side carries, and whether the result is believed.
//!
//! Invariant: a clean result parses, and means what the merge by path means, whichever side carries it. The merge by
//! line is taken where it means the same, since it keeps the formatting of both sides.

use super::merge::{Parts, merge};
use super::{Grammar, Meanings, Source};
use crate::merge::outcome::{Outcome, Place, Unclean};
use crate::merge::text;

/// Merges by path; by line where a version is beyond what is handled, and then only to what is in the language.
pub fn merge_documents(grammar: &Grammar, base: &[u8], local: &[u8], remote: &[u8]) -> Outcome {
    by_path(grammar, base, local, remote).unwrap_or_else(|| match text::merge(base, local, remote) {
        Outcome::Clean(merged) if !(grammar.is_document)(&merged) => {
            Outcome::Conflict(Unclean::Malformed { expected: grammar.name })
        }
        outcome => outcome,
    })
}

/// None if a version is not in the language, or beyond what is handled.
fn by_path(grammar: &Grammar, base: &[u8], local: &[u8], remote: &[u8]) -> Option<Outcome> {
    let mut meanings = Meanings::default();
    let mut parsed = |text| Source::parse(grammar, &mut meanings, text);
    let (base, local, remote) = (parsed(base)?, parsed(local)?, parsed(remote)?);
    let local_carries =
        has_new_formatting(grammar, &base, &local) && !has_new_formatting(grammar, &base, &remote);
    let by_remote =
        merge(grammar, Parts { base: &base, carrier: &remote, other: &local, carrier_first: true });
    let by_local =
        merge(grammar, Parts { base: &base, carrier: &local, other: &remote, carrier_first: false });
    let (by_remote, by_local) = match (by_remote, by_local) {
        (Ok(by_remote), Ok(by_local)) => (by_remote, by_local),
        (Err(paths), _) | (_, Err(paths)) => {
            return Some(Outcome::Conflict(Unclean::overlap(paths.into_iter().map(Place::Path).collect())));
        }
    };
    let mut meaning = |text: &[u8]| (grammar.parse)(&mut meanings, text).map(|root| root.meaning);
    let wanted = meaning(&by_remote);
    if wanted.is_none() || meaning(&by_local) != wanted {
        return Some(Outcome::Conflict(Unclean::Malformed { expected: grammar.name }));
    }
    if let Outcome::Clean(by_line) = text::merge(base.text, local.text, remote.text)
        && meaning(&by_line) == wanted
    {
        return Some(Outcome::Clean(by_line));
    }
    Some(Outcome::Clean(if local_carries { by_local } else { by_remote }))
}

/// Whether a side differs from the base in more than what its changes come to when they are spliced in.
fn has_new_formatting(grammar: &Grammar, base: &Source<'_>, side: &Source<'_>) -> bool {
    let replayed = merge(grammar, Parts { base, carrier: base, other: side, carrier_first: true });
    replayed.is_ok_and(|replayed| replayed != side.text)
}
