//! Content that somebody waits for: fetched at once, beside whatever else is being fetched.
//!
//! Invariant: one content is fetched for all who wait for it. Who waits is told why it did not come, at the deadline
//! at the latest; where the hub is known to be out of reach that is soon.

use super::unread::reason;
use crate::member::content::{ContentError, Wanted, data_of, fetch_large, fetch_small};
use crate::member::fetch::arrived;
use crate::member::files::Arriving;
use crate::member::link::LinkState;
use crate::member::shared::Shared;
use crate::model::{Digest, NodeId};
use crate::ops::Tree;
use crate::sync::member::{Ino, content_of};
use crate::vfs::{self, NotMaterialized};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
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
}

impl Default for Demand {
    fn default() -> Demand {
        Demand {
            under_way: Mutex::default(),
            failed: Mutex::default(),
            turns: Semaphore::new(FETCHED_AT_ONCE),
        }
    }
}

impl Demand {
    pub fn is_under_way(&self, node: NodeId) -> bool {
        self.under_way.lock().contains_key(&node)
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
                self.runtime().spawn(self.clone().fetch_wanted(wanted.clone(), deadline));
            }
            let over = || self.wanted_of(ino, node).is_none() || !self.demand.is_under_way(node);
            self.wait_until(deadline, over);
            if self.wanted_of(ino, node).is_none() {
                continue;
            }
            let failed = self.demand.failed.lock().remove(&node);
            match failed {
                // It was another content by then: that is fetched now.
                Some((content, _)) if content != wanted.content && Instant::now() < deadline => {}
                None if Instant::now() < deadline => {}
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

    async fn fetch_wanted(self: Arc<Self>, wanted: Wanted, deadline: Instant) {
        let until = tokio::time::Instant::from_std(deadline);
        let fetched = tokio::time::timeout_at(until, self.fetch_in_turn(&wanted)).await;
        if let Err(error) = fetched.unwrap_or(Err(ContentError::Late)) {
            self.demand.failed.lock().insert(wanted.node, (wanted.content, error));
        }
        self.demand.under_way.lock().remove(&wanted.node);
        self.progressed();
    }

    async fn fetch_in_turn(&self, wanted: &Wanted) -> Result<(), ContentError> {
        let _turn = self.demand.turns.acquire().await.map_err(|_| ContentError::Offline)?;
        // Who reads is served even where the cache has no room: it gets smaller as soon as it may.
        let data = data_of(&wanted.manifest);
        _ = tokio::task::block_in_place(|| self.make_room(data));
        let _arrival = self.cache.arrival(data);
        let mut begun = Instant::now();
        loop {
            let Some(connection) = self.connected() else {
                self.wait_for_connection(begun).await?;
                continue;
            };
            let arriving = Arriving(self);
            let fetched = match wanted.manifest.inline_chunk() {
                Some(chunk) => {
                    let wanted = [(wanted.clone(), chunk)];
                    fetch_small(&connection, &arriving, &wanted, |wanted, file| arrived(self, wanted, file))
                        .await
                }
                None => match fetch_large(&connection, &arriving, wanted).await {
                    Ok(file) => {
                        tokio::task::block_in_place(|| arrived(self, wanted, file));
                        Ok(())
                    }
                    Err(error) => Err(error),
                },
            };
            match fetched {
                // The connection went meanwhile: the next one may do.
                Err(ContentError::Closed(_) | ContentError::Send(_) | ContentError::Receive(_))
                    if connection.close_reason().is_some() =>
                {
                    begun = Instant::now()
                }
                fetched => return fetched,
            }
        }
    }

    /// Waits a moment for a connection; a hub that cannot be reached is not waited for long.
    async fn wait_for_connection(&self, begun: Instant) -> Result<(), ContentError> {
        let down = matches!(self.standing().link, LinkState::Unreachable(_) | LinkState::Refused(_));
        if self.is_stopping() || (down && begun.elapsed() >= OFFLINE_PATIENCE) {
            return Err(ContentError::Offline);
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
        Ok(())
    }

    fn note_unread(&self, node: NodeId, error: &ContentError) {
        let why = reason(error, &self.standing().link);
        tracing::warn!(%node, why, "a file could not be read");
        self.cache.unread.note(node, vfs::now(), why);
    }
}
