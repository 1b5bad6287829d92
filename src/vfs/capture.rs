//! Captures: at a flush point, what a backing file holds becomes the inode's content in the journal.
//!
//! A capture reads while writing may go on, and throws its work away if a change was counted since its flush point:
//! whoever made it has a flush point of its own to come. Where the flush point cannot wait (fsync, a rename)
//! a second try keeps writers out.

use super::attributes::{ctime_of, mtime_of};
use super::content::{Content, OpenInode};
use super::error::VfsError;
use super::host::ContentFiles;
use super::queue::{Job, Next};
use super::reading::{Described, read_manifest};
use super::stamp::Stamp;
use super::volume::Volume;
use crate::model::{ChunkId, Digest, Manifest, Timestamp};
use crate::sync::Store;
use crate::sync::member::{Captured, Ino};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Files up to this size are captured by the call whose flush point it is, larger ones in the background.
pub(super) const CAPTURED_AT_ONCE_BYTES_MAX: u64 = 1024 * 1024;
/// Chunks put aside in one transaction, in bytes.
const SPOOL_BYTES: usize = 4 * 1024 * 1024;
/// A file still open is captured once nobody has written to it for this long.
const QUIET: Duration = Duration::from_secs(2);

/// A file that stays open is captured again after so many times what its last capture took.
const REST_FACTOR: u64 = 20;

