//! What the threads and tasks of one member share.

use super::cache::{Cache, Demand, KeptFrom, PartialReader};
use super::content::{self, ContentError};
use super::driver::{Event, Upload};
use super::fetch;
use super::files::Files;
use super::link::{Conversation, LinkState};
use super::reserved::ReservedStore;
use super::settle::{Arrivals, Hold};
use super::source::Sources;
use super::standing::{Standing, Trouble};
use crate::model::{ChunkId, Role, SpaceName};
use crate::net::Connection;
use crate::store::{Reserve, free_space};
use crate::sync::WriteError;
use crate::sync::member::{Effects, Ino, Replica, Sight};
use crate::vfs::{Announced, Caller, Host, NotMaterialized, Pieces, Space, Volume};
use crate::wire::{ContentRequest, Hello, Row};
use parking_lot::{Condvar, Mutex};
use serde::de::DeserializeOwned;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc};

/// How long to wait before a hub that is full, or that asked for patience, is tried again.
const HUB_WAIT: Duration = Duration::from_secs(5);
/// How long entries are applied before the hub is told how far this member has come.
const TELL_DELAY: Duration = Duration::from_secs(1);

/// A member's volume.
pub type MemberVolume = Volume<ReservedStore, Files>;

/// A member's replica.
pub type MemberReplica = Replica<ReservedStore>;

/// Tells the kernel what remote work changed.
pub trait Kernel: Send + Sync {
    /// Returns once the kernel's copies of these rows are gone. Watchers hear of it later.
    fn tell(&self, rows: Vec<Row>, sights: Vec<Sight>);
}

pub struct Shared {
    volume: OnceLock<Arc<MemberVolume>>,
    kernel: OnceLock<Box<dyn Kernel>>,
    events: mpsc::Sender<Event>,
    looking: AtomicBool,
    stopping: AtomicBool,
    standing: Mutex<Standing>,
    progress: (Mutex<u64>, Condvar),
    pub(super) barriers_sent: AtomicU64,
    pub(super) barriers_passed: AtomicU64,
    connection: Mutex<Option<Connection>>,
    pub(super) fetch_wake: Notify,
    pub(super) cache: Cache,
    pub(super) demand: Demand,
    pub(super) arrivals: Arrivals,
    pub(super) hold: Hold,
    kept_from: KeptFrom,
    runtime: tokio::runtime::Handle,
    space: SpaceName,
    reserve: Arc<Reserve>,
}

impl Shared {
    pub fn new(
        space: SpaceName,
        events: mpsc::Sender<Event>,
        runtime: tokio::runtime::Handle,
        reserve: Arc<Reserve>,
        cache: (Cache, KeptFrom),
    ) -> Shared {
        Shared {
            volume: OnceLock::new(),
            kernel: OnceLock::new(),
            events,
            looking: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            standing: Mutex::new(Standing::at_start()),
            progress: Default::default(),
            barriers_sent: AtomicU64::new(0),
            barriers_passed: AtomicU64::new(0),
            connection: Mutex::new(None),
            fetch_wake: Notify::new(),
            cache: cache.0,
            demand: Demand::default(),
            arrivals: Arrivals::default(),
            hold: Hold::default(),
            kept_from: cache.1,
            runtime,
            space,
            reserve,
        }
    }

    /// Completes what could not be made before it: the volume needs this as its host.
    pub fn set_volume(&self, volume: Arc<MemberVolume>) {
        assert!(self.volume.set(volume).is_ok(), "a member has one volume");
    }

    pub fn set_kernel(&self, kernel: Box<dyn Kernel>) {
        assert!(self.kernel.set(kernel).is_ok(), "a member has one mount");
    }

    pub fn volume(&self) -> &MemberVolume {
        self.volume.get().expect("the volume is set before anything runs")
    }

    pub fn standing(&self) -> Standing {
        self.standing.lock().clone()
    }

    pub fn is_connected(&self) -> bool {
        self.standing.lock().link == LinkState::Connected
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Ends driver and link, and whoever waits for something that will not come any more.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.progressed();
        self.fetch_wake.notify_one();
        let _ = self.events.try_send(Event::Look);
    }

