//! A stretch of the ledger's file as memory, so that a record is written without a call to the kernel.

use rustix::fs::{FallocateFlags, fallocate};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::ffi::c_void;
use std::fs::File;
use std::io;
use std::ptr::{NonNull, null_mut};

/// How long a stretch is.
pub(super) const WINDOW_BYTES: usize = 256 * 1024;
/// Where one may begin: no page of any machine is larger.
pub(super) const PAGE_BYTES_MAX: u64 = 64 * 1024;

pub(super) struct Window {
    /// Where in the file it begins.
    at: u64,
    memory: NonNull<u8>,
}

// SAFETY: the mapping is of the process, not of a thread, and is written through `&mut` only.
unsafe impl Send for Window {}

impl Window {
    /// Where the stretch begins that `offset` is in.
    pub fn beginning(offset: u64) -> u64 {
        offset - offset % PAGE_BYTES_MAX
    }

    /// The stretch that `offset` is in. Its room in the file is taken now: a store to memory that is not to be had would
    /// be the end of this process. Nobody shortens the file: only processes of one mount know it.
    ///
    /// # Errors
    /// Those of `fallocate(2)` and `mmap(2)`.
    pub fn open(file: &File, offset: u64) -> io::Result<Window> {
        let at = Window::beginning(offset);
        fallocate(file, FallocateFlags::empty(), at, WINDOW_BYTES as u64)?;
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, wherever the kernel finds room for it.
        let memory = unsafe { mmap(null_mut(), WINDOW_BYTES, access, MapFlags::SHARED, file, at)? };
        let memory = NonNull::new(memory.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Window { at, memory })
    }

    /// Tells whether so many bytes at `offset` of the file are in it.
    pub fn covers(&self, offset: u64, length: usize) -> bool {
        offset >= self.at && offset - self.at + length as u64 <= WINDOW_BYTES as u64
    }

    /// Writes at an offset of the file.
    ///
    /// # Panics
    /// Where it does not cover all of that.
    pub fn write(&mut self, bytes: &[u8], offset: u64) {
        assert!(self.covers(offset, bytes.len()), "the window covers what is written");
        let skip = (offset - self.at) as usize;
        // SAFETY: the mapping is longer than what ends here, as just checked, and no reference to it exists.
        unsafe { self.memory.add(skip).copy_from_nonoverlapping(NonNull::from(bytes).cast(), bytes.len()) };
    }
}

impl Drop for Window {
    fn drop(&mut self) {
        // SAFETY: this mapping was made with this length, and nobody else knows it.
        let unmapped = unsafe { munmap(self.memory.as_ptr().cast::<c_void>(), WINDOW_BYTES) };
        debug_assert_eq!(unmapped, Ok(()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_is_written_to_a_window_is_in_the_file_and_what_stood_there_stays() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"before", PAGE_BYTES_MAX).unwrap();
        let offset = PAGE_BYTES_MAX + 6;
        let mut window = Window::open(&file, offset).unwrap();
        window.write(b" and after", offset);
        let mut found = [0; 16];
        file.read_exact_at(&mut found, PAGE_BYTES_MAX).unwrap();
        assert_eq!(&found, b"before and after");
    }

    #[test]
    fn a_window_covers_its_stretch_and_nothing_beside_it() {
        let file = tempfile::tempfile().unwrap();
        let (window, end) =
            (Window::open(&file, PAGE_BYTES_MAX + 1).unwrap(), PAGE_BYTES_MAX + WINDOW_BYTES as u64);
        assert!(window.covers(PAGE_BYTES_MAX, WINDOW_BYTES));
        assert!(window.covers(end - 1, 1));
        assert!(!window.covers(end - 1, 2));
        assert!(!window.covers(PAGE_BYTES_MAX - 1, 1));
        assert!(!window.covers(u64::MAX, 1));
    }
}
