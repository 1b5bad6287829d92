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
    /// As this process sees it; 0 where it cannot.
    pub pid: u32,
    /// Permission bits that what the caller makes is not to have, unless an access control list says otherwise.
    pub umask: u16,
}

impl Caller {
    /// The caller where set-id bits may not survive its changes, as far as the kernel lets us know.
    pub(super) fn if_unprivileged(self) -> Option<Caller> {
        Some(self).filter(|caller| caller.uid != 0)
    }

    /// Tells whether the caller belongs to a group, or may do as if. A request names one group; the others are the
    /// process's, where it can be seen.
    pub(super) fn belongs_to(&self, group: u32) -> bool {
        if self.uid == 0 || self.gid == group {
            return true;
        }
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let groups = status.lines().find_map(|line| line.strip_prefix("Groups:")).unwrap_or_default();
        groups.split_whitespace().any(|number| number.parse() == Ok(group))
    }
}
