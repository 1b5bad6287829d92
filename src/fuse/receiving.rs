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

use super::adapter::IO_BYTES_MAX;
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
    use std::alloc::System;

    fn page_size() -> usize {
        // SAFETY: asks for a number.
        usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap()
    }

    /// How many pages are there of those that a request would be received in.
    fn pages_there(memory: *mut u8) -> usize {
        let page = page_size();
        let begin = memory.map_addr(|address| address.next_multiple_of(page));
        let mut pages = vec![0u8; (REQUEST_BYTES_MAX - PAGE_BYTES) / page];
        // SAFETY: the range lies within the memory, and there is a byte for each of its pages.
        let told = unsafe { libc::mincore(begin.cast(), pages.len() * page, pages.as_mut_ptr()) };
        assert_eq!(told, 0, "{}", std::io::Error::last_os_error());
        pages.iter().filter(|page| **page & 1 != 0).count()
    }

    #[test]
    fn a_buffer_for_requests_has_its_memory_at_once() {
        let layout = Layout::array::<u8>(16 * 1024 * 1024 + 4096).unwrap();
        // SAFETY: the layout is not empty, and what is taken is given back with it.
        unsafe {
            let plain = System.alloc_zeroed(layout);
            let receiving = Receiving(System).alloc_zeroed(layout);
            let there = (pages_there(plain), pages_there(receiving));
            System.dealloc(plain, layout);
            System.dealloc(receiving, layout);
            let all = (REQUEST_BYTES_MAX - PAGE_BYTES) / page_size();
            assert!(there.0 < all, "this system gives memory before it is asked for: {there:?}");
            assert_eq!(there.1, all);
        }
    }
}
