//! Room on the device that holds the state, and who may use the last of it.

use super::StoreError;
use std::path::Path;

const GIB: u64 = 1024 * 1024 * 1024;

/// What a file system has and has left, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// What an unprivileged process may still use.
    pub free_bytes: u64,
    pub total_bytes: u64,
}

impl Room {
    /// True where content from elsewhere may take `bytes`: it leaves local work the last 5 % or 1 GiB, whichever
    /// is less.
    pub fn remote_content_may_use(&self, bytes: u64) -> bool {
        self.free_bytes.saturating_sub(bytes) >= self.kept_bytes() && self.free_bytes >= bytes
    }

    /// What remote content leaves to local work.
    pub fn kept_bytes(&self) -> u64 {
        (self.total_bytes / 20).min(GIB)
    }
}

/// Asks the kernel how much room is left where `path` is.
///
/// # Errors
/// [`StoreError::Io`] from statvfs(3).
pub fn free_space(path: &Path) -> Result<Room, StoreError> {
    let stat = rustix::fs::statvfs(path).map_err(StoreError::io("measure the room at", path))?;
    Ok(Room { free_bytes: stat.f_bavail * stat.f_frsize, total_bytes: stat.f_blocks * stat.f_frsize })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remote_content_leaves_five_percent_or_one_gib() {
        let small = Room { free_bytes: 100, total_bytes: 1000 };
        assert!(small.remote_content_may_use(50));
        assert!(!small.remote_content_may_use(51));
        assert!(!small.remote_content_may_use(u64::MAX));
        let large = Room { free_bytes: 3 * GIB, total_bytes: 1000 * GIB };
        assert!(large.remote_content_may_use(2 * GIB));
        assert!(!large.remote_content_may_use(2 * GIB + 1));
        assert!(!Room { free_bytes: 0, total_bytes: 0 }.remote_content_may_use(1));
    }

    #[test]
    fn a_real_file_system_has_a_size() {
        let room = free_space(Path::new("/")).unwrap();
        assert!(room.total_bytes > room.free_bytes);
        assert!(free_space(Path::new("/no such place")).unwrap_err().is_not_found());
    }
}