/// What became of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    /// Content changed while it was read.
    Disturbed,
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Works on captures until [`Volume::stop_captures`]; runs in a thread of its own.
    pub fn run_captures(&self) {
        while let Some(next) = self.queue.next() {
            let Next::Capture(job) = next else {
                self.settle_put_off();
                continue;
            };
            self.settle_put_off();
            if let Some(sealed) = job.sealed {
                self.report(job.ino, self.take_sealed(job.ino, sealed));
            } else if let Some(open) = self.open.get(job.ino) {
                let captured = self.try_capture(&open, job.changes).map(|_| ());
                self.report(job.ino, captured);
                self.prune_if_clean(&open);
            }
            self.queue.done();
        }
    }

    /// Lets [`Volume::run_captures`] return once its queue is empty.
    pub fn stop_captures(&self) {
        self.queue.stop();
    }

    /// Captures files still open that have been quiet for a while. To be called every second or so.
    pub fn capture_quiet(&self) {
        // The thread of the captures may be at a long one.
        self.settle_due();
        let quiet_since = self.elapsed_ms().saturating_sub(QUIET.as_millis() as u64);
        for open in self.open.all() {
            let is_quiet = || open.changed_at_ms() <= quiet_since && self.is_left_alone(&open);
            if is_quiet() && open.content.read().dirty {
                let changes = open.changes_made();
                if is_quiet() {
                    self.capture_or_queue(&open, changes);
                }
            }
        }
    }

    /// Waits for handles that were flushed to be released, then captures whatever is still marked.
    ///
    /// # Errors
    /// The first failure, after all inodes were tried.
    pub fn capture_all(&self, deadline: Instant) -> Result<(), VfsError> {
        self.settle_put_off();
        self.unshare_leaving(true).and(self.review_ignored())?;
        self.settle_before_op(&[])?;
        self.queue.wait_idle(deadline);
        let dirty = self.replica.lock().dirty_inodes();
        dirty.into_iter().map(|ino| self.capture_now(ino)).fold(Ok(()), Result::and)
    }

    /// Captures an inode before this returns, whether it is open or not.
    pub(super) fn capture_now(&self, ino: Ino) -> Result<(), VfsError> {
        self.settle_put_off();
        if !self.replica.lock().is_dirty(ino) {
            return Ok(());
        }
        let open = self.acquire(ino, false);
        let captured = self.capture_surely(&open);
        self.release(ino, false);
        captured
    }

    pub(super) fn capture_or_queue(&self, open: &Arc<OpenInode>, changes: u64) {
        self.settle_put_off();
        match self.size_of(open) {
            Ok(size) if size > CAPTURED_AT_ONCE_BYTES_MAX => {
                self.queue.push(Job { ino: open.ino, is_barrier: false, changes, sealed: None });
            }
            Ok(_) if self.queue.has_barriers() => {
                self.queue.push(Job { ino: open.ino, is_barrier: true, changes, sealed: None })
            }
            _ => {
                let captured = self.try_capture(open, changes).map(|_| ());
                self.report(open.ino, captured);
            }
        }
    }

    pub(super) fn capture_and_report(&self, ino: Ino) {
        let captured = self.capture_now(ino);
        self.report(ino, captured);
    }

    pub(super) fn report(&self, ino: Ino, captured: Result<(), VfsError>) {
        // The mark stays, so the content is taken at the next flush point or the next start.
        captured.unwrap_or_else(|error| tracing::warn!(ino = ino.0, %error, "content was not captured"));
    }

    pub(super) fn prune_if_clean(&self, open: &OpenInode) {
        if !open.content.read().dirty {
            self.open.prune(open);
        }
    }

    pub(super) fn capture_surely(&self, open: &OpenInode) -> Result<(), VfsError> {
        self.await_release(open);
        if self.try_capture(open, open.changes_made())? == Outcome::Done {
            return Ok(());
        }
        {
            let _capturing = open.capturing.lock();
            let _gate = open.gate.write();
            if !open.passage.is_written() {
                return self.capture_as_it_stands(open);
            }
        }
        self.capture_written(open)
    }

    /// Tells whether a file that the kernel writes has not changed for a while, and not been captured just now.
    fn is_left_alone(&self, open: &OpenInode) -> bool {
        if !open.passage.is_written() {
            return true;
        }
        let file = open.content.read().file.clone();
        let is_quiet = file.is_some_and(|file| Stamp::hasty(&file).is_ok_and(|stamp| stamp.age() >= QUIET));
        is_quiet && self.elapsed_ms() >= open.rests_until.load(Ordering::Relaxed)
    }

    /// Captures content in which nothing has changed since `changes` were counted.
    pub(super) fn try_capture(&self, open: &OpenInode, changes: u64) -> Result<Outcome, VfsError> {
        let _capturing = open.capturing.lock();
        if open.passage.is_written() {
            let began = self.elapsed_ms();
            let outcome = self.capture_beside(open)?;
            let took = self.elapsed_ms() - began;
            open.rests_until.store(began + took * REST_FACTOR, Ordering::Relaxed);
            return Ok(outcome);
        }
        let undisturbed = || open.changes() == changes;
        if !undisturbed() {
            return Ok(Outcome::Disturbed);
        }
        let Some(file) = self.file_to_capture(open)? else { return Ok(Outcome::Done) };
        let known = file.as_deref().and_then(|file| Some((file, open.passage.known_in(file)?)));
        if let Some((file, content)) = known {
            let _gate = open.gate.write();
            return match undisturbed() {
                true => self.settle_unwritten(open, file, content).map(|()| Outcome::Done),
                false => Ok(Outcome::Disturbed),
            };
        }
        let Some(described) = describe(file.as_deref(), undisturbed)? else {
            return Ok(Outcome::Disturbed);
        };
        let _gate = open.gate.write();
        if !undisturbed() {
            return Ok(Outcome::Disturbed);
        }
        self.take(open, file.as_deref(), described).map(|()| Outcome::Done)
    }

    /// The file holds what was captured last. The caller keeps writers out.
    fn settle_unwritten(&self, open: &OpenInode, file: &File, known: Digest) -> Result<(), VfsError> {
        let mut content = open.content.write();
        if !content.dirty || self.concerns_nobody(open.ino, &mut content) {
            return Ok(());
        }
        let blocks = file.metadata()?.blocks();
        self.work(|replica| Ok(((), replica.unwritten(open.ino, known, blocks)?)))?;
        self.is_clean_now(open, &mut content);
        Ok(())
    }

    /// All of an inode's content has been captured: what was sealed of it before comes too late.
    pub(super) fn overtake(&self, ino: Ino) {
        self.drop_sealed(self.queue.drop_sealed(ino));
    }

    fn is_clean_now(&self, open: &OpenInode, content: &mut Content) {
        content.dirty = false;
        *open.passage.known.lock() = None;
        if !self.open.has_handles(open.ino) {
            content.file = None;
        }
    }

    /// The caller keeps writers out.
    fn capture_as_it_stands(&self, open: &OpenInode) -> Result<(), VfsError> {
        let Some(file) = self.file_to_capture(open)? else { return Ok(()) };
        match describe(file.as_deref(), || true)? {
            Some(described) => self.take(open, file.as_deref(), described),
            None => Err(VfsError::State("a file changed although writers were kept out".into())),
        }
    }

    /// The file whose content is to be captured: none where there is nothing to capture, an inner none where
    /// the content is empty and has no file yet.
    #[allow(clippy::type_complexity)]
    pub(super) fn file_to_capture(&self, open: &OpenInode) -> Result<Option<Option<Arc<File>>>, VfsError> {
        let mut content = open.content.write();
        self.load(open.ino, &mut content);
        if !content.dirty || self.concerns_nobody(open.ino, &mut content) {
            return Ok(None);
        }
        if content.file.is_some() {
            return Ok(Some(content.file.clone()));
        }
        let Some(inode) = self.replica.lock().inode(open.ino) else { return Ok(None) };
        match inode.backing {
            Some(backing) => Ok(Some(Some(content.set_file(self.files.open_write(backing.file)?, true)))),
            None => Ok(Some(None)),
        }
    }

    /// Hands content to the journal and clears the dirty mark. The caller keeps writers out.
    fn take(&self, open: &OpenInode, file: Option<&File>, described: Described) -> Result<(), VfsError> {
        let mut content = open.content.write();
        if let Some((ctime, captured)) = self.to_take(open, &mut content, file, described)? {
            self.work(|replica| Ok(((), replica.capture(ctime, captured)?)))?;
            self.is_taken(open, &mut content);
        }
        Ok(())
    }

    /// What is to be handed to the journal, and when the inode last changed.
    pub(super) fn to_take(
        &self,
        open: &OpenInode,
        content: &mut Content,
        file: Option<&File>,
        described: Described,
    ) -> Result<Option<(Timestamp, Captured)>, VfsError> {
        if !content.dirty || self.concerns_nobody(open.ino, content) {
            return Ok(None);
        }
        let (mtime, ctime, blocks) = self.told_of_dirty(open, file)?;
        let Described { manifest, list } = described;
        Ok(Some((ctime, Captured { ino: open.ino, manifest, list, mtime, beside: None, blocks })))
    }

    /// Content was handed to the journal.
    pub(super) fn is_taken(&self, open: &OpenInode, content: &mut Content) {
        self.overtake(open.ino);
        let node = self.replica.lock().inode(open.ino).map(|inode| inode.node);
        node.into_iter().for_each(|node| self.ignores.changed(node));
        // Its last name may have gone at the last moment.
        if !self.concerns_nobody(open.ino, content) {
            self.is_clean_now(open, content);
        }
    }

    /// Tells whether an inode's last name is gone, or others are told nothing of it. In the former case its content
    /// stays dirty while it has handles: its size and mtime are the file's.
    pub(super) fn concerns_nobody(&self, ino: Ino, content: &mut Content) -> bool {
        let node = self.replica.lock().inode(ino).map(|inode| inode.node);
        match node {
            None => content.dirty &= self.open.has_handles(ino),
            Some(node) if node.is_unshared() => content.dirty = false,
            Some(_) => return false,
        }
        true
    }

    /// The mtime, the ctime, and the room that the file takes.
    fn told_of_dirty(
        &self,
        open: &OpenInode,
        file: Option<&File>,
    ) -> Result<(Timestamp, Timestamp, Option<u64>), VfsError> {
        let (attributes, _) = self.attributes(open.ino)?;
        match file {
            Some(file) => {
                let data = file.metadata()?;
                Ok((mtime_of(&data), attributes.ctime.max(ctime_of(&data)), Some(data.blocks())))
            }
            None => Ok((attributes.row.mtime, attributes.ctime, None)),
        }
    }

    /// Puts aside the bytes that a pending op needs and that only this file holds, before they are changed.
    pub(super) fn put_aside(&self, ino: Ino, file: &File) -> Result<(), VfsError> {
        let held = self.replica.lock().held_content(ino);
        held.map_or(Ok(()), |content| self.spool_all(content, file))
    }

    fn spool_all(&self, content: Digest, file: &File) -> Result<(), VfsError> {
        let mut gathered: Vec<(ChunkId, Vec<u8>)> = Vec::new();
        let mut bytes_gathered = 0;
        let spool =
            |chunks: Vec<(ChunkId, Vec<u8>)>| self.work(|replica| Ok(((), replica.spool(content, chunks)?)));
        read_manifest(
            file,
            || true,
            |chunk, bytes| {
                gathered.push((chunk, bytes.to_vec()));
                bytes_gathered += bytes.len();
                if bytes_gathered >= SPOOL_BYTES {
                    bytes_gathered = 0;
                    spool(std::mem::take(&mut gathered))?;
                }
                Ok(())
            },
        )?;
        spool(gathered)
    }
}

pub(super) fn describe(file: Option<&File>, go_on: impl Fn() -> bool) -> Result<Option<Described>, VfsError> {
    match file {
        Some(file) => read_manifest(file, go_on, |_, _| Ok(())),
        None => Ok(Some(Described { manifest: Manifest::empty(), list: Vec::new() })),
    }
}
