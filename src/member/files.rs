//! Backing files as the volume and the network use them.

use super::assemble::Assembler;
use super::shared::Shared;
use crate::model::ChunkId;
use crate::store::{BackingFiles, Staging, StoreError, free_space};
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
}

fn to_io(error: StoreError) -> io::Error {
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
        // A file that a crash left under a number not yet counted is nobody's.
        self.backing.remove(file, GENERATION).map_err(to_io)?;
        self.backing.create(file, GENERATION).map_err(to_io)
    }

    fn remove(&self, file: u64) -> io::Result<()> {
        self.backing.remove(file, GENERATION).map_err(to_io)
    }
}

/// Content that comes over the network is put together here.
pub struct Arriving<'a>(pub &'a Shared);

impl Assembler for Arriving<'_> {
    type Staging = Staging;

    fn local(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        self.0.volume().replica().spooled(chunk)
    }

    fn begin(&self, length: u64) -> io::Result<Staging> {
        let room = free_space(self.0.volume().files().root()).map_err(to_io)?;
        if !room.remote_content_may_use(length) {
            return Err(io::Error::from_raw_os_error(libc::ENOSPC));
        }
        let staging = self.0.volume().files().backing().stage().map_err(to_io)?;
        staging.set_len(length).map_err(to_io)?;
        Ok(staging)
    }

    fn write(&self, staging: &Staging, offset: u64, bytes: &[u8]) -> io::Result<()> {
        staging.write_at(offset, bytes).map_err(to_io)
    }

    fn finish(&self, staging: Staging) -> io::Result<u64> {
        let file = self.0.volume().replica().allocate_file();
        self.0.volume().files().remove(file)?;
        staging.commit(file, GENERATION).map_err(to_io)?;
        Ok(file)
    }
}
