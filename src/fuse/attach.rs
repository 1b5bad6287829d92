//! `mount(2)` and `umount(2)`.
//!
//! Root's mounts are made here and not by fuser, which would leave the subtype out of the mount table.

use super::mount::MountOptions;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::process::Command;

/// Mounts on a directory and returns the device on which the kernel will ask.
///
/// # Errors
/// `PermissionDenied` where `fusermount3` must be used instead; those of `mount(2)`.
pub(super) fn attach(directory: &Path, options: &MountOptions) -> io::Result<OwnedFd> {
    let device = rustix::fs::open("/dev/fuse", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
    let mut data = format!(
        "fd={},rootmode=40000,user_id={},group_id={},default_permissions",
        device.as_raw_fd(),
        user.as_raw(),
        group.as_raw()
    );
    if options.allow_other {
        data.push_str(",allow_other");
    }
    let kind = if options.plain_type { "fuse" } else { "fuse.fl0wfs" };
    let data = CString::new(data).map_err(|_| io::ErrorKind::InvalidInput)?;
    rustix::mount::mount(options.source.as_str(), directory, kind, flags(options), data.as_c_str())?;
    Ok(device)
}

fn flags(options: &MountOptions) -> MountFlags {
    // Access times are not kept.
    let mut flags = MountFlags::NOATIME;
    flags.set(MountFlags::RDONLY, options.read_only);
    flags.set(MountFlags::NOSUID, !options.suid);
    flags.set(MountFlags::NODEV, !options.dev);
    flags.set(MountFlags::NOEXEC, !options.exec);
    flags
}

/// Unmounts a directory, through `fusermount3` where we may not.
pub(super) fn detach(directory: &Path, lazily: bool) -> io::Result<()> {
    let flags = if lazily { UnmountFlags::DETACH } else { UnmountFlags::empty() };
    match rustix::mount::unmount(directory, flags | UnmountFlags::NOFOLLOW) {
        Err(rustix::io::Errno::PERM) => detach_by_helper(directory, lazily),
        other => Ok(other?),
    }
}

fn detach_by_helper(directory: &Path, lazily: bool) -> io::Result<()> {
    let mut command = Command::new("fusermount3");
    command.arg("-u").args(lazily.then_some("-z")).arg("--").arg(directory);
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    // Its only reason not to is that something is open there.
    let message = String::from_utf8_lossy(&output.stderr).trim().to_string();
    Err(io::Error::new(io::ErrorKind::ResourceBusy, message))
}
