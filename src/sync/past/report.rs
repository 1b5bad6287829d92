//! What ops do, as people are told of it.

use crate::model::{Name, NodeId, Place};
use crate::ops::{Tree, Verb, path_of};
use serde::{Deserialize, Serialize};

/// What one op does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Something removed is there again.
    BringBack,
    /// A content of before takes the place of today's.
    PutBack,
    MoveBack,
    /// One more name of a file is there again.
    LinkBack,
    Remove,
    /// A member's part is merged out of what others have written since.
    TakeOut,
    SetAttributes,
}

/// One op and the path it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    pub action: Action,
    /// From the root, names joined by slashes.
    pub path: Vec<u8>,
    /// Where it was, for a move.
    pub from: Option<Vec<u8>>,
}

/// Tells what an op is about to do to a tree.
pub fn told_of(tree: &impl Tree, verb: &Verb) -> Told {
    let (action, place, from) = match verb {
        Verb::Make(make) => (Action::BringBack, Some(&make.place), None),
        Verb::Put(_) => (Action::PutBack, None, None),
        Verb::Move(step) => (Action::MoveBack, Some(&step.to), Some(&step.from)),
        Verb::Link(link) => (Action::LinkBack, Some(&link.place), None),
        Verb::Drop(drop) => (Action::Remove, Some(&drop.place), None),
        Verb::SetMeta(_) | Verb::Settle { .. } | Verb::Record(_) => (Action::SetAttributes, None, None),
    };
    let path = place.map_or_else(|| path_of_node(tree, verb.node()), |place| path_of_place(tree, place));
    Told { action, path, from: from.map(|from| path_of_place(tree, from)) }
}

/// The path of a node, or of the last name that it had; empty for the root and where there is none.
pub(super) fn path_of_node(tree: &impl Tree, node: NodeId) -> Vec<u8> {
    match path_of(tree, node) {
        Some(names) => joined(&names),
        None => tree.tombstone(node).map_or(Vec::new(), |tombstone| path_of_place(tree, &tombstone.place)),
    }
}

fn path_of_place(tree: &impl Tree, place: &Place) -> Vec<u8> {
    let mut path = path_of_node(tree, place.parent);
    if !path.is_empty() {
        path.push(b'/');
    }
    path.extend_from_slice(place.name.as_bytes());
    path
}

fn joined(names: &[Name]) -> Vec<u8> {
    names.iter().map(Name::as_bytes).collect::<Vec<_>>().join(&b'/')
}
