//! Handles: open, create, read, write, flush, fsync, release.

use super::attributes::{FileType, Stat};
use super::content::OpenInode;
use super::error::VfsError;
use super::host::ContentFiles;
use super::ledger::Kind;
use super::meta::has_privileges;
use super::names::NewNode;
use super::prepare::{Keep, MATERIALIZE_WAIT_MAX};
use super::reading::check_growth;
use super::settings::Caller;
use super::stamp::Stamp;
use super::volume::Volume;
use crate::sync::Store;
use crate::sync::member::Ino;
use parking_lot::RwLock;
use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

/// Names an open file; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId(pub u64);

/// How a file is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenMode {
    pub read: bool,
    pub write: bool,
    pub append: bool,
    pub truncate: bool,
    /// Creation fails where the name is taken.
    pub exclusive: bool,
    /// Past the page cache.
    pub direct: bool,
}

pub(super) struct Handle {
    pub open: Arc<OpenInode>,
    pub mode: OpenMode,
    /// The kernel reads and writes the file by itself.
    pub passes: AtomicBool,
}

#[derive(Default)]
pub(super) struct Handles {
    by_id: RwLock<HashMap<FileId, Arc<Handle>>>,
    last: AtomicU64,
}

impl Handles {
    pub fn insert(&self, handle: Handle) -> FileId {
        let id = FileId(self.last.fetch_add(1, Ordering::Relaxed) + 1);
        self.by_id.write().insert(id, Arc::new(handle));
        id
    }

    /// Gives the next file a number above `last`.
    pub fn count_from(&self, last: u64) {
        self.last.store(last, Ordering::Relaxed);
    }

    /// Takes up a file under the number that the kernel knows.
    pub fn restore(&self, id: FileId, handle: Handle) {
        self.by_id.write().insert(id, Arc::new(handle));
    }

    pub fn get(&self, id: FileId) -> Result<Arc<Handle>, VfsError> {
        self.by_id.read().get(&id).cloned().ok_or(VfsError::BadHandle)
    }

    fn remove(&self, id: FileId) -> Option<Arc<Handle>> {
        self.by_id.write().remove(&id)
    }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Opens a regular file. Waits until its content is here, unless it is truncated, and until the kernel has been
    /// told that it is new; so a handle has one content, and all of it.
    ///
    /// # Errors
    /// [`VfsError::Gone`], [`VfsError::IsDirectory`], [`VfsError::ReadOnly`], [`VfsError::NotMaterialized`].
    pub fn open(&self, caller: Caller, ino: Ino, mode: OpenMode) -> Result<FileId, VfsError> {
        let deadline = Instant::now() + MATERIALIZE_WAIT_MAX;
        loop {
            if let Some(file) = self.open_at_once(caller, ino, mode)? {
                return Ok(file);
            }
            if !mode.truncate {
                self.check_may_materialize(caller, ino)?;
                if let Some(file) = self.open_in_pieces(ino, mode) {
                    return Ok(file);
                }
                self.wait_for_content(ino, deadline)?;
            }
            self.untold.wait(ino, deadline);
        }
    }

    /// Opens a regular file if that needs no wait.
    ///
    /// # Errors
    /// Those of [`Volume::open`].
    pub fn open_at_once(&self, caller: Caller, ino: Ino, mode: OpenMode) -> Result<Option<FileId>, VfsError> {
        self.check_open(ino, mode)?;
        let must_wait = || self.untold.has(ino) || (!mode.truncate && self.must_wait(ino));
        if must_wait() {
            return Ok(None);
        }
        let open = self.acquire(ino, mode.write);
        // From now on remote content leaves the inode alone. Until now it may have come.
        if must_wait() {
            self.release(ino, mode.write);
            return Ok(None);
        }
        self.opened(caller, open, mode).map(Some)
    }

    /// Some programs read everything there is, whether anybody wants it here or not.
    fn check_may_materialize(&self, caller: Caller, ino: Ino) -> Result<(), VfsError> {
        match self.must_wait(ino) && !self.host.may_materialize(caller) {
            true => Err(VfsError::KeptFrom),
            false => Ok(()),
        }
    }

