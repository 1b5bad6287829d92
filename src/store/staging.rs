//! A file assembled beside the backing files and put among them when it is complete.
//!
//! Order: bytes first, then the name. A crash before the rename leaves a file in `staging`, which the next start
//! removes; after it, a complete file that a row may or may not name. Neither is synced here: whoever needs the
//! file after a power cut asks [`BackingFiles::sync`] before a row says that it is trusted.

use super::backing::{Backing, STAGING};
use super::{BackingFiles, StoreError, sparse};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A file being assembled; dropped without [`Staging::commit`] it is gone.
#[derive(Debug)]
pub struct Staging {
    files: BackingFiles,
    file: File,
    /// Its place in the state directory.
    place: String,
    committed: bool,
}

impl Staging {
    /// Makes an empty file in `staging`.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel.
    pub fn new(files: &BackingFiles) -> Result<Staging, StoreError> {
        // One process owns the directory and cleared it at its start, so a number is enough.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let place = format!("{STAGING}/{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let file = files.make(&place)?;
        Ok(Staging { files: files.clone(), file, place, committed: false })
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(io::Error) -> StoreError {
        move |error| self.files.failed(action, &self.place, error)
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    /// # Errors
    /// [`StoreError`] from the kernel.
    pub fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), StoreError> {
        self.file.write_all_at(bytes, offset).map_err(self.failed("write"))
    }

    /// Cuts or lengthens the file; what is added is a hole.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel.
    pub fn set_len(&self, length: u64) -> Result<(), StoreError> {
        self.file.set_len(length).map_err(self.failed("set the length of"))
    }

    /// Makes a range a hole.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel.
    pub fn punch(&self, offset: u64, length: u64) -> Result<(), StoreError> {
        sparse::punch(&self.file, offset, length).map_err(self.failed("punch a hole in"))
    }

    /// Begins with what a backing file holds, sharing extents where the file system can; for content that differs
    /// little from what is here.
    ///
    /// # Errors
    /// ENOENT where there is no such file, and others from the kernel.
    pub fn begin_with(&self, backing: Backing) -> Result<(), StoreError> {
        let source = self.files.open_read(backing.ino, backing.generation)?;
        sparse::copy(&source, &self.file).map_err(self.failed("copy"))
    }

    /// Begins with what any file holds, sharing extents where the file system can.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel.
    pub fn fill_from(&self, source: &File) -> Result<(), StoreError> {
        sparse::copy(source, &self.file).map_err(self.failed("write"))
    }

    /// Makes the file's bytes survive the loss of power.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel.
    pub fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(self.failed("sync"))
    }

    /// Makes it a backing file, in one step; never replaces one.
    ///
    /// # Errors
    /// EEXIST where there is one, and others from the kernel; the staged file is gone then.
    pub fn commit(mut self, ino: u64, generation: u64) -> Result<(), StoreError> {
        self.files.place(&self.place, Backing { ino, generation })?;
        self.committed = true;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if !self.committed {
            // What stays behind is removed at the next start.
            let _ = self
                .files
                .remove_at(&self.place)
                .inspect_err(|error| tracing::debug!(%error, "a staged file stays behind"));
        }
    }
}
