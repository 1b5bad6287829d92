//! A visit: a space as it was at a moment, mounted read-only, by a process that is no member.
//!
//! Invariant: a visit has a state directory of its own, made when it begins and removed when it ends; it changes nothing
//! at the hub. The whole tree is there before the mount is; contents are fetched when they are read.

use super::cache::{Cache, KeptFrom};
use super::content::{self, ContentError};
use super::control::Moment;
use super::files::Files;
use super::link::{Conversation, LinkState};
use super::past::{Ask, PastFailure, locate, read_log};
use super::remote::Remote;
use super::reserved::ReservedStore;
use super::run::{MemberError, runtime, settings};
use super::shared::{MemberHost, MemberVolume, Shared};
use crate::fuse::{self, Mount};
use crate::model::{MemberName, Sequence};
use crate::net::{
    Backoff, CloseCode, ConnectError, Connection, Dialer, FrameReceiver, FrameSender, Identity,
};
use crate::store::{BackingFiles, Reserve, RocksStore, StateDirectory, StoreRole};
use crate::sync::member::Replica;
use crate::vfs::Volume;
use crate::wire::{ContentRequest, FromHub, Opening, Visit, WIRE_FORMAT};
use serde::de::DeserializeOwned;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};

const CONNECT_DEADLINE: Duration = Duration::from_secs(10);
/// The hub has this long for a page of the log.
const PAGE_PATIENCE: Duration = Duration::from_secs(20);
/// How often a mount is looked at that may have been taken away.
const OVER_CHECK: Duration = Duration::from_secs(1);
/// What the log of a daemon is called; it is there before the visit.
pub const LOG_NAME: &str = "log";

/// What is visited, and where it is shown.
pub struct VisitOptions {
    pub remote: Remote,
    pub identity: Identity,
    /// The visit's own state directory.
    pub state: PathBuf,
    pub name: MemberName,
    pub moment: Moment,
    pub directory: PathBuf,
    /// Mount options for the source as `REMOTE:SPACE@SEQUENCE`.
    pub mount: Box<dyn Fn(Sequence) -> fuse::MountOptions>,
}

/// Why a visit did not begin.
#[derive(Debug, thiserror::Error)]
pub enum VisitError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the hub refused: {0}")]
    Refused(String),
    #[error("the conversation with the hub ended early: {0}")]
    Ended(String),
    #[error(transparent)]
    Past(#[from] PastFailure),
    #[error(transparent)]
    Member(#[from] MemberError),
}

/// A visit that is mounted.
pub struct Visiting {
    shared: Arc<Shared>,
    mount: Mount,
    runtime: Runtime,
    sequence: Sequence,
    state: PathBuf,
    _lock: StateDirectory,
}

/// The streams of a conversation in which nobody says anything.
type Silent = (FrameSender, FrameReceiver);

/// Begins a visit. On return the mount is usable.
///
/// # Errors
/// [`VisitError`]; nothing is mounted then, and the state directory is gone.
pub fn start(options: VisitOptions) -> Result<Visiting, VisitError> {
    let state = options.state.clone();
    clear(&state);
    let started = try_start(options);
    if started.is_err() {
        remove(&state);
    }
    started
}

fn try_start(options: VisitOptions) -> Result<Visiting, VisitError> {
    let runtime = runtime().map_err(MemberError::System)?;
    let dialer = Dialer::new(&options.identity);
    let (connection, silent) = runtime.block_on(greet(&dialer, &options.remote))?;
    let asker = Visitor { connection: &connection, runtime: runtime.handle() };
    let sequence = locate(&asker, options.moment)?;
    let lock = StateDirectory::open(&options.state).map_err(MemberError::Store)?;
    let (shared, volume) = open(&options, &lock, runtime.handle())?;
    read_log(&asker, (None, Some(sequence)), |entries| Ok(volume.replica().look_at(entries)?))?;
    let failed = |source| MemberError::Mount { directory: options.directory.clone(), source };
    let mount = fuse::mount(volume, Arc::default(), &options.directory, &(options.mount)(sequence))
        .map_err(failed)?;
    runtime.spawn(stay(shared.clone(), options.remote, dialer, (connection, silent)));
    Ok(Visiting { shared, mount, runtime, sequence, state: options.state, _lock: lock })
}

/// A replica without a tree, and what belongs to it.
fn open(
    options: &VisitOptions,
    state: &StateDirectory,
    runtime: &Handle,
) -> Result<(Arc<Shared>, Arc<MemberVolume>), MemberError> {
    let store = RocksStore::open(&state.database(), StoreRole::Member)?;
    let backing = BackingFiles::open(state.path())?;
    // No room is kept for deletions and captures: there are none.
    let reserve = Arc::new(Reserve::new(state.reserve()));
    let store = ReservedStore::new(store, reserve.clone());
    let mut replica = Replica::open(store, options.name.clone())?;
    replica.set_read_only(true);
    let files = Files::new(backing, options.state.clone());
    // Nobody takes events: a visit sends nothing.
    let (events, _) = tokio::sync::mpsc::channel(1);
    let cache = (Cache::default(), KeptFrom::default());
    let shared = Arc::new(Shared::new(options.remote.space.clone(), events, runtime.clone(), reserve, cache));
    let host = Box::new(MemberHost(shared.clone()));
    let volume: Arc<MemberVolume> = Arc::new(Volume::new(replica, files, host, settings()));
    shared.set_volume(volume.clone());
    Ok((shared, volume))
}

impl Visiting {
    pub fn runtime(&self) -> &Handle {
        self.runtime.handle()
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// What is visited.
    pub fn sequence(&self) -> Sequence {
        self.sequence
    }

    /// Waits until the mount is gone, or `stop` says to end it; then nothing is left of the visit.
    ///
    /// # Errors
    /// [`MemberError`] where the mount could not be ended.
    pub fn wait(self, stop: &Receiver<()>) -> Result<(), MemberError> {
        while !self.mount.is_over() {
            match stop.recv_timeout(OVER_CHECK) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => break,
            }
        }
        let unmounted = if self.mount.is_over() { self.mount.wait() } else { self.mount.unmount() };
        self.shared.stop();
        self.runtime.shutdown_timeout(Duration::from_secs(2));
        remove(&self.state);
        unmounted.map_err(MemberError::System)
    }
}

/// Asks over a connection of its own.
struct Visitor<'a> {
    connection: &'a Connection,
    runtime: &'a Handle,
}

