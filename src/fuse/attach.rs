//! `mount(2)` and `umount(2)`, and `fusermount3` for those who may not call them.
//!
//! Mounts are made here and not by fuser, which would keep the device to itself, and leave the subtype of root's mounts
//! out of the mount table.

use super::mount::MountOptions;
use rustix::fs::{Mode, OFlags};
use rustix::mount::{MountFlags, UnmountFlags};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::ffi::CString;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

/// Where `fusermount3` finds the number of the socket on which it is to hand over the device.
const HANDOVER_VARIABLE: &str = "_FUSE_COMMFD";

/// Mounts on a directory and returns the device on which the kernel will ask.
///
/// # Errors
/// Those of `mount(2)`; what `fusermount3` says.
pub(super) fn attach(directory: &Path, options: &MountOptions) -> io::Result<OwnedFd> {
    match attach_as_root(directory, options) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => attach_by_helper(directory, options),
        attached => attached,
    }
}

fn attach_as_root(directory: &Path, options: &MountOptions) -> io::Result<OwnedFd> {
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

fn attach_by_helper(directory: &Path, options: &MountOptions) -> io::Result<OwnedFd> {
    let (ours, theirs) = UnixStream::pair()?;
    let mut command = Command::new("fusermount3");
    command.arg("-o").arg(helper_options(options)).arg("--").arg(directory);
    // The socket is its standard input, which needs no number of its own.
    command.env(HANDOVER_VARIABLE, "0").stdin(Stdio::from(OwnedFd::from(theirs)));
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
    drop(command);
    let device = receive_device(&ours);
    let output = child.wait_with_output()?;
    let refused = || {
        let message = String::from_utf8_lossy(&output.stderr).trim().to_string();
        let is_forbidden = message.contains("user_allow_other");
        let kind = if is_forbidden { io::ErrorKind::PermissionDenied } else { io::ErrorKind::Other };
        io::Error::new(kind, message)
    };
    match device? {
        Some(device) if output.status.success() => Ok(device),
        _ => Err(refused()),
    }
}

fn helper_options(options: &MountOptions) -> String {
    let choose = |set: bool, yes: &'static str, no: &'static str| if set { yes } else { no };
    let mut words = vec![
        format!("fsname={}", options.source.replace('\\', "\\\\").replace(',', "\\,")),
        "default_permissions,noatime".to_owned(),
        choose(options.read_only, "ro", "rw").to_owned(),
        choose(options.suid, "suid", "nosuid").to_owned(),
        choose(options.dev, "dev", "nodev").to_owned(),
        choose(options.exec, "exec", "noexec").to_owned(),
    ];
    words.extend((!options.plain_type).then(|| "subtype=fl0wfs".to_owned()));
    words.extend(options.allow_other.then(|| "allow_other".to_owned()));
    words.join(",")
}

/// None where the other end was closed without a word.
fn receive_device(socket: &UnixStream) -> io::Result<Option<OwnedFd>> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut along = RecvAncillaryBuffer::new(&mut room);
    let mut word = [0];
    let parts = &mut [IoSliceMut::new(&mut word)];
    rustix::io::retry_on_intr(|| recvmsg(socket, parts, &mut along, RecvFlags::CMSG_CLOEXEC))?;
    let devices = along.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    Ok(devices.last())
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
