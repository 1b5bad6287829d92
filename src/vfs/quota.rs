//! The space's quota: how much its files may still grow here.
//!
//! What there is room for is what the hub told of last, less what is on its way to the hub: pending ops, and the growth of
//! files that are still to be captured. To add all that up takes time, so a sum is drawn on until it is used up or old.
//! The hub takes whatever comes, so where several members write at the same moment, or one without the hub, the files may
//! come to more than the limit; from then on they do not grow.

use super::content::OpenInode;
use super::error::VfsError;
use super::host::{ContentFiles, Space};
use super::volume::Volume;
use crate::model::Quota;
use crate::sync::Store;
use parking_lot::Mutex;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A sum is drawn on for so long at the most.
const OLD: Duration = Duration::from_secs(1);

/// What may still be written without adding up again.
#[derive(Default)]
pub(super) struct Allowance {
    is_limited: AtomicBool,
    /// What the hub told last, in bytes.
    told: AtomicU64,
    /// In bytes.
    left: AtomicU64,
    added_up: Mutex<Option<Instant>>,
    /// Something may have become smaller since.
    is_stale: AtomicBool,
}

impl Allowance {
    pub fn new(quota: Option<Quota>) -> Allowance {
        let allowance = Allowance::default();
        allowance.told(quota);
        allowance
    }

    fn told(&self, quota: Option<Quota>) {
        self.is_limited.store(quota.is_some(), Ordering::Relaxed);
        let free = quota.map_or(u64::MAX, |quota| quota.free_bytes());
        let before = self.told.swap(free, Ordering::Relaxed);
        // Whoever has used it: what was drawn for this member's own work counts twice until it is added up again.
        let less = |left: u64| Some(left.saturating_sub(before.saturating_sub(free)));
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        self.doubt();
    }

    /// Something may have become smaller.
    pub fn doubt(&self) {
        self.is_stale.store(true, Ordering::Relaxed);
    }

    fn draw(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// The hub has told of the quota, or that there is none.
    pub fn quota_told(&self) {
        self.allowance.told(self.replica.lock().quota());
    }

    /// Tells whether there is a quota. What the kernel writes by itself would pass it unseen.
    pub(super) fn is_limited(&self) -> bool {
        self.allowance.is_limited.load(Ordering::Relaxed)
    }

    /// The room that is left, on this machine and in the space.
    pub fn space(&self) -> Space {
        let space = self.host.space();
        let Some(quota) = self.quota() else { return space };
        let blocks = |bytes: u64| bytes / u64::from(space.block_bytes.max(1));
        let free = blocks(quota.free_bytes()).min(space.blocks_available);
        Space { blocks: blocks(quota.used_bytes) + free, blocks_free: free, blocks_available: free, ..space }
    }

    /// To be asked before a file is made longer, up to `end`.
    pub(super) fn check_quota(&self, open: &OpenInode, file: &File, end: u64) -> Result<(), VfsError> {
        if !self.is_limited() {
            return Ok(());
        }
        let length = file.metadata()?.len();
        if end <= length {
            self.allowance.doubt();
            return Ok(());
        }
        match self.draws(end - length) || !self.counts(open) {
            true => Ok(()),
            false => Err(VfsError::OverQuota),
        }
    }

    fn draws(&self, growth: u64) -> bool {
        let mut added_up = self.allowance.added_up.lock();
        let is_old = added_up.is_none_or(|time| time.elapsed() >= OLD);
        if !is_old && self.allowance.draw(growth) {
            return true;
        }
        if !self.allowance.is_stale.swap(false, Ordering::Relaxed) && !is_old {
            return false;
        }
        let left = self.quota().map_or(u64::MAX, |quota| quota.free_bytes());
        self.allowance.left.store(left, Ordering::Relaxed);
        *added_up = Some(Instant::now());
        self.allowance.draw(growth)
    }

    /// The quota as things stand here: used is what the hub counts and what is on its way there; None where nothing
    /// limits the space.
    pub fn quota(&self) -> Option<Quota> {
        let (quota, pending) = {
            let replica = self.replica.lock();
            (replica.quota()?, replica.pending_growth())
        };
        let growth = pending.saturating_add(self.uncaptured_growth());
        Some(Quota { used_bytes: quota.used_bytes.saturating_add_signed(growth), ..quota })
    }

    fn uncaptured_growth(&self) -> i64 {
        let growth = |open: &OpenInode| {
            // Whoever is at work on it is about to capture it, or asks here as well.
            let file = open.content.try_read().filter(|content| content.dirty)?.file.clone()?;
            let length = file.metadata().ok()?.len();
            let row = self.attributes(open.ino).ok()?.0.row;
            let known = row.manifest().map_or(0, |manifest| manifest.length);
            self.counts(open).then_some(length as i64 - known as i64)
        };
        self.open.all().iter().filter_map(|open| growth(open)).sum()
    }

    /// What has no name any more, or is not shared, is nothing to the space.
    fn counts(&self, open: &OpenInode) -> bool {
        let inode = self.replica.lock().inode(open.ino);
        inode.is_some_and(|inode| !inode.node.is_unshared())
    }
}
