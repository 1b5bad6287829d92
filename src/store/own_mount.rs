//! A directory reached by a descriptor: the path to it is not walked again for each file, and where the kernel allows
//! it the descriptor leads into a mount of this process alone, which keeps no access times.
//!
//! Nobody asks for the access time of a backing file, yet each read of one asks whether it is to be set: some 20 ns of
//! the 800 in which the kernel reads 4 KiB from memory. `O_NOATIME` is no help where the kernel reads for others, since
//! it opens the file anew with their flags; the mount by which a file was reached stays.
//!
//! Invariant: everything below the directory is reached by one mount, so that a file can be renamed in it. The mount is
//! in no tree: nobody else sees it, and it ends with this process however that ends.

use rustix::fs::{AtFlags, CWD, Mode, OFlags, open, stat, statat};
use rustix::mount::{OpenTreeFlags, open_tree};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

/// Opens a directory to reach files by, on a mount of its own where we may make one (`CAP_SYS_ADMIN`, Linux 5.12) and
/// where each of the names `below` it leads to the same directory there; another file system may be mounted on one.
///
/// # Errors
/// Those of `open(2)`.
pub(super) fn reach(directory: &Path, below: &[&str]) -> io::Result<OwnedFd> {
    let own = own_mount(directory).and_then(|mount| match leads_alike(directory, &mount, below)? {
        true => Ok(mount),
        false => Err(io::Error::other("a part of it is elsewhere")),
    });
    own.or_else(|error| {
        tracing::debug!(%error, directory = %directory.display(), "no mount of its own");
        Ok(open(directory, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    })
}

fn own_mount(directory: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = open_tree(CWD, directory, flags)?;
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_NOATIME,
        attr_clr: libc::MOUNT_ATTR__ATIME,
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the descriptor is open, the path is an empty C string, and the call reads the structure of the given size.
    let done = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if done == 0 { Ok(mount) } else { Err(io::Error::last_os_error()) }
}

fn leads_alike(directory: &Path, mount: &OwnedFd, below: &[&str]) -> io::Result<bool> {
    for name in below {
        let there = statat(mount, *name, AtFlags::SYMLINK_NOFOLLOW)?;
        let here = stat(directory.join(name))?;
        if (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino) {
            return Ok(false);
        }
    }
    Ok(true)
}
