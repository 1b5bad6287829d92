//! The table of open inodes.
//!
//! Invariant: an inode is in the table while it has handles or its content is dirty; what a crash left dirty gets into
//! it with [`super::Volume::recover`].

use super::content::OpenInode;
use crate::sync::member::Ino;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Default)]
pub(super) struct OpenTable {
    slots: Mutex<HashMap<Ino, Slot>>,
}

struct Slot {
    inode: Arc<OpenInode>,
    handles: u32,
    writers: u32,
}

/// What remains of an inode's handles after one of them went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Remaining {
    pub handles: u32,
    pub writers: u32,
    /// The count of changes when it went: whoever opens the inode later changes it later.
    pub changes: u64,
}

impl OpenTable {
    pub fn get(&self, ino: Ino) -> Option<Arc<OpenInode>> {
        self.slots.lock().get(&ino).map(|slot| slot.inode.clone())
    }

    /// All open inodes.
    pub fn all(&self) -> Vec<Arc<OpenInode>> {
        self.slots.lock().values().map(|slot| slot.inode.clone()).collect()
    }

    /// Counts a handle. Tells whether it is the first.
    pub fn add(&self, ino: Ino, writer: bool, at_ms: u64) -> (Arc<OpenInode>, bool) {
        let mut slots = self.slots.lock();
        let new = || Slot { inode: Arc::new(OpenInode::new(ino, at_ms)), handles: 0, writers: 0 };
        let slot = slots.entry(ino).or_insert_with(new);
        slot.handles += 1;
        slot.writers += u32::from(writer);
        (slot.inode.clone(), slot.handles == 1)
    }

    /// Takes a handle away; the inode stays in the table.
    pub fn subtract(&self, ino: Ino, writer: bool) -> Remaining {
        let mut slots = self.slots.lock();
        let Some(slot) = slots.get_mut(&ino) else { return Remaining { handles: 0, writers: 0, changes: 0 } };
        slot.handles -= 1;
        slot.writers -= u32::from(writer);
        Remaining { handles: slot.handles, writers: slot.writers, changes: slot.inode.changes() }
    }

    pub fn has_handles(&self, ino: Ino) -> bool {
        self.slots.lock().get(&ino).is_some_and(|slot| slot.handles > 0)
    }

    pub fn has_writers(&self, ino: Ino) -> bool {
        self.slots.lock().get(&ino).is_some_and(|slot| slot.writers > 0)
    }

    /// Drops an inode that nobody has open, unless another has taken its place. The caller knows that it is not dirty.
    pub fn prune(&self, inode: &OpenInode) {
        let mut slots = self.slots.lock();
        let is_this = |slot: &Slot| slot.handles == 0 && std::ptr::eq(&*slot.inode, inode);
        if slots.get(&inode.ino).is_some_and(is_this) {
            slots.remove(&inode.ino);
        }
    }
}
