//! What all connections of a hub share: the store, and the owners of the spaces in use.

use super::admin::{AdminContext, AdminError, AdminRequest, AdminResponse, SpaceRow, administer};
use super::care::{care_for_stopped, not_written};
use super::chunks::SpaceChunks;
use super::clock::{fresh_space_id, now};
use super::connection::{STRANGERS_EACH, VISITS_EACH};
use super::newcomer::SNAPSHOTS_EACH;
use super::owner::{Owner, Request};
use super::space::Space;
use super::turns::Turns;
use crate::model::{SpaceId, SpaceName};
use crate::store::RocksStore;
use crate::sync::hub::{Device, HubSync, create_space, list_spaces, remove_space, removed_spaces};
use crate::sync::{Durability, Store, Txn, WriteError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tokio::sync::{Semaphore, mpsc, oneshot};

/// Bytes of commits that wait for owners, all spaces and members together.
const WAITING_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A space in use.
#[derive(Clone)]
pub struct OpenSpace {
    pub hub: HubSync,
    pub chunks: SpaceChunks,
    pub owner: Arc<Owner>,
}

pub struct HubState {
    pub store: RocksStore,
    pub(super) admin: AdminContext,
    spaces: Mutex<Spaces>,
    /// Permits are bytes.
    pub waiting: Arc<Semaphore>,
    /// Connections that have not been welcomed yet, by where they come from.
    pub strangers: Arc<Turns<IpAddr>>,
    /// Snapshots under way, by whom they go to.
    pub snapshots: Arc<Turns<Device>>,
    /// Connections that read without being a member's.
    pub visits: Arc<Turns<Device>>,
    /// Held while spaces are made or removed.
    changing: tokio::sync::Mutex<()>,
    /// Spaces on all of which something works now, once at a time.
    pub(super) cared_for: Arc<Turns<SpaceId>>,
    /// Looks at all that a space keeps which were begun.
    pub(super) scratches: AtomicU64,
    /// Set when the hub stops.
    pub(super) stopping: Arc<AtomicBool>,
    failed: mpsc::UnboundedSender<String>,
}

#[derive(Default)]
struct Spaces {
    open: HashMap<SpaceId, OpenSpace>,
    stopping: bool,
}

impl HubState {
    /// `failed` is told when the hub cannot go on.
    pub fn new(store: RocksStore, admin: AdminContext, failed: mpsc::UnboundedSender<String>) -> HubState {
        let waiting = Arc::new(Semaphore::new(WAITING_BYTES_MAX));
        HubState {
            store,
            admin,
            spaces: Mutex::default(),
            waiting,
            strangers: Arc::new(Turns::new(STRANGERS_EACH)),
            snapshots: Arc::new(Turns::new(SNAPSHOTS_EACH)),
            visits: Arc::new(Turns::new(VISITS_EACH)),
            changing: Default::default(),
            cared_for: Arc::new(Turns::new(1)),
            scratches: AtomicU64::new(0),
            stopping: Arc::default(),
            failed,
        }
    }

    /// Permits for a commit of so many bytes.
    pub fn permits_for(bytes: usize) -> u32 {
        bytes.clamp(1, WAITING_BYTES_MAX / 2) as u32
    }

    /// The space of that name with its owner, started where it is not running; None where there is no such
    /// space, or the hub stops.
    pub fn space(&self, name: &SpaceName) -> Option<OpenSpace> {
        // Lock order: the spaces are locked while one is looked up, so that none is opened as it is removed.
        let mut spaces = self.spaces.lock();
        if spaces.stopping {
            return None;
        }
        let hub = HubSync::open(&self.store, name)?;
        if let Some(open) = spaces.open.get(&hub.space()) {
            return Some(open.clone());
        }
        let failed = self.failed.clone();
        let space = Space::new(hub, self.store.clone(), self.admin.clone());
        // The owner and the content streams learn of damage from each other.
        let chunks = space.chunks.clone();
        let report = move |reason| drop(failed.send(reason));
        let owner = Owner::start(space, report)
            .inspect_err(|error| tracing::error!(%error, "no thread for a space"))
            .ok()?;
        let open = OpenSpace { hub, chunks, owner: Arc::new(owner) };
        spaces.open.insert(hub.space(), open.clone());
        Some(open)
    }

    /// Fulfils an administrator's request.
    ///
    /// # Errors
    /// [`AdminError`].
    pub async fn administer(self: &Arc<Self>, request: AdminRequest) -> Result<AdminResponse, AdminError> {
        if let AdminRequest::Care(request) = request {
            return self.care_for(request).await;
        }
        if let Some(name) = request.within_space() {
            let name = name.clone();
            let open = self.space(&name).ok_or(AdminError::NoSuchSpace(name))?;
            let (reply, answer) = oneshot::channel();
            if !open.owner.send(Request::Admin { request, reply }).await {
                return Err(AdminError::Stopping);
            }
            return answer.await.unwrap_or(Err(AdminError::Stopping));
        }
        let _changing = self.changing.lock().await;
        if let AdminRequest::SpaceRemove { space } = &request {
            self.retire(space).await?;
        }
        let state = self.clone();
        let done = tokio::task::spawn_blocking(move || administer_spaces(&state.store, request));
        done.await.unwrap_or_else(|error| Err(AdminError::Failed(error.to_string())))
    }

    /// Takes a space's name away and ends its owner.
    async fn retire(&self, name: &SpaceName) -> Result<(), AdminError> {
        let open = {
            let mut spaces = self.spaces.lock();
            let id = unname(&self.store, name)?;
            spaces.open.remove(&id)
        };
        if let Some(open) = open {
            open.owner.send(Request::Retire).await;
            let joined = tokio::task::spawn_blocking(move || open.owner.join());
            joined.await.map_err(|error| AdminError::Failed(error.to_string()))?;
        }
        Ok(())
    }

    /// Ends all owners once they have done what they had been given.
    pub async fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        let open: Vec<OpenSpace> = {
            let mut spaces = self.spaces.lock();
            spaces.stopping = true;
            spaces.open.drain().map(|(_, open)| open).collect()
        };
        for space in &open {
            space.owner.send(Request::Stop).await;
        }
        let joined = tokio::task::spawn_blocking(move || open.iter().for_each(|space| space.owner.join()));
        if let Err(error) = joined.await {
            tracing::error!(%error, "waiting for the spaces' owners failed");
        }
    }
}

