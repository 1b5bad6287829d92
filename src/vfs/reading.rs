//! Backing files read from end to end: cut, hashed, holes left out, in bounded memory.

use super::error::VfsError;
use crate::content::{LIST_BYTES_MAX, ManifestBuilder};
use crate::model::{ChunkId, Manifest};
use rustix::fs::SeekFrom;
use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt};

/// Bytes read at a time.
const READ_BYTES: usize = 1024 * 1024;
/// Data that a file may grow to, in bytes; its holes do not count. With chunks of the usual size its lists take half
/// of what [`LIST_BYTES_MAX`] allows. One of very small chunks may still be too long: then fsync says so.
const DATA_BYTES_MAX: u64 = 1024 * 1024 * 1024 * 1024;

/// A run of a file: data, or a hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    end: u64,
    is_data: bool,
}

/// A content's manifest, and the chunks of its list where it is a tree: they stand in no file.
#[derive(Debug)]
pub struct Described {
    pub manifest: Manifest,
    pub list: Vec<(ChunkId, Vec<u8>)>,
}

/// Reads a file to the end and hands each chunk to `sink`. Returns none if `go_on` says to stop.
pub(super) fn read_manifest(
    file: &File,
    go_on: impl Fn() -> bool,
    mut sink: impl FnMut(ChunkId, &[u8]) -> Result<(), VfsError>,
) -> Result<Option<Described>, VfsError> {
    let size = file.metadata()?.len();
    let mut builder = ManifestBuilder::new();
    let mut failed = Ok(());
    let mut pass = |chunk: ChunkId, bytes: &[u8]| {
        if failed.is_ok() {
            failed = sink(chunk, bytes);
        }
    };
    let mut buffer = vec![0; READ_BYTES.min(usize::try_from(size).unwrap_or(READ_BYTES))];
    let mut at = 0;
    while at < size {
        let run = run_at(file, at, size)?;
        if !run.is_data {
            builder.push_hole(run.end - at, &mut pass);
            at = run.end;
            continue;
        }
        while at < run.end {
            if !go_on() {
                return Ok(None);
            }
            let wanted = usize::try_from(run.end - at).unwrap_or(READ_BYTES).min(buffer.len());
            let bytes = file.read_at(&mut buffer[..wanted], at)?;
            if bytes == 0 {
                // Cut short while it was read: whoever did it has counted a change.
                return Ok(None);
            }
            builder.push(&buffer[..bytes], &mut pass);
            if builder.list_bytes() > LIST_BYTES_MAX {
                return Err(VfsError::FileTooLarge);
            }
            at += bytes as u64;
        }
    }
    builder.end(&mut pass);
    let mut list = Vec::new();
    let manifest = builder.finish(&mut |chunk, bytes| list.push((chunk, bytes.to_vec())));
    failed.map(|()| Some(Described { manifest, list }))
}

/// Copies a file into an empty one, holes left out, sharing extents where the file system can.
pub(super) fn copy_data(from: &File, to: &File) -> Result<(), VfsError> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let size = from.metadata()?.len();
    to.set_len(size)?;
    let mut buffer = vec![0; READ_BYTES.min(usize::try_from(size).unwrap_or(READ_BYTES))];
    let mut at = 0;
    while at < size {
        let run = run_at(from, at, size)?;
        while run.is_data && at < run.end {
            let wanted = usize::try_from(run.end - at).unwrap_or(READ_BYTES).min(buffer.len());
            let bytes = from.read_at(&mut buffer[..wanted], at)?;
            if bytes == 0 {
                // Cut short meanwhile: the file's stamp says so.
                return Ok(());
            }
            to.write_all_at(&buffer[..bytes], at)?;
            at += bytes as u64;
        }
        at = run.end;
    }
    Ok(())
}

/// Refuses a write up to `end` that would make a file too large for its content ever to be described. Below the
/// limit this costs nothing.
pub(super) fn check_growth(file: &File, end: u64) -> Result<(), VfsError> {
    if end <= DATA_BYTES_MAX {
        return Ok(());
    }
    // Blocks are counted in 512 bytes.
    may_grow(file.metadata()?.blocks() * 512, end)
}

fn may_grow(data_bytes: u64, end: u64) -> Result<(), VfsError> {
    if end <= DATA_BYTES_MAX || data_bytes < DATA_BYTES_MAX { Ok(()) } else { Err(VfsError::FileTooLarge) }
}

/// The run that begins at `at`. A file system that knows no holes tells one run of data.
fn run_at(file: &File, at: u64, size: u64) -> Result<Run, VfsError> {
    let data = match rustix::fs::seek(file, SeekFrom::Data(at)) {
        Ok(data) => data,
        Err(rustix::io::Errno::NXIO) => return Ok(Run { end: size, is_data: false }),
        Err(rustix::io::Errno::INVAL) => return Ok(Run { end: size, is_data: true }),
        Err(error) => return Err(error.into()),
    };
    if data > at {
        return Ok(Run { end: data.min(size), is_data: false });
    }
    match rustix::fs::seek(file, SeekFrom::Hole(at)) {
        Ok(hole) => Ok(Run { end: hole.min(size), is_data: true }),
        // Cut short since: what reads the run will find that out.
        Err(rustix::io::Errno::NXIO) => Ok(Run { end: size, is_data: true }),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_as_long_as_it_likes_but_not_full_of_data_beyond_the_limit() {
        let file = tempfile::tempfile().unwrap();
        file.set_len(3 * DATA_BYTES_MAX).unwrap();
        file.write_all_at(b"data", 2 * DATA_BYTES_MAX).unwrap();
        check_growth(&file, 4 * DATA_BYTES_MAX).unwrap();
        may_grow(DATA_BYTES_MAX - 1, DATA_BYTES_MAX + 1).unwrap();
        may_grow(DATA_BYTES_MAX, DATA_BYTES_MAX).unwrap();
        let error = may_grow(DATA_BYTES_MAX, DATA_BYTES_MAX + 1).unwrap_err();
        assert_eq!(error.errno(), libc::EFBIG);
    }
}
