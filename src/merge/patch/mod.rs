//! What changed from one version to the next, for a person or a script to read.
//!
//! Invariant: [`unified`] is what `patch` and `git apply` take, [`json_patch`] what RFC 6902 describes; [`xml_changes`]
//! is for reading only. Nothing here merges, and nothing here knows
//! the versions' numbers.

mod json;
mod unified;
mod xml;

pub use json::{Operation, Verb, json_patch};
pub use unified::unified;
pub use xml::{ElementChange, xml_changes};
