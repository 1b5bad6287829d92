//! The start after an end that was none: content that was being written is captured, and after the loss of power
//! what nobody had synced is read again.

use super::capture::CAPTURED_AT_ONCE_BYTES_MAX;
use super::clock::now;
use super::error::VfsError;
use super::host::ContentFiles;
use super::prepare::set_mtime;
use super::reading::{copy_data, read_manifest};
use super::stamp::Stamp;
use super::volume::Volume;
use crate::model::Manifest;
use crate::sync::Store;
use crate::sync::member::{Ino, Unproven, content_of};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Contents made sure of at a time.
const PROVED_AT_ONCE: usize = 10_000;

/// More files than these are synced together.
const SYNCED_ALONE_MAX: usize = 32;

/// How often a file is copied that is written meanwhile; what is written then is nobody's business any more.
const COPIES_MAX: usize = 3;

/// What the last end may have taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastEnd {
    /// At worst the process died: the kernel has kept what was written.
    SameBoot,
    /// The machine has been started since: what was not synced may be gone.
    OtherBoot,
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Takes up what the last end left. To be called before the volume is mounted.
    ///
    /// # Errors
    /// The first failure, after everything was tried; what failed stays marked.
    pub fn recover(&self, last_end: LastEnd) -> Result<(), VfsError> {
        let mut done = Ok(());
        if last_end == LastEnd::OtherBoot {
            done = self.distrust_what_was_written().and(self.read_again()).and(self.replace_lost_files());
        }
        let dirty = self.replica.lock().dirty_inodes();
        let capture = |ino| {
            self.part_from_writers(ino)?;
            self.take_into_table(ino);
            self.capture_in_turn(ino)
        };
        // What an application goes on writing is captured when it closes it.
        let closed = dirty.into_iter().filter(|ino| !self.open.has_writers(*ino));
        closed.map(capture).fold(done, Result::and)
    }

    /// What is not captured at once, or cannot be, is known to be dirty meanwhile.
    fn take_into_table(&self, ino: Ino) {
        self.acquire(ino, false);
        self.open.subtract(ino, false);
        // It is dirty, so nothing ends with this handle.
        self.replica.lock().closed(ino);
    }

    /// As at a close: what is large is captured while the mount is in use already. Order: what was fsynced before it gets
    /// into the log first.
    fn capture_in_turn(&self, ino: Ino) -> Result<(), VfsError> {
        let is_large = self.stat(ino)?.size > CAPTURED_AT_ONCE_BYTES_MAX;
        if !is_large && !self.queue.has_barriers() {
            return self.capture_now(ino);
        }
        self.acquire(ino, false);
        self.release(ino, false);
        Ok(())
    }

    /// A program that outlived the mount it opened a file on may write it by way of the kernel for ever, and nobody
    /// would see it. What it has written so far is taken to a file of its own; the rest goes nowhere, as its `fsync`
    /// and `close` tell it.
    fn part_from_writers(&self, ino: Ino) -> Result<(), VfsError> {
        let Some(number) = self.backing_number(ino).filter(|_| self.passing_handles(ino) == 0) else {
            return Ok(());
        };
        let file = self.files.open_read(number)?;
        if !is_written(&file) {
            return Ok(());
        }
        tracing::warn!(ino = ino.0, "a program still writes to a mount that is no more");
        let copy_number = self.replica.lock().allocate_file();
        let copy = self.files.create(copy_number)?;
        for _ in 0..COPIES_MAX {
            let stamp = Stamp::of(&file)?;
            file.sync_data()?;
            copy.set_len(0)?;
            copy_data(&file, &copy)?;
            set_mtime(&copy, stamp.mtime)?;
            if Stamp::hasty(&file)? == stamp {
                break;
            }
        }
        self.work(|replica| Ok(((), replica.set_backing(ino, copy_number)?)))
    }

    fn distrust_what_was_written(&self) -> Result<(), VfsError> {
        let mut replica = self.replica.lock();
        let dirty = replica.dirty_inodes();
        dirty.into_iter().try_for_each(|ino| Ok(replica.distrust(ino)?))
    }

    fn read_again(&self) -> Result<(), VfsError> {
        let unproven = self.replica.lock().unproven(usize::MAX);
        let mut whole = Vec::new();
        for was in unproven {
            let found = self.describe(was.file)?;
            if content_of(&found) == was.content {
                whole.push(was);
            } else {
                tracing::warn!(ino = was.ino.0, "the loss of power has taken content of a file");
                self.work(|replica| Ok(((), replica.disproven(now(), was, found)?)))?;
            }
        }
        self.replica.lock().proven(&whole)?;
        self.read_held_again()
    }

    /// What waits with a content whose file is lost may find it in another.
    fn read_held_again(&self) -> Result<(), VfsError> {
        let held = self.replica.lock().held_files();
        for (content, file) in held {
            if content_of(&self.describe(file)?) != content {
                self.replica.lock().not_held(content, file)?;
            }
        }
        Ok(())
    }

    /// What nobody is told of is what its file holds: where the power took that, it is empty.
    fn replace_lost_files(&self) -> Result<(), VfsError> {
        let files = self.replica.lock().unshared_files();
        for number in files {
            match self.files.open_read(number) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => _ = self.files.create(number)?,
                there => _ = there?,
            }
        }
        Ok(())
    }

    /// What a file holds; nothing where it is gone.
    fn describe(&self, number: u64) -> Result<Manifest, VfsError> {
        let file = match self.files.open_read(number) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Manifest::empty()),
            file => file?,
        };
        let described = read_manifest(&file, || true, |_, _| Ok(()))?;
        described
            .map(|described| described.manifest)
            .ok_or_else(|| VfsError::State("a file changed although nobody writes".into()))
    }

    /// Makes sure of contents that nobody has synced. To be called now and then; it may take a while.
    ///
    /// # Errors
    /// Those of `fsync(2)`; what was not made sure of stays unproven.
    pub fn prove(&self) -> Result<(), VfsError> {
        loop {
            let unproven = self.replica.lock().unproven(PROVED_AT_ONCE);
            if unproven.is_empty() {
                return Ok(());
            }
            self.replica.lock().sync_marks()?;
            let synced = match unproven.len() > SYNCED_ALONE_MAX {
                true => self.sync_together(&unproven)?,
                false => unproven.iter().copied().filter(|was| self.is_synced(was.file)).collect(),
            };
            self.replica.lock().proven(&synced)?;
            if unproven.len() < PROVED_AT_ONCE {
                return Ok(());
            }
        }
    }

    /// Syncs the file system that all of them are on: for many files that is less work than one after the other.
    fn sync_together(&self, unproven: &[Unproven]) -> Result<Vec<Unproven>, VfsError> {
        if let Some(file) = unproven.iter().find_map(|was| self.files.open_read(was.file).ok()) {
            rustix::fs::syncfs(&file)?;
        }
        Ok(unproven.to_vec())
    }

    fn is_synced(&self, number: u64) -> bool {
        match self.files.open_read(number).and_then(|file| file.sync_data()) {
            Ok(()) => true,
            // Its inode has another by now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) => {
                tracing::warn!(%error, "a backing file could not be synced");
                false
            }
        }
    }
}

/// Tells whether anybody has a file open for writing, or mapped: then the kernel gives no lease on it.
fn is_written(file: &File) -> bool {
    let lease = |kind: libc::c_int| {
        // SAFETY: the descriptor is open, and the call takes a number and no pointer.
        unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETLEASE, kind) }
    };
    if lease(libc::F_RDLCK) == 0 {
        lease(libc::F_UNLCK);
        return false;
    }
    io::Error::last_os_error().kind() == io::ErrorKind::WouldBlock
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    #[test]
    fn a_file_that_somebody_could_write_is_told_from_one_that_is_left() {
        let path = tempfile::NamedTempFile::new().unwrap().into_temp_path();
        let file = File::open(&path).unwrap();
        assert!(!is_written(&file));
        let reader = File::open(&path).unwrap();
        assert!(!is_written(&file));
        let writer = OpenOptions::new().write(true).open(&path).unwrap();
        assert!(is_written(&file));
        drop((reader, writer));
        assert!(!is_written(&file));
    }
}
