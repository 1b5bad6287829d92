//! Passages: open files that the kernel reads and writes by itself, past the daemon.
//!
//! Of such a file the daemon sees opening, flushing, syncing and closing, and what changes its size or holes without a
//! write; no read, no write and no store to mapped memory. So from the first writable handle to the end of the last one
//! the inode has a dirty mark, its size and times are its file's, and [`Stamp`]s tell whether anything has changed.
//!
//! Invariant: all handles of an inode go the same way, from the first to the last one's end, which comes after that of
//! the last mapping. While one passes, the inode keeps its backing file.
//!
//! Lock order: an inode's way, then its gate.

use super::content::OpenInode;
use super::error::VfsError;
use super::handles::{FileId, Handle, OpenMode};
use super::host::ContentFiles;
use super::meta::has_privileges;
use super::prepare::Keep;
use super::settings::Caller;
use super::stamp::Stamp;
use super::volume::Volume;
use crate::model::{Digest, Node};
use crate::sync::Store;
use crate::sync::member::Ino;
use parking_lot::{Condvar, Mutex};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Content that a pending op still needs is put aside when a file is opened for writing. Of more than this only where
/// it is written indeed, which the daemon has to see.
const PUT_ASIDE_BYTES_MAX: u64 = 1024 * 1024;
/// A file that is read with one request, and then is in the kernel's memory, costs less that way than by a passage of
/// its own.
const READ_AT_ONCE_BYTES: u64 = 128 * 1024;
/// Where less room is left, every write passes the daemon, which stops before the reserve is touched.
const ROOM_MIN_BYTES: u64 = 256 * 1024 * 1024;
/// How long an answer that there is room counts.
const ROOM_LASTS: Duration = Duration::from_millis(20);
/// The end of a handle follows the `close` that causes it in about a millisecond.
const RELEASE_WAIT_MAX: Duration = Duration::from_millis(5);

/// The ways of an inode's handles.
#[derive(Default)]
pub(super) struct Passage {
    way: Mutex<Way>,
    /// Handles that pass; changed with the inode's content locked.
    handles: AtomicU32,
    /// Those of them that can write; changed with the gate held.
    writers: AtomicU32,
    /// What is known of the content while somebody may write it.
    pub known: Mutex<Option<Known>>,
    /// The file as it was when a program last thought it closed.
    flushed: Mutex<Option<Stamp>>,
    /// The file as it was when it last was certain that no write had to take privileges from it.
    privileged: Mutex<Option<Stamp>>,
    /// The mtime that the kernel was told last.
    told: Mutex<Option<crate::model::Timestamp>>,
    released: Condvar,
    /// It was fsynced while the kernel could write it.
    pub synced: AtomicBool,
}

#[derive(Default)]
struct Way {
    handles: u32,
    passes: bool,
}

/// A content, and the stamp its file has as long as it holds that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub stamp: Stamp,
    pub content: Digest,
}

impl Passage {
    /// Tells whether the inode must keep its backing file.
    pub fn is_used(&self) -> bool {
        self.handles.load(Ordering::SeqCst) > 0
    }

    /// Tells whether the kernel may be writing.
    pub fn is_written(&self) -> bool {
        self.writers.load(Ordering::SeqCst) > 0
    }

    /// Notes that a program thinks a file closed that the kernel writes, as it is then.
    pub fn note_flushed(&self, stamp: Option<Stamp>) {
        *self.flushed.lock() = stamp;
    }

    /// The content that is known to be in the file still.
    pub fn known_in(&self, file: &File) -> Option<Digest> {
        let known = (*self.known.lock())?;
        Stamp::hasty(file).is_ok_and(|now| now == known.stamp).then_some(known.content)
    }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Lets files pass that may, or none any more; those that are open go on as they are.
    pub fn allow_passage(&self, allowed: bool) {
        self.passes.store(allowed, Ordering::SeqCst);
    }

    /// Tells whether the kernel uses the backing file for a handle.
    pub fn is_passed(&self, id: FileId) -> bool {
        self.handles.get(id).is_ok_and(|handle| handle.passes.load(Ordering::SeqCst))
    }

    pub fn allows_passage(&self) -> bool {
        self.passes.load(Ordering::SeqCst)
    }

    /// The backing file that the kernel is to use for a handle; None where it asks the daemon.
    pub fn passage(&self, id: FileId) -> Option<Arc<File>> {
        let handle = self.handles.get(id).ok()?;
        let file = handle.open.content.read().file.clone();
        file.filter(|_| handle.passes.load(Ordering::SeqCst))
    }

