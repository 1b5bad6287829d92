//! Buffers that requests are received in have their memory before a request is read.
//!
//! The kernel copies a request into the reader's memory once it has taken it off its queue. Where a page is still to be
//! had for that, and the reader is killed at this moment, there is none; then the request has been read, is not there
//! for the next process, and ends with an I/O error for whoever asked. A page that is there is written whatever
//! happens to the process.
//!
//! The buffers are fuser's, and nobody is told of them: each of its threads takes a zeroed one, which the system would
//! back page by page as requests get longer. So whatever zeroed memory is large enough to receive a request gets pages
//! at once, for as many bytes as a request has.

use super::agreement::IO_BYTES_MAX;
use std::alloc::{GlobalAlloc, Layout};

/// The longest request: a write, with what stands before its bytes; and the buffer need not begin with a page.
const REQUEST_BYTES_MAX: usize = IO_BYTES_MAX as usize + 2 * PAGE_BYTES;
/// The smallest there are.
const PAGE_BYTES: usize = 4096;

/// An allocator whose memory receives requests.
pub struct Receiving<A>(pub A);

// SAFETY: the inner allocator does everything; what is written are zeros into zeroed memory that nobody has yet.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Receiving<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { self.0.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { self.0.dealloc(memory, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        let memory = unsafe { self.0.alloc_zeroed(layout) };
        if layout.size() >= REQUEST_BYTES_MAX && !memory.is_null() {
            for offset in (0..REQUEST_BYTES_MAX).step_by(PAGE_BYTES) {
                // SAFETY: there are so many bytes, and nobody else knows of them. Volatile: it is for the page alone.
                unsafe { memory.add(offset).write_volatile(0) };
            }
        }
        memory
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { self.0.realloc(memory, layout, size) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null_mut;

    /// Memory from the system that nobody has had before.
    struct Mapped;

    // SAFETY: each piece is a mapping of its own, which is large enough and aligned to a page.
    unsafe impl GlobalAlloc for Mapped {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let (access, kind) =
                (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
            // SAFETY: nothing is mapped over.
            let mapped = unsafe { libc::mmap(null_mut(), layout.size(), access, kind, -1, 0) };
            if mapped == libc::MAP_FAILED { null_mut() } else { mapped.cast() }
        }

        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            // SAFETY: it is the mapping that was made with this length.
            unsafe { libc::munmap(memory.cast(), layout.size()) };
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the same contract; a new mapping is zeroed.
            unsafe { self.alloc(layout) }
        }
    }

    fn page_size() -> usize {
        // SAFETY: asks for a number.
        usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
    }

    /// How many pages are there of those that a request would be received in.
    fn pages_there(allocator: &impl GlobalAlloc) -> usize {
        let layout = Layout::array::<u8>(16 * 1024 * 1024 + 4096).unwrap();
        let mut pages = vec![0u8; REQUEST_BYTES_MAX / page_size()];
        // SAFETY: the layout is not empty, the range lies within the memory, there is a byte for each of its pages, and what
        // is taken is given back.
        unsafe {
            let memory = allocator.alloc_zeroed(layout);
            let told = libc::mincore(memory.cast(), pages.len() * page_size(), pages.as_mut_ptr());
            assert_eq!(told, 0, "{}", std::io::Error::last_os_error());
            allocator.dealloc(memory, layout);
        }
        pages.iter().filter(|page| **page & 1 != 0).count()
    }

    #[test]
    fn a_buffer_for_requests_has_its_memory_at_once() {
        assert_eq!(pages_there(&Mapped), 0);
        assert_eq!(pages_there(&Receiving(Mapped)), REQUEST_BYTES_MAX / page_size());
    }
}
