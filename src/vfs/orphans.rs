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
}

impl Orphans {
    pub fn insert(&self, ino: Ino, mut orphan: Orphan, now: Timestamp) {
        orphan.attributes.links = 0;
        orphan.attributes.ctime = now;
        self.inodes.lock().insert(ino, orphan);
    }

    pub fn get(&self, ino: Ino) -> Option<Orphan> {
        self.inodes.lock().get(&ino).cloned()
    }

    /// Changes an orphan in place, if `ino` is one.
    pub fn update<R>(&self, ino: Ino, change: impl FnOnce(&mut Orphan) -> R) -> Option<R> {
        self.inodes.lock().get_mut(&ino).map(change)
    }

    /// Ends an orphan: its backing file may go.
    pub fn remove(&self, ino: Ino) -> Option<u64> {
        self.inodes.lock().remove(&ino).and_then(|orphan| orphan.file)
    }

    /// Of `files`, those that no orphan needs.
    pub fn unneeded(&self, files: Vec<u64>) -> Vec<u64> {
        if files.is_empty() {
            return files;
        }
        let inodes = self.inodes.lock();
        let needed = |file: &u64| inodes.values().any(|orphan| orphan.file == Some(*file));
        files.into_iter().filter(|file| !needed(file)).collect()
    }

    /// Ends all orphans.
    pub fn clear(&self) -> Vec<u64> {
        self.inodes.lock().drain().filter_map(|(_, orphan)| orphan.file).collect()
    }
}
