//! The daemon's end: what it got from its supervisor, and how it learns that there is none any more.

use super::channel::{Begin, FromDaemon, Serving, receive, send};
use rustix::io::fcntl_dupfd_cloexec;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

/// What a daemon starts with.
pub struct Beginning {
    pub link: SupervisorLink,
    /// What is to outlive the daemon.
    pub ledger: File,
    /// The mount to go on with; None where there is none yet.
    pub taken: Option<Taken>,
}

/// A mount whose daemon has died.
pub struct Taken {
    pub mount_point: PathBuf,
    pub device: OwnedFd,
    pub lock: File,
}

/// The way to the supervisor. The mount's watcher knows by it that the daemon lives.
#[derive(Clone)]
pub struct SupervisorLink {
    socket: Arc<OwnedFd>,
    _watch: Arc<OwnedFd>,
    pub supervisor: u32,
    /// How many daemons of this mount have died before this one.
    pub deaths: u32,
}

impl Beginning {
    /// Takes the socket away from standard input, and hears what there is to know.
    ///
    /// # Errors
    /// Those of the socket; `InvalidData` where somebody else than a supervisor is on the other end.
    pub fn hear() -> io::Result<Beginning> {
        let socket = fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
        let nothing = OpenOptions::new().read(true).open("/dev/null")?;
        rustix::stdio::dup2_stdin(&nothing)?;
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "no supervisor has started this daemon");
        let (begin, files) = receive::<Begin>(socket.as_fd())?.ok_or_else(bad)?;
        let mut files = files.into_iter();
        let ledger = File::from(files.next().ok_or_else(bad)?);
        let watch = Arc::new(files.next().ok_or_else(bad)?);
        let taken = match begin.mount_point {
            None => None,
            Some(mount_point) => {
                let (device, lock) = files.next().zip(files.next()).ok_or_else(bad)?;
                Some(Taken { mount_point, device, lock: File::from(lock) })
            }
        };
        let Begin { supervisor, deaths, .. } = begin;
        let link = SupervisorLink { socket: Arc::new(socket), _watch: watch, supervisor, deaths };
        Ok(Beginning { link, ledger, taken })
    }
}

impl SupervisorLink {
    /// Tells that the mount answers; the first daemon of a mount hands over what keeps it alive.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub fn serving(
        &self,
        mount_point: &Path,
        state_directory: &Path,
        device_and_lock: Option<[BorrowedFd<'_>; 2]>,
    ) -> io::Result<()> {
        let (mount_point, state_directory) = (mount_point.to_owned(), state_directory.to_owned());
        let serving = FromDaemon::Serving(Serving { mount_point, state_directory });
        send(self.socket.as_fd(), &serving, device_and_lock.as_ref().map_or(&[], |files| files))
    }

    /// Has the supervisor end this process and start `program` in its place.
    ///
    /// # Errors
    /// The supervisor is gone.
    pub fn go_on_as(&self, program: &Path) -> io::Result<()> {
        send(self.socket.as_fd(), &FromDaemon::Program(program.to_owned()), &[])
    }

    /// Calls `act` when the supervisor has died.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn when_alone(&self, act: impl FnOnce() + Send + 'static) -> io::Result<()> {
        let socket = self.socket.clone();
        thread::Builder::new().name("supervisor".into()).spawn(move || {
            // It says nothing more, so whatever comes is its end.
            let _ = receive::<Begin>(socket.as_fd());
            act();
        })?;
        Ok(())
    }
}