    fn check_open(&self, ino: Ino, mode: OpenMode) -> Result<(), VfsError> {
        match self.stat(ino)?.file_type {
            FileType::File => {}
            FileType::Directory => return Err(VfsError::IsDirectory),
            _ => return Err(VfsError::Invalid),
        }
        if mode.write && self.replica.lock().read_only() {
            return Err(VfsError::ReadOnly);
        }
        Ok(())
    }

    fn opened(&self, caller: Caller, open: Arc<OpenInode>, mode: OpenMode) -> Result<FileId, VfsError> {
        if mode.truncate {
            self.settle_if_put_off(open.ino);
        }
        if mode.truncate
            && let Err(error) =
                self.cut(&open, 0).and_then(|()| self.clear_privileges(caller.if_unprivileged(), &open))
        {
            self.release(open.ino, mode.write);
            return Err(error);
        }
        self.host.used(open.ino);
        self.enter_or_release(open, mode)
    }

    /// Makes a handle of an inode that counts one more.
    pub(super) fn enter_or_release(&self, open: Arc<OpenInode>, mode: OpenMode) -> Result<FileId, VfsError> {
        match self.enter(&open, mode) {
            Ok(passes) => {
                let passes = AtomicBool::new(passes);
                Ok(self.handles.insert(Handle { open, mode, passes }))
            }
            Err(error) => {
                self.release(open.ino, mode.write);
                Err(error)
            }
        }
    }

    /// Makes a regular file and opens it, or opens the one that has the name.
    ///
    /// # Errors
    /// Those of [`Volume::make`] and [`Volume::open`].
    pub fn create(
        &self,
        caller: Caller,
        (parent, name): (Ino, &[u8]),
        permissions: u16,
        mode: OpenMode,
    ) -> Result<(Stat, FileId), VfsError> {
        let backing = if mode.write { self.new_backing() } else { None };
        let number = backing.as_ref().map(|(number, _)| *number);
        let made = self.make_node(caller, parent, name, NewNode::file(permissions), number);
        let taken = |ino: &Ino| number.is_some() && self.backing_number(*ino) == number;
        if !made.as_ref().is_ok_and(taken) {
            self.remove_files(number.into_iter().collect());
        }
        match made {
            Ok(ino) => {
                let open = self.acquire(ino, mode.write);
                if let Some((number, file)) = backing {
                    self.begin_with(&open, number, file);
                }
                let file = self.enter_or_release(open, mode)?;
                Ok((self.stat(ino)?, file))
            }
            Err(VfsError::Exists) if !mode.exclusive => {
                let stat = self.lookup(parent, name)?;
                // The kernel holds the directory meanwhile, and cannot be told anything of it: nothing waits here.
                self.check_open(stat.ino, mode)?;
                let file = self.opened(caller, self.acquire(stat.ino, mode.write), mode)?;
                Ok((self.stat(stat.ino)?, file))
            }
            Err(error) => Err(error),
        }
    }

    /// An empty backing file, where one can be had: what is made then needs no second step before it is written.
    fn new_backing(&self) -> Option<(u64, File)> {
        if self.host.refuses_writes() || self.replica.lock().read_only() {
            return None;
        }
        let number = self.replica.lock().allocate_file();
        self.files.create(number).ok().map(|file| (number, file))
    }

    /// Gives a new inode's content the file that it was made with, unless it has gone on to another since.
    fn begin_with(&self, open: &OpenInode, number: u64, file: File) {
        let mut content = open.content.write();
        if content.dirty && content.file.is_none() && self.backing_number(open.ino) == Some(number) {
            content.set_file(file, true);
            let privileged = self.attributes(open.ino).is_ok_and(|(it, _)| has_privileges(&it.row));
            open.privileged.store(privileged, Ordering::Relaxed);
        }
    }

