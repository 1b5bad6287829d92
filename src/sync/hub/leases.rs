//! Leases: until when a chunk is kept although nothing in the log needs it yet.
//!
//! A chunk is leased when it is uploaded, and when an answer lets its author rely on its being here; each further
//! upload or answer renews that. The lease ends when a commit that names the chunk is accepted, because from then
//! on the log holds it, and else by itself. What comes along inside a commit is either in the log with it or not
//! needed, and has none.
//!
//! Invariant: a lease is its key, and its value is nothing. It is written and removed but never changed, and removed
//! only when it is over; so content streams and the space's owner write leases at the same time without a lock, and
//! renewing is writing another one. A lease that is lost would cost an upload and no content, because a commit is
//! only accepted with all its chunks here.
//!
//! Whoever adds leases looks at the rows that follow and removes those that have expired, two for each that it
//! adds. Chunks are named by hashes, so in the long run no row is passed over, and expired ones cannot outnumber
//! the others for long.

use super::HubSync;
use crate::model::{ChunkId, Timestamp};
use crate::sync::kv::prefix_end;
use crate::sync::{Kv, Txn};

/// Seconds that a lease lasts at least.
pub const LEASE_SECONDS: i64 = 24 * 3600;
/// Leases end at multiples of this many seconds, so that one that is renewed often is written seldom.
const LEASE_STEP_SECONDS: i64 = 6 * 3600;
/// Rows looked at for each that is added, and a few in any case, in search of expired ones.
const SWEPT_PER_LEASE: usize = 2;
const SWEPT_MIN: usize = 8;
const SWEPT_MAX: usize = 1_024;

impl HubSync {
    /// Keeps chunks for a day and removes some leases that have expired.
    pub fn lease<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, chunks: &[ChunkId], now: Timestamp) {
        let expiry = expiry(now);
        let keys = chunks.iter().map(|chunk| self.keys().lease(*chunk, expiry));
        let new: Vec<Vec<u8>> = keys.filter(|key| txn.get(key).is_none()).collect();
        if let Some(first) = new.first() {
            self.sweep(txn, first, (new.len() * SWEPT_PER_LEASE).clamp(SWEPT_MIN, SWEPT_MAX), now);
        }
        new.into_iter().for_each(|key| txn.put(key, Vec::new()));
    }

    /// Tells whether a chunk must be kept although the log may not need it.
    pub fn leased<K: Kv + ?Sized>(&self, kv: &K, chunk: ChunkId, now: Timestamp) -> bool {
        let mut leases = kv.scan_prefix(&self.keys().leases_of(chunk));
        leases.any(|(key, _)| expiry_of(&key) > now.seconds)
    }

    /// Ends the leases of chunks that the log holds now.
    pub(super) fn end_leases<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, chunks: &[ChunkId]) {
        for chunk in chunks {
            let leases: Vec<Vec<u8>> =
                txn.scan_prefix(&self.keys().leases_of(*chunk)).map(|(key, _)| key).collect();
            leases.into_iter().for_each(|key| txn.remove(key));
        }
    }

    fn sweep<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, from: &[u8], rows_max: usize, now: Timestamp) {
        let end = prefix_end(&self.keys().leases());
        let rows = txn.scan(from, &end).take(rows_max).map(|(key, _)| key);
        let expired: Vec<Vec<u8>> = rows.filter(|key| expiry_of(key) <= now.seconds).collect();
        expired.into_iter().for_each(|key| txn.remove(key));
    }
}

/// When a lease given now ends, in seconds.
fn expiry(now: Timestamp) -> i64 {
    let steps = now.seconds.saturating_add(LEASE_SECONDS).div_euclid(LEASE_STEP_SECONDS);
    steps.saturating_add(1).saturating_mul(LEASE_STEP_SECONDS)
}

/// The end of the lease that is this key, in seconds.
fn expiry_of(key: &[u8]) -> i64 {
    let seconds = u64::from_be_bytes(*key.last_chunk().expect("keys of ours hold an expiry"));
    i64::try_from(seconds).unwrap_or(i64::MAX)
}
