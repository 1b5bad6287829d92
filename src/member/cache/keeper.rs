//! Keeps the limit: counts what is here, and evicts what was used longest ago.

use super::drafts::Drafts;
use super::index::Index;
use super::pieces::Partial;
use super::unread::UnreadLog;
use crate::member::shared::Shared;
use crate::model::{NodeId, Timestamp};
use crate::store::free_space;
use crate::sync::member::{Fetching, Ino, LocalError, Stays};
use crate::vfs::ContentFiles;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Contents evicted in one transaction.
const EVICTED_AT_ONCE: usize = 256;
/// Contents looked at for one eviction that must stay, before it is given up.
const LOOKED_AT_MAX: usize = 4096;
/// Inodes counted at a time when a member starts.
const COUNTED_AT_ONCE: usize = 1024;
/// How often it is noted what was used when.
const NOTE_INTERVAL: Duration = Duration::from_secs(60);
/// Where the device is nearly full, so much more than is needed is made free, in bytes.
const HEADROOM_BYTES: u64 = 64 * 1024 * 1024;

/// What is to be fetched has no room, and nothing here may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cache is full of what is pinned, open or not sent yet; a larger cache-size makes room")]
pub struct NoRoom;

/// The contents of a member that fetches what it is asked for.
#[derive(Default)]
pub struct Cache {
    /// Bytes; none where there is no limit but the device's.
    limit: Option<u64>,
    index: Mutex<Index>,
    /// Touched since it was noted last.
    touched: Mutex<HashSet<Ino>>,
    /// On their way here, in bytes.
    arriving: AtomicU64,
    /// In contents that are not whole.
    pub(super) partial_bytes: AtomicU64,
    pub(super) partials: Mutex<Vec<Arc<Partial>>>,
    /// Everything that was here at the start is counted.
    counted: AtomicBool,
    noted: Mutex<Option<Instant>>,
    /// One evicts at a time.
    evicting: Mutex<()>,
    pub unread: UnreadLog,
    /// Contents that could not be had when they were fetched last, and why.
    pub put_off: Mutex<HashMap<NodeId, String>>,
    pub drafts: Drafts,
}

/// Bytes that are on their way, counted while this lives.
pub struct Arrival<'a>(&'a Cache, u64);

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.0.arriving.fetch_sub(self.1, Ordering::SeqCst);
    }
}

impl Cache {
    pub fn new(limit: Option<u64>) -> Cache {
        Cache { limit, ..Cache::default() }
    }

    pub fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// What contents take here, in files and bytes.
    pub fn usage(&self) -> (u64, u64) {
        let partial = self.partial_bytes.load(Ordering::SeqCst);
        let index = self.index.lock();
        (index.files(), index.bytes() + partial)
    }

    /// Counts bytes as on their way.
    pub fn arrival(&self, bytes: u64) -> Arrival<'_> {
        self.arriving.fetch_add(bytes, Ordering::SeqCst);
        Arrival(self, bytes)
    }

    /// A content is used.
    pub fn used(&self, ino: Ino) {
        if self.index.lock().touch(ino, now_ms()) {
            self.touched.lock().insert(ino);
        }
    }

    /// Pins are others than they were.
    pub fn pins_changed(&self) {
        self.index.lock().take_back();
    }
}

fn now_ms() -> u64 {
    let Timestamp { seconds, nanos } = crate::vfs::now();
    u64::try_from(seconds).unwrap_or_default() * 1000 + u64::from(nanos) / 1_000_000
}

impl Shared {
    pub fn is_lazy(&self) -> bool {
        self.volume().replica().fetching() == Fetching::Asked
    }

    /// Looks after the cache. To be called every second or so.
    pub(in crate::member) fn tend_cache(&self) {
        if !self.is_lazy() {
            return;
        }
        if !self.cache.counted.load(Ordering::SeqCst) {
            self.count_contents();
            self.want_pinned();
        }
        self.take_changes();
        self.want_moved();
        if let Err(error) = self.make_room(0) {
            tracing::debug!(%error, "the cache is over its limit");
        }
        let mut noted = self.cache.noted.lock();
        if noted.get_or_insert_with(Instant::now).elapsed() >= NOTE_INTERVAL {
            *noted = Some(Instant::now());
            drop(noted);
            self.note_uses();
        }
    }

    /// Counts what an earlier process left, page by page: others wait for the replica no longer than for one.
    fn count_contents(&self) {
        let last: HashMap<Ino, u64> = self.volume().replica().last_uses().into_iter().collect();
        let mut after = None;
        loop {
            let page = self.volume().replica().content_files(after, COUNTED_AT_ONCE);
            let Some((ino, _)) = page.last() else { break };
            after = Some(*ino);
            for (ino, file) in page.into_iter().filter(|(_, file)| file.is_some()) {
                self.count(ino, file, last.get(&ino).copied().unwrap_or_default());
            }
        }
        self.cache.counted.store(true, Ordering::SeqCst);
    }