    /// Reads into `buffer` and returns how many bytes there were; fewer than asked only at the end.
    ///
    /// # Errors
    /// [`VfsError::NotMaterialized`] where the content does not arrive in time; those of `pread(2)`.
    pub fn read(&self, id: FileId, offset: u64, buffer: &mut [u8]) -> Result<usize, VfsError> {
        let handle = self.handles.get(id)?;
        if !handle.mode.read && !handle.mode.write {
            return Err(VfsError::BadHandle);
        }
        if let Some(pieces) = self.pieces_to_read(&handle.open) {
            let read = pieces.read_at(offset, buffer, Instant::now() + MATERIALIZE_WAIT_MAX);
            return read.map_err(|_| VfsError::NotMaterialized);
        }
        let Some(file) = self.file_to_read(&handle.open)? else { return Ok(0) };
        let mut done = 0;
        while done < buffer.len() {
            match file.read_at(&mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(bytes) => done += bytes,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    /// Writes `bytes`. `from_cache` are pages the kernel writes back, which belong at `offset` even where the
    /// handle appends. `unprivileged` is the caller where set-id bits may not survive.
    ///
    /// # Errors
    /// [`VfsError::NoSpace`], [`VfsError::ReadOnly`], [`VfsError::FileTooLarge`]; those of `pwrite(2)`.
    pub fn write(
        &self,
        id: FileId,
        offset: u64,
        bytes: &[u8],
        from_cache: bool,
        unprivileged: Option<Caller>,
    ) -> Result<usize, VfsError> {
        let handle = self.handles.get(id)?;
        if !handle.mode.write {
            return Err(VfsError::BadHandle);
        }
        let open = &*handle.open;
        let written = {
            let _gate = open.gate.read();
            let file = self.prepare(open, Keep::Content)?;
            let offset = match handle.mode.append && !from_cache {
                true => file.metadata()?.len(),
                false => offset,
            };
            let end = offset.saturating_add(bytes.len() as u64);
            check_growth(&file, end)?;
            self.check_quota(open, &file, end)?;
            write_most(&file, bytes, offset)?
        };
        open.flushed.store(false, Ordering::Relaxed);
        if open.privileged.load(Ordering::Relaxed) {
            self.clear_privileges(unprivileged, open)?;
        }
        Ok(written)
    }

    /// One of a handle's duplicates was closed. Captures nothing: the shell closes one before it writes.
    ///
    /// # Errors
    /// [`VfsError::BadHandle`].
    pub fn flush(&self, id: FileId) -> Result<(), VfsError> {
        let handle = self.handles.get(id)?;
        let file = handle.open.content.read().file.clone();
        let stamp = file.and_then(|file| Stamp::hasty(&file).ok());
        if handle.open.passage.is_written() {
            handle.open.passage.note_flushed(stamp);
        }
        self.note_flushed(&handle.open, stamp.map(|stamp| stamp.size));
        Ok(())
    }

    /// Makes content and everything before it survive the loss of power, and makes it an op.
    ///
    /// # Errors
    /// Those of `fsync(2)`.
    pub fn sync_file(&self, id: FileId, data_only: bool) -> Result<(), VfsError> {
        let handle = self.handles.get(id)?;
        let unproven = self.replica.lock().unproven_of(handle.open.ino);
        let file = match handle.open.content.read().file.clone() {
            Some(file) => Some(file),
            // Whoever wrote it may have been another process, which has closed it.
            None => match self.backing_number(handle.open.ino) {
                Some(number) => Some(Arc::new(self.files.open_read(number)?)),
                None => None,
            },
        };
        if let Some(file) = file {
            self.replica.lock().sync_marks()?;
            if data_only {
                file.sync_data()?
            } else {
                file.sync_all()?
            }
            self.replica.lock().proven(unproven.as_slice())?;
        }
        self.capture_at_sync(&handle.open)?;
        self.sync_rows()
    }

    /// Makes names survive the loss of power.
    ///
    /// # Errors
    /// [`VfsError::State`], [`VfsError::NoSpace`].
    pub fn sync_directory(&self) -> Result<(), VfsError> {
        self.settle_before_op(&[])?;
        self.sync_rows()
    }

    /// Ends a handle.
    pub fn close(&self, id: FileId) {
        if let Some(handle) = self.handles.remove(id) {
            // Should this process die before the capture, the next one makes it, as nobody has the file open.
            self.ledger.remove(Kind::Handle, id.0);
            self.leave(&handle);
            self.release(handle.open.ino, handle.mode.write);
        }
    }
}

/// POSIX: what was written before an error is told first; the error comes with the next call.
fn write_most(file: &File, bytes: &[u8], offset: u64) -> Result<usize, VfsError> {
    let mut done = 0;
    while done < bytes.len() {
        match file.write_at(&bytes[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(written) => done += written,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) if done > 0 => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(done)
}
