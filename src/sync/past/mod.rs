//! The tree as it was, and the ops that bring it back.
//!
//! [`PastTree`] is the tree at a sequence, built from the log alone. [`Restore`] and [`Undo`] walk over it and over
//! the present view, and say one op after the other; whoever runs them applies each before asking for the next, so
//! every op is judged by the view as it is at that moment, and work that goes on meanwhile is met, not overwritten
//! unseen.
//!
//! Invariant: contents are named by their manifests and never touched here: the hub has every content that a version
//! in its history names, so an op may bring one whose bytes are not on this machine.
//! This module asks nobody for entries and keeps no journal.

mod deeds;
mod frames;
mod report;
mod restore;
mod restore_names;
mod rows;
mod tree;
mod undo;
mod undo_names;

#[cfg(test)]
mod tests;

pub use deeds::Deeds;
pub use report::{Action, Told, told_of};
pub use restore::{Manner, Refusal, Restore};
pub use rows::{Piece, restore_version};
pub use tree::{PastError, PastTree, extend};
pub use undo::{Left, LeftReason, Merging, Undo};

use super::kv::Kv;
use super::rows::RowTree;
use crate::model::NodeId;
use crate::ops::Verb;

/// Gives node ids that nobody has.
pub type Allocate<'a> = &'a mut dyn FnMut() -> NodeId;

/// Ops one after the other, each said when those before it have been applied.
pub trait Steps {
    /// The next op that fits the present view; None at the end. `allocate` gives ids for new nodes.
    fn next<K: Kv + ?Sized>(&mut self, present: &RowTree<'_, K>, allocate: Allocate<'_>) -> Option<Verb>;
}
