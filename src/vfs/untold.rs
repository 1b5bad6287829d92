//! Inodes whose content is new and of which the kernel has not been told yet.
//!
//! Between a commit and the kernel's being told, it holds pages and sizes of the content before. Whoever opened such
//! an inode then would read the one cut to the size of the other: opening waits.

use super::host::ContentFiles;
use super::volume::Volume;
use crate::ops::Tree;
use crate::sync::Store;
use crate::sync::member::{Ino, Replica};
use crate::wire::Row;
use parking_lot::{Condvar, Mutex};
use std::collections::HashMap;
use std::time::Instant;

#[derive(Default)]
pub(super) struct Untold {
    inodes: Mutex<HashMap<Ino, u32>>,
    told: Condvar,
}

/// What the kernel is about to be told.
#[must_use = "the inodes cannot be opened before the kernel has been told"]
pub struct Announced(Vec<Ino>);

impl Untold {
    pub fn has(&self, ino: Ino) -> bool {
        self.inodes.lock().contains_key(&ino)
    }

    /// Waits until the kernel has been told of the inode, and until the deadline at most.
    pub fn wait(&self, ino: Ino, deadline: Instant) {
        let mut inodes = self.inodes.lock();
        while inodes.contains_key(&ino) && !self.told.wait_until(&mut inodes, deadline).timed_out() {}
    }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Takes note of rows that remote work has just changed. The replica has been locked since it changed them, so
    /// that nobody opens a file in between.
    pub fn announce(&self, replica: &Replica<S>, rows: &[Row]) -> Announced {
        self.ignores.note_rows(rows);
        let view = replica.view();
        let of_file = |row: &Row| match row {
            Row::Node(node) => {
                view.node(*node).filter(|row| row.manifest().is_some()).and(replica.known_ino_of(*node))
            }
            _ => None,
        };
        let announced: Vec<Ino> = rows.iter().filter_map(of_file).collect();
        let mut inodes = self.untold.inodes.lock();
        announced.iter().for_each(|ino| *inodes.entry(*ino).or_default() += 1);
        Announced(announced)
    }

    /// The kernel has been told.
    pub fn told(&self, announced: Announced) {
        let mut inodes = self.untold.inodes.lock();
        for ino in announced.0 {
            if let Some(count) = inodes.get_mut(&ino) {
                *count -= 1;
                if *count == 0 {
                    inodes.remove(&ino);
                }
            }
        }
        self.untold.told.notify_all();
    }
}
