//! Inodes whose content is new and of which the kernel has not been told yet.
//!
//! Between a commit and the kernel's being told, it holds pages and sizes of the content before. Whoever opened such
//! an inode then would read the one cut to the size of the other: opening waits.

use super::host::ContentFiles;
use super::ledger::{Kind, Ledger};
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
    /// How many changes the kernel is still to be told of.
    changes: Mutex<u64>,
}

/// Rows are being changed; the ledger says so until this is dropped, and the kernel has been told.
pub struct Changing<'a> {
    changes: &'a Mutex<u64>,
    ledger: &'a Ledger,
}

impl<'a> Changing<'a> {
    fn begin(changes: &'a Mutex<u64>, ledger: &'a Ledger) -> Changing<'a> {
        let mut count = changes.lock();
        if *count == 0 {
            ledger.put(Kind::Untold, 0, &[]);
        }
        *count += 1;
        Changing { changes, ledger }
    }
}

impl Drop for Changing<'_> {
    fn drop(&mut self) {
        let mut count = self.changes.lock();
        *count -= 1;
        if *count == 0 {
            self.ledger.remove(Kind::Untold, 0);
        }
    }
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
    /// Notes that the kernel will have to be told of something, whatever becomes of this process.
    pub fn changing(&self) -> Changing<'_> {
        Changing::begin(&self.untold.changes, &self.ledger)
    }

    /// Whether an earlier process may have changed rows without telling the kernel.
    pub fn is_kernel_behind(&self) -> bool {
        self.ledger.get(Kind::Untold, 0).is_some()
    }

    /// All inodes that the kernel may know.
    pub fn known_inodes(&self) -> Vec<Ino> {
        self.replica.lock().all_inodes()
    }

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
        std::mem::forget(self.changing());
        Announced(announced)
    }

    /// The kernel has been told.
    pub fn told(&self, announced: Announced) {
        // The one that began when it was announced.
        drop(Changing { changes: &self.untold.changes, ledger: &self.ledger });
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
