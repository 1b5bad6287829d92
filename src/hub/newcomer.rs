//! A snapshot on its way to a newcomer: rows of one moment, in pages, read no faster than they are sent.

use crate::store::RocksStore;
use crate::sync::hub::HubSync;
use crate::wire::{FromHub, Position, encode};
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

/// Rows of one frame, in bytes.
const PAGE_BYTES_MAX: usize = 512 * 1024;
/// Frames read ahead.
const PAGES_AHEAD: usize = 2;

/// A snapshot being read.
pub struct Rows {
    /// Where in the log the rows stand.
    pub position: Option<Position>,
    pub frames: mpsc::Receiver<Bytes>,
}

/// Starts to read the tree as it is now. None where that failed, which the store has logged.
pub async fn read_rows(hub: HubSync, store: RocksStore) -> Option<Rows> {
    let (found, position) = oneshot::channel();
    let (pages, frames) = mpsc::channel(PAGES_AHEAD);
    tokio::task::spawn_blocking(move || {
        let frozen = store.snapshot();
        let snapshot = hub.snapshot(&frozen);
        if found.send(snapshot.position).is_err() {
            return;
        }
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for (key, value) in snapshot.rows {
            bytes += key.len() + value.len();
            rows.push((key, value));
            if bytes > PAGE_BYTES_MAX {
                bytes = 0;
                // Whoever wanted the rows has gone.
                if !send_page(&pages, std::mem::take(&mut rows)) {
                    return;
                }
            }
        }
        if !rows.is_empty() {
            send_page(&pages, rows);
        }
    });
    Some(Rows { position: position.await.ok()?, frames })
}

fn send_page(pages: &mpsc::Sender<Bytes>, rows: Vec<(Vec<u8>, Vec<u8>)>) -> bool {
    pages.blocking_send(encode(&FromHub::SnapshotRows(rows)).into()).is_ok()
}
