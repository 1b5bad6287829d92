//! Room set aside, so that deletions and captures can still be journalled on a device that is full.
//!
//! Invariant: the reserve is there from a start on that found room for it, until a full device takes it; then a
//! thread makes it again as soon as there is room twice over, and ends. Without a full device there is no thread.

use super::backing::{open_at, remove, sync_directory};
use super::{StoreError, free_space, sparse};
use parking_lot::{Condvar, Mutex};
use rustix::fs::{FallocateFlags, OFlags};
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Size of the reserve.
pub const RESERVE_BYTES: u64 = 64 * 1024 * 1024;
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// The reserve beside a store.
pub struct Reserve {
    shared: Arc<Shared>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    path: PathBuf,
    bytes: u64,
    retry_interval: Duration,
    stopping: Mutex<bool>,
    stop: Condvar,
    /// Asked before every write, so it is not looked up each time.
    held: AtomicBool,
}

impl Reserve {
    /// A reserve in the file at `path`; nothing is done yet.
    pub fn new(path: PathBuf) -> Reserve {
        Reserve::with_interval(path, RESERVE_BYTES, RETRY_INTERVAL)
    }

    #[cfg(test)]
    pub(super) fn with_bytes(path: PathBuf, bytes: u64) -> Reserve {
        Reserve::with_interval(path, bytes, RETRY_INTERVAL)
    }

    pub(super) fn with_interval(path: PathBuf, bytes: u64, retry_interval: Duration) -> Reserve {
        let (stopping, stop, held) = (Mutex::new(false), Condvar::new(), AtomicBool::new(false));
        let shared = Shared { path, bytes, retry_interval, stopping, stop, held };
        shared.look();
        Reserve { shared: Arc::new(shared), keeper: Mutex::new(None) }
    }

    /// Waits until the thread that makes it again has ended.
    #[cfg(test)]
    pub(super) fn join_keeper(&self) {
        let thread = self.keeper.lock().take();
        thread.expect("a thread runs after a release").join().unwrap();
    }

    /// Makes the reserve if it is not there and there is room for it and as much again; tells whether it is there.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel; too little room is none.
    pub fn ensure(&self) -> Result<bool, StoreError> {
        self.shared.ensure()
    }

    /// Tells whether the reserve is there, complete.
    pub fn is_held(&self) -> bool {
        self.shared.is_held()
    }

    /// Gives the reserve up at ENOSPC, and has it made again when there is room. Tells whether that made room now;
    /// if not, the device is full indeed.
    ///
    /// # Errors
    /// [`StoreError`] from the kernel.
    pub fn release(&self) -> Result<bool, StoreError> {
        let was_held = self.shared.path.try_exists().map_err(StoreError::io("look at", &self.shared.path))?;
        remove(&self.shared.path)?;
        self.shared.look();
        self.start_keeper();
        Ok(was_held)
    }

    fn start_keeper(&self) {
        let mut keeper = self.keeper.lock();
        if keeper.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return;
        }
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("reserve".to_owned()).spawn(move || shared.keep());
        // Without a thread the next start makes it again.
        *keeper = thread.inspect_err(|error| tracing::warn!(%error, "nobody makes the reserve again")).ok();
    }
}

impl Drop for Reserve {
    /// Ends the thread; the file stays, it is there for the next start.
    fn drop(&mut self) {
        *self.shared.stopping.lock() = true;
        self.shared.stop.notify_all();
        if let Some(thread) = self.keeper.lock().take() {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// Tries until the reserve is there. The first try comes after an interval: whoever needed the room uses it.
    fn keep(&self) {
        let mut stopping = self.stopping.lock();
        while !*stopping {
            self.stop.wait_for(&mut stopping, self.retry_interval);
            if *stopping || self.ensure().is_ok_and(|held| held) {
                return;
            }
        }
    }

    fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }

    /// Sees whether it is there, and remembers it.
    fn look(&self) -> bool {
        // A file made by a write that was cut short is no reserve; blocks are counted in 512 bytes.
        let held = std::fs::symlink_metadata(&self.path)
            .is_ok_and(|file| file.is_file() && file.blocks() * 512 >= self.bytes);
        self.held.store(held, Ordering::Release);
        held
    }

    fn ensure(&self) -> Result<bool, StoreError> {
        let ensured = self.try_ensure();
        self.look();
        ensured
    }

    fn try_ensure(&self) -> Result<bool, StoreError> {
        if self.look() {
            return Ok(true);
        }
        remove(&self.path)?;
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        if free_space(directory)?.free_bytes < 2 * self.bytes {
            return Ok(false);
        }
        match self.make() {
            Ok(()) => sync_directory(directory).map(|()| true),
            Err(error) => {
                remove(&self.path)?;
                if error.is_full() { Ok(false) } else { Err(error) }
            }
        }
    }

    fn make(&self) -> Result<(), StoreError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        let file = open_at(&self.path, flags).map_err(StoreError::io("make", &self.path))?;
        match rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, self.bytes) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
                let zeros = file.set_len(self.bytes).and_then(|()| sparse::write_zeros(&file, 0, self.bytes));
                zeros.and_then(|()| file.sync_all()).map_err(StoreError::io("fill", &self.path))
            }
            result => result.map_err(StoreError::io("fill", &self.path)),
        }
    }
}
