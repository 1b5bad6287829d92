//! Before content changes: the backing file is there, what the hub still lacks of it is put aside, and the
//! dirty mark is in the store.
//!
//! Order: spool, then dirty mark, then the change. A crash between any two loses nothing: the mark alone makes
//! the next start capture what the file holds.

use super::attributes::{Stat, mtime_of};
use super::content::{Content, OpenInode};
use super::error::VfsError;
use super::host::ContentFiles;
use super::piecewise::copy_pieces;
use super::volume::Volume;
use crate::model::{Body, Timestamp};
use crate::sync::Store;
use crate::sync::member::Ino;
use rustix::fs::{Timespec, Timestamps, UTIME_OMIT};
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long reading waits for content that is still elsewhere.
pub(super) const MATERIALIZE_WAIT_MAX: Duration = Duration::from_secs(30);
/// A read that follows a wait in vain so closely is the same one's second try.
const SECOND_READ_WITHIN_MS: u64 = 1_000;

/// What is wanted of content that is about to be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    /// The change is to some of it.
    Content,
    /// Nothing of it matters: it is cut to nothing.
    Nothing,
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// The file to change, after everything that must come before a change. The caller holds the inode's gate.
    pub(super) fn prepare(&self, open: &OpenInode, keep: Keep) -> Result<Arc<File>, VfsError> {
        if keep == Keep::Content
            && let Some(file) = open.content.read().file_to_write()
            && !self.host.refuses_writes()
        {
            open.note_change(self.elapsed_ms());
            return Ok(file);
        }
        let deadline = Instant::now() + MATERIALIZE_WAIT_MAX;
        loop {
            if keep == Keep::Content {
                self.wait_for_content(open.ino, deadline)?;
            }
            let mut content = open.content.write();
            self.load(open.ino, &mut content);
            // Remote content may have come between the wait and the lock, and itself be elsewhere.
            if keep == Keep::Content && !self.is_here(open.ino, &content) {
                continue;
            }
            open.note_change(self.elapsed_ms());
            return self.make_writable(open, &mut content, keep);
        }
    }

    fn make_writable(
        &self,
        open: &OpenInode,
        content: &mut Content,
        keep: Keep,
    ) -> Result<Arc<File>, VfsError> {
        if self.orphans.get(open.ino).is_some() {
            return self.orphan_file(open, content, keep);
        }
        if self.replica.lock().read_only() {
            return Err(VfsError::ReadOnly);
        }
        if self.host.refuses_writes() {
            return Err(VfsError::NoSpace);
        }
        let attributes = self.attributes(open.ino)?.0;
        let (row, is_unshared) = (attributes.row, attributes.node.is_unshared());
        open.privileged.store(super::meta::has_privileges(&row), std::sync::atomic::Ordering::Relaxed);
        let backing = self.replica.lock().inode(open.ino).ok_or(VfsError::NotFound)?.backing;
        match (backing, keep) {
            (Some(backing), _) if content.dirty || is_unshared => {
                let file = self.writable_file(content, backing.file)?;
                content.dirty = true;
                if keep == Keep::Nothing {
                    file.set_len(0)?;
                }
                Ok(file)
            }
            (Some(backing), keep) if keep == Keep::Content || open.passage.is_used() => {
                let file = self.writable_file(content, backing.file)?;
                self.put_aside(open.ino, &file)?;
                // Until the first change a capture must find the mtime that the row has.
                if mtime_of(&file.metadata()?) != row.mtime {
                    set_mtime(&file, row.mtime)?;
                }
                self.work(|replica| Ok(((), replica.mark_dirty(open.ino)?)))?;
                content.dirty = true;
                if keep == Keep::Nothing {
                    file.set_len(0)?;
                }
                self.note_known(open, &file, backing.content.filter(|_| open.passage.is_written()));
                Ok(file)
            }
            // What a pending op still needs stays in the old file.
            _ => self.fresh_file(open.ino, content, keep),
        }
    }

    fn writable_file(&self, content: &mut Content, number: u64) -> Result<Arc<File>, VfsError> {
        match &content.file {
            Some(file) if content.writable => Ok(file.clone()),
            _ => Ok(content.set_file(self.files.open_write(number)?, true)),
        }
    }

    /// Gives the inode an empty backing file, with its dirty mark. What its handles read in pieces is in it, if that is
    /// to be kept.
    fn fresh_file(&self, ino: Ino, content: &mut Content, keep: Keep) -> Result<Arc<File>, VfsError> {
        let number = self.replica.lock().allocate_file();
        let file = self.files.create(number)?;
        if let Some(pieces) = content.pieces.as_ref().filter(|_| keep == Keep::Content)
            && let Err(error) = copy_pieces(&**pieces, &file)
        {
            self.remove_files(vec![number]);
            return Err(error);
        }
        if let Err(error) = self.work(|replica| Ok(((), replica.set_backing(ino, number)?))) {
            self.remove_files(vec![number]);
            return Err(error);
        }
        content.dirty = true;
        Ok(content.set_file(file, true))
    }

    /// An unlinked inode's content is nobody's business: no mark, no op.
    fn orphan_file(
        &self,
        open: &OpenInode,
        content: &mut Content,
        keep: Keep,
    ) -> Result<Arc<File>, VfsError> {
        let (ino, in_use) = (open.ino, open.passage.is_used());
        let orphan = self.orphans.get(ino).ok_or(VfsError::NotFound)?;
        let file = match orphan.file {
            Some(_) if in_use && !orphan.owns_file => return Err(VfsError::Busy),
            Some(number) if orphan.owns_file => self.writable_file(content, number)?,
            shared => {
                let number = self.replica.lock().allocate_file();
                let file = self.files.create(number)?;
                if let Some(shared) = shared.filter(|_| keep == Keep::Content) {
                    // A pending op needs the bytes that the last name went with.
                    std::io::copy(&mut self.files.open_read(shared)?, &mut &file)?;
                } else if let Some(pieces) = content.pieces.as_ref().filter(|_| keep == Keep::Content) {
                    copy_pieces(&**pieces, &file)?;
                }
                self.orphans.update(ino, |orphan| {
                    (orphan.file, orphan.owns_file) = (Some(number), true);
                    self.keep_orphan(ino, orphan);
                });
                content.set_file(file, true)
            }
        };
        if keep == Keep::Nothing {
            file.set_len(0)?;
        }
        // Its size and mtime are the file's from now on.
        content.dirty = true;
        Ok(file)
    }

    /// The file to read, or none where the content is empty. Waits for content that is elsewhere.
    pub(super) fn file_to_read(&self, open: &OpenInode) -> Result<Option<Arc<File>>, VfsError> {
        if let Some(file) = &open.content.read().file {
            return Ok(Some(file.clone()));
        }
        // The kernel reads ahead and, where that has failed, reads once more what it was asked for: nobody is to wait
        // twice for one read.
        let again = open.gave_up_within(self.elapsed_ms(), SECOND_READ_WITHIN_MS);
        let deadline = Instant::now() + if again { Duration::ZERO } else { MATERIALIZE_WAIT_MAX };
        loop {
            self.wait_for_content(open.ino, deadline).inspect_err(|_| {
                if !again {
                    open.note_given_up(self.elapsed_ms());
                }
            })?;
            let mut content = open.content.write();
            self.load(open.ino, &mut content);
            if let Some(file) = &content.file {
                return Ok(Some(file.clone()));
            }
            if !self.is_here(open.ino, &content) {
                continue;
            }
            let (attributes, _) = self.attributes(open.ino)?;
            let is_empty = |body: &Body| matches!(body, Body::File(manifest) if manifest.length == 0);
            // One that was cut off from its node without a file had been empty.
            let empty = attributes.detached || is_empty(&attributes.row.body);
            return match self.backing_number(open.ino) {
                Some(number) => Ok(Some(content.set_file(self.files.open_read(number)?, false))),
                None if empty => Ok(None),
                None => Err(VfsError::NotMaterialized),
            };
        }
    }

    pub(super) fn backing_number(&self, ino: Ino) -> Option<u64> {
        let inode = self.replica.lock().inode(ino);
        match inode {
            Some(inode) => inode.backing.map(|backing| backing.file),
            None => self.orphans.get(ino).and_then(|orphan| orphan.file),
        }
    }

    /// Tells whether an operation on the inode's content would have to wait for it.
    pub fn must_wait(&self, ino: Ino) -> bool {
        let ready = self.open.get(ino).is_some_and(|open| open.content.read().file.is_some());
        !ready && !self.is_materialized(ino)
    }

    fn is_here(&self, ino: Ino, content: &Content) -> bool {
        content.file.is_some() || content.dirty || self.is_materialized(ino)
    }

    pub(super) fn is_materialized(&self, ino: Ino) -> bool {
        // An orphan's content will never come; what is missing is an error and not worth a wait.
        self.replica.lock().is_materialized(ino) || self.orphans.get(ino).is_some()
    }

    pub(super) fn wait_for_content(&self, ino: Ino, deadline: Instant) -> Result<(), VfsError> {
        if !self.must_wait(ino) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(VfsError::NotMaterialized);
        }
        self.host.wait_materialized(ino, deadline).map_err(|_| VfsError::NotMaterialized)
    }

    /// The bytes that an inode has now.
    pub(super) fn size_of(&self, open: &OpenInode) -> Result<u64, VfsError> {
        let stat: Stat = self.stat(open.ino)?;
        Ok(stat.size)
    }
}

/// Sets a backing file's mtime and leaves its atime.
pub(super) fn set_mtime(file: &File, mtime: Timestamp) -> Result<(), VfsError> {
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT as _ },
        last_modification: Timespec { tv_sec: mtime.seconds, tv_nsec: mtime.nanos as _ },
    };
    Ok(rustix::fs::futimens(file, &times)?)
}
