//! Mounting: options, threads, and the end.

use super::adapter::Adapter;
use crate::sync::Store;
use crate::vfs::{ContentFiles, Volume};
use fuser::{BackgroundSession, Config, MountOption, Notifier, Session, SessionACL};
use std::io;
use std::path::Path;
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
    fn config(&self) -> Config {
        let choose = |set: bool, yes: MountOption, no: MountOption| if set { yes } else { no };
        let mut config = Config::default();
        config.mount_options = vec![
            MountOption::FSName(self.source.clone()),
            MountOption::Subtype("fl0wfs".into()),
            MountOption::DefaultPermissions,
            MountOption::NoAtime,
            choose(self.read_only, MountOption::RO, MountOption::RW),
            choose(self.suid, MountOption::Suid, MountOption::NoSuid),
            choose(self.dev, MountOption::Dev, MountOption::NoDev),
            choose(self.exec, MountOption::Exec, MountOption::NoExec),
        ];
        config.acl = if self.allow_other { SessionACL::All } else { SessionACL::Owner };
        config.n_threads = Some(THREADS);
        config
    }
}

/// A mounted volume. Dropping it unmounts.
pub struct Mount {
    session: BackgroundSession,
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
    let session = Session::new(Adapter::new(volume), directory, &options.config())?.spawn()?;
    Ok(Mount { session })
}

impl Mount {
    /// Sends news to the kernel.
    pub fn notifier(&self) -> Notifier {
        self.session.notifier()
    }

    /// Tells whether somebody unmounted it.
    pub fn is_over(&self) -> bool {
        self.session.guard.is_finished()
    }

    /// Waits until somebody unmounts it.
    ///
    /// # Errors
    /// What ended the conversation with the kernel, where that was not an unmount.
    pub fn wait(self) -> io::Result<()> {
        self.session.join()
    }

    /// Unmounts it and waits for the last request.
    ///
    /// # Errors
    /// Those of `umount(2)`: `EBUSY` while files are open or directories are somebody's current one.
    pub fn unmount(self) -> io::Result<()> {
        self.session.umount_and_join()
    }
}
