//! What changed from one version to the next, for a person or a script to read.
//!
//! Invariant: [`unified`] is what `patch` and `git apply` take. Nothing here merges, and nothing here knows
//! the versions' numbers.

mod unified;

pub use unified::unified;
