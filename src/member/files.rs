//! Backing files as the volume and the network use them.

use super::aside::Here;
use super::assemble::Assembler;
use super::content::Nearby;
use super::shared::Shared;
use crate::model::{ChunkId, Digest, Manifest, NodeId};
use crate::store::{Backing, BackingFiles, Staging, StoreError, free_space};
use crate::vfs::ContentFiles;
use std::fs::File;
use std::io;
use std::path::PathBuf;

/// All backing files are numbered once; none has a second generation.
const GENERATION: u64 = 0;

/// The content directory of one state directory.
pub struct Files {
    backing: BackingFiles,
    root: PathBuf,
}

impl Files {
    pub fn new(backing: BackingFiles, root: PathBuf) -> Files {
        Files { backing, root }
    }

    pub fn backing(&self) -> &BackingFiles {
        &self.backing
    }

    pub fn root(&self) -> &PathBuf {
        &self.root
    }

    /// Makes a staged file hold what a backing file holds.
    ///
    /// # Errors
    /// ENOENT where there is no such file, and others from the kernel.
    pub fn copy_to(&self, file: u64, staging: &Staging) -> io::Result<()> {
        staging.begin_with(numbered(file)).map_err(to_io)
    }

    /// Makes a file survive the loss of power.
    ///
    /// # Errors
    /// Those of `fsync(2)`.
    pub fn sync(&self, file: u64) -> io::Result<()> {
        self.backing.sync(file, GENERATION).map_err(to_io)
    }
}

fn numbered(file: u64) -> Backing {
    Backing { ino: file, generation: GENERATION }
}

pub(super) fn to_io(error: StoreError) -> io::Error {
    io::Error::from_raw_os_error(error.errno())
}

impl ContentFiles for Files {
    fn open_read(&self, file: u64) -> io::Result<File> {
        self.backing.open_read(file, GENERATION).map_err(to_io)
    }

    fn open_write(&self, file: u64) -> io::Result<File> {
        self.backing.open_write(file, GENERATION).map_err(to_io)
    }

    fn create(&self, file: u64) -> io::Result<File> {
        match self.backing.create(file, GENERATION).map_err(to_io) {
            // A file that a crash left under a number not yet counted is nobody's.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                self.backing.remove(file, GENERATION).map_err(to_io)?;
                self.backing.create(file, GENERATION).map_err(to_io)
            }
            created => created,
        }
    }

    fn remove(&self, file: u64) -> io::Result<()> {
        self.backing.remove(file, GENERATION).map_err(to_io)
    }
}

/// Content that comes over the network is put together here.
pub struct Arriving<'a>(pub &'a Shared);

impl Arriving<'_> {
    /// Makes a staged file all hole again.
    pub fn clear(&self, staging: &Staging, length: u64) -> io::Result<()> {
        staging.set_len(0).and_then(|()| staging.set_len(length)).map_err(to_io)
    }
}

impl<'s> Assembler for Arriving<'s> {
    type Staging = Staging;

    fn copy(&self, node: NodeId, content: Digest) -> io::Result<Option<u64>> {
        let held = self.0.volume().replica().file_holding(node, content);
        let Some(from) = held else { return Ok(None) };
        let to = self.0.volume().replica().allocate_file();
        let (from, to) = (numbered(from), numbered(to));
        match self.0.volume().files().backing().copy(from, to).map_err(to_io) {
            // A file is not written while it counts as holding a content: what still does was copied whole.
            Ok(()) if self.0.volume().replica().file_holding(node, content) == Some(from.ino) => {
                Ok(Some(to.ino))
            }
            Ok(()) => self.0.volume().files().remove(to.ino).map(|()| None),
            // Its last op has been accepted meanwhile: then the hub has it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn local(&self, content: Digest, chunk: ChunkId) -> Option<Vec<u8>> {
        self.0.volume().replica().spooled(content, chunk)
    }

    fn nearby<'a>(&'a self, node: NodeId, manifest: &Manifest) -> impl Nearby + use<'a, 's> {
        Here::of(self.0, node, manifest)
    }

    fn begin(&self, length: u64, data: u64) -> io::Result<Staging> {
        let room = free_space(self.0.volume().files().root()).map_err(to_io)?;
        if !room.remote_content_may_use(data) {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let staging = self.0.volume().files().backing().stage().map_err(to_io)?;
        staging.set_len(length).map_err(to_io)?;
        Ok(staging)
    }

    fn write(&self, staging: &Staging, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.demand.note_arrival();
        staging.write_at(offset, bytes).map_err(to_io)
    }

    fn finish(&self, staging: Staging) -> io::Result<u64> {
        let file = self.0.volume().replica().allocate_file();
        self.0.volume().files().remove(file)?;
        staging.commit(file, GENERATION).map_err(to_io)?;
        Ok(file)
    }
}
