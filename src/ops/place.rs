//! Ancestors and paths.

use super::Tree;
use crate::model::{Name, NodeId};

/// Tells whether `node` is `ancestor` or lies anywhere below it.
pub fn is_within(tree: &impl Tree, node: NodeId, ancestor: NodeId) -> bool {
    let mut at = node;
    loop {
        if at == ancestor {
            return true;
        }
        match tree.places(at).into_iter().next() {
            Some(place) => at = place.parent,
            None => return false,
        }
    }
}

/// The components from the root to a node, by its first name; None if it is not in the tree.
pub fn path_of(tree: &impl Tree, node: NodeId) -> Option<Vec<Name>> {
    let mut names = Vec::new();
    let mut at = node;
    while at != NodeId::ROOT {
        let place = tree.places(at).into_iter().next()?;
        names.push(place.name);
        at = place.parent;
    }
    names.reverse();
    Some(names)
}