    fn count(&self, ino: Ino, file: Option<u64>, used: u64) {
        // Blocks are counted in 512 bytes.
        let on_disk =
            |file| self.volume().files().open_read(file)?.metadata().map(|data| data.blocks() * 512);
        match file.map(on_disk) {
            Some(Ok(bytes)) => self.cache.index.lock().insert(ino, bytes, used),
            _ => _ = self.cache.index.lock().remove(ino),
        }
    }

    /// Counts what has come and gone since.
    pub(super) fn take_changes(&self) {
        let changed = self.volume().replica().take_changed_contents();
        for ino in changed {
            let file = self.volume().replica().content_file(ino);
            self.count(ino, file, now_ms());
        }
    }

    pub(in crate::member) fn note_uses(&self) {
        let touched = std::mem::take(&mut *self.cache.touched.lock());
        if touched.is_empty() {
            return;
        }
        let index = self.cache.index.lock();
        let uses: Vec<(Ino, u64)> =
            touched.into_iter().filter_map(|ino| Some((ino, index.used(ino)?))).collect();
        drop(index);
        if let Err(error) = self.volume().replica().note_uses(&uses) {
            tracing::debug!(%error, "what was used last could not be noted");
        }
    }

    /// Evicts until so many bytes more have room, in the cache and on the device.
    ///
    /// # Errors
    /// [`NoRoom`]; what may go has gone then.
    pub(in crate::member) fn make_room(&self, bytes: u64) -> Result<(), NoRoom> {
        if !self.is_lazy() {
            return Ok(());
        }
        let _evicting = self.cache.evicting.lock();
        self.take_changes();
        let mut over = self.bytes_over(bytes);
        if over > 0 {
            self.cache.drop_closed_partials();
            over = self.bytes_over(bytes);
        }
        if over == 0 || self.evict_oldest(over) >= over { Ok(()) } else { Err(NoRoom) }
    }

    /// Refuses bytes that would take the last room on the device.
    pub(super) fn check_room(&self, bytes: u64) -> std::io::Result<()> {
        match free_space(self.volume().files().root()) {
            Ok(room) if !room.remote_content_may_use(bytes) => {
                Err(std::io::Error::from_raw_os_error(libc::ENOSPC))
            }
            _ => Ok(()),
        }
    }

    /// What is too much once so many bytes have come.
    fn bytes_over(&self, bytes: u64) -> u64 {
        let partial = self.cache.partial_bytes.load(Ordering::SeqCst);
        let coming = self.cache.arriving.load(Ordering::SeqCst) + partial + bytes;
        let used = self.cache.index.lock().bytes();
        let over_limit = self.cache.limit.map_or(0, |limit| (used + coming).saturating_sub(limit));
        let over_device = match free_space(self.volume().files().root()) {
            Ok(room) if !room.remote_content_may_use(bytes) => {
                (room.kept_bytes() + bytes + HEADROOM_BYTES).saturating_sub(room.free_bytes)
            }
            _ => 0,
        };
        over_limit.max(over_device)
    }

    /// Evicts at least so many bytes, where it can. Returns how many.
    fn evict_oldest(&self, bytes: u64) -> u64 {
        let (mut freed, mut skipped) = (0, Vec::new());
        while freed < bytes && skipped.len() < LOOKED_AT_MAX {
            let going = self.next_victims(bytes - freed, &mut skipped);
            if going.is_empty() {
                break;
            }
            match self.evict(&going) {
                Ok((_, gone)) => freed += gone,
                Err(error) => {
                    tracing::warn!(%error, "contents could not be evicted");
                    break;
                }
            }
        }
        let mut index = self.cache.index.lock();
        skipped.into_iter().for_each(|ino| index.put_back(ino));
        freed
    }

    /// The next to go, so many bytes of them if there are. What is only held for now is among the skipped.
    fn next_victims(&self, bytes: u64, skipped: &mut Vec<Ino>) -> Vec<Ino> {
        let (mut going, mut found) = (Vec::new(), 0);
        while found < bytes && going.len() < EVICTED_AT_ONCE && skipped.len() < LOOKED_AT_MAX {
            let oldest = self.cache.index.lock().oldest();
            let Some((ino, size)) = oldest else { break };
            let stays = self.volume().replica().why_it_stays(ino);
            let mut index = self.cache.index.lock();
            index.set_aside(ino);
            match stays {
                None => {
                    going.push(ino);
                    skipped.push(ino);
                    found += size;
                }
                Some(Stays::Absent) => _ = index.remove(ino),
                // These stay until pins change, or for good.
                Some(Stays::Pinned | Stays::Unshared) => {}
                Some(Stays::Open | Stays::Unsent) => skipped.push(ino),
            }
        }
        going
    }

    /// Evicts those of these contents that may go; returns how many and their bytes.
    pub(in crate::member) fn evict(&self, inos: &[Ino]) -> Result<(u64, u64), LocalError> {
        let (gone, effects) = self.volume().replica().evict(inos)?;
        let bytes = {
            let mut index = self.cache.index.lock();
            let before = index.bytes();
            gone.iter().for_each(|ino| _ = index.remove(*ino));
            before - index.bytes()
        };
        self.volume().remove_files(effects.removed_files);
        if effects.wants_content {
            self.wants_content();
        }
        Ok((gone.len() as u64, bytes))
    }
}
