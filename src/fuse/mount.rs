//! Mounting: options, threads, and the end.

use super::adapter::Adapter;
use super::attach::{attach, detach};
use crate::sync::Store;
use crate::vfs::{ContentFiles, Volume};
use fuser::{BackgroundSession, Config, MountOption, Notifier, Session, SessionACL};
use std::io;
use std::mem::ManuallyDrop;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Threads that serve the kernel. More make no difference on a few cores, fewer let one slow call hold up others.
const THREADS: usize = 4;

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
}

impl MountOptions {
    fn acl(&self) -> SessionACL {
        if self.allow_other { SessionACL::All } else { SessionACL::Owner }
    }

    /// What `fusermount3` is asked for, where we may not mount ourselves.
    fn config(&self) -> Config {
        let choose = |set: bool, yes: MountOption, no: MountOption| if set { yes } else { no };
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName(self.source.clone()),
            MountOption::Subtype("fl0wfs".into()),
            MountOption::DefaultPermissions,
            choose(self.read_only, MountOption::RO, MountOption::RW),
            choose(self.suid, MountOption::Suid, MountOption::NoSuid),
            choose(self.dev, MountOption::Dev, MountOption::NoDev),
            choose(self.exec, MountOption::Exec, MountOption::NoExec),
        ];
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
    directory: PathBuf,
}

/// Mounts a volume on a directory. On return it answers.
///
/// # Errors
/// Those of `mount(2)`, and where `/dev/fuse` or `fusermount3` cannot be used.
pub fn mount<S, F>(volume: Arc<Volume<S, F>>, directory: &Path, options: &MountOptions) -> io::Result<Mount>
where
    S: Store + Send + 'static,
    F: ContentFiles + 'static,
{
    let directory = directory.canonicalize()?;
    let adapter = Adapter::new(volume);
    let session = match attach(&directory, options) {
        Ok(device) => Session::from_fd(adapter, device, options.acl(), options.config())?,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Session::new(adapter, &directory, &options.config())?
        }
        Err(error) => return Err(error),
    };
    Ok(Mount { session: ManuallyDrop::new(session.spawn()?), directory })
}

impl Mount {
    /// Sends news to the kernel.
    pub fn notifier(&self) -> Notifier {
        self.session.notifier()
    }

    /// Tells whether somebody unmounted it, and every request has been answered.
    pub fn is_over(&self) -> bool {
        self.session.guard.is_finished()
    }

    /// Unmounts it. What is still open stays usable until it is closed where `lazily` is set; else that is an
    /// error. [`Mount::is_over`] tells when the last request has been answered.
    ///
    /// # Errors
    /// Those of `umount(2)`: `EBUSY` while files are open or directories are somebody's current one.
    pub fn unmount(&self, lazily: bool) -> io::Result<()> {
        if self.is_over() { Ok(()) } else { detach(&self.directory, lazily) }
    }
}
