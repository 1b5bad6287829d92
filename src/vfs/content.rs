//! An open inode: its backing file while it is open, and whether its content is dirty.

use super::host::Pieces;
use super::passage::Passage;
use crate::sync::member::Ino;
use parking_lot::{Mutex, RwLock};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// An inode that is open, or whose content is still to be captured.
pub(super) struct OpenInode {
    pub ino: Ino,
    /// Whoever changes content holds this shared; a capture that must not be disturbed holds it alone.
    pub gate: RwLock<()>,
    pub content: RwLock<Content>,
    pub passage: Passage,
    /// Held by whoever captures: nobody reads the same bytes at the same time.
    pub capturing: Mutex<()>,
    /// Held by whoever seals what it holds.
    pub sealing: Mutex<()>,
    /// Until when captures that nobody waits for leave the inode alone, in milliseconds since the volume started.
    pub rests_until: AtomicU64,
    /// Counts changes of content, each before it is made: an unchanged count means unchanged content.
    changes: AtomicU64,
    /// When content changed last, in milliseconds since the volume started.
    changed_at: AtomicU64,
    /// When somebody last waited for content in vain, in milliseconds since the volume started; 0 for never.
    gave_up_at: AtomicU64,
    /// A writable handle was flushed after the last change: its owner thinks the file closed.
    pub flushed: AtomicBool,
    /// The count of changes at that time.
    flushed_changes: AtomicU64,
    /// The bytes that were in its file then.
    flushed_bytes: AtomicU64,
    /// There are set-id bits or capabilities that a write must clear.
    pub privileged: AtomicBool,
}

/// What is known of an open inode's content.
#[derive(Default)]
pub(super) struct Content {
    /// Whether the other fields say what the store says.
    pub loaded: bool,
    /// The dirty mark stands in the store.
    pub dirty: bool,
    pub file: Option<Arc<File>>,
    /// The file is open for writing.
    pub writable: bool,
    /// What its handles read while there is no file.
    pub pieces: Option<Arc<dyn Pieces>>,
}

impl OpenInode {
    /// An inode that is opened at `at_ms`. One that has just been made is not quiet: somebody is about to write.
    pub fn new(ino: Ino, at_ms: u64) -> OpenInode {
        OpenInode {
            ino,
            gate: RwLock::new(()),
            content: RwLock::new(Content::default()),
            passage: Passage::default(),
            capturing: Mutex::new(()),
            sealing: Mutex::new(()),
            rests_until: AtomicU64::new(0),
            changes: AtomicU64::new(0),
            changed_at: AtomicU64::new(at_ms),
            gave_up_at: AtomicU64::new(0),
            flushed: AtomicBool::new(false),
            flushed_changes: AtomicU64::new(0),
            flushed_bytes: AtomicU64::new(0),
            privileged: AtomicBool::new(false),
        }
    }

    /// Counts a change that is about to be made.
    pub fn note_change(&self, at_ms: u64) {
        self.changes.fetch_add(1, Ordering::SeqCst);
        self.changed_at.store(at_ms, Ordering::Relaxed);
    }

    /// Counts a change of mtime, which belongs to the content that was flushed before.
    pub fn note_touch(&self) {
        let before = self.changes.fetch_add(1, Ordering::SeqCst);
        let set = Ordering::SeqCst;
        let _ = self.flushed_changes.compare_exchange(before, before + 1, set, set);
    }

    /// Notes a flush, with so many bytes in the file.
    pub fn note_flush(&self, bytes: u64) {
        self.flushed_bytes.store(bytes, Ordering::SeqCst);
        self.flushed_changes.store(self.changes(), Ordering::SeqCst);
        self.flushed.store(true, Ordering::SeqCst);
    }

    /// Takes a noted flush away, and returns the count of changes it had.
    pub fn take_flush(&self) -> Option<u64> {
        self.flushed.swap(false, Ordering::SeqCst).then(|| self.flushed_changes.load(Ordering::SeqCst))
    }

    /// Tells whether nothing has changed since a flush.
    pub fn is_as_flushed(&self) -> bool {
        self.flushed.load(Ordering::SeqCst) && self.flushed_changes.load(Ordering::SeqCst) == self.changes()
    }

    pub fn flushed_bytes(&self) -> u64 {
        self.flushed_bytes.load(Ordering::SeqCst)
    }

    /// Notes that content was waited for in vain.
    pub fn note_given_up(&self, at_ms: u64) {
        self.gave_up_at.store(at_ms.max(1), Ordering::Relaxed);
    }

    /// Tells whether content was waited for in vain so short a time ago.
    pub fn gave_up_within(&self, at_ms: u64, span_ms: u64) -> bool {
        let gave_up_at = self.gave_up_at.load(Ordering::Relaxed);
        gave_up_at > 0 && at_ms.saturating_sub(gave_up_at) < span_ms
    }

    /// The count of changes, all of them made: with the gate closed nobody is between counting and making one.
    pub fn changes_made(&self) -> u64 {
        let _gate = self.gate.write();
        self.changes()
    }

    pub fn changes(&self) -> u64 {
        self.changes.load(Ordering::SeqCst)
    }

    pub fn changed_at_ms(&self) -> u64 {
        self.changed_at.load(Ordering::Relaxed)
    }
}

impl Content {
    pub fn set_file(&mut self, file: File, writable: bool) -> Arc<File> {
        let file = Arc::new(file);
        (self.file, self.writable, self.pieces) = (Some(file.clone()), writable, None);
        file
    }

    /// The file, where the dirty mark stands and so it may be written at once.
    pub fn file_to_write(&self) -> Option<Arc<File>> {
        self.file.clone().filter(|_| self.dirty && self.writable)
    }
}
