//! A member from start to end: opens its state, mounts, converses, and leaves everything whole.

use super::cache::{Cache, KeptFrom};
use super::driver::Driver;
use super::files::Files;
use super::link;
use super::own_lists::OwnLists;
use super::past::Scratch;
use super::remote::Remote;
use super::reserved::ReservedStore;
use super::shared::{Kernel, MemberHost, MemberReplica, MemberVolume, Shared};
use super::standing::Trouble;
use super::watchers::{Telling, Watchers};
use crate::fuse::{self, Invalidator, Mount, MountOptions};
use crate::model::{MemberName, Owner};
use crate::net::Identity;
use crate::rebase::Policy;
use crate::store::{BackingFiles, BootId, Reserve, RocksStore, StateDirectory, StoreError, StoreRole};
use crate::sync::WriteError;
use crate::sync::member::{Fetching, Replica, Sight};
use crate::vfs::{self, InUse, LastEnd, Ledger, Settings, VfsError, Volume};
use crate::wire::Row;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Events waiting for the driver.
const EVENTS_MAX: usize = 64;
/// How often files that stay open are looked at.
const QUIET_CHECK: Duration = Duration::from_secs(1);
/// How often content that nobody has synced is made sure of. The kernel writes it to disk about as often anyway.
const PROOF_INTERVAL: Duration = Duration::from_secs(30);
/// The kernel forgets at once, unless it is busy with this mount's own requests.
const INVALIDATION_PATIENCE: Duration = Duration::from_secs(5);
/// What is captured, sent and fetched while a mount ends on a signal.
const LAST_CAPTURE: Duration = Duration::from_secs(10);

/// What a member is started with.
#[derive(Clone)]
pub struct MemberOptions {
    pub remote: Remote,
    pub identity: Identity,
    /// The state directory.
    pub state: PathBuf,
    pub name: MemberName,
    pub directory: PathBuf,
    pub mount: MountOptions,
    /// What becomes of two contents that cannot be merged.
    pub conflict: Policy,
    /// Files of patterns for what this mount is to ignore, later ones over earlier ones.
    pub ignore: Vec<PathBuf>,
    /// What is fetched.
    pub fetching: Fetching,
    /// How many bytes of content may be here, where not all is fetched.
    pub cache_bytes: Option<u64>,
    /// Programs that get nothing fetched.
    pub kept_from: KeptFrom,
    /// Watchers of files and directories are told of remote work.
    pub notify: bool,
}

/// What an earlier process of the same mount left for this one.
#[derive(Default)]
pub struct Handover {
    pub ledger: Ledger,
    /// The mount itself; None where there is none.
    pub device: Option<OwnedFd>,
}

/// Why a member did not start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("{} could not be mounted: {source}", directory.display())]
    Mount { directory: PathBuf, source: io::Error },
    #[error("the system refused a thread or a socket: {0}")]
    System(#[from] io::Error),
}

/// A member that is mounted.
pub struct Running {
    shared: Arc<Shared>,
    mount: Mount,
    telling: Telling,
    driver: thread::JoinHandle<()>,
    captures: thread::JoinHandle<()>,
    quiet: (std::sync::mpsc::Sender<()>, thread::JoinHandle<()>),
    runtime: Runtime,
    _state: StateDirectory,
}

