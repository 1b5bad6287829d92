//! Secret files: keys and tokens, for their owner's eyes only.
//!
//! Order: the bytes are on the device before the name is, and the name before the call returns, so that a power
//! cut leaves the old secret or the new one.

use super::StoreError;
use super::backing::{open_at, remove, sync_directory};
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// No secret of this program comes near it; what is larger is something else.
const SECRET_BYTES_MAX: u64 = 1024 * 1024;

/// Writes a secret, mode 0600, in place of what was there.
///
/// # Errors
/// [`StoreError`] from the kernel; what was there before is there still, unless only the last step (making the
/// name durable) failed.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let temporary = beside(path);
    let written = write_new(&temporary, bytes)
        .and_then(|()| std::fs::rename(&temporary, path).map_err(StoreError::io("replace", path)));
    if written.is_err() {
        let _ =
            remove(&temporary).inspect_err(|error| tracing::debug!(%error, "a temporary file stays behind"));
    }
    written?;
    sync_directory(directory_of(path))
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    remove(path)?;
    let mut file = open_at(path, OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL)
        .map_err(StoreError::io("make", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(StoreError::io("write", path))
}

/// Reads a secret.
///
/// # Errors
/// [`StoreError::Exposed`] where others may read or write it, [`StoreError::ForeignOwner`] where it is another
/// user's, ENOENT where there is none, and others from the kernel.
pub fn read_secret(path: &Path) -> Result<Vec<u8>, StoreError> {
    // Without NONBLOCK a pipe in its place would hold us up.
    let file = open_at(path, OFlags::RDONLY | OFlags::NONBLOCK).map_err(StoreError::io("open", path))?;
    check_private(path, &file)?;
    let mut bytes = Vec::new();
    file.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(StoreError::io("read", path))?;
    if bytes.len() as u64 > SECRET_BYTES_MAX {
        let detail = format!("it has more than {SECRET_BYTES_MAX} bytes");
        return Err(StoreError::Unusable { path: path.to_owned(), detail });
    }
    Ok(bytes)
}

/// Asks the open file, so that nobody can put another one in its place meanwhile.
fn check_private(path: &Path, file: &File) -> Result<(), StoreError> {
    let metadata = file.metadata().map_err(StoreError::io("look at", path))?;
    let (path, user) = (path.to_owned(), rustix::process::geteuid().as_raw());
    if !metadata.is_file() {
        Err(StoreError::Unusable { path, detail: "it is no regular file".to_owned() })
    } else if metadata.uid() != user {
        Err(StoreError::ForeignOwner { path, owner: metadata.uid(), user })
    } else if metadata.mode() & 0o077 != 0 {
        Err(StoreError::Exposed { path, mode: metadata.mode() & 0o7777 })
    } else {
        Ok(())
    }
}

/// One name for each process, so that two of them never write one file.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    path.with_file_name(name)
}

fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_secret_is_read_back_and_replaced_whole() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("key");
        assert!(read_secret(&path).unwrap_err().is_not_found());
        write_secret(&path, b"first, the longer one").unwrap();
        write_secret(&path, b"second").unwrap();
        assert_eq!(read_secret(&path).unwrap(), b"second");
        assert_eq!(path.metadata().unwrap().mode() & 0o7777, 0o600);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("key");
        write_secret(&path, b"secret").unwrap();
        for mode in [0o640, 0o604, 0o620, 0o601] {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            assert!(
                matches!(read_secret(&path).unwrap_err(), StoreError::Exposed { mode: found, .. } if found == mode)
            );
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o400)).unwrap();
        assert_eq!(read_secret(&path).unwrap(), b"secret");
    }

    #[test]
    fn what_is_no_plain_file_of_ours_is_refused() {
        let root = tempfile::tempdir().unwrap();
        write_secret(&root.path().join("key"), b"secret").unwrap();
        symlink("key", root.path().join("link")).unwrap();
        assert_eq!(read_secret(&root.path().join("link")).unwrap_err().errno(), libc::ELOOP);
        std::fs::create_dir(root.path().join("directory")).unwrap();
        assert!(matches!(
            read_secret(&root.path().join("directory")).unwrap_err(),
            StoreError::Unusable { .. }
        ));
        assert!(write_secret(&root.path().join("directory"), b"secret").is_err());
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 3, "a temporary file stayed behind");
    }

    #[test]
    fn a_secret_replaces_a_symlink_and_not_its_target() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("target"), b"untouched").unwrap();
        symlink("target", root.path().join("key")).unwrap();
        write_secret(&root.path().join("key"), b"secret").unwrap();
        assert_eq!(std::fs::read(root.path().join("target")).unwrap(), b"untouched");
        assert_eq!(read_secret(&root.path().join("key")).unwrap(), b"secret");
    }
}
