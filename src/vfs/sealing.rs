//! Sealing: what is fsynced is copied beside at once and described later.
//!
//! A program that fsyncs one file and then writes another relies on the order, and so do the members that get both: a
//! database's log is there before what it tells of. Describing a large file takes long; whoever fsyncs waits for a copy of
//! it alone, which shares extents where the file system can.
//!
//! Invariant: what gets into the log for an fsync is what the file held when it was called, or when a later fsync of it was
//! with no other file's in between. A sealed content that a later capture of the same inode has overtaken is dropped.
//! Order: what is sealed is in the ledger before fsync returns, until it is in the journal: should this process die, the
//! next one goes on in the same order.

use super::beside::TRY_AGAIN_AFTER;
use super::capture::{CAPTURED_AT_ONCE_BYTES_MAX, Outcome, describe};
use super::content::OpenInode;
use super::error::VfsError;
use super::host::ContentFiles;
use super::ledger::{Kind, Ledger};
use super::passage::Known;
use super::queue::BARRIER_WAIT_MAX;
use super::reading::copy_data;
use super::resume::read;
use super::stamp::Stamp;
use super::volume::Volume;
use crate::sync::Store;
use crate::sync::member::{Ino, content_of};
use crate::wire::encode;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

/// Sealed contents that wait to be described, at most: whoever fsyncs more waits.
const SEALED_MAX: usize = 8;
/// How often a file that the kernel may be writing is tried.
const TRIES: u32 = 5;

/// A file's content at one moment: a copy of it, and the stamp the file had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sealed {
    pub number: u64,
    pub stamp: Stamp,
}

#[derive(Serialize, Deserialize)]
struct SealedRecord {
    ino: Ino,
    stamp: Stamp,
}

fn sealed_records(ledger: &Ledger) -> Vec<(u64, SealedRecord)> {
    let records = ledger.all(Kind::Sealed).into_iter();
    records.filter_map(|(number, bytes)| Some((number, read("sealed content", &bytes)?))).collect()
}

/// The copies that an earlier process has sealed.
pub(super) fn sealed_files(ledger: &Ledger) -> Vec<u64> {
    sealed_records(ledger).into_iter().map(|(number, _)| number).collect()
}

/// What became of sealing.
pub(super) enum Sealing {
    Done(Sealed),
    /// There is nothing to capture.
    Unchanged,
    /// Content changed while it was copied.
    Disturbed,
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Captures what is fsynced: a small file at once, where nothing waits that was fsynced before.
    pub(super) fn capture_at_sync(&self, open: &Arc<OpenInode>) -> Result<(), VfsError> {
        if !open.content.read().dirty || self.orphans.get(open.ino).is_some() {
            return Ok(());
        }
        // What was closed before comes before, also where its release is still on its way.
        self.settle(&[open.ino]);
        let size = self.size_of(open)?;
        if size <= CAPTURED_AT_ONCE_BYTES_MAX && !self.queue.has_barriers() {
            return self.capture_surely(open);
        }
        if self.queue.sealed_count() >= SEALED_MAX {
            self.queue.wait_for_barriers(BARRIER_WAIT_MAX);
        }
        if size == 0 || !self.has_room_for(size) {
            self.queue.wait_for_barriers(BARRIER_WAIT_MAX);
            return self.capture_surely(open);
        }
        // One at a time: what is sealed later is queued later.
        let _sealing = open.sealing.lock();
        match self.seal(open)? {
            Sealing::Done(sealed) => {
                self.keep_sealed(open.ino, sealed);
                let replaced = self.queue.push_sealed(open.ino, sealed);
                self.drop_sealed(replaced);
                Ok(())
            }
            Sealing::Unchanged => Ok(()),
            Sealing::Disturbed => self.leave_to_daemon(open),
        }
    }

    fn seal(&self, open: &OpenInode) -> Result<Sealing, VfsError> {
        self.await_release(open);
        if !open.passage.is_written() {
            let _gate = open.gate.write();
            if !open.passage.is_written() {
                return self.seal_now(open);
            }
        }
        // What is fsynced again and again had better pass the daemon, which can keep writers out.
        if open.passage.synced.swap(true, Ordering::Relaxed) {
            self.watched.lock().insert(open.ino);
        }
        for _ in 0..TRIES {
            match self.seal_beside(open)? {
                Sealing::Disturbed => thread::sleep(TRY_AGAIN_AFTER),
                sealing => return Ok(sealing),
            }
        }
        Ok(Sealing::Disturbed)
    }

