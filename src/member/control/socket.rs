//! Unix sockets of one user: private, and with a path of any length.

use rustix::fs::{Mode, OFlags, open};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

/// Why there is no conversation over a socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    #[error("the control socket {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the other end of the control socket {} belongs to user {user_id}", path.display())]
    Stranger { path: PathBuf, user_id: u32 },
}

impl SocketError {
    pub(super) fn io(path: &Path) -> impl Fn(io::Error) -> SocketError + '_ {
        |source| SocketError::Io { path: path.to_owned(), source }
    }
}

/// Binds a private socket in place of what an ended process may have left there. The caller holds the lock that
/// says that no other process serves it, and the directory is the caller's alone.
///
/// # Errors
/// [`SocketError::Io`].
pub fn bind(path: &Path) -> Result<UnixListener, SocketError> {
    let bound = with_short_path(path, |short| {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(short)?;
        // The directory lets nobody else in; the mode is the second lock on the same door.
        fs::set_permissions(path, Permissions::from_mode(0o600))?;
        Ok(listener)
    });
    bound.map_err(SocketError::io(path))
}

/// Connects to a daemon's socket and looks who is there.
///
/// # Errors
/// [`SocketError`].
pub(super) fn connect(path: &Path) -> Result<UnixStream, SocketError> {
    let stream = with_short_path(path, |short| UnixStream::connect(short)).map_err(SocketError::io(path))?;
    match stranger(&stream).map_err(SocketError::io(path))? {
        None => Ok(stream),
        Some(user_id) => Err(SocketError::Stranger { path: path.to_owned(), user_id }),
    }
}

/// The user on the other end, where that is neither root nor this process's user.
pub(super) fn stranger(stream: &UnixStream) -> io::Result<Option<u32>> {
    let peer = rustix::net::sockopt::socket_peercred(stream.as_fd())?.uid;
    let known = peer.is_root() || peer == rustix::process::geteuid();
    Ok(if known { None } else { Some(peer.as_raw()) })
}

/// A socket's address holds 107 bytes of path, a path may be longer; its directory, held open, has a short one.
fn with_short_path<T>(path: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    const SOCKET_PATH_BYTES_MAX: usize = 107;
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return act(path);
    }
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let directory = open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    act(&Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string()).join(name))
}
