//! Why an op does not apply to a tree.

use crate::model::{NodeId, Version};

/// The reason an op does not apply. Most mean that history moved on; [`Rejection::is_illegal`] tells the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("node {0} does not exist")]
    Missing(NodeId),
    #[error("node {0} exists already")]
    Exists(NodeId),
    #[error("node {0} is not a directory")]
    NotDirectory(NodeId),
    #[error("node {0} is a directory")]
    IsDirectory(NodeId),
    #[error("node {0} is not a regular file")]
    NotFile(NodeId),
    #[error("the name leads to node {0}")]
    NameTaken(NodeId),
    #[error("the name does not lead to node {0}")]
    NotThere(NodeId),
    #[error("node {node} is at version {}", now.0)]
    Stale { node: NodeId, now: Version },
    #[error("directory {0} is not empty")]
    NotEmpty(NodeId),
    #[error("directory {0} would become its own ancestor")]
    Cycle(NodeId),
    #[error("node {0} was not numbered by the member that makes it")]
    ForeignNumber(NodeId),
    #[error("{0}")]
    Limit(&'static str),
}

impl Rejection {
    /// Tells whether the op can never apply, whatever the tree: its author is at fault, not history.
    pub fn is_illegal(&self) -> bool {
        matches!(self, Rejection::ForeignNumber(_) | Rejection::Limit(_))
    }
}