/// Starts a member. On return the mount is usable, with or without the hub.
///
/// # Errors
/// [`MemberError`]; nothing is mounted then.
pub fn start(options: &MemberOptions, handover: Handover) -> Result<Running, MemberError> {
    let Handover { ledger, device } = handover;
    let in_use = InUse::read(&ledger);
    let state = StateDirectory::open(&options.state)?;
    Scratch::clear(&options.state);
    let store = RocksStore::open(&state.database(), StoreRole::Member)?;
    let files = Files::new(BackingFiles::open(state.path())?, options.state.clone());
    let reserve = Arc::new(Reserve::new(state.reserve()));
    if !reserve.ensure()? {
        tracing::warn!("the device is nearly full: no room is kept for deletions");
        // It is made as soon as there is room; until then nothing new is written.
        reserve.release()?;
    }
    let store = ReservedStore::new(store, reserve.clone());
    let mut replica = Replica::open(store, options.name.clone())?;
    replica.set_read_only(options.mount.read_only);
    replica.set_fetching(options.fetching).map_err(|error| WriteError::Failed(error.to_string()))?;
    let abandoned = replica.remove_abandoned_but(|ino| in_use.inodes.contains(&ino));
    abandoned.map_err(|error| WriteError::Failed(error.to_string()))?;
    remove_nameless(&files, &replica, &in_use)?;
    let runtime = runtime()?;
    let (events, received) = tokio::sync::mpsc::channel(EVENTS_MAX);
    let shared = Arc::new(Shared::new(
        options.remote.space.clone(),
        events.clone(),
        runtime.handle().clone(),
        reserve,
        (Cache::new(options.cache_bytes), options.kept_from.clone()),
    ));
    let host = Box::new(MemberHost(shared.clone()));
    let volume: Arc<MemberVolume> =
        Arc::new(Volume::new(replica, files, host, settings()).with_ledger(ledger));
    shared.set_volume(volume.clone());
    let policy = volume.replica().set_policy(vfs::now(), options.conflict);
    volume.remove_files(policy.map_err(|error| WriteError::Failed(error.to_string()))?.removed_files);
    volume.resume().map_err(|error| WriteError::Failed(error.to_string()))?;
    if let Some(device) = &device {
        fuse::end_left_ids(device.as_fd(), volume.ledger(), |ino| volume.passing_handles(ino));
    }
    if let Err(error) = recover(&volume) {
        // The marks stay, so nothing is lost; and on a full disk somebody has to be able to make room.
        tracing::error!(%error, "what was open when the last mount ended could not all be captured");
        shared.note_trouble(Trouble::Capture, error.to_string());
    }
    let mut lists = OwnLists::new(options.ignore.clone(), options.directory.clone());
    lists.refresh(&volume);
    let (mount, telling) = mount(options, device, &shared, &volume)?;
    let driver = Driver::new(shared.clone(), received);
    let driver = thread::Builder::new().name("driver".into()).spawn(move || driver.run())?;
    let capturing = volume.clone();
    let captures = thread::Builder::new().name("capture".into()).spawn(move || capturing.run_captures())?;
    let (stop_quiet, stopped) = channel();
    let tended = shared.clone();
    let quiet = thread::Builder::new()
        .name("quiet".into())
        .spawn(move || check_quiet(&tended, &volume, lists, &stopped))?;
    runtime.spawn(link::run(options.remote.clone(), options.identity.clone(), shared.clone(), events));
    let quiet = (stop_quiet, quiet);
    Ok(Running { shared, mount, telling, driver, captures, quiet, runtime, _state: state })
}

impl Running {
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        self.runtime.handle()
    }

    /// What keeps the mount alive while somebody holds it.
    pub fn device(&self) -> BorrowedFd<'_> {
        self.mount.device()
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Waits until the mount is gone, or `stop` says to end it; then leaves everything durable.
    ///
    /// # Errors
    /// [`MemberError`] where the mount could not be ended.
    pub fn wait(self, stop: &Receiver<()>) -> Result<(), MemberError> {
        while !self.mount.is_over() {
            match stop.recv_timeout(QUIET_CHECK) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => break,
            }
        }
        self.end()
    }

    fn end(self) -> Result<(), MemberError> {
        // Order: before the mount ends, which is busy while a call on it is made.
        self.telling.end();
        let unmounted = if self.mount.is_over() { self.mount.wait() } else { self.mount.unmount() };
        let volume = self.shared.volume();
        if let Err(error) = volume.capture_all(Instant::now() + LAST_CAPTURE) {
            tracing::error!(%error, "not all content was captured; the next mount does it");
        }
        volume.stop_captures();
        self.shared.stop();
        drop(self.quiet.0);
        for thread in [self.driver, self.captures, self.quiet.1] {
            if thread.join().is_err() {
                tracing::error!("a thread ended badly");
            }
        }
        self.shared.note_uses();
        volume.replica().sync()?;
        self.runtime.shutdown_timeout(Duration::from_secs(2));
        unmounted.map_err(MemberError::System)
    }
}

