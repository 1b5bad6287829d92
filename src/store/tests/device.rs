//! A small file system of its own for one test, always taken down again.

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use std::ffi::CString;
use std::fs::File;
use std::path::{Path, PathBuf};

/// A tmpfs of a few MiB, until it is dropped.
pub struct SmallDevice {
    // Field order: unmounted in `drop`, then the mount point is removed.
    directory: tempfile::TempDir,
}

impl SmallDevice {
    /// None, said loudly, where this process may not mount.
    pub fn mount(mib: u64) -> Option<SmallDevice> {
        let directory = tempfile::tempdir().unwrap();
        let options = CString::new(format!("size={mib}m")).unwrap();
        match mount("tmpfs", directory.path(), "tmpfs", MountFlags::NOSUID, options.as_c_str()) {
            Ok(()) => Some(SmallDevice { directory }),
            Err(errno) => {
                eprintln!("SKIPPED: a full device needs a mount, and mount said: {errno}");
                None
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Takes all room but `left_bytes`; removing the file gives it back. RocksDB removes old files in its own
    /// time, so this goes on until `enough` says that what is left is little enough.
    pub fn fill(&self, left_bytes: u64, mut enough: impl FnMut() -> bool) -> PathBuf {
        let path = self.path().join("filler");
        let file = File::create(&path).unwrap();
        let mut length = 0;
        for _ in 0..1000 {
            let free_bytes = crate::store::free_space(self.path()).unwrap().free_bytes;
            if free_bytes > left_bytes {
                length += free_bytes - left_bytes;
                rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, length).unwrap();
            }
            if enough() {
                return path;
            }
        }
        panic!("{} never gets full", self.path().display());
    }
}

impl Drop for SmallDevice {
    fn drop(&mut self) {
        // Detached rather than plain, so that a failing test which still holds files leaves no mount behind.
        if let Err(errno) = unmount(self.path(), UnmountFlags::DETACH) {
            eprintln!("{} could not be unmounted: {errno}", self.path().display());
        }
    }
}
