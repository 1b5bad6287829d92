//! Three versions of a file become one, by type, or a reason why they cannot.
//!
//! When two members edit the same file, the one that comes second has three versions: `base`, which both
//! began with, its own `local` one, and the `remote` one that was accepted first. [`merge`] is the whole rule.
//!
//! Invariant: a clean result holds every change of both sides, and never a conflict marker; whatever is in doubt
//! is a conflict. Equal inputs give equal bytes on every member. `merge(b, x, b)`, `merge(b, b, x)` and
//! `merge(b, x, x)` are `x` for every type and size. With local and remote swapped a conflict stays a conflict
//! and a clean result a clean one, of the same bytes but for the order of what both put in the same place.
//!
//! This layer knows no paths, members or versions, keeps nothing, and does not decide what becomes of a
//! conflict; that is `rebase`.
//!
//! | part | is |
//! |---|---|
//! | [`FileType`] | what a file is taken for: by its content, unless [`Attributes`] say so |
//! | `text` | by line |
//! | `tree` | by path in a tree that stands over its text |
//! | `json`, `xml` | what these trees are, and what is particular to them |
//! | [`marked_up`] | the text a person edits to settle a conflict |
//! | [`patch`] | what changed between two versions, to be read |

mod attributes;
mod file_type;
mod json;
mod marked;
mod outcome;
pub mod patch;
mod text;
mod three_way;
mod tree;
mod xml;

#[cfg(test)]
mod tests;

pub use attributes::{Attributes, AttributesError};
pub use file_type::FileType;
pub use marked::{Labels, marked_up};
pub use outcome::{Outcome, Place, Unclean};
pub use three_way::{MERGE_BYTES_MAX, Versions, merge};
