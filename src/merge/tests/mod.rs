//! Tests of the three-way merge: laws, and tables of named cases.

mod attributes;
mod documents;
mod hostile;
mod json;
mod laws;
mod patch;
mod text;
mod xml;

use crate::merge::{FileType, Outcome, Unclean, Versions, merge};

/// The outcome for three texts.
pub fn outcome(given: Option<FileType>, base: &str, local: &str, remote: &str) -> Outcome {
    let (local, remote) = (local.as_bytes(), remote.as_bytes());
    merge(given, Versions { base: Some(base.as_bytes()), local, remote })
}

/// The merged text; the conflict, if it is one.
pub fn merged(base: &str, local: &str, remote: &str) -> Result<String, Unclean> {
    match outcome(None, base, local, remote) {
        Outcome::Clean(bytes) => Ok(String::from_utf8(bytes).expect("text stays text")),
        Outcome::Conflict(unclean) => Err(unclean),
    }
}
