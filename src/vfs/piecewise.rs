//! Handles that read a content which is not here whole: it comes in pieces as it is read.
//!
//! Invariant: such an inode has no file of its own; the first change of its content, or the arrival of all of it, gives
//! it one. Its handles read one content, whatever becomes of the name.

use super::content::OpenInode;
use super::error::VfsError;
use super::handles::{FileId, OpenMode};
use super::host::{ContentFiles, Pieces};
use super::prepare::MATERIALIZE_WAIT_MAX;
use super::ranges::Seek;
use super::volume::Volume;
use crate::sync::Store;
use crate::sync::member::Ino;
use parking_lot::RwLockWriteGuard;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant;

/// Bytes copied at a time.
const COPY_BYTES: usize = 1024 * 1024;

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Opens a file to read it in pieces; none where it is to be waited for.
    pub(super) fn open_in_pieces(&self, ino: Ino, mode: OpenMode) -> Option<FileId> {
        if mode.write || mode.truncate || self.untold.has(ino) {
            return None;
        }
        let open = self.acquire(ino, false);
        // Order: remote content leaves the inode alone from here on; what came before has been told to the kernel.
        if self.take_pieces(&open) && !self.untold.has(ino) {
            self.host.used(ino);
            // It goes by the daemon: the kernel has no file to read.
            return self.enter_or_release(open, mode).ok();
        }
        self.release(ino, false);
        None
    }

    fn take_pieces(&self, open: &OpenInode) -> bool {
        let mut content = open.content.write();
        self.load(open.ino, &mut content);
        if content.file.is_none() && !content.dirty && content.pieces.is_none() {
            // The hub may be asked, and whoever wants to know of the file meanwhile must not wait for it.
            let pieces = RwLockWriteGuard::unlocked(&mut content, || self.host.pieces(open.ino));
            if content.file.is_none() && !content.dirty && content.pieces.is_none() {
                content.pieces = pieces;
            }
        }
        content.file.is_none() && content.pieces.is_some()
    }

    /// What the inode's handles read in pieces.
    pub(super) fn pieces_to_read(&self, open: &OpenInode) -> Option<Arc<dyn Pieces>> {
        let content = open.content.read();
        content.pieces.clone().filter(|_| content.file.is_none())
    }

    /// Tells whether reading a range of the inode's content would have to wait for it.
    pub fn must_wait_to_read(&self, ino: Ino, offset: u64, length: u64) -> bool {
        match self.open.get(ino).and_then(|open| self.pieces_to_read(&open)) {
            Some(pieces) => !pieces.has(offset, length),
            None => self.must_wait(ino),
        }
    }
}

/// POSIX: a file system that does not know its holes says that all is data.
pub(super) fn seek_in_pieces(pieces: &dyn Pieces, offset: u64, what: Seek) -> Result<u64, VfsError> {
    match what {
        _ if offset >= pieces.length() => Err(VfsError::PastEnd),
        Seek::Data => Ok(offset),
        Seek::Hole => Ok(pieces.length()),
    }
}

/// Copies all of a content, waiting for it.
pub(super) fn copy_pieces(pieces: &dyn Pieces, file: &File) -> Result<(), VfsError> {
    let mut buffer = vec![0; COPY_BYTES];
    let mut at = 0;
    while at < pieces.length() {
        let deadline = Instant::now() + MATERIALIZE_WAIT_MAX;
        let bytes = pieces.read_at(at, &mut buffer, deadline).map_err(|_| VfsError::NotMaterialized)?;
        file.write_all_at(&buffer[..bytes], at)?;
        at += bytes as u64;
    }
    Ok(())
}
