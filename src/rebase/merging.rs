//! Where two contents of one file meet and the one both came from is known: a rule may join them.
//!
//! Invariant: the joined content says what went into it; the content it was joined from stands nowhere in the new
//! view any more, so whatever this member put on top of that is joined again, and what it removed stays.

use super::content::Content;
use super::replay::{NO_VERSION, Rebase, Spot};
use crate::model::{Manifest, Name, Node, NodeId};
use crate::ops::{Merged, Origin, TreeMut, path_of};

/// The file in a space's root that says how files of which names are merged.
pub const ATTRIBUTES_NAME: &str = ".fl0wattributes";

/// Joins contents, where a rule does.
pub trait Merger {
    /// The content that has the changes of both sides; None keeps both contents beside each other.
    fn merge(&mut self, meeting: &Meeting) -> Option<Manifest>;
}

/// Joins nothing.
pub struct KeepBoth;

impl Merger for KeepBoth {
    fn merge(&mut self, _: &Meeting) -> Option<Manifest> {
        None
    }
}

/// Two contents of a file, and the one that both came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meeting<'a> {
    pub node: NodeId,
    /// The file's path from the root; None where it has no name.
    pub path: Option<Vec<Name>>,
    pub base: &'a Manifest,
    pub local: &'a Manifest,
    pub remote: &'a Manifest,
    /// The space's [`ATTRIBUTES_NAME`], where it has one.
    pub attributes: Option<(NodeId, Manifest)>,
}

impl<T: TreeMut, O: TreeMut> Rebase<'_, '_, T, O> {
    /// Joins a content, based on what stood at `spot`, with the file's accepted content. Tells where the content itself
    /// stands then: nowhere.
    pub(super) fn merge(&mut self, spot: Spot, accepted: &Node, content: &Content) -> Option<Spot> {
        let based_on = self.based_on.clone().filter(|_| !self.is_withheld(spot.node))?;
        let meeting = Meeting {
            node: spot.node,
            path: path_of(self.tree, spot.node),
            base: &based_on.manifest,
            local: &content.manifest,
            remote: accepted.manifest()?,
            attributes: self.attributes(),
        };
        let manifest = self.replayer.merger.merge(&meeting)?;
        let base = if spot.version == NO_VERSION { based_on.version } else { spot.version };
        let merged = Merged { base, local: based_on.version.next(), remote: accepted.version };
        let joined =
            Content { manifest, came_from: Some(Origin::Merged(merged)), holder: None, ..content.clone() };
        self.put_next(Spot { version: accepted.version, ..spot }, joined, None);
        Some(Spot { version: NO_VERSION, ..spot })
    }

    fn attributes(&self) -> Option<(NodeId, Manifest)> {
        let name = Name::new(ATTRIBUTES_NAME).expect("a plain word is a name");
        let node = self.tree.child(NodeId::ROOT, &name)?;
        Some((node, self.tree.node(node)?.manifest()?.clone()))
    }
}