    /// Makes the driver look for something to send. Never waits: a full queue means that it looks anyway.
    pub fn look(&self) {
        if !self.looking.swap(true, Ordering::SeqCst) && self.events.try_send(Event::Look).is_err() {
            self.looking.store(false, Ordering::SeqCst);
        }
    }

    pub(super) fn looked(&self) {
        self.looking.store(false, Ordering::SeqCst);
    }

    /// Tells those who wait that something moved.
    pub(super) fn progressed(&self) {
        *self.progress.0.lock() += 1;
        self.progress.1.notify_all();
    }

    /// Waits until `done` holds. Returns whether it does, at the deadline at the latest.
    pub fn wait_until(&self, deadline: Instant, done: impl Fn() -> bool) -> bool {
        let mut seen = self.progress.0.lock();
        loop {
            let at = *seen;
            if parking_lot::MutexGuard::unlocked(&mut seen, &done) {
                return true;
            }
            if *seen == at && self.progress.1.wait_until(&mut seen, deadline).timed_out() {
                return parking_lot::MutexGuard::unlocked(&mut seen, &done);
            }
        }
    }

    pub(super) fn tell_kernel(&self, rows: Vec<Row>, sights: Vec<Sight>) {
        if let Some(kernel) = self.kernel.get().filter(|_| !rows.is_empty() || !sights.is_empty()) {
            kernel.tell(rows, sights);
        }
    }

    pub(super) fn wants_content(&self) {
        self.fetch_wake.notify_one();
    }

    pub(super) fn note_trouble(&self, trouble: Trouble, what: String) {
        self.standing.lock().note(trouble, what);
    }

    pub(super) fn no_trouble(&self, trouble: Trouble) {
        self.standing.lock().forget(trouble);
    }

    /// The hello to open a conversation with.
    pub(super) fn hello(&self) -> Hello {
        self.volume().replica().connected(self.space.clone())
    }

    /// Makes everything committed so far survive the loss of power, without keeping local work waiting.
    pub(super) fn sync_rows(&self) -> Result<(), WriteError> {
        let rows = self.volume().replica().store().rows().clone();
        rows.flush_wal(true)
    }

    pub(super) fn role_changed(&self, role: Role) {
        tracing::info!(%role, "the role in this space is now");
    }

    pub(super) fn barrier_passed(&self, id: u64) {
        self.barriers_passed.fetch_max(id, Ordering::SeqCst);
    }

    /// Uploads chunks of the sealed commit, then lets the driver send it again.
    pub(super) fn upload(self: &Arc<Self>, conversation: u64, chunks: Vec<ChunkId>) {
        let shared = self.clone();
        self.runtime.spawn(async move {
            let upload = shared.upload_all(&chunks).await;
            let _ = shared.events.send(Event::Uploaded(conversation, upload)).await;
        });
    }

    async fn upload_all(&self, chunks: &[ChunkId]) -> Upload {
        let Some(connection) = self.connection.lock().clone() else {
            return Upload::Failed(ContentError::Offline.to_string());
        };
        let sources = tokio::task::block_in_place(|| Sources::of_sealed(self, chunks));
        let sent = content::upload(&connection, chunks, |chunk| sources.read(chunk)).await;
        let Err(error) = sent else {
            self.no_trouble(Trouble::Upload);
            return Upload::Done;
        };
        tracing::warn!(%error, "content could not be sent");
        self.note_trouble(Trouble::Upload, error.to_string());
        match error {
            ContentError::HubFull => {
                tokio::time::sleep(HUB_WAIT).await;
                // The hub says anew what it lacks; part of it may have found room.
                Upload::Done
            }
            // Where nothing sealed has the chunk any more a replay has put the ops back into the journal.
            ContentError::Lost(chunk) => sources.content_with(chunk).map_or(Upload::Done, Upload::Lost),
            error => Upload::Failed(error.to_string()),
        }
    }

    /// Tells whether the room kept for deletions and captures had to be given up.
    pub fn is_full(&self) -> bool {
        !self.reserve.is_held()
    }