    /// The kernel did not take the backing file of a handle that was to pass. Tells whether the handle goes by the
    /// daemon instead: it does where it is the only one.
    pub fn not_passed(&self, id: FileId) -> bool {
        let Ok(handle) = self.handles.get(id) else { return false };
        let mut way = handle.open.passage.way.lock();
        if way.handles > 1 {
            return false;
        }
        self.count_out(&handle);
        handle.passes.store(false, Ordering::SeqCst);
        way.passes = false;
        true
    }

    /// Decides which way a new handle goes, and readies the file where it passes.
    pub(super) fn enter(&self, open: &OpenInode, mode: OpenMode) -> Result<bool, VfsError> {
        let mut way = open.passage.way.lock();
        let passes = if way.handles == 0 { self.may_pass(open, mode) } else { way.passes };
        if passes && mode.write {
            self.check_any_growth(open)?;
        }
        if passes {
            self.count_in(open, mode)?;
        }
        (way.passes, way.handles) = (passes, way.handles + 1);
        Ok(passes)
    }

    fn may_pass(&self, open: &OpenInode, mode: OpenMode) -> bool {
        if !self.passes.load(Ordering::SeqCst) || self.orphans.get(open.ino).is_some() {
            return false;
        }
        // Nor by a handle to read: all that come after it go the same way.
        if self.is_limited() {
            return false;
        }
        // A direct write may be under way for long after it was stamped.
        if (mode.write && mode.direct) || self.watched.lock().contains(&open.ino) {
            return false;
        }
        let Ok((attributes, _)) = self.attributes(open.ino) else { return false };
        // The kernel takes set-id bits from a file that it writes by itself, but not from the inode.
        if has_privileges(&attributes.row) || self.must_wait(open.ino) {
            return false;
        }
        match mode.write {
            false => size_of(&attributes.row) > READ_AT_ONCE_BYTES && self.backing_number(open.ino).is_some(),
            true => self.has_room() && !self.much_is_held(open.ino, &attributes.row),
        }
    }

    /// Where there was room a moment ago there still is: what is kept free is much more than can be written meanwhile.
    fn has_room(&self) -> bool {
        let now = self.elapsed_ms();
        if now < self.has_room_until.load(Ordering::Relaxed) {
            return !self.host.refuses_writes();
        }
        let has_room = self.has_room_for(0);
        let until = if has_room { now + ROOM_LASTS.as_millis() as u64 } else { 0 };
        self.has_room_until.store(until, Ordering::Relaxed);
        has_room
    }

