//! Copies of files that share or skip what they can: extents where the file system clones, holes everywhere.

use rustix::fs::{FallocateFlags, SeekFrom};
use rustix::io::Errno;
use std::fs::File;
use std::io;

const COPY_BYTES_MAX: usize = 1 << 30;
const BUFFER_BYTES: usize = 128 * 1024;

/// Makes `to`, which is empty, hold what `from` holds.
pub fn copy(from: &File, to: &File) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(to, from).is_ok() {
        return Ok(());
    }
    let length = from.metadata()?.len();
    to.set_len(length)?;
    let mut end = 0;
    while let Some(data) = next_data(from, end, length)? {
        end = data.1;
        copy_range(from, to, data.0, data.1)?;
    }
    Ok(())
}

/// The next range with data at or after `offset`; a file system that knows no holes says all is data.
fn next_data(file: &File, offset: u64, length: u64) -> io::Result<Option<(u64, u64)>> {
    if offset >= length {
        return Ok(None);
    }
    let start = match rustix::fs::seek(file, SeekFrom::Data(offset)) {
        Ok(start) => start,
        Err(Errno::NXIO) => return Ok(None),
        Err(Errno::INVAL) => return Ok(Some((offset, length))),
        Err(errno) => return Err(errno.into()),
    };
    let end = rustix::fs::seek(file, SeekFrom::Hole(start))?;
    Ok(Some((start, end.min(length))))
}

fn copy_range(from: &File, to: &File, mut offset: u64, end: u64) -> io::Result<()> {
    while offset < end {
        let wanted = (end - offset).min(COPY_BYTES_MAX as u64) as usize;
        let (mut read_at, mut write_at) = (offset, offset);
        match rustix::fs::copy_file_range(from, Some(&mut read_at), to, Some(&mut write_at), wanted) {
            // The file got shorter meanwhile.
            Ok(0) => return Ok(()),
            Ok(copied) => offset += copied as u64,
            Err(Errno::INTR) => {}
            Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                return copy_through_memory(from, to, offset, end);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

fn copy_through_memory(from: &File, to: &File, mut offset: u64, end: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let mut buffer = vec![0; BUFFER_BYTES];
    while offset < end {
        let wanted = (end - offset).min(BUFFER_BYTES as u64) as usize;
        match from.read_at(&mut buffer[..wanted], offset)? {
            0 => return Ok(()),
            read => {
                to.write_all_at(&buffer[..read], offset)?;
                offset += read as u64;
            }
        }
    }
    Ok(())
}

/// Makes a range a hole, its length unchanged; where the file system has none, zeros.
pub fn punch(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match rustix::fs::fallocate(file, flags, offset, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(file, offset, length),
        other => Ok(other?),
    }
}

/// Zeros that take room, never beyond the file's end.
pub fn write_zeros(file: &File, mut offset: u64, length: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let end = (offset + length).min(file.metadata()?.len());
    let zeros = vec![0; BUFFER_BYTES];
    while offset < end {
        let count = (end - offset).min(BUFFER_BYTES as u64) as usize;
        file.write_all_at(&zeros[..count], offset)?;
        offset += count as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{FileExt, MetadataExt};

    const MIB: u64 = 1024 * 1024;

    fn sparse_file() -> File {
        let file = tempfile::tempfile().unwrap();
        file.set_len(64 * MIB).unwrap();
        file.write_all_at(b"front", 0).unwrap();
        file.write_all_at(b"middle", 32 * MIB + 7).unwrap();
        file
    }

    fn bytes_at(file: &File, offset: u64, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        file.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }

    #[test]
    fn a_copy_has_the_bytes_the_length_and_the_holes() {
        let (from, to) = (sparse_file(), tempfile::tempfile().unwrap());
        copy(&from, &to).unwrap();
        assert_eq!(to.metadata().unwrap().len(), 64 * MIB);
        assert_eq!(bytes_at(&to, 0, 6), b"front\0");
        assert_eq!(bytes_at(&to, 32 * MIB + 6, 8), b"\0middle\0");
        assert!(to.metadata().unwrap().blocks() * 512 < MIB, "the holes take room");
    }

    #[test]
    fn a_copy_through_memory_has_the_bytes() {
        let (from, to) = (sparse_file(), tempfile::tempfile().unwrap());
        copy_through_memory(&from, &to, 32 * MIB, 32 * MIB + 20).unwrap();
        assert_eq!(bytes_at(&to, 32 * MIB + 7, 6), b"middle");
    }

    #[test]
    fn an_empty_file_and_one_that_is_all_hole_copy() {
        for length in [0, 5 * MIB] {
            let (from, to) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
            from.set_len(length).unwrap();
            copy(&from, &to).unwrap();
            assert_eq!(to.metadata().unwrap().len(), length);
        }
    }

    #[test]
    fn a_punched_range_reads_as_zeros_and_keeps_the_length() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&[7; 16384], 0).unwrap();
        punch(&file, 4096, 8192).unwrap();
        write_zeros(&file, 16380, 100).unwrap();
        assert_eq!(file.metadata().unwrap().len(), 16384);
        assert_eq!(bytes_at(&file, 4095, 3), [7, 0, 0]);
        assert_eq!(bytes_at(&file, 16379, 5), [7, 0, 0, 0, 0]);
    }
}
