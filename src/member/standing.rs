//! What people are told of a member: how it stands with the hub, and what is wrong here while it lasts.

use super::link::LinkState;
use crate::model::Timestamp;
use crate::vfs;
use std::collections::BTreeMap;

/// What can go wrong on this machine, each on its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// The state could not be written.
    State,
    /// Content was not captured.
    Capture,
    /// What waits could not be made a commit.
    Seal,
    /// Content could not be sent.
    Upload,
    /// Content could not be fetched or kept.
    Fetch,
}

/// How a member stands.
#[derive(Clone, Debug)]
pub struct Standing {
    pub link: LinkState,
    pub since: Timestamp,
    troubles: BTreeMap<Trouble, String>,
}

impl Standing {
    /// At the start of a member.
    pub fn at_start() -> Standing {
        Standing { link: LinkState::Connecting, since: vfs::now(), troubles: BTreeMap::new() }
    }

    /// Takes note of the link. Attempts between two failures begin no new state: "unreachable since" is the first.
    pub fn link_is(&mut self, state: LinkState) {
        let kind = |state: &LinkState| std::mem::discriminant(state);
        let down = matches!(self.link, LinkState::Unreachable(_) | LinkState::Refused(_));
        if state == LinkState::Connecting && down {
            return;
        }
        if kind(&self.link) != kind(&state) {
            self.since = vfs::now();
        }
        self.link = state;
    }

    pub fn note(&mut self, trouble: Trouble, what: String) {
        self.troubles.insert(trouble, what);
    }

    pub fn forget(&mut self, trouble: Trouble) {
        self.troubles.remove(&trouble);
    }

    /// All that is wrong, for people.
    pub fn trouble(&self) -> Option<String> {
        let all: Vec<&str> = self.troubles.values().map(String::as_str).collect();
        Some(all.join("; ")).filter(|_| !all.is_empty())
    }
}
