//! A state directory: one per member or hub, used by one process at a time.
//!
//! Invariant: while a [`StateDirectory`] lives, no other process of this program uses the same one; the kernel
//! gives the lock back however this process ends. What is inside is nobody else's to read.

use super::StoreError;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::fs::{DirBuilder, File, Permissions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// A state directory in use by this process, until it is dropped.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    /// Holds the lock as long as it is open.
    _lock: File,
}

impl StateDirectory {
    /// Opens or makes the directory, mode 0700, and locks it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] where another process has it, [`StoreError::ForeignOwner`] where it is another
    /// user's, [`StoreError::Io`] and [`StoreError::Full`] from the kernel.
    pub fn open(path: &Path) -> Result<StateDirectory, StoreError> {
        make_private(path)?;
        let lock = lock(path)?;
        Ok(StateDirectory { path: path.to_owned(), _lock: lock })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where RocksDB lives.
    pub fn database(&self) -> PathBuf {
        self.path.join("db")
    }

    /// The reserve file.
    pub fn reserve(&self) -> PathBuf {
        self.path.join("reserve")
    }

    /// The socket by which other processes of the same user ask this one.
    pub fn control_socket(&self) -> PathBuf {
        self.path.join("control")
    }
}

/// Makes a directory that only its owner enters, or checks that it is one of ours and closes it to others.
pub(super) fn make_private(path: &Path) -> Result<(), StoreError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path).map_err(StoreError::io("make", path))?;
    let metadata = std::fs::metadata(path).map_err(StoreError::io("look at", path))?;
    let user = rustix::process::geteuid().as_raw();
    if metadata.uid() != user {
        return Err(StoreError::ForeignOwner { path: path.to_owned(), owner: metadata.uid(), user });
    }
    if metadata.mode() & 0o7777 != 0o700 {
        std::fs::set_permissions(path, Permissions::from_mode(0o700))
            .map_err(StoreError::io("close", path))?;
    }
    Ok(())
}

/// Takes the lock and writes down who has it. The file stays when the lock is given back: removing it would let
/// two processes lock two files of one name.
fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join("lock");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600));
    let mut file = File::from(file.map_err(StoreError::io("open", &path))?);
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let pid = read_pid(&mut file);
            return Err(StoreError::InUse { path: directory.to_owned(), pid });
        }
        Err(errno) => return Err(StoreError::io("lock", &path)(errno)),
    }
    // Only for messages, so a full device does not keep the directory from being used.
    let _ =
        write_pid(&mut file).inspect_err(|error| tracing::debug!(%error, "no process id in the lock file"));
    Ok(file)
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_directory_is_private_and_has_one_user_at_a_time() {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("a/b");
        let first = StateDirectory::open(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o7777, 0o700);
        match StateDirectory::open(&path).unwrap_err() {
            StoreError::InUse { path: named, pid } => {
                assert_eq!((named, pid), (path.clone(), Some(std::process::id())));
            }
            other => panic!("{other}"),
        }
        drop(first);
        StateDirectory::open(&path).unwrap();
    }

    #[test]
    fn a_directory_open_to_others_is_closed() {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::set_permissions(temporary.path(), Permissions::from_mode(0o755)).unwrap();
        StateDirectory::open(temporary.path()).unwrap();
        assert_eq!(std::fs::metadata(temporary.path()).unwrap().mode() & 0o7777, 0o700);
    }

    #[test]
    fn another_users_directory_is_refused() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: giving a directory away needs root");
            return;
        }
        let temporary = tempfile::tempdir().unwrap();
        std::os::unix::fs::chown(temporary.path(), Some(12345), None).unwrap();
        let error = StateDirectory::open(temporary.path()).unwrap_err();
        assert!(matches!(error, StoreError::ForeignOwner { owner: 12345, user: 0, .. }), "{error}");
    }

    #[test]
    fn a_lock_that_is_a_symlink_is_not_followed() {
        let temporary = tempfile::tempdir().unwrap();
        let target = temporary.path().join("target");
        std::os::unix::fs::symlink(&target, temporary.path().join("lock")).unwrap();
        assert_eq!(StateDirectory::open(temporary.path()).unwrap_err().errno(), libc::ELOOP);
        assert!(!target.exists());
    }
}
