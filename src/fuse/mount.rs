//! Mounting: options, threads, and the end.

use super::adapter::Adapter;
use super::attach::{attach, detach};
use super::backings::Backings;
use super::conversation::{self, Device};
use super::nearness::{Nearness, Served};
use super::watch::{Held, Stage};
use crate::sync::Store;
use crate::vfs::{ContentFiles, Volume};
use fuser::{BackgroundSession, Config, Notifier, SessionACL};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Threads that serve the kernel. More make no difference on a few cores, fewer let one slow call hold up others.
const THREADS: usize = 4;
/// How long an unmounted directory's last requests are waited for; files still open have no last one.
const LAST_REQUEST_WAIT_MAX: Duration = Duration::from_secs(2);
/// The threads that serve the kernel cannot be waited for with a limit, so they are looked at this often.
const END_CHECK: Duration = Duration::from_millis(10);

/// How a volume is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountOptions {
    /// Shown as the mount's source, as in `remote:space`.
    pub source: String,
    /// Users other than the one who mounts may enter.
    pub allow_other: bool,
    pub read_only: bool,
    /// Set-id bits are honoured.
    pub suid: bool,
    /// Device nodes are honoured.
    pub dev: bool,
    pub exec: bool,
    /// The kernel shows the type `fuse` and no more.
    pub plain_type: bool,
    pub passthrough: Passthrough,
}

/// Whether the kernel reads and writes files by itself, past the daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Passthrough {
    /// Where it can: root mounts, and the kernel is 6.9 or later.
    #[default]
    Auto,
    /// Without it there is no mount.
    On,
    Off,
}

impl Passthrough {
    /// The choice of this name; None where there is none.
    pub fn named(name: &str) -> Option<Passthrough> {
        match name {
            "auto" => Some(Passthrough::Auto),
            "on" => Some(Passthrough::On),
            "off" => Some(Passthrough::Off),
            _ => None,
        }
    }
}

impl MountOptions {
    pub(super) fn acl(&self) -> SessionACL {
        if self.allow_other { SessionACL::All } else { SessionACL::Owner }
    }

    /// Each descriptor of the device that is cloned has requests of its own, which are lost with it: there is one.
    pub(super) fn config(&self) -> Config {
        let mut config = Config::default();
        config.acl = self.acl();
        config.n_threads = Some(THREADS);
        config
    }
}

/// A mounted volume. It stays mounted until somebody unmounts it, or the process ends.
pub struct Mount {
    /// Never dropped as it is: fuser would unmount the directory once more, and with it whatever has been mounted
    /// there since.
    session: ManuallyDrop<BackgroundSession>,
    device: OwnedFd,
    directory: PathBuf,
}

/// Mounts a volume on a directory. On return it answers.
///
/// # Errors
/// Those of `mount(2)`, and where `/dev/fuse` or `fusermount3` cannot be used.
pub fn mount<S, F>(
    volume: Arc<Volume<S, F>>,
    stage: Arc<Stage>,
    directory: &Path,
    options: &MountOptions,
) -> io::Result<Mount>
where
    S: Store + Send + 'static,
    F: ContentFiles + 'static,
{
    let directory = directory.canonicalize()?;
    let device = Device { device: attach(&directory, options)?, resumed: false };
    converse(volume, stage, device, directory, options)
}

/// Goes on with a mount whose process has died. `directory` is not looked at: nobody would answer.
///
/// # Errors
/// Those of the device; `InvalidData` where what was handed over is not enough.
pub fn take_over<S, F>(
    volume: Arc<Volume<S, F>>,
    stage: Arc<Stage>,
    device: OwnedFd,
    directory: &Path,
    options: &MountOptions,
) -> io::Result<Mount>
where
    S: Store + Send + 'static,
    F: ContentFiles + 'static,
{
    converse(volume, stage, Device { device, resumed: true }, directory.to_owned(), options)
}

fn converse<S, F>(
    volume: Arc<Volume<S, F>>,
    stage: Arc<Stage>,
    device: Device,
    directory: PathBuf,
    options: &MountOptions,
) -> io::Result<Mount>
where
    S: Store + Send + 'static,
    F: ContentFiles + 'static,
{
    let may_pass = rustix::process::geteuid().is_root();
    if options.passthrough == Passthrough::On && !may_pass {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "only root can have passthrough"));
    }
    let passes = may_pass && options.passthrough != Passthrough::Off;
    let backings = passes
        .then(|| device.device.try_clone())
        .transpose()?
        .map(|device| Backings::new(device, volume.ledger(), |ino| volume.passing_handles(ino)));
    let adapter = Adapter::new(volume.clone(), stage, backings);
    let notifier = adapter.notifier();
    let nearness = Arc::new(Nearness::new());
    let served = Served::new(adapter, nearness.clone());
    let session = conversation::begin(served, &device, options, volume.ledger())?;
    look_after(nearness, device.device.try_clone()?)?;
    // Nobody else sets it.
    let _ = notifier.set(session.notifier());
    let session = ManuallyDrop::new(session.spawn()?);
    if options.passthrough == Passthrough::On && !volume.allows_passage() {
        detach(&directory, true)?;
        return Err(io::Error::new(io::ErrorKind::Unsupported, "this kernel has no passthrough"));
    }
    Ok(Mount { session, device: device.device, directory })
}

/// Watches that whoever serves alone goes on serving.
fn look_after(nearness: Arc<Nearness>, device: OwnedFd) -> io::Result<()> {
    let is_asked = move || {
        let mut looked_at = [PollFd::new(&device, PollFlags::IN)];
        // Where it cannot be told somebody may wait.
        poll(&mut looked_at, Some(&Timespec::default())).is_err()
            || looked_at[0].revents() != PollFlags::empty()
    };
    thread::Builder::new().name("nearness".into()).spawn(move || nearness.watch(is_asked))?;
    Ok(())
}

impl Mount {
    /// Sends news to the kernel.
    pub fn notifier(&self) -> Notifier {
        self.session.notifier()
    }

    /// The device on which the kernel asks. Whoever holds it keeps the mount alive.
    pub fn device(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }

    /// Asks the kernel what it holds.
    ///
    /// # Errors
    /// Where no descriptor can be had.
    pub fn held(&self) -> io::Result<Held> {
        Ok(Held::new(self.device.try_clone()?))
    }

    /// Tells whether somebody unmounted it, and every request has been answered.
    pub fn is_over(&self) -> bool {
        self.session.guard.is_finished()
    }

    /// Ends a mount that somebody unmounted.
    ///
    /// # Errors
    /// None now; what ends the conversation with the kernel is its business.
    pub fn wait(self) -> io::Result<()> {
        self.wait_for_end(Duration::MAX);
        Ok(())
    }

    /// Unmounts it. Where files are still open on it the name goes at once, and they work until the process ends.
    ///
    /// # Errors
    /// Those of `umount(2)`.
    pub fn unmount(self) -> io::Result<()> {
        if self.is_over() {
            return Ok(());
        }
        match detach(&self.directory, false) {
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => detach(&self.directory, true)?,
            other => other?,
        }
        self.wait_for_end(LAST_REQUEST_WAIT_MAX);
        Ok(())
    }

    fn wait_for_end(&self, limit: Duration) {
        let begun = Instant::now();
        while !self.is_over() && begun.elapsed() < limit {
            thread::sleep(END_CHECK);
        }
    }
}
