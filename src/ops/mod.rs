//! Verbs on the tree, and what each changes.
//!
//! [`apply`] is a function from something readable as a tree and an op to either row changes or a
//! [`Rejection`]. Hub and member run the very same function, so a commit that the hub accepts changes
//! every member's tree alike.
//!
//! Invariant: on a well-formed tree (every name leads to a live node, every live node but the root has a
//! name, a directory has exactly one and is not its own ancestor) the changes lead to a well-formed tree.
//! This layer does not decide what to do after a rejection; that is `rebase`.

mod apply;
mod likeness;
mod limits;
mod memory;
mod names;
mod place;
mod rejection;
mod tree;
mod verb;

#[cfg(test)]
mod tests;

pub use apply::{apply, resolve_successor};
pub use likeness::xattr_changes;
pub use limits::check_limits;
pub use memory::MemoryTree;
pub use names::shapes_succession;
pub use place::{is_within, path_of};
pub use rejection::Rejection;
pub use tree::{Change, ConflictRow, Tree, TreeMut};
pub use verb::{
    Attributes, Drop, Link, Make, Merged, Move, Op, Origin, Put, Replaced, Restored, SetMeta, Verb,
};
