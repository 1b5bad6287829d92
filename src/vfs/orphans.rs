//! Orphans: inodes that lost their last name while the kernel still holds on to them.
//!
//! An orphan is nothing to the replica any more; its attributes live here and its content in a backing file
//! that is removed when the kernel lets go.

use crate::model::Timestamp;
use crate::sync::member::{Attributes, Ino};
use parking_lot::Mutex;
use std::collections::HashMap;

#[derive(Default)]
pub(super) struct Orphans {
    inodes: Mutex<HashMap<Ino, Orphan>>,
}

/// What is left of an unlinked inode.
#[derive(Clone, Debug)]
pub(super) struct Orphan {
    pub attributes: Attributes,
    /// Its backing file, if it has one and the content was here when the last name went.
    pub file: Option<u64>,
    /// The file is nobody else's: it goes with the orphan. Until then a pending op may need what it holds.
    pub owns_file: bool,
}

impl Orphans {
    pub fn insert(&self, ino: Ino, mut orphan: Orphan, now: Timestamp) {
        orphan.attributes.links = 0;
        orphan.attributes.ctime = now;
        self.inodes.lock().insert(ino, orphan);
    }

    /// Takes up an orphan as an earlier process left it.
    pub fn restore(&self, ino: Ino, orphan: Orphan) {
        self.inodes.lock().insert(ino, orphan);
    }

    pub fn get(&self, ino: Ino) -> Option<Orphan> {
        self.inodes.lock().get(&ino).cloned()
    }

    /// Changes an orphan in place, if `ino` is one.
    pub fn update<R>(&self, ino: Ino, change: impl FnOnce(&mut Orphan) -> R) -> Option<R> {
        self.inodes.lock().get_mut(&ino).map(change)
    }

    /// Ends an orphan. Returns its backing file if that may go.
    pub fn remove(&self, ino: Ino) -> Option<u64> {
        let orphan = self.inodes.lock().remove(&ino)?;
        orphan.file.filter(|_| orphan.owns_file)
    }

    /// Of `files`, which the replica gave up, those that no orphan needs. The others are their orphans' now.
    pub fn unneeded(&self, mut files: Vec<u64>) -> Vec<u64> {
        if files.is_empty() {
            return files;
        }
        let mut inodes = self.inodes.lock();
        for orphan in inodes.values_mut() {
            if let Some(at) = files.iter().position(|file| orphan.file == Some(*file)) {
                files.swap_remove(at);
                orphan.owns_file = true;
            }
        }
        files
    }

    /// Ends all orphans. Returns the backing files that may go.
    pub fn clear(&self) -> Vec<u64> {
        let orphans = self.inodes.lock().drain().collect::<Vec<_>>();
        orphans.into_iter().filter_map(|(_, orphan)| orphan.file.filter(|_| orphan.owns_file)).collect()
    }
}
