//! What a mount was asked to be, and who asks it.

use crate::model::{Node, Owner};

/// How a volume treats owners.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Set on an unprivileged mount: everything is shown as this user's, and ops carry no owner, nor
    /// attributes that only root may set.
    pub shown_as: Option<Owner>,
}

impl Settings {
    /// The owner that a node is shown with.
    pub(super) fn owner_of(&self, row: &Node) -> Owner {
        self.shown_as.unwrap_or(row.owner)
    }
}

/// The user a request comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Caller {
    pub uid: u32,
    pub gid: u32,
    /// The thread it comes from; 0 where that is not known.
    pub pid: u32,
}

impl Caller {
    /// Tells whether set-id bits survive the caller's changes, as far as the kernel lets us know.
    pub(super) fn keeps_set_id(&self) -> bool {
        self.uid == 0
    }
}
