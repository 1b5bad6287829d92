//! What a tree must answer for an op to be judged, and the row changes that come out.

use crate::model::{Conflict, MemberNumber, Name, Node, NodeId, Place, Tombstone};
use serde::{Deserialize, Serialize};

/// Something readable as a tree: rows in a store, rows in memory, or one laid over the other.
pub trait Tree {
    fn node(&self, id: NodeId) -> Option<Node>;
    fn tombstone(&self, id: NodeId) -> Option<Tombstone>;
    fn child(&self, parent: NodeId, name: &Name) -> Option<NodeId>;
    /// All names of a node; one for a directory, none for the root.
    fn places(&self, id: NodeId) -> Vec<Place>;
    fn is_empty(&self, directory: NodeId) -> bool;
    fn conflict(&self, node: NodeId, member: MemberNumber) -> Option<ConflictRow>;
    /// The members whose work is in conflict with the node.
    fn conflicts_of(&self, node: NodeId) -> Vec<MemberNumber>;
    /// The conflict that `copy` keeps the losing side of.
    fn conflict_of_copy(&self, copy: NodeId) -> Option<(NodeId, MemberNumber)>;
}

/// A tree whose rows can be written.
pub trait TreeMut: Tree {
    /// Writes rows as [`super::apply`] returned them, all of them.
    fn write(&mut self, changes: Vec<Change>);
}

/// An open conflict and the node that keeps what lost, where content lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictRow {
    pub conflict: Conflict,
    pub copy: Option<NodeId>,
}

/// One row's new value; None removes the row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Node(NodeId, Option<Node>),
    Tombstone(NodeId, Option<Tombstone>),
    /// The name row and, following from it, the rows from node to name.
    Name {
        place: Place,
        was: Option<NodeId>,
        now: Option<NodeId>,
    },
    Conflict {
        node: NodeId,
        member: MemberNumber,
        was: Option<ConflictRow>,
        now: Option<ConflictRow>,
    },
}
