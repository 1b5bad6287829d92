//! Parts of files: allocation, holes, copies between handles.

use super::error::VfsError;
use super::handles::FileId;
use super::host::ContentFiles;
use super::piecewise::seek_in_pieces;
use super::prepare::Keep;
use super::quota::LIMITED_COPY_BYTES_MAX;
use super::settings::Caller;
use super::volume::Volume;
use crate::sync::Store;
use rustix::fs::{FallocateFlags, SeekFrom};
use std::sync::atomic::Ordering;

/// The most that one copy moves, so that its answer fits the kernel's 32 bits.
const COPY_BYTES_MAX: u64 = 1 << 30;

/// What `fallocate(2)` does to a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocation {
    Reserve { keeps_size: bool },
    PunchHole,
    Zero { keeps_size: bool },
}

/// What `lseek(2)` looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seek {
    Data,
    Hole,
}

impl Allocation {
    fn may_grow(self) -> bool {
        !self.flags().contains(FallocateFlags::KEEP_SIZE)
    }

    fn flags(self) -> FallocateFlags {
        let size = |keeps| if keeps { FallocateFlags::KEEP_SIZE } else { FallocateFlags::empty() };
        match self {
            Allocation::Reserve { keeps_size } => size(keeps_size),
            Allocation::PunchHole => FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE,
            Allocation::Zero { keeps_size } => FallocateFlags::ZERO_RANGE | size(keeps_size),
        }
    }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Reserves, empties or zeroes a range.
    ///
    /// # Errors
    /// Those of `fallocate(2)`.
    pub fn allocate(
        &self,
        caller: Caller,
        id: FileId,
        offset: u64,
        length: u64,
        what: Allocation,
    ) -> Result<(), VfsError> {
        let handle = self.handles.get(id)?;
        if !handle.mode.write {
            return Err(VfsError::BadHandle);
        }
        {
            let _gate = handle.open.gate.read();
            let file = self.prepare(&handle.open, Keep::Content)?;
            if what.may_grow() {
                self.check_quota(&handle.open, &file, offset.saturating_add(length))?;
            }
            rustix::fs::fallocate(&file, what.flags(), offset, length)?;
        }
        handle.open.flushed.store(false, Ordering::Relaxed);
        self.clear_privileges(caller.if_unprivileged(), &handle.open)
    }

    /// Where data or a hole begins, from `offset` on.
    ///
    /// # Errors
    /// [`VfsError::PastEnd`] where there is none.
    pub fn seek(&self, id: FileId, offset: u64, what: Seek) -> Result<u64, VfsError> {
        let handle = self.handles.get(id)?;
        if let Some(pieces) = self.pieces_to_read(&handle.open) {
            return seek_in_pieces(&*pieces, offset, what);
        }
        let file = self.file_to_read(&handle.open)?.ok_or(VfsError::PastEnd)?;
        Ok(rustix::fs::seek(
            &file,
            match what {
                Seek::Data => SeekFrom::Data(offset),
                Seek::Hole => SeekFrom::Hole(offset),
            },
        )?)
    }

    /// Copies between two open files and returns how many bytes; 0 at the source's end.
    ///
    /// # Errors
    /// Those of `copy_file_range(2)`.
    pub fn copy_range(
        &self,
        caller: Caller,
        (from, from_offset): (FileId, u64),
        (to, to_offset): (FileId, u64),
        length: u64,
    ) -> Result<u64, VfsError> {
        let (source, target) = (self.handles.get(from)?, self.handles.get(to)?);
        if !source.mode.read || !target.mode.write {
            return Err(VfsError::BadHandle);
        }
        if self.pieces_to_read(&source.open).is_some() {
            // The kernel reads and writes then.
            return Err(VfsError::Unsupported);
        }
        let Some(source_file) = self.file_to_read(&source.open)? else { return Ok(0) };
        let copied = {
            let _gate = target.open.gate.read();
            let target_file = self.prepare(&target.open, Keep::Content)?;
            let (mut from_offset, mut to_offset) = (from_offset, to_offset);
            // What is not there to be copied makes nothing longer.
            let most = match self.is_limited() {
                true => source_file.metadata()?.len().saturating_sub(from_offset).min(LIMITED_COPY_BYTES_MAX),
                false => COPY_BYTES_MAX,
            };
            let length = length.min(most);
            if length == 0 {
                return Ok(0);
            }
            self.check_quota(&target.open, &target_file, to_offset.saturating_add(length))?;
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            rustix::fs::copy_file_range(
                &source_file,
                Some(&mut from_offset),
                &target_file,
                Some(&mut to_offset),
                length,
            )?
        };
        target.open.flushed.store(false, Ordering::Relaxed);
        self.clear_privileges(caller.if_unprivileged(), &target.open)?;
        Ok(copied as u64)
    }
}
