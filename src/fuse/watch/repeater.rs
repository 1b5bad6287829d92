//! The repeater: a small process that makes the system calls it is told to make, on one mount.
//!
//! Invariant: it acts on the mount that answered to its hello and on no other, whatever has been mounted there since.
//! It ends with the daemon that started it, also in the middle of a call.

use super::figure;
use super::marks::{self, DeviceId};
use super::order::{Answer, At, Call, Deed, Order, receive, send};
use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, RenameFlags, ResolveFlags, StatxFlags, Timespec, Timestamps,
};
use rustix::io::Errno;
use rustix::process::Signal;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

/// A path that is longer than this is gone down in pieces.
const PATH_BYTES: usize = 4000;
/// Times that a call is given which changes none.
const NOON: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: 0 },
    last_modification: Timespec { tv_sec: 0, tv_nsec: 0 },
};
/// By a new time of its last change alone the kernel takes a file's content for changed.
const CHANGED: Timestamps = Timestamps {
    last_access: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_OMIT },
    last_modification: Timespec { tv_sec: 0, tv_nsec: rustix::fs::UTIME_NOW },
};
/// Nothing that it opens can be read or written by it in a way that lasts.
const OPEN: OFlags = OFlags::NOFOLLOW.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

struct Repeater {
    mount_point: PathBuf,
    device: Option<DeviceId>,
}

/// Serves orders that come over standard input until it ends.
///
/// # Errors
/// Those of the pipes; orders that are none.
pub fn run(mount_point: &Path) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    close_others();
    rustix::process::chdir("/")?;
    // What was made would have these bits; nothing is made.
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let mut repeater = Repeater { mount_point: mount_point.to_owned(), device: None };
    let (mut orders, mut answers) = (io::stdin().lock(), io::stdout().lock());
    loop {
        let order = match receive(&mut orders) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            order => Order::decode(&order?).ok_or(io::ErrorKind::InvalidData)?,
        };
        send(&mut answers, &repeater.follow(&order).encode())?;
    }
}

/// Whatever its parent had open: it must not hold the mount's device above all.
fn close_others() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: this process has only just begun, and owns no descriptor beside the first three.
    unsafe { libc::close_range(FIRST, libc::c_uint::MAX, 0) };
}

impl Repeater {
    fn follow(&mut self, order: &Order) -> Answer {
        let done = match order {
            Order::Hello(name) => self.greet(name),
            Order::Look => match self.device {
                Some(device) => return Answer::Watched(marks::look(device)),
                None => Err(Errno::NODEV),
            },
            Order::Call(call) => self.call(call),
        };
        match done {
            Ok(()) => Answer::Done,
            Err(errno) => Answer::Failed(errno.raw_os_error()),
        }
    }

    /// Takes the mount for the right one if it has a name that no other one can have.
    fn greet(&mut self, name: &[u8]) -> rustix::io::Result<()> {
        let root = rustix::fs::open(
            &self.mount_point,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        let found = rustix::fs::statat(&root, name, AtFlags::SYMLINK_NOFOLLOW)?;
        let ours = figure::is_phantom(found.st_ino) && FileType::from_raw_mode(found.st_mode).is_dir();
        self.device = ours.then_some(device_of(&root)?);
        if ours { Ok(()) } else { Err(Errno::NODEV) }
    }

    fn root(&self) -> rustix::io::Result<OwnedFd> {
        let root = rustix::fs::open(
            &self.mount_point,
            OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
            Mode::empty(),
        )?;
        if self.device == Some(device_of(&root)?) { Ok(root) } else { Err(Errno::XDEV) }
    }

    /// Opens a directory of the mount, by a path without symlinks.
    fn directory(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        let mut at = self.root()?;
        for piece in pieces(path) {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
            at = rustix::fs::openat2(&at, piece, flags, Mode::empty(), resolve)?;
        }
        Ok(at)
    }

    fn call(&self, Call { deed, at, to }: &Call) -> rustix::io::Result<()> {
        let directory = self.directory(&at.directory)?;
        let name = at.name.as_slice();
        match deed {
            Deed::MakeEmpty => open(&directory, name, OFlags::CREATE | OFlags::EXCL),
            Deed::MakeOther => {
                rustix::fs::mknodat(&directory, name, FileType::RegularFile, Mode::RUSR | Mode::WUSR, 0)
            }
            Deed::MakeDirectory => rustix::fs::mkdirat(&directory, name, Mode::RWXU),
            Deed::Write => open(&directory, name, OFlags::TRUNC),
            Deed::Close => open(&directory, name, OFlags::empty()),
            Deed::Change => rustix::fs::utimensat(&directory, name, &CHANGED, AtFlags::SYMLINK_NOFOLLOW),
            Deed::Touch => rustix::fs::utimensat(&directory, name, &NOON, AtFlags::SYMLINK_NOFOLLOW),
            Deed::Remove => rustix::fs::unlinkat(&directory, name, AtFlags::empty()),
            Deed::RemoveDirectory => rustix::fs::unlinkat(&directory, name, AtFlags::REMOVEDIR),
            Deed::Move | Deed::Exchange => self.rename(&directory, name, to, *deed == Deed::Exchange),
        }
    }

    fn rename(&self, from: &OwnedFd, name: &[u8], to: &At, exchange: bool) -> rustix::io::Result<()> {
        let directory = self.directory(&to.directory)?;
        let flags = if exchange { RenameFlags::EXCHANGE } else { RenameFlags::empty() };
        rustix::fs::renameat_with(from, name, &directory, to.name.as_slice(), flags)
    }
}

/// Opens a file to write it. It is closed then, also where this process ends before it can.
fn open(directory: &OwnedFd, name: &[u8], how: OFlags) -> rustix::io::Result<()> {
    let mode = Mode::RUSR | Mode::WUSR;
    rustix::fs::openat(directory, name, OPEN | OFlags::WRONLY | how, mode).map(drop)
}

/// Asks for nothing that the mount would have to answer.
fn device_of(root: &OwnedFd) -> rustix::io::Result<DeviceId> {
    let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
    let found = rustix::fs::statx(root, "", flags, StatxFlags::TYPE)?;
    Ok(DeviceId { major: found.stx_dev_major, minor: found.stx_dev_minor })
}

/// Cuts a path between names so that the kernel takes every piece.
fn pieces(path: &[u8]) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for name in path.split(|byte| *byte == b'/').filter(|name| !name.is_empty()) {
        match pieces.last_mut().filter(|piece| piece.len() + name.len() < PATH_BYTES) {
            Some(piece) => {
                piece.push(b'/');
                piece.extend(name);
            }
            None => pieces.push(name.to_vec()),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_path_is_gone_down_in_pieces_that_fit() {
        assert!(pieces(b"").is_empty());
        assert_eq!(pieces(b"a/b"), [b"a/b".to_vec()]);
        let name = [b'x'; 255].as_slice();
        let path = vec![name; 40].join(&b'/');
        let pieces = pieces(&path);
        assert!(pieces.len() > 1 && pieces.iter().all(|piece| piece.len() <= PATH_BYTES));
        assert_eq!(pieces.join(&b'/'), path);
    }
}
