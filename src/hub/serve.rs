//! A hub from its start to its stop.

use super::HubError;
use super::admin::{AdminContext, HostPort};
use super::connection::serve_connection;
use super::control::serve_control;
use super::socket;
use super::state::{HubState, purge};
use super::verify;
use crate::net::{CloseCode, Identity, Listener};
use crate::store::{RocksStore, StateDirectory, StoreRole};
use crate::sync::hub::{Rate, set_guard_of_all};
use crate::sync::{Durability, Store, Txn};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Where a hub listens that is not told otherwise, and the port of an invite that names none.
pub const DEFAULT_PORT: u16 = 4733;
/// Connections have this long to hear that the hub stops.
const FAREWELL_PATIENCE: Duration = Duration::from_secs(3);
/// Connections at once, in handshake or in use; more wait their turn.
const CONNECTIONS_MAX: usize = 4_096;

/// How a hub is to run.
pub struct ServeOptions {
    /// Its state directory; made where it is missing.
    pub data: PathBuf,
    pub listen: SocketAddr,
    /// What members may remove in spaces that say nothing else.
    pub guard: Rate,
    /// Called once members can connect, with the address that became of `listen`.
    pub on_ready: Box<dyn FnOnce(SocketAddr) + Send>,
}

/// Serves until `shutdown` completes, then stops in order. Wants a tokio runtime with several threads.
///
/// # Errors
/// [`HubError`] where it cannot start, or [`HubError::Failed`] where it cannot go on.
pub async fn serve(options: ServeOptions, shutdown: impl Future<Output = ()>) -> Result<(), HubError> {
    let ServeOptions { data, listen, guard, on_ready } = options;
    let directory = StateDirectory::open(&data)?;
    let identity = Identity::load_or_create(&identity_path(&directory))?;
    let store = RocksStore::open(&directory.database(), StoreRole::Hub)?;
    if let Err(error) = purge(&store) {
        tracing::warn!(%error, "what a removed space has left could not be erased yet");
    }
    let mut txn = Txn::new(&store);
    set_guard_of_all(&mut txn, guard);
    let batch = txn.into_batch();
    if let Err(error) = store.commit(batch, Durability::Process) {
        tracing::warn!(%error, "the guard could not be set");
    }
    if let Err(error) = verify::remove(&scratch_path(&directory)) {
        tracing::warn!(%error, "what an earlier hub needed for a while could not be removed");
    }
    let bind_failed = |source| HubError::Bind { address: listen, source };
    let listener = Listener::bind(listen, &identity).map_err(bind_failed)?;
    let address = listener.local_addr().map_err(bind_failed)?;
    keep_place(&directory, address);
    let (failed, failure) = mpsc::unbounded_channel();
    let place = place_of(address);
    let (hub, scratch) = (identity.public_key().fingerprint(), scratch_path(&directory));
    let closed = store.until_closed();
    let state = Arc::new(HubState::new(store, AdminContext { hub, host: place, scratch }, failed));
    let control_path = directory.control_socket();
    let control = socket::bind(&control_path)?;
    let control = tokio::net::UnixListener::from_std(control)
        .map_err(|source| HubError::Control { path: control_path.clone(), source })?;
    let control = tokio::spawn(serve_control(state.clone(), control));
    tracing::info!(%address, hub = %identity.public_key().fingerprint(), "listening");
    on_ready(address);
    let ended = accept(&state, &listener, shutdown, failure).await;
    control.abort();
    let _ = control.await;
    let _ = std::fs::remove_file(&control_path);
    drop(state);
    // What was ended in the middle of something lets go of the store a moment later; nobody opens it before, and
    // the process does not end below it.
    if timeout(FAREWELL_PATIENCE, closed).await.is_err() {
        tracing::warn!("something does not let go of the store");
    }
    ended
}

/// Accepts connections until told to stop, or until the store fails; then ends everything that was begun.
async fn accept(
    state: &Arc<HubState>,
    listener: &Listener,
    shutdown: impl Future<Output = ()>,
    mut failure: mpsc::UnboundedReceiver<String>,
) -> Result<(), HubError> {
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    let ended = loop {
        tokio::select! {
            () = &mut shutdown => break Ok(()),
            Some(reason) = failure.recv() => break Err(HubError::Failed(reason)),
            incoming = listener.accept(), if connections.len() < CONNECTIONS_MAX => match incoming {
                Some(incoming) => drop(connections.spawn(serve_connection(state.clone(), incoming))),
                None => break Err(HubError::Failed("the network socket was closed".to_owned())),
            },
            Some(ended) = connections.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection failed");
                }
            }
        }
    };
    // Order: what was handed in is made durable before the connections are closed.
    state.stop().await;
    let farewell = async { while connections.join_next().await.is_some() {} };
    if timeout(FAREWELL_PATIENCE, farewell).await.is_err() {
        tracing::debug!("some connections did not end by themselves");
    }
    listener.close(CloseCode::Stopping, "the hub stops");
    connections.shutdown().await;
    listener.wait_idle(FAREWELL_PATIENCE).await;
    ended
}

pub fn identity_path(directory: &StateDirectory) -> PathBuf {
    directory.path().join("identity")
}

/// Where something may be made for a while.
pub fn scratch_path(directory: &StateDirectory) -> PathBuf {
    directory.path().join("scratch")
}

/// Writes down where this hub listens, for invites made while it does not run.
fn keep_place(directory: &StateDirectory, address: SocketAddr) {
    let path = directory.path().join("listen");
    if let Err(error) = std::fs::write(&path, address.to_string()) {
        tracing::debug!(%error, "where this hub listens was not written down");
    }
}

/// Where the hub listened when it last ran.
pub fn last_place(directory: &StateDirectory) -> HostPort {
    let text = std::fs::read_to_string(directory.path().join("listen")).unwrap_or_default();
    let address = text.trim().parse().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], DEFAULT_PORT)));
    place_of(address)
}

/// How members reach what listens on `address`: there, or by this machine's name where it listens everywhere.
fn place_of(address: SocketAddr) -> HostPort {
    let host = if address.ip().is_unspecified() { machine_name() } else { address.ip().to_string() };
    HostPort { host, port: address.port() }
}

fn machine_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if name.is_empty() { "localhost".to_owned() } else { name.to_owned() }
}