/// Fulfils any request on a store that no hub runs on.
///
/// # Errors
/// [`AdminError`].
pub fn administer_stopped(
    store: &RocksStore,
    context: &AdminContext,
    request: AdminRequest,
) -> Result<AdminResponse, AdminError> {
    if let AdminRequest::Care(request) = &request {
        return care_for_stopped(store, request, &context.scratch);
    }
    let Some(name) = request.within_space() else {
        if let AdminRequest::SpaceRemove { space } = &request {
            unname(store, space)?;
        }
        return administer_spaces(store, request);
    };
    let hub = HubSync::open(store, name).ok_or_else(|| AdminError::NoSuchSpace(name.clone()))?;
    let mut txn = Txn::new(store);
    let done = administer(&hub, &mut txn, request, context, &|_| None)?;
    let batch = txn.into_batch();
    store.commit(batch, Durability::Power).map_err(not_written)?;
    Ok(done.response)
}

fn administer_spaces(store: &RocksStore, request: AdminRequest) -> Result<AdminResponse, AdminError> {
    match request {
        AdminRequest::SpaceCreate { space } => {
            let mut txn = Txn::new(store);
            if create_space(&mut txn, space.clone(), fresh_space_id(), now()).is_none() {
                return Err(AdminError::SpaceExists(space));
            }
            let batch = txn.into_batch();
            store.commit(batch, Durability::Power).map_err(not_written)?;
            Ok(AdminResponse::Done)
        }
        AdminRequest::SpaceRemove { .. } => {
            purge(store).map_err(not_written)?;
            Ok(AdminResponse::Done)
        }
        _ => Ok(AdminResponse::Spaces(space_rows(store))),
    }
}

fn space_rows(store: &RocksStore) -> Vec<SpaceRow> {
    let spaces = list_spaces(store).into_iter().filter_map(|info| {
        let hub = HubSync::open(store, &info.name)?;
        let members = hub.names(store).len() as u32;
        Some(SpaceRow { head: hub.head(store), members, name: info.name, created: info.created })
    });
    spaces.collect()
}

/// Takes a space's name away; from then on nobody finds it.
fn unname(store: &RocksStore, name: &SpaceName) -> Result<SpaceId, AdminError> {
    let mut txn = Txn::new(store);
    let id = remove_space(&mut txn, name).ok_or_else(|| AdminError::NoSuchSpace(name.clone()))?;
    let batch = txn.into_batch();
    store.commit(batch, Durability::Power).map_err(not_written)?;
    Ok(id)
}

/// Erases what removed spaces have left. An interrupted removal is finished at the next start.
///
/// # Errors
/// [`WriteError`]; the rest is still to be erased then.
pub fn purge(store: &RocksStore) -> Result<(), WriteError> {
    for (space, prefix) in removed_spaces(store) {
        store.chunks().remove_space(space)?;
        // Order: the keys go last, because they tell that there is something to erase.
        store.remove_prefix(&prefix, Durability::Power)?;
    }
    Ok(())
}