/// The threads of the network. Some are started by threads that serve the kernel, which may be bound to a processor.
pub(super) fn runtime() -> io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().on_thread_start(fuse::run_anywhere).build()
}

pub(super) fn settings() -> Settings {
    let user = rustix::process::geteuid();
    let group = rustix::process::getegid();
    let shown_as = (!user.is_root()).then(|| Owner { uid: user.as_raw(), gid: group.as_raw() });
    Settings { shown_as }
}

/// Takes up what the last mount left, with a hard look at it where the machine has been started since.
fn recover(volume: &MemberVolume) -> Result<(), VfsError> {
    // Where the kernel does not say which boot this is, it is taken for another one.
    let boot = BootId::read().map(|boot| boot.0.to_vec()).unwrap_or_default();
    let last = volume.replica().last_boot();
    let same = last.is_none_or(|last| last == boot && !boot.is_empty());
    volume.recover(if same { LastEnd::SameBoot } else { LastEnd::OtherBoot })?;
    Ok(volume.replica().set_boot(boot)?)
}

/// Removes backing files that a crash left without an inode, and that nobody has open.
fn remove_nameless(files: &Files, replica: &MemberReplica, in_use: &InUse) -> Result<(), MemberError> {
    let named: std::collections::HashSet<u64> = replica.backing_files().collect();
    for backing in files.backing().list() {
        let backing = backing?;
        if !named.contains(&backing.ino) && !in_use.files.contains(&backing.ino) {
            files.backing().remove(backing.ino, backing.generation)?;
        }
    }
    Ok(())
}

fn mount(
    options: &MemberOptions,
    device: Option<OwnedFd>,
    shared: &Arc<Shared>,
    volume: &Arc<MemberVolume>,
) -> Result<(Mount, Telling), MemberError> {
    let watchers = Watchers::new(options, volume);
    let stage = watchers.stage().clone();
    let failed = |source| MemberError::Mount { directory: options.directory.clone(), source };
    let (served, directory, how) = (volume.clone(), &options.directory, &options.mount);
    let mount = match device {
        Some(device) => fuse::take_over(served, stage, device, directory, how),
        None => fuse::mount(served, stage, directory, how),
    };
    let mount = mount.map_err(failed)?;
    if volume.is_kernel_behind() {
        // The mark that says so stays until this is over.
        let (told, announced) = (volume.clone(), volume.announce(&volume.replica(), &[]));
        Invalidator::forget_all(&mount, volume.known_inodes(), move || told.told(announced))?;
    }
    let invalidator = Invalidator::start(mount.notifier(), volume)?;
    let telling = watchers.start(&mount, volume, &options.directory)?;
    shared.set_kernel(Box::new(MountedKernel { invalidator, watchers }));
    Ok((mount, telling))
}

struct MountedKernel {
    invalidator: Invalidator,
    watchers: Watchers,
}

impl Kernel for MountedKernel {
    fn tell(&self, rows: Vec<Row>, sights: Vec<Sight>) {
        let prepared = self.watchers.prepare(sights);
        if !self.invalidator.invalidate(rows).wait(INVALIDATION_PATIENCE) {
            tracing::warn!("the kernel takes long to forget what remote work changed");
        }
        self.watchers.release(prepared);
    }
}

fn check_quiet(shared: &Shared, volume: &MemberVolume, mut lists: OwnLists, stopped: &Receiver<()>) {
    let mut proved = Instant::now();
    while stopped.recv_timeout(QUIET_CHECK) == Err(RecvTimeoutError::Timeout) {
        volume.capture_quiet();
        lists.refresh(volume);
        volume.tend_ignored();
        shared.tend_cache();
        if proved.elapsed() >= PROOF_INTERVAL {
            if let Err(error) = volume.prove() {
                tracing::warn!(%error, "content on this machine's disk could not be made sure of");
            }
            proved = Instant::now();
        }
    }
}
