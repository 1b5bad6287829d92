//! The space's quota: how much its files may still grow here.
//!
//! What there is room for is what the hub told of last, less what is on its way to the hub: pending ops, and the growth of
//! files that are still to be captured. To add all that up takes time, so a sum is drawn on until it is used up or old.
//! The hub takes whatever comes, so where several members write at the same moment, or one without the hub, the files may
//! come to more than the limit; from then on they do not grow. What is restored, or shared as it is no longer ignored, is
//! counted and not refused.

use super::content::OpenInode;
use super::error::VfsError;
use super::host::{ContentFiles, Space};
use super::volume::Volume;
use crate::model::Quota;
use crate::sync::Store;
use crate::sync::member::{QuotaStanding, Uncaptured};
use parking_lot::Mutex;
use std::fs::File;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A sum is drawn on for so long, or longer where it took long to make.
const OLD: Duration = Duration::from_secs(1);
/// A sum is old after so many times what it took.
const OLD_FACTOR: u32 = 20;
/// One that took longer than this is not made again at once, whatever has changed.
const QUICK: Duration = Duration::from_millis(1);
const REST_FACTOR: u32 = 5;
/// The most that one copy moves where there is a quota: what is drawn for it has been written soon.
pub(super) const LIMITED_COPY_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// What may still be written without adding up again.
#[derive(Default)]
pub(super) struct Allowance {
    is_limited: AtomicBool,
    /// What may be added by what the hub told last, in bytes.
    told: AtomicU64,
    /// In bytes.
    left: AtomicU64,
    sum: Mutex<Option<Sum>>,
    /// There may be more left than the sum has.
    is_stale: AtomicBool,
}

/// When what is left was added up, and how long that took.
struct Sum {
    made: Instant,
    took: Duration,
}

impl Sum {
    fn is_old(&self) -> bool {
        self.made.elapsed() >= OLD.max(self.took * OLD_FACTOR)
    }

    fn is_rested(&self) -> bool {
        self.took < QUICK || self.made.elapsed() >= self.took * REST_FACTOR
    }
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

    /// There may be more left than was added up.
    pub fn doubt(&self) {
        self.is_stale.store(true, Ordering::Relaxed);
    }

    fn draw(&self, bytes: u64) -> bool {
        let less = |left: u64| left.checked_sub(bytes);
        let is_drawn = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok();
        if is_drawn {
            // Less may be written than was drawn.
            self.doubt();
        }
        is_drawn
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
        let Some(quota) = self.quota().filter(|_| space.blocks > 0) else { return space };
        let block = u64::from(space.block_bytes);
        let free = (quota.free_bytes() / block).min(space.blocks_available);
        let used = quota.used_bytes.div_ceil(block);
        Space { blocks: used + free, blocks_free: free, blocks_available: free, ..space }
    }

    /// To be asked before a file is made longer, up to `end`.
    pub(super) fn check_quota(&self, open: &OpenInode, file: &File, end: u64) -> Result<(), VfsError> {
        if !self.is_limited() {
            return Ok(());
        }
        let growth = end.saturating_sub(file.metadata()?.len());
        self.check_growth_of(open, growth)
    }

    /// As [`Volume::check_quota`], for a file that the kernel is going to write by itself: it must be able to grow.
    pub(super) fn check_any_growth(&self, open: &OpenInode) -> Result<(), VfsError> {
        if self.is_limited() { self.check_growth_of(open, 1) } else { Ok(()) }
    }

    fn check_growth_of(&self, open: &OpenInode, growth: u64) -> Result<(), VfsError> {
        match growth == 0 || !self.counts(open) || self.draws(growth) {
            true => Ok(()),
            false => Err(VfsError::OverQuota),
        }
    }

    fn draws(&self, growth: u64) -> bool {
        let mut sum = self.allowance.sum.lock();
        let is_old = sum.as_ref().is_none_or(Sum::is_old);
        if !is_old && self.allowance.draw(growth) {
            return true;
        }
        let is_rested = is_old || sum.as_ref().is_none_or(Sum::is_rested);
        // Order: what changes while it is added up is taken into account the next time.
        if !is_rested || (!self.allowance.is_stale.swap(false, Ordering::Relaxed) && !is_old) {
            return false;
        }
        let began = Instant::now();
        let left = self.quota().map_or(u64::MAX, |quota| quota.free_bytes());
        self.allowance.left.store(left, Ordering::Relaxed);
        *sum = Some(Sum { made: Instant::now(), took: began.elapsed() });
        self.allowance.draw(growth)
    }

    /// The quota as things stand here: used is what the hub counts and what is on its way there; None where nothing
    /// limits the space.
    pub fn quota(&self) -> Option<Quota> {
        // Order: all is read at one moment, and files are measured after it, so that what is captured meanwhile counts once.
        let QuotaStanding { told, pending, uncaptured } = self.replica.lock().quota_standing()?;
        let growth = |it: &Uncaptured| {
            let length =
                self.files.open_read(it.file).and_then(|file| file.metadata()).map(|data| data.len());
            length.map_or(0, |length| i128::from(length) - i128::from(it.known_bytes))
        };
        let used = i128::from(told.used_bytes) + pending + uncaptured.iter().map(growth).sum::<i128>();
        Some(Quota { used_bytes: u64::try_from(used.max(0)).unwrap_or(u64::MAX), ..told })
    }

    /// What has no name any more, or is not shared, is nothing to the space.
    fn counts(&self, open: &OpenInode) -> bool {
        let inode = self.replica.lock().inode(open.ino);
        inode.is_some_and(|inode| !inode.node.is_unshared())
    }
}
