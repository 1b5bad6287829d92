//! Removing contents that nothing needs any more, by mark and sweep, while the hub serves.
//!
//! Order: what a rule lets go of is noted durably before any of it is removed, so that what is missing later is known
//! to be meant. Marks are gathered from a frozen state, beside everything else. A few chunks at a time are then
//! removed in the turn of the space's owner, who judges commits: there the marks go on to the log's end, and leases
//! are looked at. So no chunk vanishes between a commit's check and its acceptance: the commit is in the log that
//! the marks go on to, or it finds the chunk missing and its author brings it.
//! An upload may find a chunk here and lease it in the moment in which it is removed; that costs another upload.

use super::admin::AdminError;
use super::care::{Job, not_written};
use super::chunks::SpaceChunks;
use super::clock::now;
use super::marks::{Marks, Part};
use super::owner::Request;
use crate::content::InvalidList;
use crate::model::{NodeId, SpaceName, Version};
use crate::store::ChunkRow;
use crate::sync::hub::{Content, HubSync, Keep, Standing};
use crate::sync::{Durability, Kv, Store, Txn};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Chunks removed in one turn of the owner: a few milliseconds.
const SWEEP_CHUNKS: usize = 256;
/// Nodes noted in one write.
const NOTES_MAX: usize = 1_000;

/// What came of a collection in one space.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GcReport {
    pub space: SpaceName,
    /// Nothing was removed; the numbers say what would have been.
    pub dry_run: bool,
    /// Versions whose content was let go of.
    pub versions: u64,
    pub chunks_freed: u64,
    /// As they are kept, so compressed.
    pub bytes_freed: u64,
    pub chunks_kept: u64,
    pub bytes_kept: u64,
}

/// A collection in one space.
pub(super) struct Collection<'a> {
    pub job: &'a Job,
    pub keep: Keep,
    pub dry_run: bool,
}

/// Chunks removed, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Swept {
    pub chunks: u64,
    pub bytes: u64,
}

/// Some chunks that no mark stands for, to be removed in the owner's turn.
pub(super) struct Sweep {
    pub marks: Arc<Mutex<Marks>>,
    pub some: Vec<ChunkRow>,
    pub reply: oneshot::Sender<Result<Swept, AdminError>>,
}