    /// Asks the hub one question on a stream of its own.
    ///
    /// # Errors
    /// [`ContentError`] where there is no connection, or no answer in time.
    pub fn ask_hub<T: DeserializeOwned>(
        &self,
        request: &ContentRequest,
        patience: Duration,
    ) -> Result<T, ContentError> {
        let connection = self.connected().ok_or(ContentError::Offline)?;
        let asking = content::ask(&connection, request);
        self.runtime
            .block_on(async { tokio::time::timeout(patience, asking).await })
            .map_err(|_| ContentError::Offline)?
    }

    /// The connection of the conversation, while there is one.
    pub(super) fn connected(&self) -> Option<Connection> {
        self.connection.lock().clone().filter(|_| self.is_connected())
    }

    pub(super) fn runtime(&self) -> &tokio::runtime::Handle {
        &self.runtime
    }

    pub(super) fn wait_a_while(&self, conversation: u64) {
        self.later(HUB_WAIT, Event::Waited(conversation));
    }

    pub(super) fn pause_sealing(&self, pause: Duration) {
        self.later(pause, Event::Paced);
    }

    pub(super) fn tell_later(&self) {
        self.later(TELL_DELAY, Event::Tell);
    }

    pub(super) fn events(&self) -> &mpsc::Sender<Event> {
        &self.events
    }

    pub(super) fn connection(&self) -> Option<Connection> {
        self.connection.lock().clone()
    }

    fn later(&self, delay: Duration, event: Event) {
        let events = self.events.clone();
        self.runtime.spawn(async move {
            tokio::time::sleep(delay).await;
            // Where the driver is gone nobody waits for it.
            let _ = events.send(event).await;
        });
    }

    /// Does what follows from local ops that nobody made through the kernel.
    pub(super) fn follow_local(&self, effects: Effects, announced: Announced) {
        self.tell_kernel(effects.changed, effects.sights);
        self.volume().told(announced);
        self.volume().remove_files(effects.removed_files);
        if effects.wants_content {
            self.wants_content();
        }
        self.look();
    }
}

impl Conversation for Shared {
    fn state(&self, state: LinkState) {
        self.standing.lock().link_is(state);
        self.progressed();
    }

    fn content(self: Arc<Self>, connection: Connection) -> tokio::task::JoinHandle<()> {
        *self.connection.lock() = Some(connection.clone());
        tokio::spawn(fetch::run(self, connection))
    }
}

/// The member as its volume sees it.
pub struct MemberHost(pub Arc<Shared>);

impl Host for MemberHost {
    fn wait_materialized(&self, ino: Ino, deadline: Instant) -> Result<(), NotMaterialized> {
        self.0.demand(ino, deadline)
    }

    fn pieces(&self, ino: Ino) -> Option<Arc<dyn Pieces>> {
        let partial = self.0.content_in_pieces(ino)?;
        Some(Arc::new(PartialReader(partial)))
    }

    fn may_materialize(&self, caller: Caller) -> bool {
        !self.0.kept_from.has(caller.pid)
    }

    fn used(&self, ino: Ino) {
        self.0.cache.used(ino);
    }

    fn happened(&self, effects: Effects) {
        if effects.journal_grew {
            self.0.look();
        }
        if effects.wants_content {
            self.0.wants_content();
        }
        if !effects.changed.is_empty() {
            // The caller serves the kernel, which must not wait for itself.
            let shared = self.0.clone();
            self.0.runtime.spawn_blocking(move || shared.tell_kernel(effects.changed, effects.sights));
        }
    }

    fn refuses_writes(&self) -> bool {
        self.0.is_full()
    }

    fn sync_rows(&self) -> Option<Result<(), WriteError>> {
        Some(self.0.sync_rows())
    }

    fn space(&self) -> Space {
        let root = self.0.volume().files().root();
        let Ok(room) = free_space(root) else { return Space::default() };
        const BLOCK_BYTES: u32 = 4096;
        let blocks = |bytes: u64| bytes / u64::from(BLOCK_BYTES);
        Space {
            block_bytes: BLOCK_BYTES,
            blocks: blocks(room.total_bytes),
            blocks_free: blocks(room.free_bytes),
            blocks_available: blocks(room.free_bytes),
            nodes: 0,
            nodes_free: 0,
        }
    }
}
