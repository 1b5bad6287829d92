//! What comes out of a merge: bytes, or a reason a person understands.
//!
//! Invariant: a conflict names at most [`PLACES_MAX`] places, however large the file. It does not hold the
//! versions; whoever asked has them.

use std::fmt;

/// How many places a conflict names.
pub const PLACES_MAX: usize = 100;

/// The end of a merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The merged content.
    Clean(Vec<u8>),
    /// Nothing joins the two sides.
    Conflict(Unclean),
}

/// Why a merge is not clean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unclean {
    /// Content without lines or structure, changed on both sides.
    Binary,
    /// A version is larger than what is merged.
    TooLarge { bytes: u64, bytes_max: u64 },
    /// Both sides made the file, differently.
    NoBase,
    /// Both sides changed the same places.
    Overlap { places: Vec<Place> },
    /// The sides join, but the result would no longer be what both sides are.
    Malformed { expected: &'static str },
    /// An XML document that declares entities.
    Entities,
}

/// Where both sides changed something.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Lines of the base, counted from 1; `count` is 0 where both sides put something before `first`.
    Lines { first: usize, count: usize },
    /// A path in the document: a JSON Pointer, or steps from element to element.
    Path(String),
}

impl Unclean {
    /// A conflict at these places, the first of them if they are many.
    pub(super) fn overlap(mut places: Vec<Place>) -> Unclean {
        places.sort();
        places.dedup();
        places.truncate(PLACES_MAX);
        Unclean::Overlap { places }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Lines { first, count: 0 } => write!(f, "before line {first}"),
            Place::Lines { first, count: 1 } => write!(f, "line {first}"),
            Place::Lines { first, count } => write!(f, "lines {first}-{}", first + count - 1),
            Place::Path(path) if path.is_empty() => f.write_str("the whole document"),
            Place::Path(path) => f.write_str(path),
        }
    }
}

impl fmt::Display for Unclean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unclean::Binary => f.write_str("both sides changed a file that is neither text, JSON nor XML"),
            Unclean::TooLarge { bytes, bytes_max } => {
                write!(f, "both sides changed a file of {bytes} bytes; at most {bytes_max} are merged")
            }
            Unclean::NoBase => f.write_str("both sides made the file, with different content"),
            Unclean::Overlap { places } => {
                f.write_str("both sides changed ")?;
                let shown = places.iter().take(3).map(Place::to_string).collect::<Vec<_>>();
                f.write_str(&shown.join(", "))?;
                match places.len().saturating_sub(3) {
                    0 => Ok(()),
                    more if places.len() >= PLACES_MAX => write!(f, " and {more} or more other places"),
                    1 => f.write_str(" and one other place"),
                    more => write!(f, " and {more} other places"),
                }
            }
            Unclean::Malformed { expected } => {
                write!(
                    f,
                    "both sides are {expected}, but what joins them would not be, or would not mean both"
                )
            }
            Unclean::Entities => {
                f.write_str("both sides changed an XML document that declares entities; those are not merged")
            }
        }
    }
}
