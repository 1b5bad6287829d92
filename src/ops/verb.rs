//! Ops: single intentions on the tree, each saying what it was based on.

use crate::model::{
    Body, Conflict, Manifest, MemberNumber, NodeId, Owner, Place, Timestamp, Version, Xattrs,
};
use serde::{Deserialize, Serialize};

/// One intention and its author's wall time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    pub time: Timestamp,
    pub verb: Verb,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verb {
    Make(Make),
    Put(Put),
    SetMeta(SetMeta),
    Link(Link),
    Move(Move),
    Drop(Drop),
    /// Closes the conflict of a node with a member's work.
    Settle {
        node: NodeId,
        member: MemberNumber,
    },
    /// States a conflict that no other op carries.
    Record(Conflict),
}

/// Makes a node under a name that must be free, or brings a removed one back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Make {
    pub node: NodeId,
    pub place: Place,
    pub body: Body,
    pub mode: u16,
    /// None takes the parent's: an unprivileged mount knows no owners.
    pub owner: Option<Owner>,
    pub mtime: Timestamp,
    pub xattrs: Xattrs,
    /// Set where the node brings an earlier version back.
    pub came_from: Option<Origin>,
    /// Set where the node is a conflict copy, or comes back against a removal.
    pub conflict: Option<Conflict>,
}

/// Gives a file its next content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Put {
    pub node: NodeId,
    /// The version the content came from; it must still be the file's.
    pub base: Version,
    pub manifest: Manifest,
    pub mtime: Timestamp,
    /// Set where the content comes with the attributes of a file that was renamed over this one.
    pub attributes: Option<Attributes>,
    pub came_from: Option<Origin>,
    pub conflict: Option<Conflict>,
}

/// What a newcomer brings along when it takes an existing file's place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    pub mode: u16,
    /// None keeps the existing file's, and its attributes that only root may set.
    pub owner: Option<Owner>,
    pub xattrs: Xattrs,
}

/// What a content was made of, where nobody wrote it as it is. History tells it; nothing else depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    Merged(Merged),
    Restored(Restored),
}

/// The three versions a merge was made of; `local` is the number that its author's own content had had so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Merged {
    pub base: Version,
    pub local: Version,
    pub remote: Version,
}

/// The version that was brought back, which may be another node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restored {
    pub node: NodeId,
    pub version: Version,
}

/// Changes attributes; None leaves a field as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetMeta {
    pub node: NodeId,
    pub mode: Option<u16>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub mtime: Option<Timestamp>,
    /// Name and new value; None removes the attribute.
    pub xattrs: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// Gives a node that is not a directory one more name, which must be free.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    pub node: NodeId,
    pub place: Place,
}

/// Renames. Never replaces a node it did not expect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    pub node: NodeId,
    pub from: Place,
    pub to: Place,
    /// What is expected under the new name; None expects it free.
    pub replaces: Option<Replaced>,
    /// Both nodes change places; `replaces` must then be set.
    pub exchange: bool,
    /// In a succession the existing file's owner stays, and what only root may set: the author's mount knows neither.
    pub keeps_owner: bool,
}

/// A node a move expects under its new name, with the version it saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    pub node: NodeId,
    pub version: Version,
}

/// Removes one name; with the last one the node ends, and only then its version is checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drop {
    pub node: NodeId,
    pub place: Place,
    pub version: Version,
}

impl Op {
    /// The same op about other nodes: every node it names is passed through `rename`.
    pub fn map_nodes(mut self, rename: &impl Fn(NodeId) -> NodeId) -> Op {
        let place = |place: &mut Place| place.parent = rename(place.parent);
        let origin = |origin: &mut Option<Origin>| {
            if let Some(Origin::Restored(restored)) = origin {
                restored.node = rename(restored.node);
            }
        };
        let record = |conflict: &mut Option<Conflict>| {
            conflict.iter_mut().for_each(|conflict| conflict.node = rename(conflict.node));
        };
        match &mut self.verb {
            Verb::Make(make) => {
                make.node = rename(make.node);
                place(&mut make.place);
                origin(&mut make.came_from);
                record(&mut make.conflict);
            }
            Verb::Put(put) => {
                put.node = rename(put.node);
                origin(&mut put.came_from);
                record(&mut put.conflict);
            }
            Verb::SetMeta(set) => set.node = rename(set.node),
            Verb::Link(link) => {
                link.node = rename(link.node);
                place(&mut link.place);
            }
            Verb::Move(step) => {
                step.node = rename(step.node);
                place(&mut step.from);
                place(&mut step.to);
                step.replaces.iter_mut().for_each(|replaced| replaced.node = rename(replaced.node));
            }
            Verb::Drop(drop) => {
                drop.node = rename(drop.node);
                place(&mut drop.place);
            }
            Verb::Settle { node, .. } => *node = rename(*node),
            Verb::Record(conflict) => conflict.node = rename(conflict.node),
        }
        self
    }
}

impl Verb {
    /// The node the op is about.
    pub fn node(&self) -> NodeId {
        match self {
            Verb::Make(make) => make.node,
            Verb::Put(put) => put.node,
            Verb::SetMeta(set) => set.node,
            Verb::Link(link) => link.node,
            Verb::Move(rename) => rename.node,
            Verb::Drop(drop) => drop.node,
            Verb::Settle { node, .. } => *node,
            Verb::Record(conflict) => conflict.node,
        }
    }

    /// What the op's content was made of, where nobody wrote it as it is.
    pub fn came_from(&self) -> Option<Origin> {
        match self {
            Verb::Make(make) => make.came_from,
            Verb::Put(put) => put.came_from,
            _ => None,
        }
    }

    /// The content the op brings, if any.
    pub fn manifest(&self) -> Option<&Manifest> {
        match self {
            Verb::Make(Make { body: Body::File(manifest), .. }) => Some(manifest),
            Verb::Put(put) => Some(&put.manifest),
            _ => None,
        }
    }
}