impl Ask for Visitor<'_> {
    fn ask<T: DeserializeOwned>(&self, request: &ContentRequest) -> Result<T, ContentError> {
        let asking = content::ask(self.connection, request);
        self.runtime
            .block_on(async { tokio::time::timeout(PAGE_PATIENCE, asking).await })
            .map_err(|_| ContentError::Offline)?
    }
}

/// Connects and says that this is a visit.
async fn greet(dialer: &Dialer, remote: &Remote) -> Result<(Connection, Silent), VisitError> {
    let connection = dialer.connect(&remote.host, remote.port, remote.hub, CONNECT_DEADLINE).await?;
    let ended = |why: String| VisitError::Ended(why);
    let (mut sender, mut receiver) =
        connection.open_control().await.map_err(|closed| ended(closed.to_string()))?;
    let visit = Visit { format: WIRE_FORMAT, space: remote.space.clone() };
    sender.send_message(&Opening::Visit(visit)).await.map_err(|error| ended(error.to_string()))?;
    match receiver.receive_message::<FromHub>("answer to a visit").await {
        Ok(Some(FromHub::Visited { .. })) => Ok((connection, (sender, receiver))),
        Ok(Some(FromHub::Refused { detail, .. })) => Err(VisitError::Refused(detail)),
        Ok(_) => Err(ended("the hub answered out of turn".into())),
        Err(error) => Err(ended(error.to_string())),
    }
}

/// Fetches what is read for as long as the visit lasts, over one connection after the other.
async fn stay(shared: Arc<Shared>, remote: Remote, dialer: Dialer, first: (Connection, Silent)) {
    let (mut greeted, mut backoff) = (Some(first), Backoff::new());
    while !shared.is_stopping() {
        let met = match greeted.take() {
            Some(met) => Ok(met),
            None => greet(&dialer, &remote).await,
        };
        let why = match met {
            Ok((connection, (_sender, mut receiver))) => {
                backoff.reset();
                shared.state(LinkState::Connected);
                let content = shared.clone().content(connection.clone());
                let said = receiver.receive_message::<FromHub>("message to a visitor").await;
                content.abort();
                connection.close(CloseCode::Done, "the visit goes on by another connection");
                match said {
                    Ok(Some(FromHub::Refused { detail, .. })) => LinkState::Refused(detail),
                    Ok(_) => LinkState::Unreachable("the hub ended the conversation".into()),
                    Err(error) => LinkState::Unreachable(error.to_string()),
                }
            }
            Err(VisitError::Refused(detail)) => LinkState::Refused(detail),
            Err(error) => LinkState::Unreachable(error.to_string()),
        };
        shared.state(why);
        tokio::time::sleep(backoff.next_delay()).await;
    }
}

/// Makes a state directory empty but for the log, which is being written.
fn clear(state: &Path) {
    let Ok(entries) = fs::read_dir(state) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name() != LOG_NAME) {
        let path = entry.path();
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        if let Err(error) = removed {
            tracing::warn!(%error, "something of an earlier visit could not be removed");
        }
    }
}

/// Removes a visit's state directory, whatever is in it.
pub fn remove(state: &Path) {
    match fs::remove_dir_all(state) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, "the state of a visit could not be removed");
        }
        _ => {}
    }
}
