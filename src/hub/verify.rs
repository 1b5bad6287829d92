//! Looking at all that a space keeps: its log, the rows that follow from it, and every chunk of every content.
//!
//! The log is applied again from its start, to a store of its own that is removed afterwards, and what comes of it is
//! compared with what is kept; so is what a quota counts with what files come to. Contents are those that the log
//! names, so that no damaged row hides a missing chunk. Memory is that store's and what is wrong, a bounded part of
//! which is listed.
//! Missing or damaged chunks can be asked of connected members; nothing else is repaired: rows can be made anew from
//! the log, but whoever finds them other than they should be wants to know why.

use super::admin::AdminError;
use super::care::{Job, not_written};
use super::clock::now;
use super::findings::{Finding, Lack, VerifyReport};
use crate::content::{ExtentReader, Step};
use crate::model::{ChunkId, NodeId};
use crate::store::{RocksStore, StoreError, StoreRole, StoreSnapshot};
use crate::sync::hub::{Content, HeldContent, Keep, Standing};
use crate::sync::{Durability, Store, Txn};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Ops applied before they are written.
const BATCH_OPS_MAX: usize = 2_000;
/// Chunks asked for at once.
const WANTED_MAX: usize = 8_192;

/// A look at one space.
pub(super) struct Verification<'a> {
    pub job: &'a Job,
    pub repair: bool,
    /// Where a store may be made and removed.
    pub scratch: &'a Path,
}

/// A store that is removed with its directory.
struct Scratch {
    path: PathBuf,
    store: Option<RocksStore>,
}

