//! Captures of files that the kernel is writing by itself.
//!
//! Nobody can be kept out, so the content is copied beside, and counts if the file did not change meanwhile. The copy
//! is what the op is sent from; the file itself goes on being written, and so its dirty mark stays. A file that is
//! never left alone for so long goes by the daemon from its next first open on.
//!
//! Order: a stamp, then everything on disk, so that the next store to mapped memory changes the file's ctime; then the
//! same stamp again; then the first look for data, which waits for a write that is under way; then the copy, and the same stamp again.

use super::capture::Outcome;
use super::content::OpenInode;
use super::error::VfsError;
use super::host::ContentFiles;
use super::passage::Known;
use super::reading::Described;
use super::sealing::{Sealed, Sealing};
use super::stamp::Stamp;
use super::volume::Volume;
use crate::model::Manifest;
use crate::sync::Store;
use crate::sync::member::Captured;
use std::thread;
use std::time::Duration;

/// How often a file is tried that has to be captured.
const TRIES: u32 = 5;
pub(super) const TRY_AGAIN_AFTER: Duration = Duration::from_millis(20);

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Captures a file that the kernel may be writing, if it leaves it alone for so long. The caller holds `capturing`.
    pub(super) fn capture_beside(&self, open: &OpenInode) -> Result<Outcome, VfsError> {
        match self.seal_beside(open)? {
            Sealing::Done(sealed) => {
                self.forget_sealed(open.ino);
                let taken = self.describe_sealed(open, sealed);
                if taken.is_err() {
                    self.remove_files(vec![sealed.number]);
                }
                self.overtake(open.ino);
                taken
            }
            Sealing::Unchanged => Ok(Outcome::Done),
            Sealing::Disturbed => Ok(Outcome::Disturbed),
        }
    }

    pub(super) fn seal_beside(&self, open: &OpenInode) -> Result<Sealing, VfsError> {
        let Some(Some(file)) = self.file_to_capture(open)? else { return Ok(Sealing::Unchanged) };
        if open.passage.known_in(&file).is_some() {
            self.replica.lock().note_idle(open.ino, true);
            return Ok(Sealing::Unchanged);
        }
        self.replica.lock().note_idle(open.ino, false);
        let stamp = Stamp::of(&file)?;
        file.sync_data()?;
        if Stamp::hasty(&file)? != stamp {
            return Ok(Sealing::Disturbed);
        }
        let number = self.copy_to_new(&file)?;
        if Stamp::hasty(&file)? != stamp {
            self.remove_files(vec![number]);
            return Ok(Sealing::Disturbed);
        }
        Ok(Sealing::Done(Sealed { number, stamp }))
    }

    /// Makes a copy beside the content of an op; the copy is removed where it is of no use. `known` is what the file itself
    /// holds: from then on, and as long as it does, its size and times are the row's.
    pub(super) fn take_beside(
        &self,
        open: &OpenInode,
        stamp: Stamp,
        (described, number): (Described, u64),
        known: Option<Known>,
    ) -> Result<Outcome, VfsError> {
        let mut content = open.content.write();
        if self.concerns_nobody(open.ino, &mut content) {
            self.remove_files(vec![number]);
            return Ok(Outcome::Done);
        }
        let (attributes, _) = self.attributes(open.ino)?;
        let ctime = attributes.ctime.max(stamp.ctime);
        let Described { manifest, list } = described;
        let (ino, mtime, beside) = (open.ino, stamp.mtime, Some(number));
        let captured = Captured { ino, manifest, list, mtime, beside, blocks: None };
        self.work(|replica| Ok(((), replica.capture(ctime, captured)?)))?;
        *open.passage.known.lock() = known;
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
        self.leave_to_daemon(open)
    }

    /// A file that is written all the time gets into the log at a later flush point.
    pub(super) fn leave_to_daemon(&self, open: &OpenInode) -> Result<(), VfsError> {
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
        // That is not what is in the file.
        self.take_beside(open, stamp, (described, number), None)?;
        self.note_known(open, &file, None);
        Ok(())
    }
}
