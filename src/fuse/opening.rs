//! How an open file is answered: by the daemon for all that is read and written, or with a file that the kernel uses.

use super::backings::Backings;
use super::nearness::before_answer;
use crate::sync::Store;
use crate::sync::member::Ino;
use crate::vfs::{ContentFiles, FileId, LedgerKind, OpenMode, RequestId, VfsError, Volume};
use fuser::{FileAttr, FileHandle, FopenFlags, Generation, ReplyCreate, ReplyOpen};
use std::sync::Arc;
use std::time::Duration;

/// Who reads and writes an open file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Daemon,
    /// The kernel, by this backing id.
    Kernel(u32),
}

/// What the kernel is told of a file that was made.
pub(super) struct Entered {
    pub attributes: FileAttr,
    pub ttl: Duration,
    pub generation: Generation,
}

pub(super) struct Opening<S: Store, F: ContentFiles> {
    pub volume: Arc<Volume<S, F>>,
    /// None where everything goes by the daemon.
    pub backings: Option<Arc<Backings>>,
}

impl<S: Store, F: ContentFiles> Clone for Opening<S, F> {
    fn clone(&self) -> Self {
        Opening { volume: self.volume.clone(), backings: self.backings.clone() }
    }
}

impl<S: Store, F: ContentFiles> Opening<S, F> {
    /// Which way a new handle goes; it is kept for the next process.
    ///
    /// # Errors
    /// Where the kernel has not taken the file and there are handles beside this one; it is closed then.
    pub fn way(&self, request: RequestId, file: FileId, ino: Ino, mode: OpenMode) -> Result<Way, VfsError> {
        let way = self.decide(file, ino)?;
        self.volume.keep_handle(request, file, ino, mode);
        Ok(way)
    }

    fn decide(&self, file: FileId, ino: Ino) -> Result<Way, VfsError> {
        let backing = self.volume.passage(file);
        let (Some(backings), Some(backing)) = (&self.backings, backing) else { return Ok(Way::Daemon) };
        backings.take(self.volume.ledger(), ino, &backing).map(Way::Kernel).or_else(|error| {
            tracing::info!(%error, "the kernel will not read and write files by itself");
            self.volume.allow_passage(false);
            if self.volume.not_passed(file) {
                return Ok(Way::Daemon);
            }
            self.volume.close(file);
            Err(error.into())
        })
    }

    /// Which way a handle goes that an earlier process has kept.
    pub fn way_again(&self, file: FileId, ino: Ino) -> Way {
        let id = self.backings.as_ref().and_then(|backings| backings.id_of(ino));
        id.filter(|_| self.volume.is_passed(file)).map_or(Way::Daemon, Way::Kernel)
    }

    /// A handle was released.
    pub fn close(&self, file: FileId, ino: Ino) {
        if self.volume.is_passed(file)
            && let Some(backings) = &self.backings
        {
            // Order: the next process must not find a handle whose id is gone, and take that of another for it.
            self.volume.ledger().remove(LedgerKind::Handle, file.0);
            backings.give_back(self.volume.ledger(), ino);
        }
        self.volume.close(file);
    }

    /// The kernel's pages stay good over opens: whatever changes them passes through it, or we tell it. Where it goes
    /// on by itself it drops them when it opens the file, and makes none.
    pub fn flags(&self, mode: OpenMode, way: Way) -> FopenFlags {
        let quiet = if mode.write { FopenFlags::empty() } else { FopenFlags::FOPEN_NOFLUSH };
        if way == Way::Daemon { quiet | FopenFlags::FOPEN_KEEP_CACHE } else { quiet }
    }

    pub fn reply_created(
        &self,
        reply: ReplyCreate,
        entry: Entered,
        (file, mode): (FileId, OpenMode),
        way: Way,
    ) {
        let (handle, flags) = (FileHandle(file.0), self.flags(mode, way));
        let Entered { attributes, ttl, generation } = entry;
        before_answer();
        match way {
            Way::Daemon => reply.created(&ttl, &attributes, generation, handle, flags),
            Way::Kernel(id) => {
                // SAFETY: the id is open, and of this mount; whoever counts handles closes it.
                let backing = unsafe { reply.wrap_backing(id) };
                reply.created_passthrough(&ttl, &attributes, generation, handle, flags, &backing);
                backing.into_raw();
            }
        }
    }

    pub fn reply(&self, reply: ReplyOpen, file: FileId, mode: OpenMode, way: Way) {
        before_answer();
        let (handle, flags) = (FileHandle(file.0), self.flags(mode, way));
        match way {
            Way::Daemon => reply.opened(handle, flags),
            Way::Kernel(id) => {
                // SAFETY: the id is open, and of this mount; whoever counts handles closes it.
                let backing = unsafe { reply.wrap_backing(id) };
                reply.opened_passthrough(handle, flags, &backing);
                backing.into_raw();
            }
        }
    }
}
