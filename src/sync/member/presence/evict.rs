//! Evicting: whether an inode's content may go from this machine, and its going.

use super::super::keys;
use super::super::records::{Ino, Inode};
use super::super::state::{Effects, LocalError, Replica, Work};
use crate::model::{Digest, NodeId};
use crate::sync::kv::{Kv, Store};

/// Why a content stays on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stays {
    /// There is nothing here that could go.
    Absent,
    /// It is on this machine alone, and is to be.
    Unshared,
    /// The hub does not have it.
    Unsent,
    /// Somebody has it open.
    Open,
    Pinned,
}

/// What is known of an inode's content when it is asked whether that may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// A backing file holds bytes.
    pub has_file: bool,
    pub unshared: bool,
    /// Its content was changed and not captured.
    pub dirty: bool,
    /// It was made here and no op tells of it.
    pub embryo: bool,
    /// An op that is not accepted brings the content: pending, sealed, withheld or parked.
    pub brought: bool,
    pub open: bool,
    /// Remote content has cut it off from its node: the hub need not keep what it holds.
    pub detached: bool,
    pub pinned: bool,
}

/// None where the content may go. What is not sent is said before anything that the user can change.
pub fn why_it_stays(facts: &Facts) -> Option<Stays> {
    let Facts { has_file, unshared, dirty, embryo, brought, open, detached, pinned } = *facts;
    if !has_file {
        Some(Stays::Absent)
    } else if unshared {
        Some(Stays::Unshared)
    } else if dirty || embryo || brought {
        Some(Stays::Unsent)
    } else if open || detached {
        Some(Stays::Open)
    } else if pinned {
        Some(Stays::Pinned)
    } else {
        None
    }
}

impl<S: Store> Replica<S> {
    /// Why the inode's content stays here, or none where it may go.
    pub fn why_it_stays(&mut self, ino: Ino) -> Option<Stays> {
        let facts = self.transact_now(|work| Ok(work.facts(ino)));
        facts.map_or(Some(Stays::Absent), |(facts, _)| why_it_stays(&facts))
    }

    /// Lets go of the contents of inodes that are not the kernel's to hold on to; those that stay are passed over.
    /// Returns the inodes whose contents went.
    ///
    /// # Errors
    /// [`LocalError::Write`]; all stay then.
    pub fn evict(&mut self, inos: &[Ino]) -> Result<(Vec<Ino>, Effects), LocalError> {
        self.transact_now(|work| {
            let may_go = |ino: &Ino| why_it_stays(&work.facts(*ino)).is_none();
            let going: Vec<Ino> = inos.iter().copied().filter(may_go).collect();
            going.iter().for_each(|ino| work.let_content_go(*ino));
            Ok(going)
        })
    }
}

impl<S: Store> Work<'_, S> {
    fn facts(&self, ino: Ino) -> Facts {
        let Some(inode) = self.inode(ino) else { return Facts::default() };
        let content = inode.backing.and_then(|backing| backing.content);
        Facts {
            has_file: inode.backing.is_some(),
            unshared: inode.node.is_unshared(),
            // A file that is written holds no content that has a name.
            dirty: self.txn.get(&keys::dirty(ino)).is_some() || content.is_none(),
            embryo: self.txn.get(&keys::embryo(inode.node)).is_some(),
            brought: content.is_some_and(|content| self.is_brought(content)),
            open: self.state.open.contains_key(&ino),
            detached: inode.detached,
            pinned: self.is_pinned(inode.node),
        }
    }

    /// Tells whether an op that is not accepted brings the content.
    fn is_brought(&self, content: Digest) -> bool {
        self.txn.get(&keys::held(content)).is_some()
            || self.txn.scan_prefix(&keys::users_of(content)).next().is_some()
            || self.sealed_brings(content)
    }

    fn let_content_go(&mut self, ino: Ino) {
        let Some(inode) = self.inode(ino) else { return };
        self.give_up_backing(&inode);
        self.txn.remove(keys::unproven(ino));
        self.forget_blocks(ino);
        let node: NodeId = inode.node;
        self.save_inode(ino, &Inode { backing: None, ..inode });
        self.want(node);
    }
}
