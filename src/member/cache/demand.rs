//! Content that somebody waits for: fetched at once, beside whatever else is being fetched.
//!
//! Invariant: one content is fetched for all who wait for it. Who waits is told why it did not come once nothing has
//! come for as long as the deadline left, and where the hub is known to be out of reach soon. What is being fetched goes
//! on being fetched when nobody waits any more.

use super::unread::reason;
use crate::member::content::{ContentError, Wanted, data_of, fetch_small};
use crate::member::fetch::arrived;
use crate::member::files::Arriving;
use crate::member::link::LinkState;
use crate::member::shared::Shared;
use crate::model::{Digest, NodeId};
use crate::net::Connection;
use crate::ops::Tree;
use crate::sync::member::{Ino, content_of};
use crate::vfs::{self, NotMaterialized};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// Contents fetched at once for those who wait.
const FETCHED_AT_ONCE: usize = 8;
/// How long a hub that is out of reach is waited for.
const OFFLINE_PATIENCE: Duration = Duration::from_secs(5);
/// How often it is looked whether there is a connection again.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// What is being fetched for somebody, and how the last try for each of them ended.
pub struct Demand {
    under_way: Mutex<HashMap<NodeId, Digest>>,
    failed: Mutex<HashMap<NodeId, (Digest, ContentError)>>,
    turns: Semaphore,
    begun: Instant,
    /// When content arrived last, in milliseconds since it began.
    arrived_at: AtomicU64,
}

impl Default for Demand {
    fn default() -> Demand {
        Demand {
            under_way: Mutex::default(),
            failed: Mutex::default(),
            turns: Semaphore::new(FETCHED_AT_ONCE),
            begun: Instant::now(),
            arrived_at: AtomicU64::new(0),
        }
    }
}

impl Demand {
    pub fn is_under_way(&self, node: NodeId) -> bool {
        self.under_way.lock().contains_key(&node)
    }

    /// Some content arrives.
    pub fn note_arrival(&self) {
        let elapsed = u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.arrived_at.fetch_max(elapsed, Ordering::Relaxed);
    }

    fn arrived_at(&self) -> Instant {
        self.begun + Duration::from_millis(self.arrived_at.load(Ordering::Relaxed))
    }
}

impl Shared {
    /// Fetches an inode's content and waits for it.
    ///
    /// # Errors
    /// [`NotMaterialized`]; the reason is in the log and in what the member says of itself.
    pub(in crate::member) fn demand(
        self: &Arc<Self>,
        ino: Ino,
        deadline: Instant,
    ) -> Result<(), NotMaterialized> {
        let patience = deadline.saturating_duration_since(Instant::now());
        // An inode that is no more has nothing to wait for.
        let Some(node) = self.volume().replica().inode(ino).map(|inode| inode.node) else { return Ok(()) };
        loop {
            let Some(wanted) = self.wanted_of(ino, node) else {
                self.cache.unread.settle(node);
                return Ok(());
            };
            self.demand.failed.lock().remove(&node);
            if let Entry::Vacant(free) = self.demand.under_way.lock().entry(node) {
                free.insert(wanted.content);
                self.runtime().spawn(self.clone().fetch_wanted(wanted.clone()));
            }
            let over = || self.wanted_of(ino, node).is_none() || !self.demand.is_under_way(node);
            let mut until = deadline;
            // A large content takes its time: as long as something comes it is worth the wait.
            while !self.wait_until(until, over) && self.demand.arrived_at() + patience > Instant::now() {
                until = self.demand.arrived_at() + patience;
            }
            if self.wanted_of(ino, node).is_none() {
                continue;
            }
            let failed = self.demand.failed.lock().remove(&node);
            match failed {
                // It was another content by then: that is fetched now.
                Some((content, _)) if content != wanted.content && Instant::now() < until => {}
                None if Instant::now() < until => {}
                failed => {
                    let error = failed.map_or(ContentError::Late, |(_, error)| error);
                    self.note_unread(node, &error);
                    return Err(NotMaterialized);
                }
            }
        }
    }

    /// What is missing of an inode's content; none where it is here or there is nothing to wait for.
    fn wanted_of(&self, ino: Ino, node: NodeId) -> Option<Wanted> {
        let replica = self.volume().replica();
        replica.inode(ino)?;
        if replica.is_materialized(ino) {
            return None;
        }
        let manifest = replica.view().node(node)?.manifest()?.clone();
        Some(Wanted { node, content: content_of(&manifest), manifest })
    }

    async fn fetch_wanted(self: Arc<Self>, wanted: Wanted) {
        if let Err(error) = self.fetch_in_turn(&wanted).await {
            self.demand.failed.lock().insert(wanted.node, (wanted.content, error));
        }
        self.demand.under_way.lock().remove(&wanted.node);
        self.progressed();
    }

    async fn fetch_in_turn(self: &Arc<Self>, wanted: &Wanted) -> Result<(), ContentError> {
        if let Some(partial) = self.cache.partial(wanted.content) {
            return partial.fetch_all(self).await;
        }
        let _turn = self.demand.turns.acquire().await.map_err(|_| ContentError::Offline)?;
        // Who reads is served even where the cache has no room: it gets smaller as soon as it may.
        let data = data_of(&wanted.manifest);
        _ = tokio::task::block_in_place(|| self.make_room(data));
        let _arrival = self.cache.arrival(data);
        loop {
            let connection = self.wait_connected().await?;
            let arriving = Arriving(self);
            let fetched = match wanted.manifest.inline_chunk() {
                Some(chunk) => {
                    let wanted = [(wanted.clone(), chunk)];
                    fetch_small(&connection, &arriving, &wanted, |wanted, file| arrived(self, wanted, file))
                        .await
                }
                None => self.bring_large(&connection, wanted).await,
            };
            match fetched {
                // The connection went meanwhile: the next one may do.
                Err(ContentError::Closed(_) | ContentError::Send(_) | ContentError::Receive(_))
                    if connection.close_reason().is_some() => {}
                fetched => return fetched,
            }
        }
    }

    /// The connection; a hub that cannot be reached is not waited for long.
    pub(super) async fn wait_connected(&self) -> Result<Connection, ContentError> {
        let begun = Instant::now();
        loop {
            if let Some(connection) =
                self.connected().filter(|connection| connection.close_reason().is_none())
            {
                return Ok(connection);
            }
            let down = matches!(self.standing().link, LinkState::Unreachable(_) | LinkState::Refused(_));
            if self.is_stopping() || (down && begun.elapsed() >= OFFLINE_PATIENCE) {
                return Err(ContentError::Offline);
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    pub(super) fn note_unread(&self, node: NodeId, error: &ContentError) {
        let why = reason(error, &self.standing().link);
        tracing::warn!(%node, why, "a file could not be read");
        self.cache.unread.note(node, vfs::now(), why);
    }
}
