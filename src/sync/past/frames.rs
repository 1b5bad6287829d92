//! Where a walk over a tree stands: a stack of directories, each with a position in its listing.

use crate::model::{Name, NodeId};
use crate::sync::kv::Kv;
use crate::sync::rows::RowTree;
use crate::wire::RowKey;

/// More ops than these for one name mean that the view does not follow; the walk goes on without it.
const TRIES_MAX: u8 = 6;

/// One directory of a walk.
#[derive(Clone, Debug)]
pub(super) struct Frame {
    /// The directory in the tree that is walked over.
    pub walked: NodeId,
    /// What stands for it in the present.
    pub target: NodeId,
    /// How far along the path to the restored place this is; None below that place.
    pub on_path: Option<usize>,
    after: u64,
    /// The name that the last op was about, and how many were.
    tried: (Option<Name>, u8),
    /// The walk over the present's names, which follows the one over the past's.
    pub second: bool,
}

impl Frame {
    pub fn new(walked: NodeId, target: NodeId, on_path: Option<usize>) -> Frame {
        Frame { walked, target, on_path, after: 0, tried: (None, 0), second: false }
    }

    /// The next name of `tree` in `directory`; the same again until [`Frame::pass`].
    pub fn peek<K: Kv + ?Sized>(&self, tree: &RowTree<'_, K>, directory: NodeId) -> Option<(Name, NodeId)> {
        tree.list(directory, self.after).next()
    }

    /// Whether the walk has gone on behind a name.
    pub fn is_behind(&self, name: &Name) -> bool {
        self.after >= RowKey::name_order(name)
    }

    /// Goes on behind a name.
    pub fn pass(&mut self, name: &Name) {
        self.after = RowKey::name_order(name);
    }

    /// Counts an op about a name, or about the directory itself. False where there were too many.
    pub fn may_try(&mut self, name: Option<&Name>) -> bool {
        if self.tried.0.as_ref() != name {
            self.tried = (name.cloned(), 0);
        }
        self.tried.1 += 1;
        self.tried.1 <= TRIES_MAX
    }

    /// Begins the listing anew, for the walk over the present's names.
    pub fn begin_second(&mut self) {
        (self.second, self.after, self.tried) = (true, 0, (None, 0));
    }
}