impl Verification<'_> {
    pub fn run(self) -> Result<VerifyReport, AdminError> {
        if self.repair && self.job.owner.is_none() {
            let reason = "only members that are connected can be asked: start the hub, then verify --repair";
            return Err(AdminError::Invalid(reason.to_owned()));
        }
        let mut report = VerifyReport::new(self.job.name.clone());
        let frozen = self.job.store.snapshot();
        let scratch = Scratch::make(self.scratch)?;
        self.replay(&frozen, scratch.store()?, &mut report)?;
        for difference in self.job.hub.differences(&frozen, scratch.store()?) {
            self.job.check_going()?;
            report.add(Finding::of_row(&difference));
        }
        if let Some(fault) = self.job.hub.check_quota(&frozen) {
            report.add(Finding::of_quota(&fault));
        }
        drop(frozen);
        self.read_chunks(&mut report)?;
        let (versions, lacking) = self.lacking(scratch.store()?)?;
        report.versions = versions;
        let left = if self.repair { self.repaired(scratch.store()?, &lacking)? } else { lacking.clone() };
        // A list that came back may have told of more that is missing.
        for lack in lacking.union(&left) {
            report.add(Finding::of_chunk(lack.clone(), !left.contains(lack)));
        }
        Ok(report)
    }

    /// Applies the log as far as it can be.
    fn replay(
        &self,
        frozen: &StoreSnapshot,
        scratch: &RocksStore,
        report: &mut VerifyReport,
    ) -> Result<(), AdminError> {
        let hub = self.job.hub;
        let (mut txn, mut ops) = (Txn::new(scratch), 0);
        hub.plant(&mut txn);
        hub.copy_given_up(frozen, &mut txn);
        let (mut last, mut broken) = (None, false);
        for entry in hub.checked_entries(frozen) {
            self.job.check_going()?;
            let applied = entry.and_then(|entry| {
                last = Some((entry.sequence, entry.chain));
                report.entries += 1;
                ops += entry.ops.len();
                // What follows a fault cannot be expected to apply.
                let applied = if broken { Ok(()) } else { hub.replay(&mut txn, &entry) };
                applied.map_err(|fault| (entry.sequence, fault))
            });
            if let Err((sequence, fault)) = applied {
                broken = true;
                report.add(Finding::of_log(sequence, &fault));
            }
            if ops >= BATCH_OPS_MAX {
                let batch = std::mem::replace(&mut txn, Txn::new(scratch)).into_batch();
                scratch.commit(batch, Durability::Process).map_err(not_written)?;
                ops = 0;
            }
        }
        if let Some((sequence, fault)) = hub.check_end(frozen, last) {
            report.add(Finding::of_log(sequence, &fault));
        }
        let batch = txn.into_batch();
        scratch.commit(batch, Durability::Process).map_err(not_written)
    }

    /// Reads every chunk there is; those that are damaged count as missing from then on.
    fn read_chunks(&self, report: &mut VerifyReport) -> Result<(), AdminError> {
        for row in self.job.chunks.list() {
            self.job.check_going()?;
            let bytes = self.job.chunks.bytes(row.id);
            report.chunks += 1;
            report.bytes += bytes.map_or(0, |bytes| bytes.len() as u64);
        }
        Ok(())
    }

    /// How many contents are needed, and what they lack.
    fn lacking(&self, scratch: &RocksStore) -> Result<(u64, BTreeSet<Lack>), AdminError> {
        let (mut versions, mut lacking) = (0, BTreeSet::new());
        for content in self.job.hub.contents(scratch, Keep::All, now()) {
            self.job.check_going()?;
            if content.standing == Standing::Needed {
                versions += 1;
                self.add_lacking(&content, &mut lacking);
            }
        }
        Ok((versions, lacking))
    }

    fn add_lacking(&self, content: &Content, lacking: &mut BTreeSet<Lack>) {
        let chunks = &self.job.chunks;
        let Content { node, version, path, manifest, .. } = content;
        let mut reader = ExtentReader::new(manifest);
        let mut check = |chunk: ChunkId| {
            if !chunks.has(chunk) {
                let damaged = chunks.is_kept(chunk);
                lacking.insert(Lack { node: *node, version: *version, chunk, path: path.clone(), damaged });
            }
        };
        loop {
            match reader.step() {
                Ok(Step::Extent(extent)) => extent.chunk.into_iter().for_each(&mut check),
                Ok(Step::Named(chunk)) => check(chunk),
                Ok(Step::Fetch(chunk)) => match chunks.bytes(chunk) {
                    Some(bytes) if reader.take(&bytes).is_ok() => {}
                    _ => {
                        check(chunk);
                        reader.pass_over();
                    }
                },
                // An accepted manifest is sound, and the log says that this one was accepted.
                Ok(Step::End) | Err(_) => return,
            }
        }
    }

    /// Asks members for what is lacking, and returns what still is.
    fn repaired(&self, scratch: &RocksStore, lacking: &BTreeSet<Lack>) -> Result<BTreeSet<Lack>, AdminError> {
        let (mut left, mut asked) = (lacking.clone(), BTreeSet::new());
        loop {
            let mut wanted: BTreeMap<NodeId, Vec<ChunkId>> = BTreeMap::new();
            for lack in left.iter().filter(|lack| !asked.contains(&(lack.node, lack.chunk))).take(WANTED_MAX)
            {
                wanted.entry(lack.node).or_default().push(lack.chunk);
            }
            if wanted.is_empty() {
                return Ok(left);
            }
            let pairs = wanted.iter().flat_map(|(node, chunks)| chunks.iter().map(|chunk| (*node, *chunk)));
            asked.extend(pairs);
            self.job.ask_members(wanted.into_iter().collect())?;
            (_, left) = self.lacking(scratch)?;
        }
    }
}

impl Scratch {
    /// Makes an empty store; what an earlier one has left is removed.
    fn make(path: &Path) -> Result<Scratch, AdminError> {
        let failed = |error: &dyn std::error::Error| {
            AdminError::Failed(format!("no room to check in at {}: {error}", path.display()))
        };
        remove(path).and_then(|()| std::fs::create_dir_all(path)).map_err(|error| failed(&error))?;
        let mut scratch = Scratch { path: path.to_owned(), store: None };
        let opened: Result<RocksStore, StoreError> = RocksStore::open(&path.join("store"), StoreRole::Hub);
        scratch.store = Some(opened.map_err(|error| failed(&error))?);
        Ok(scratch)
    }

    fn store(&self) -> Result<&RocksStore, AdminError> {
        self.store.as_ref().ok_or_else(|| AdminError::Failed("the store to check in is gone".to_owned()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Order: the store is closed before its files go.
        self.store = None;
        if let Err(error) = remove(&self.path) {
            tracing::warn!(%error, "what was needed to verify could not be removed");
        }
    }
}

/// Removes what a verification has left, if anything.
pub(super) fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
