//! The control socket: private, and with a path of any length.

use super::HubError;
use rustix::fs::{Mode, OFlags, open};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

/// Bytes of a path that fit into a socket's address, without the NUL that ends it.
const ADDRESS_PATH_BYTES_MAX: usize = 107;

/// Binds the socket in place of one that an ended process has left. The caller has the directory locked.
///
/// # Errors
/// [`HubError::Control`].
pub fn bind(path: &Path) -> Result<UnixListener, HubError> {
    let bound = at_short_path(path, |short| {
        if let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error);
        }
        let listener = UnixListener::bind(short)?;
        // Nobody else enters the directory either.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|source| HubError::Control { path: path.to_owned(), source })
}

/// Connects to a running hub; None where none answers.
///
/// # Errors
/// [`HubError::Control`], [`HubError::Stranger`].
pub fn connect(path: &Path) -> Result<Option<UnixStream>, HubError> {
    let failed = |source| HubError::Control { path: path.to_owned(), source };
    match at_short_path(path, |short| UnixStream::connect(short)) {
        Ok(stream) => match stranger(&stream).map_err(failed)? {
            None => Ok(Some(stream)),
            Some(user_id) => Err(HubError::Stranger { path: path.to_owned(), user_id }),
        },
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            Ok(None)
        }
        Err(error) => Err(failed(error)),
    }
}

/// The user at the other end, where it is neither this process's nor root.
pub fn stranger(stream: &impl AsFd) -> io::Result<Option<u32>> {
    let user = rustix::net::sockopt::socket_peercred(stream)?.uid;
    let known = user.is_root() || user == rustix::process::geteuid();
    Ok((!known).then(|| user.as_raw()))
}

/// A path too long for an address is reached through its directory, held open.
fn at_short_path<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    if path.as_os_str().len() <= ADDRESS_PATH_BYTES_MAX {
        return act(path);
    }
    let held = open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    act(&Path::new(&format!("/proc/self/fd/{}", held.as_raw_fd())).join(name))
}