    /// Tells whether so many bytes may be taken beside what others need.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        let space = self.host.space();
        // A host that does not know tells of no blocks at all.
        let plenty =
            space.blocks_available * u64::from(space.block_bytes) >= ROOM_MIN_BYTES.saturating_add(bytes);
        !self.host.refuses_writes() && (plenty || space.blocks == 0)
    }

    fn much_is_held(&self, ino: Ino, row: &Node) -> bool {
        size_of(row) > PUT_ASIDE_BYTES_MAX && self.replica.lock().held_content(ino).is_some()
    }

    fn count_in(&self, open: &OpenInode, mode: OpenMode) -> Result<(), VfsError> {
        if mode.write {
            let _gate = open.gate.read();
            open.passage.writers.fetch_add(1, Ordering::SeqCst);
            self.prepare(open, Keep::Content).inspect_err(|_| {
                open.passage.writers.fetch_sub(1, Ordering::SeqCst);
            })?;
        }
        let found = self.file_to_read(open).and_then(|_| self.stays_with_file(open));
        if found.is_err() && mode.write {
            open.passage.writers.fetch_sub(1, Ordering::SeqCst);
        }
        found?;
        if mode.write && open.privileged.load(Ordering::Relaxed) {
            self.watch_privileges(open);
        }
        Ok(())
    }

    /// From here on the inode has the same backing file.
    fn stays_with_file(&self, open: &OpenInode) -> Result<(), VfsError> {
        let content = open.content.write();
        if content.file.is_none() {
            return Err(VfsError::NotMaterialized);
        }
        open.passage.handles.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn count_out(&self, handle: &Handle) {
        if handle.passes.load(Ordering::SeqCst) {
            handle.open.passage.handles.fetch_sub(1, Ordering::SeqCst);
            if handle.mode.write {
                handle.open.passage.writers.fetch_sub(1, Ordering::SeqCst);
            }
        }
    }

    /// A handle ends.
    pub(super) fn leave(&self, handle: &Handle) {
        if handle.mode.write && handle.passes.load(Ordering::SeqCst) {
            self.take_privileges(handle.open.ino);
        }
        let mut way = handle.open.passage.way.lock();
        self.count_out(handle);
        way.handles -= 1;
        handle.open.passage.released.notify_all();
    }

    /// Waits a moment for the end of handles of a file that a program thinks closed. Tells whether it was left alone
    /// since: if not, the program had another handle.
    pub(super) fn await_release(&self, open: &OpenInode) -> bool {
        if !open.passage.is_written() {
            return true;
        }
        let Some(flushed) = *open.passage.flushed.lock() else { return false };
        let file = open.content.read().file.clone();
        if !file.is_some_and(|file| Stamp::hasty(&file).is_ok_and(|now| now == flushed)) {
            return false;
        }
        let deadline = Instant::now() + RELEASE_WAIT_MAX;
        let mut way = open.passage.way.lock();
        while open.passage.is_written() && !open.passage.released.wait_until(&mut way, deadline).timed_out() {
        }
        true
    }

    /// From here on a write takes the privileges of a file that the kernel writes.
    pub(super) fn watch_privileges(&self, open: &OpenInode) {
        let file = open.content.read().file.clone();
        let stamp = file.and_then(|file| Stamp::hasty(&file).ok());
        *open.passage.privileged.lock() = stamp.filter(|_| open.passage.is_written());
    }

    /// Takes a file's privileges if the kernel has written it since it got them. Nobody executes it before: it is open
    /// for writing.
    pub(super) fn take_privileges(&self, ino: Ino) {
        let Some(open) = self.open.get(ino) else { return };
        let Some(before) = *open.passage.privileged.lock() else { return };
        let file = open.content.read().file.clone();
        if file.is_some_and(|file| Stamp::hasty(&file).is_ok_and(|now| now.mtime != before.mtime)) {
            *open.passage.privileged.lock() = None;
            // Whether the writer might have kept them is not known.
            let stranger = Caller { uid: u32::MAX, gid: u32::MAX, ..Caller::default() };
            if let Err(error) = self.clear_privileges(Some(stranger), &open) {
                tracing::warn!(ino = ino.0, %error, "set-id bits of a file that was written stay");
            }
        }
    }

    /// Tells whether stores to mapped memory, of which the kernel notes no time, may have changed times that it was
    /// told; it has to forget them then.
    pub fn times_changed(&self, id: FileId) -> bool {
        let Ok(handle) = self.handles.get(id) else { return false };
        // Who cannot read a file cannot map it, and of what is written the kernel forgets the times by itself.
        let maps = handle.mode.read && handle.mode.write;
        if !maps || !handle.passes.load(Ordering::SeqCst) {
            return false;
        }
        let file = handle.open.content.read().file.clone();
        let mtime = file.and_then(|file| Stamp::hasty(&file).ok()).map(|stamp| stamp.mtime);
        let mut told = handle.open.passage.told.lock();
        let changed = *told != mtime;
        *told = mtime;
        changed
    }

    /// Takes up a handle of an earlier process: it goes the way it went.
    pub(super) fn resume_passage(&self, open: &OpenInode, mode: OpenMode, passes: bool) {
        let mut way = open.passage.way.lock();
        (way.passes, way.handles) = (passes, way.handles + 1);
        if passes {
            open.passage.handles.fetch_add(1, Ordering::SeqCst);
            open.passage.writers.fetch_add(u32::from(mode.write), Ordering::SeqCst);
            if self.attributes(open.ino).is_ok_and(|(attributes, _)| has_privileges(&attributes.row)) {
                self.watch_privileges(open);
            }
        }
    }

    /// How many handles of an inode pass.
    pub fn passing_handles(&self, ino: Ino) -> u32 {
        self.open.get(ino).map_or(0, |open| open.passage.handles.load(Ordering::SeqCst))
    }

    pub(super) fn note_told(&self, open: &OpenInode, mtime: crate::model::Timestamp) {
        *open.passage.told.lock() = Some(mtime);
    }

    /// Notes what a file holds that the kernel is about to write.
    pub(super) fn note_known(&self, open: &OpenInode, file: &File, content: Option<Digest>) {
        let stamp = content.and_then(|_| Stamp::at_once(file).ok().flatten());
        let known = content.zip(stamp).map(|(content, stamp)| Known { stamp, content });
        *open.passage.known.lock() = known;
        self.replica.lock().note_idle(open.ino, known.is_some());
    }
}

fn size_of(row: &Node) -> u64 {
    row.manifest().map_or(0, |manifest| manifest.length)
}
