//! Signals as something to wait for beside other things.

use rustix::process::Signal;
use std::fs::File;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Asked for by those who want the mount to end.
const ENDING: [libc::c_int; 3] = [libc::SIGTERM, libc::SIGINT, libc::SIGHUP];

/// Signals that come from now on wait here. Processes started later would not get them: see [`Signals::release_in`].
pub(super) struct Signals {
    waiting: File,
}

impl Signals {
    /// Takes the signals that end a mount, and the one that tells of a child's end.
    ///
    /// # Errors
    /// Those of `signalfd(2)`.
    pub fn take() -> io::Result<Signals> {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: the set is initialised by the first call, and outlives the others, which read it.
        let descriptor = unsafe {
            libc::sigemptyset(set.as_mut_ptr());
            for signal in ENDING.into_iter().chain([libc::SIGCHLD]) {
                libc::sigaddset(set.as_mut_ptr(), signal);
            }
            libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
            libc::signalfd(-1, set.as_ptr(), libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
        };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and nobody else's.
        Ok(Signals { waiting: unsafe { File::from_raw_fd(descriptor) } })
    }

    /// Lets a process to be started have them as usual.
    pub fn release_in(command: &mut Command) {
        let release = || {
            let mut none = MaybeUninit::<libc::sigset_t>::uninit();
            // SAFETY: the set is initialised by the first call; both are allowed between fork and exec.
            unsafe {
                libc::sigemptyset(none.as_mut_ptr());
                libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
            }
            Ok(())
        };
        // SAFETY: the closure calls nothing but what is allowed between fork and exec.
        unsafe { command.pre_exec(release) };
    }

    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.waiting.as_fd()
    }

    /// Takes what has come. Tells whether somebody wants the mount to end.
    pub fn is_asked_to_end(&mut self) -> bool {
        let mut asked = false;
        let mut record = [0; size_of::<libc::signalfd_siginfo>()];
        while let Ok(length) = self.waiting.read(&mut record) {
            // A record begins with the signal's number.
            let number = u32::from_ne_bytes([record[0], record[1], record[2], record[3]]);
            asked |= length == record.len() && ENDING.iter().any(|ending| *ending as u32 == number);
        }
        asked
    }
}

/// What asks a daemon to end its mount.
pub(super) const END: Signal = Signal::TERM;
