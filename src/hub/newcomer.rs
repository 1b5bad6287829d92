//! A snapshot on its way to a newcomer: rows of one moment, in pages, read no faster than they are taken.
//!
//! Invariant: a newcomer that takes nothing holds no thread, and what it holds of the store not for long.

use crate::store::{RocksStore, StoreSnapshot};
use crate::sync::hub::HubSync;
use crate::wire::{FromHub, Position, encode};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;

/// Rows of one frame, in bytes.
const PAGE_BYTES_MAX: usize = 512 * 1024;
/// How long a page waits to be taken; a link of 70 kbit/s is fast enough.
pub const PAGE_PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 5 } else { 60 });
/// Snapshots under way to one device; its other members wait for their turn.
pub const SNAPSHOTS_EACH: usize = 4;

/// A snapshot being read.
pub struct Rows {
    /// Where in the log the rows stand.
    pub position: Option<Position>,
    hub: HubSync,
    frozen: Arc<StoreSnapshot>,
    /// The last key read.
    after: Option<Vec<u8>>,
}

/// Reading failed, which the store has logged.
pub struct Unreadable;

impl Rows {
    /// The tree as it is now.
    pub async fn freeze(hub: HubSync, store: RocksStore) -> Result<Rows, Unreadable> {
        let frozen = spawn_blocking(move || {
            let frozen = store.snapshot();
            let position = hub.snapshot(&frozen).position;
            Rows { position, hub, frozen: Arc::new(frozen), after: None }
        });
        frozen.await.map_err(|_| Unreadable)
    }

    /// The next rows as a frame; None after the last.
    pub async fn page(&mut self) -> Result<Option<Bytes>, Unreadable> {
        let (hub, frozen, after) = (self.hub, self.frozen.clone(), self.after.take());
        let read = spawn_blocking(move || {
            let (mut rows, mut bytes) = (Vec::new(), 0);
            for (key, value) in hub.tree_rows(&*frozen, after.as_deref()) {
                bytes += key.len() + value.len();
                rows.push((key, value));
                if bytes > PAGE_BYTES_MAX {
                    break;
                }
            }
            let last = rows.last().map(|(key, _)| key.clone());
            (encode(&FromHub::SnapshotRows(rows)), last)
        });
        let (frame, last) = read.await.map_err(|_| Unreadable)?;
        self.after = last;
        Ok(self.after.is_some().then(|| frame.into()))
    }
}
