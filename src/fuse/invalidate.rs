//! News for the kernel: names and inodes whose cached copies are old.

use super::conversation::forget_all_names;
use super::mount::Mount;
use crate::sync::Store;
use crate::sync::member::Ino;
use crate::vfs::{ContentFiles, Stale, Volume};
use crate::wire::Row;
use fuser::{INodeNo, Notifier};
use std::ffi::OsStr;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

/// Tells the kernel what to forget, in order, from a thread of its own.
pub struct Invalidator {
    jobs: Sender<Job>,
}

struct Job {
    rows: Vec<Row>,
    done: Sender<()>,
}

/// The kernel's having forgotten, to come.
pub struct Invalidated {
    done: Receiver<()>,
}

impl Invalidated {
    /// Waits until the kernel has forgotten. Returns false if it has not within `limit`, which only a kernel
    /// busy with this mount's own requests takes.
    pub fn wait(&self, limit: Duration) -> bool {
        self.done.recv_timeout(limit).is_ok()
    }
}

impl Invalidator {
    /// Starts the thread. It ends with the last sender of work, or with the mount.
    ///
    /// # Errors
    /// Where no thread can be had.
    pub fn start<S, F>(notifier: Notifier, volume: &Arc<Volume<S, F>>) -> io::Result<Invalidator>
    where
        S: Store + Send + 'static,
        F: ContentFiles + 'static,
    {
        let (jobs, work) = channel::<Job>();
        let volume: Weak<Volume<S, F>> = Arc::downgrade(volume);
        thread::Builder::new().name("invalidate".into()).spawn(move || {
            for job in work {
                let Some(volume) = volume.upgrade() else { return };
                let stale = volume.stale(&job.rows);
                drop(volume);
                stale.iter().for_each(|stale| tell(&notifier, stale));
                // Whoever does not wait has dropped the other end.
                let _ = job.done.send(());
            }
        })?;
        Ok(Invalidator { jobs })
    }

    /// Has the kernel forget all names and all it holds of these inodes, in a thread of its own, which then calls `done`.
    /// For a process that cannot know what the one before has told.
    ///
    /// # Errors
    /// No thread can be had.
    pub fn forget_all(
        mount: &Mount,
        inodes: Vec<Ino>,
        done: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        let device = mount.device().try_clone_to_owned()?;
        let notifier = mount.notifier();
        thread::Builder::new().name("forget-all".into()).spawn(move || {
            if let Err(error) = forget_all_names(device.as_fd()) {
                tracing::warn!(%error, "this kernel may know names for a while that others have removed");
            }
            inodes.into_iter().for_each(|ino| tell(&notifier, &Stale::Content(ino)));
            done();
        })?;
        Ok(())
    }

    /// Takes up rows that remote work changed; they must be committed.
    pub fn invalidate(&self, rows: Vec<Row>) -> Invalidated {
        let (done, receiver) = channel();
        // Where the thread is gone so is the mount, and `wait` returns at once.
        let _ = self.jobs.send(Job { rows, done });
        Invalidated { done: receiver }
    }
}

fn tell(notifier: &Notifier, stale: &Stale) {
    /// "Attributes only", where an offset is expected.
    const NO_CONTENT: i64 = -1;
    let told = match stale {
        Stale::Name(parent, name) => {
            notifier.inval_entry(INodeNo(parent.0), OsStr::from_bytes(name.as_bytes()))
        }
        Stale::Attributes(ino) => notifier.inval_inode(INodeNo(ino.0), NO_CONTENT, 0),
        Stale::Content(ino) => notifier.inval_inode(INodeNo(ino.0), 0, 0),
    };
    if let Err(error) = told {
        tracing::debug!(%error, "an invalidation was not taken");
    }
}
