//! Captures of files that the kernel is writing by itself.
//!
//! Nobody can be kept out, so the content is copied beside, and counts if the file did not change meanwhile. The copy
//! is what the op is sent from; the file itself goes on being written, and so its dirty mark stays. A file that is
//! never left alone for so long goes by the daemon from its next first open on.
//!
//! Order: a stamp, then everything on disk, so that the next store to mapped memory changes the file's ctime; then the
//! same stamp again; then the first look for data, which waits for a write that is under way; then the copy, and the same stamp again.

use super::capture::{Outcome, describe};
use super::content::OpenInode;
use super::error::VfsError;
use super::host::ContentFiles;
use super::passage::Known;
use super::reading::{Described, copy_data};
use super::stamp::Stamp;
use super::volume::Volume;
use crate::model::Manifest;
use crate::sync::Store;
use crate::sync::member::{Captured, content_of};
use std::fs::File;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How often a file is tried that has to be captured.
const TRIES: u32 = 5;
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Captures a file that the kernel may be writing, if it leaves it alone for so long.
    pub(super) fn capture_beside(&self, open: &OpenInode) -> Result<Outcome, VfsError> {
        let Some(Some(file)) = self.file_to_capture(open)? else { return Ok(Outcome::Done) };
        if open.passage.known_in(&file).is_some() {
            self.replica.lock().note_idle(open.ino, true);
            return Ok(Outcome::Done);
        }
        self.replica.lock().note_idle(open.ino, false);
        let stamp = Stamp::of(&file)?;
        file.sync_data()?;
        if Stamp::hasty(&file)? != stamp {
            return Ok(Outcome::Disturbed);
        }
        let number = self.replica.lock().allocate_file();
        let copied = self.copy_beside(&file, stamp, number);
        let Ok(Some(described)) = copied else {
            self.remove_files(vec![number]);
            return copied.map(|_| Outcome::Disturbed);
        };
        self.take_beside(open, stamp, described, number)
    }

    fn copy_beside(
        &self,
        file: &Arc<File>,
        stamp: Stamp,
        number: u64,
    ) -> Result<Option<Described>, VfsError> {
        let copy = self.files.create(number)?;
        copy_data(file, &copy)?;
        if Stamp::hasty(file)? != stamp {
            return Ok(None);
        }
        describe(Some(&copy), || true)
    }

    fn take_beside(
        &self,
        open: &OpenInode,
        stamp: Stamp,
        described: Described,
        number: u64,
    ) -> Result<Outcome, VfsError> {
        let mut content = open.content.write();
        if self.concerns_nobody(open.ino, &mut content) {
            self.remove_files(vec![number]);
            return Ok(Outcome::Done);
        }
        let (attributes, _) = self.attributes(open.ino)?;
        let ctime = attributes.ctime.max(stamp.ctime);
        let Described { manifest, list } = described;
        let known = Known { stamp, content: content_of(&manifest) };
        let captured = Captured { ino: open.ino, manifest, list, mtime: stamp.mtime, beside: Some(number) };
        self.work(|replica| Ok(((), replica.capture(ctime, captured)?)))?;
        *open.passage.known.lock() = Some(known);
        drop(content);
        self.ignores.changed(attributes.node);
        Ok(Outcome::Done)
    }

    /// Captures a file that the kernel may be writing, trying for a while.
    pub(super) fn capture_written(&self, open: &OpenInode) -> Result<(), VfsError> {
        for _ in 0..TRIES {
            // Where its last writer is gone this captures it as any other.
            if self.try_capture(open, open.changes_made())? == Outcome::Done {
                return Ok(());
            }
            thread::sleep(TRY_AGAIN_AFTER);
        }
        tracing::debug!(
            ino = open.ino.0,
            "a file is written all the time and goes by the daemon when next opened"
        );
        self.watched.lock().insert(open.ino);
        self.enter_log_empty(open)
    }

    /// What no op has named yet begins as what it was when it was made; its content follows.
    fn enter_log_empty(&self, open: &OpenInode) -> Result<(), VfsError> {
        let node = self.replica.lock().inode(open.ino).map(|inode| inode.node);
        if !node.is_some_and(|node| self.replica.lock().is_embryo(node)) {
            return Ok(());
        }
        let number = self.replica.lock().allocate_file();
        let described = Described { manifest: Manifest::empty(), list: Vec::new() };
        let file = open.content.read().file.clone();
        let Some(file) = file else { return Ok(()) };
        let stamp = Stamp::hasty(&file)?;
        self.take_beside(open, stamp, described, number)?;
        // That is not what is in the file.
        self.note_known(open, &file, None);
        Ok(())
    }
}
