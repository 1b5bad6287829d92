//! Work on all that a space keeps: it may take hours, goes on beside everything else, and is done once at a time.

use super::admin::{AdminError, AdminResponse};
use super::chunks::SpaceChunks;
use super::findings::VerifyReport;
use super::gc::{Collection, GcReport};
use super::owner::Owner;
use super::state::HubState;
use super::verify::Verification;
use crate::model::SpaceName;
use crate::store::RocksStore;
use crate::sync::WriteError;
use crate::sync::hub::{HubSync, Keep, list_spaces};
use serde::{Deserialize, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request for such work, on one space or on all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CareRequest {
    Gc {
        space: Option<SpaceName>,
        keep: Keep,
        dry_run: bool,
    },
    /// `repair` asks connected members for what is missing or damaged.
    Verify {
        space: Option<SpaceName>,
        repair: bool,
    },
}

/// One space, for work on all it keeps.
pub(super) struct Job {
    pub name: SpaceName,
    pub hub: HubSync,
    pub store: RocksStore,
    pub chunks: SpaceChunks,
    /// None where no hub runs on the store.
    pub owner: Option<Arc<Owner>>,
    pub stopping: Arc<AtomicBool>,
}

impl Job {
    /// To be asked often: what lasts long must not keep a hub from stopping.
    pub fn check_going(&self) -> Result<(), AdminError> {
        if self.stopping.load(Ordering::Acquire) { Err(AdminError::Stopping) } else { Ok(()) }
    }
}

impl CareRequest {
    fn space(&self) -> Option<&SpaceName> {
        match self {
            CareRequest::Gc { space, .. } | CareRequest::Verify { space, .. } => space.as_ref(),
        }
    }

    /// Does the work on each space in turn; the first failure ends it.
    fn fulfil(&self, jobs: &[Job], scratch: &Path) -> Result<AdminResponse, AdminError> {
        match self {
            CareRequest::Gc { keep, dry_run, .. } => {
                let collect = |job| Collection { job, keep: *keep, dry_run: *dry_run }.run();
                let reports: Result<Vec<GcReport>, AdminError> = jobs.iter().map(collect).collect();
                reports.map(AdminResponse::Collected)
            }
            CareRequest::Verify { repair, .. } => {
                let verify = |job| Verification { job, repair: *repair, scratch }.run();
                let reports: Result<Vec<VerifyReport>, AdminError> = jobs.iter().map(verify).collect();
                reports.map(AdminResponse::Verified)
            }
        }
    }
}

impl HubState {
    /// Fulfils a request while the hub serves.
    ///
    /// # Errors
    /// [`AdminError`].
    pub(super) async fn care_for(&self, request: CareRequest) -> Result<AdminResponse, AdminError> {
        let (mut jobs, mut turns) = (Vec::new(), Vec::new());
        for name in names(&self.store, request.space()) {
            let open = self.space(&name).ok_or_else(|| AdminError::NoSuchSpace(name.clone()))?;
            turns.push(self.cared_for.take(open.hub.space()).ok_or_else(|| AdminError::Busy(name.clone()))?);
            let (store, stopping) = (self.store.clone(), self.stopping.clone());
            let (hub, chunks, owner) = (open.hub, open.chunks, Some(open.owner));
            jobs.push(Job { name, hub, store, chunks, owner, stopping });
        }
        // Each has a place of its own, as there may be several.
        let scratch = self.admin.scratch.join(self.scratches.fetch_add(1, Ordering::Relaxed).to_string());
        let done = tokio::task::spawn_blocking(move || request.fulfil(&jobs, &scratch)).await;
        drop(turns);
        done.unwrap_or_else(|error| Err(unreadable(error)))
    }
}

/// Fulfils a request on a store that no hub runs on.
///
/// # Errors
/// [`AdminError`].
pub(super) fn care_for_stopped(
    store: &RocksStore,
    request: &CareRequest,
    scratch: &Path,
) -> Result<AdminResponse, AdminError> {
    let mut jobs = Vec::new();
    for name in names(store, request.space()) {
        let hub = HubSync::open(store, &name).ok_or_else(|| AdminError::NoSuchSpace(name.clone()))?;
        let chunks = SpaceChunks::new(hub.space(), store.chunks());
        jobs.push(Job { name, hub, store: store.clone(), chunks, owner: None, stopping: Arc::default() });
    }
    // The state on disk may be unreadable, which the store says by a panic.
    let done = catch_unwind(AssertUnwindSafe(|| request.fulfil(&jobs, scratch)));
    done.unwrap_or_else(|_| Err(unreadable("the store says what")))
}

fn names(store: &RocksStore, one: Option<&SpaceName>) -> Vec<SpaceName> {
    match one {
        Some(name) => vec![name.clone()],
        None => list_spaces(store).into_iter().map(|info| info.name).collect(),
    }
}

fn unreadable(error: impl std::fmt::Display) -> AdminError {
    AdminError::Failed(format!("the state on disk cannot be read, the log says why: {error}"))
}

pub(super) fn not_written(error: WriteError) -> AdminError {
    match error {
        WriteError::Full => AdminError::Full,
        WriteError::Failed(reason) => AdminError::Failed(reason),
    }
}
