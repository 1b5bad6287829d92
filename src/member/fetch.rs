//! The task that fetches what nodes want, for as long as a conversation lasts.
//!
//! It passes over all wanted nodes, page by page, again and again. What the hub does not have, or what could not be
//! kept, is left out until a while has passed; where this machine has no room all fetching pauses.

use super::content::{ContentError, Wanted, data_of, fetch_small};
use super::files::Arriving;
use super::shared::Shared;
use super::standing::Trouble;
use crate::model::{ChunkId, Digest, NodeId};
use crate::net::Connection;
use crate::ops::Tree;
use crate::sync::member::content_of;
use crate::vfs::ContentFiles;
use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout_at};

/// Nodes looked at in one round.
const NODES_PER_ROUND: usize = 256;
/// How long before what failed is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(10);

pub async fn run(shared: Arc<Shared>, connection: Connection) {
    let mut fetcher = Fetcher { shared, connection, failed: HashMap::new(), after: None, moved: false };
    while fetcher.connection.close_reason().is_none() && !fetcher.shared.is_stopping() {
        if fetcher.round().await.is_err() {
            return;
        }
    }
}

/// The connection is of no use any more.
struct Over;

struct Fetcher {
    shared: Arc<Shared>,
    connection: Connection,
    /// Contents that could not be had, and when to try again.
    failed: HashMap<NodeId, (Digest, Instant)>,
    /// Where the pass over all wanted nodes stands.
    after: Option<NodeId>,
    /// This pass has fetched something.
    moved: bool,
}

impl Fetcher {
    async fn round(&mut self) -> Result<(), Over> {
        let (wanted, passed) = tokio::task::block_in_place(|| self.next());
        if !wanted.is_empty() {
            self.moved = true;
            return match self.fetch(wanted).await {
                Ok(()) => {
                    self.shared.no_trouble(Trouble::Fetch);
                    Ok(())
                }
                Err(error) => self.failed(&error).await,
            };
        }
        if passed && !std::mem::take(&mut self.moved) {
            self.wait().await;
        }
        Ok(())
    }

    /// What to fetch next, once it is known what is still wanted; and whether the pass is at its end.
    fn next(&mut self) -> (Vec<Wanted>, bool) {
        let replica = self.shared.volume().replica();
        let mut nodes = Vec::new();
        if replica.is_beyond_welcome() {
            nodes = replica.wanted(self.after, NODES_PER_ROUND);
            self.after = nodes.last().copied().filter(|_| nodes.len() == NODES_PER_ROUND);
        }
        let passed = self.after.is_none();
        let (view, now) = (replica.view(), Instant::now());
        // What somebody waits for comes by itself.
        let wanted =
            nodes.into_iter().filter(|node| !self.shared.demand.is_under_way(*node)).filter_map(|node| {
                let manifest = view.node(node)?.manifest()?.clone();
                let content = content_of(&manifest);
                let failed =
                    self.failed.get(&node).is_some_and(|(failed, until)| *failed == content && *until > now);
                (!failed).then_some(Wanted { node, content, manifest })
            });
        (wanted.collect(), passed)
    }

    /// Waits until something new is wanted, or the first of what failed is to be tried again.
    async fn wait(&mut self) {
        self.shared.cache.drafts.clear();
        self.shared.go_on_if_all_is_here();
        let now = Instant::now();
        self.failed.retain(|_, (_, until)| *until > now);
        let woken = self.shared.fetch_wake.notified();
        match self.failed.values().map(|(_, until)| *until).min() {
            // Either way there is something to look at now.
            Some(first) => _ = timeout_at(first.into(), woken).await,
            None => woken.await,
        }
    }

    async fn failed(&mut self, error: &ContentError) -> Result<(), Over> {
        tracing::warn!(%error, "content could not be fetched");
        match error {
            ContentError::Closed(_) | ContentError::Send(_) | ContentError::Receive(_) => return Err(Over),
            ContentError::Disk(disk) if disk.raw_os_error() == Some(libc::ENOSPC) => {
                let what = "there is no room here for more content of others";
                self.shared.note_trouble(Trouble::Fetch, what.into());
                self.failed.clear();
                sleep(RETRY_DELAY).await;
            }
            ContentError::NoRoom(no_room) => {
                self.shared.note_trouble(Trouble::Fetch, no_room.to_string());
                sleep(RETRY_DELAY).await;
            }
            error => self.shared.note_trouble(Trouble::Fetch, error.to_string()),
        }
        Ok(())
    }

    fn put_off(&mut self, wanted: &Wanted, error: &ContentError) {
        self.shared.cache.put_off.lock().insert(wanted.node, error.to_string());
        self.failed.insert(wanted.node, (wanted.content, Instant::now() + RETRY_DELAY));
    }

    async fn fetch(&mut self, wanted: Vec<Wanted>) -> Result<(), ContentError> {
        let (mut small, mut large): (Vec<(Wanted, ChunkId)>, Vec<Wanted>) = (Vec::new(), Vec::new());
        for wanted in wanted {
            match wanted.manifest.inline_chunk() {
                Some(chunk) => small.push((wanted, chunk)),
                None => large.push(wanted),
            }
        }
        let arriving = Arriving(&self.shared);
        let bytes = small.iter().map(|(wanted, _)| wanted.manifest.length).sum();
        tokio::task::block_in_place(|| self.shared.make_room(bytes))?;
        let arrival = self.shared.cache.arrival(bytes);
        let fetched = fetch_small(&self.connection, &arriving, &small, |wanted, file| {
            arrived(&self.shared, wanted, file);
        })
        .await;
        drop(arrival);
        if let Err(error) = fetched {
            // One that cannot be had must not hold up those behind it.
            let here = |wanted: &Wanted| !self.shared.volume().replica().wants(wanted.node);
            if let Some((first, _)) = small.iter().find(|(wanted, _)| !here(wanted)).cloned() {
                self.put_off(&first, &error);
            }
            return Err(error);
        }
        for wanted in large {
            let bytes = data_of(&wanted.manifest);
            tokio::task::block_in_place(|| self.shared.make_room(bytes))?;
            let shared = self.shared.clone();
            let _arrival = shared.cache.arrival(bytes);
            if let Err(error) = shared.bring_large(&self.connection, &wanted).await {
                self.put_off(&wanted, &error);
                return Err(error);
            }
        }
        Ok(())
    }
}

/// Swaps in what has been fetched.
pub(super) fn arrived(shared: &Shared, wanted: &Wanted, file: u64) {
    shared.cache.put_off.lock().remove(&wanted.node);
    shared.cache.unread.settle(wanted.node);
    let blocks =
        shared.volume().files().open_read(file).and_then(|file| file.metadata()).map(|data| data.blocks());
    let swapped = shared.volume().replica().materialized(wanted.node, wanted.content, (file, blocks.ok()));
    match swapped {
        Ok(effects) => {
            if !effects.removed_files.contains(&file) {
                shared.arrivals.note(wanted.node);
            }
            shared.volume().remove_files(effects.removed_files);
        }
        Err(error) => {
            tracing::error!(%error, "fetched content could not be swapped in");
            shared.note_trouble(Trouble::State, error.to_string());
            shared.volume().remove_files(vec![file]);
        }
    }
    shared.progressed();
}