impl Collection<'_> {
    pub fn run(self) -> Result<GcReport, AdminError> {
        let Job { chunks, .. } = self.job;
        let (space, dry_run) = (self.job.name.clone(), self.dry_run);
        let mut report = GcReport {
            space,
            dry_run,
            versions: 0,
            chunks_freed: 0,
            bytes_freed: 0,
            chunks_kept: 0,
            bytes_kept: 0,
        };
        for row in chunks.list() {
            report.chunks_kept += 1;
            report.bytes_kept += u64::from(row.kept_bytes);
        }
        for part in Part::all(report.chunks_kept) {
            let marks = Arc::new(Mutex::new(self.mark(part)?));
            if part.is_first() {
                report.versions = self.give_up()?;
            }
            let swept = self.sweep(part, &marks)?;
            report.chunks_freed += swept.chunks;
            report.bytes_freed += swept.bytes;
        }
        report.chunks_kept = report.chunks_kept.saturating_sub(report.chunks_freed);
        report.bytes_kept = report.bytes_kept.saturating_sub(report.bytes_freed);
        tracing::info!(space = %report.space, chunks = report.chunks_freed, bytes = report.bytes_freed, dry_run, "collected");
        if !dry_run && report.chunks_freed > 0 {
            chunks.give_back_room().map_err(not_written)?;
        }
        Ok(report)
    }

    fn mark(&self, part: Part) -> Result<Marks, AdminError> {
        let Job { hub, store, chunks, .. } = self.job;
        let frozen = store.snapshot();
        let mut marks = Marks::new(part, hub.head(&frozen));
        for (node, version, manifest) in hub.tree_contents(&frozen) {
            self.job.check_going()?;
            marks.mark(chunks, &manifest).map_err(|error| unmarked(node, version, &error))?;
        }
        for content in hub.contents(&frozen, self.keep, now()) {
            self.job.check_going()?;
            let Content { node, version, manifest, standing, .. } = content;
            match standing {
                Standing::Needed => {
                    marks.mark(chunks, &manifest).map_err(|error| unmarked(node, version, &error))?;
                }
                Standing::Held => marks.mark_rest(chunks, &manifest),
                Standing::Surplus | Standing::GivenUp => {}
            }
        }
        marks.catch_up(hub, store, chunks).map_err(|error| unread(&error))?;
        Ok(marks)
    }

    /// Notes what the rule lets go of, and counts it.
    fn give_up(&self) -> Result<u64, AdminError> {
        let Job { hub, store, .. } = self.job;
        let frozen = store.snapshot();
        let mut versions = 0;
        let mut newest: Vec<(NodeId, Version)> = Vec::new();
        for content in hub.contents(&frozen, self.keep, now()) {
            self.job.check_going()?;
            if content.standing != Standing::Surplus {
                continue;
            }
            versions += 1;
            if newest.last().is_none_or(|(node, _)| *node != content.node) {
                if newest.len() >= NOTES_MAX {
                    self.note(std::mem::take(&mut newest))?;
                }
                newest.push((content.node, content.version));
            }
        }
        self.note(newest)?;
        Ok(versions)
    }

    fn note(&self, newest: Vec<(NodeId, Version)>) -> Result<(), AdminError> {
        if self.dry_run || newest.is_empty() {
            return Ok(());
        }
        let mut txn = Txn::new(&self.job.store);
        newest.into_iter().for_each(|(node, version)| self.job.hub.give_up(&mut txn, node, version));
        let batch = txn.into_batch();
        self.job.store.commit(batch, Durability::Power).map_err(not_written)
    }

    fn sweep(&self, part: Part, marks: &Arc<Mutex<Marks>>) -> Result<Swept, AdminError> {
        let mut swept = Swept::default();
        let mut some = Vec::new();
        for row in self.job.chunks.list().filter(|row| part.holds(row.id)) {
            self.job.check_going()?;
            if marks.lock().has(row.id) {
                continue;
            }
            some.push(row);
            if some.len() >= SWEEP_CHUNKS {
                swept.add(self.sweep_some(marks, std::mem::take(&mut some))?);
            }
        }
        swept.add(self.sweep_some(marks, some)?);
        Ok(swept)
    }

    fn sweep_some(&self, marks: &Arc<Mutex<Marks>>, some: Vec<ChunkRow>) -> Result<Swept, AdminError> {
        let Job { hub, store, chunks, owner, .. } = self.job;
        if some.is_empty() {
            return Ok(Swept::default());
        }
        // Most of what the log has brought since is marked here, so that the owner's turn is short.
        marks.lock().catch_up(hub, store, chunks).map_err(|error| unread(&error))?;
        if self.dry_run {
            let unneeded = unneeded(hub, store, &marks.lock(), some);
            return Ok(Swept::of(&unneeded));
        }
        let Some(owner) = owner else { return remove(hub, store, chunks, marks, some) };
        let (reply, answer) = oneshot::channel();
        let sweep = Sweep { marks: marks.clone(), some, reply };
        if !owner.send_blocking(Request::Sweep(sweep)) {
            return Err(AdminError::Stopping);
        }
        answer.blocking_recv().unwrap_or(Err(AdminError::Stopping))
    }
}

/// Removes those of some chunks that are neither needed nor leased. `kv` has the writes of the turn under way, and
/// nobody judges commits meanwhile.
pub(super) fn remove<K: Kv + ?Sized>(
    hub: &HubSync,
    kv: &K,
    chunks: &SpaceChunks,
    marks: &Mutex<Marks>,
    some: Vec<ChunkRow>,
) -> Result<Swept, AdminError> {
    let mut marks = marks.lock();
    marks.catch_up(hub, kv, chunks).map_err(|error| unread(&error))?;
    let unneeded = unneeded(hub, kv, &marks, some);
    let ids: Vec<_> = unneeded.iter().map(|row| row.id).collect();
    chunks.forget(&ids).map_err(not_written)?;
    Ok(Swept::of(&unneeded))
}

fn unneeded<K: Kv + ?Sized>(hub: &HubSync, kv: &K, marks: &Marks, some: Vec<ChunkRow>) -> Vec<ChunkRow> {
    let now = now();
    some.into_iter().filter(|row| !marks.has(row.id) && !hub.leased(kv, row.id, now)).collect()
}

impl Swept {
    fn of(rows: &[ChunkRow]) -> Swept {
        let bytes = rows.iter().map(|row| u64::from(row.kept_bytes)).sum();
        Swept { chunks: rows.len() as u64, bytes }
    }

    fn add(&mut self, other: Swept) {
        self.chunks += other.chunks;
        self.bytes += other.bytes;
    }
}

fn unmarked(node: NodeId, version: Version, error: &InvalidList) -> AdminError {
    let what = format!("node {node} at version {}", version.0);
    AdminError::Damaged(format!("what {what} consists of cannot be read: {error}"))
}

fn unread(error: &InvalidList) -> AdminError {
    AdminError::Damaged(format!("what a new file consists of cannot be read: {error}"))
}
