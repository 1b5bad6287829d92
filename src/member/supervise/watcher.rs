//! Takes away a mount whose processes have all died, so that nobody finds a directory there that answers nothing.
//!
//! Invariant: it takes away the mount that it was told of and no other, whatever stands there by then.

use rustix::mount::UnmountFlags;
use rustix::process::{Pid, chdir, setsid};
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{IntoRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio, exit};

/// Between the parts of what the watcher is told.
const END: u8 = 0;

/// Starts the watcher. It sees the end of everybody who holds the returned pipe, and acts then.
///
/// # Errors
/// Those of `pipe(2)` and `fork(2)`.
pub(super) fn start() -> io::Result<(OwnedFd, Pid)> {
    let (reading, writing) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    // SAFETY: this process has one thread, so the child finds no lock held by another.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            drop(writing);
            watch(reading);
            exit(0)
        }
        child => Ok((writing, Pid::from_raw(child).expect("a child has a number"))),
    }
}

/// What the watcher is to take away: the mount of this device at this point.
pub(super) fn note(point: &Path, device: &str) -> Vec<u8> {
    [device.as_bytes(), &[END], point.as_os_str().as_bytes(), &[END]].concat()
}

/// The device, as in `0:31`, of what is mounted at a point.
pub(super) fn device_at(point: &Path) -> Option<String> {
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    let point = escaped(point);
    let lines = table.split(|byte| *byte == b'\n').rev();
    let mut fields = lines.map(|line| line.split(|byte| *byte == b' ').collect::<Vec<_>>());
    let topmost = fields.find(|fields| fields.get(4).is_some_and(|at| **at == point[..]))?;
    String::from_utf8(topmost[2].to_vec()).ok()
}

/// A path as it stands in the table of mounts.
fn escaped(path: &Path) -> Vec<u8> {
    let escape = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    };
    path.as_os_str().as_bytes().iter().flat_map(escape).collect()
}

fn watch(told: OwnedFd) {
    // What ends a session or a terminal ends those that are watched; this goes when they have gone.
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
        // SAFETY: ignoring a signal runs no code of ours.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    let _ = (setsid(), chdir("/"), rustix::thread::set_name(c"fl0wfs-watch"));
    if let Err(error) = keep_nothing_but(told) {
        return eprintln!("fl0wfs: the watcher of a mount cannot work: {error}");
    }
    let mut note = Vec::new();
    let _ = io::stdin().read_to_end(&mut note);
    let mut parts = note.split(|byte| *byte == END);
    if let (Some(device), Some(point)) = (parts.next(), parts.next()) {
        let point = PathBuf::from(OsString::from_vec(point.to_vec()));
        if device_at(&point).is_some_and(|now| now.as_bytes() == device) {
            take_away(&point);
        }
    }
}

/// Makes the pipe its standard input, and gives up all else: whoever started the mount waits until nobody holds the
/// other ends of what it gave.
fn keep_nothing_but(told: OwnedFd) -> io::Result<()> {
    const FIRST: libc::c_uint = 3;
    let nothing = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&told)?;
    rustix::stdio::dup2_stdout(&nothing)?;
    rustix::stdio::dup2_stderr(&nothing)?;
    let _ = (told.into_raw_fd(), nothing.into_raw_fd());
    // SAFETY: what this process was given open belongs to nobody in it any more.
    match unsafe { libc::close_range(FIRST, libc::c_uint::MAX, 0) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Out of sight at once, whoever uses it; there is nobody to ask.
pub(super) fn take_away(point: &Path) {
    let flags = UnmountFlags::DETACH | UnmountFlags::NOFOLLOW;
    if rustix::mount::unmount(point, flags) == Err(rustix::io::Errno::PERM) {
        let mut command = Command::new("fusermount3");
        command.args(["-u", "-z", "-q", "--"]).arg(point).stdin(Stdio::null());
        // Where even this fails, the next mount takes the dead one away.
        let _ = command.status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_looked_for_as_the_table_writes_them() {
        assert_eq!(escaped(Path::new("/a b\\c")), b"/a\\040b\\134c");
        assert!(device_at(Path::new("/")).is_some_and(|device| device.contains(':')));
        assert_eq!(device_at(Path::new("/nothing/is/mounted/here")), None);
    }
}
