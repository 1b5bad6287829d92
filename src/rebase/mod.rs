//! Local work replayed on new history.
//!
//! The *old view* is the old base with the journal on top; [`replay`] takes the journal's ops one by one,
//! translates each from the old view to the new one and writes it there. Both views are followed at once:
//! the old one tells what an op meant (which version it changed, whether it was a save by rename), the new
//! one what has become of it. Where both sides touched the same thing the conflict table decides.
//!
//! Invariant: every op that comes out was applied to the new tree by [`crate::ops::apply`], so a hub with the
//! same base accepts it; content that goes in comes out, or is in the tree or the log already; on an unchanged
//! base exactly the pending ops come out.
//! This layer has no content, only manifests: where two contents of one file meet it asks a [`Merger`], and where that
//! has no answer they end as conflict copies. It sends and stores nothing.

mod conflict_name;
mod conflicts;
mod content;
mod drops;
mod makes;
mod merging;
mod moves;
mod replay;
mod revive;
mod was;
mod withheld;
#[cfg(test)]
mod tests;

pub use conflict_name::conflict_name;
pub use merging::{ATTRIBUTES_NAME, KeepBoth, Meeting, Merger};
pub use replay::Rebase;

use crate::model::{Conflict, MemberName, MemberNumber, NodeId, Version};
use crate::ops::{Op, TreeMut};
use std::collections::BTreeMap;

/// What replay needs to know beyond the trees.
pub struct Replayer<'a> {
    pub author: MemberNumber,
    pub member_name: &'a MemberName,
    /// Gives numbers for new nodes; each only once.
    pub allocate: &'a mut dyn FnMut() -> NodeId,
    pub merger: &'a mut dyn Merger,
    pub policy: Policy,
}

/// What becomes of two contents that cannot be joined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// The accepted one keeps the name, this member's goes beside it, for everybody.
    #[default]
    Copy,
    /// This member's stays where it is and is not sent until somebody decides.
    Hold,
}

/// An op the hub has not accepted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    pub op: Op,
    /// The caller's own, given back with each op that this one becomes.
    pub tag: u64,
    /// It is in conflict and must not be sent.
    pub withheld: bool,
}

impl Pending {
    pub fn new(op: Op, tag: u64) -> Pending {
        Pending { op, tag, withheld: false }
    }
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replayed {
    /// What the journal now holds, in order.
    pub ops: Vec<Pending>,
    /// False means that `ops` are exactly those that were pending.
    pub changed: bool,
    /// Nodes of the old view that another node of the new one stands for.
    pub nodes: BTreeMap<NodeId, NodeId>,
    /// Contents of the old view, by node and version, that stand elsewhere in the new one. Version 0 means
    /// that no version of that node has this content: whatever is based on it meets a conflict.
    pub versions: BTreeMap<(NodeId, Version), (NodeId, Version)>,
    /// Conflicts met in this replay.
    pub conflicts: Vec<Conflict>,
}

/// Where the old base's nodes and contents stand in the new base, where that is not under their own ids and versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Correspondence {
    pub nodes: BTreeMap<NodeId, NodeId>,
    pub versions: BTreeMap<(NodeId, Version), (NodeId, Version)>,
}

/// Replays a journal: `old` is the old base and becomes the old view, `tree` is the new base and becomes the
/// new view. What is written to `old` is of no further use.
pub fn replay<T: TreeMut, O: TreeMut>(
    tree: &mut T,
    old: &mut O,
    stands: Correspondence,
    pending: impl IntoIterator<Item = Pending>,
    replayer: Replayer,
) -> Replayed {
    let mut rebase = Rebase::new(tree, old, replayer);
    rebase.begin_with(stands);
    pending.into_iter().for_each(|pending| rebase.step(pending));
    rebase.finish()
}

/// Replays one op that was based on an older state of `tree` itself: the content of a file that was open here
/// while another content took its place.
pub fn replay_late<T: TreeMut>(tree: &mut T, late: Pending, replayer: Replayer) -> Replayed {
    replay(tree, &mut was::Forgotten, Correspondence::default(), [late], replayer)
}