    /// The caller keeps writers out.
    fn seal_now(&self, open: &OpenInode) -> Result<Sealing, VfsError> {
        let file = match self.file_to_capture(open)? {
            Some(Some(file)) if open.passage.known_in(&file).is_none() => file,
            _ => return Ok(Sealing::Unchanged),
        };
        let stamp = Stamp::of(&file)?;
        let number = self.copy_to_new(&file)?;
        Ok(Sealing::Done(Sealed { number, stamp }))
    }

    /// A copy of a file, by its number.
    pub(super) fn copy_to_new(&self, file: &File) -> Result<u64, VfsError> {
        let number = self.replica.lock().allocate_file();
        let copied =
            self.files.create(number).map_err(VfsError::from).and_then(|copy| copy_data(file, &copy));
        match copied {
            Ok(()) => Ok(number),
            Err(error) => {
                self.remove_files(vec![number]);
                Err(error)
            }
        }
    }

    /// Captures what was sealed. Runs in the thread of the captures.
    pub(super) fn take_sealed(&self, ino: Ino, sealed: Sealed) -> Result<(), VfsError> {
        if self.replica.lock().inode(ino).is_none() {
            self.remove_files(vec![sealed.number]);
            return Ok(());
        }
        let open = self.acquire(ino, false);
        let taken = {
            let _capturing = open.capturing.lock();
            // Whoever has overtaken it meanwhile has removed it.
            if self.queue.is_overtaken() { Ok(()) } else { self.describe_sealed(&open, sealed).map(|_| ()) }
        };
        match taken.is_err() {
            true => self.drop_sealed([sealed]),
            false => self.ledger.remove(Kind::Sealed, sealed.number),
        }
        self.release(ino, false);
        taken
    }

    fn keep_sealed(&self, ino: Ino, sealed: Sealed) {
        let record = SealedRecord { ino, stamp: sealed.stamp };
        self.ledger.put(Kind::Sealed, sealed.number, &encode(&record));
    }

    /// Nobody describes these any more.
    pub(super) fn drop_sealed(&self, sealed: impl IntoIterator<Item = Sealed>) {
        for Sealed { number, .. } in sealed {
            self.ledger.remove(Kind::Sealed, number);
            self.remove_files(vec![number]);
        }
    }

    /// An inode is about to be captured as it is now, and stays dirty: the next process must not take what was sealed of
    /// it before for something newer.
    pub(super) fn forget_sealed(&self, ino: Ino) {
        let of_it = sealed_records(&self.ledger).into_iter().filter(|(_, record)| record.ino == ino);
        of_it.for_each(|(number, _)| self.ledger.remove(Kind::Sealed, number));
    }

    /// Takes up what an earlier process has sealed, in its order.
    pub(super) fn resume_sealed(&self) {
        let named: HashSet<u64> = self.replica.lock().backing_files().collect();
        for (number, SealedRecord { ino, stamp }) in sealed_records(&self.ledger) {
            let sealed = Sealed { number, stamp };
            self.replica.lock().note_file(number);
            if named.contains(&number) {
                // It is in the journal; the process died before it could say so.
                self.ledger.remove(Kind::Sealed, number);
            } else if self.replica.lock().is_dirty(ino) {
                let replaced = self.queue.push_sealed(ino, sealed);
                self.drop_sealed(replaced);
            } else {
                self.drop_sealed([sealed]);
            }
        }
    }

    /// Makes an op of what was sealed.
    pub(super) fn describe_sealed(&self, open: &OpenInode, sealed: Sealed) -> Result<Outcome, VfsError> {
        let copy = self.files.open_read(sealed.number)?;
        let described = describe(Some(&copy), || true)?
            .ok_or_else(|| VfsError::State("a sealed file changed although nobody writes it".into()))?;
        let known = Known { stamp: sealed.stamp, content: content_of(&described.manifest) };
        self.take_beside(open, sealed.stamp, (described, sealed.number), Some(known))
    }
}
