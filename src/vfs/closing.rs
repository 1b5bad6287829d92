//! Files that programs think closed: when their content is captured.
//!
//! A close captures a small file at once. But who unpacks an archive closes one new file after the other: then they are
//! put off, and captured together when the programs pause, or do anything else that gets into the log.
//!
//! Invariant: what is put off has had its last close as a file that nobody had heard of, and it enters the log in the order
//! of the closes, before anything that is done later. Should this process die before, the next one captures it at its
//! start, in the order in which the files were made.
//!
//! Lock order: whoever settles does so holding none of an inode's locks, nor the replica's.

use super::capture::{CAPTURED_AT_ONCE_BYTES_MAX, describe};
use super::content::OpenInode;
use super::error::VfsError;
use super::host::ContentFiles;
use super::open::Remaining;
use super::queue::{BARRIER_WAIT_MAX, Job, PAUSE};
use super::volume::Volume;
use crate::sync::Store;
use crate::sync::member::Ino;
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// So many closes one after the other are haste, without a pause in between.
const HASTE_CLOSES: u32 = 16;
/// Files put off, at most, and their bytes: whoever does something else waits until all are captured.
const PUT_OFF_MAX: usize = 1024;
const PUT_OFF_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long what was put off waits for a pause that never comes.
const PUT_OFF_LASTS_MAX: Duration = Duration::from_secs(1);
/// Inodes listed, after so many of which those are looked for that need not be.
const LISTED_UNTIL_SWEEP: usize = 4096;
/// Files captured in one step: nobody else gets at the replica meanwhile.
const TOGETHER_MAX: usize = 64;

/// What programs think closed.
#[derive(Default)]
pub(super) struct Closing {
    state: Mutex<State>,
    /// Files put off and not captured since. Changes with the state locked, or by who settles.
    waiting: AtomicUsize,
    /// Held while flushed inodes are captured.
    settling: Mutex<()>,
}

#[derive(Default)]
struct State {
    listed: Listed,
    /// Those that were put off and are just being captured.
    taken: HashSet<Ino>,
    last_close: Option<Instant>,
    closes: u32,
}

/// What is to be captured before anything that is done later.
#[derive(Default)]
pub(super) struct Listed {
    /// Inodes flushed and perhaps not captured yet, in the order of their flushes: of each the last one counts.
    flushed: Vec<Ino>,
    known: HashSet<Ino>,
    /// Those of them that were put off, with their bytes.
    put_off: HashMap<Ino, u64>,
    bytes: u64,
    /// When the first of them was.
    put_off_since: Option<Instant>,
}

impl Listed {
    fn add(&mut self, ino: Ino) {
        self.known.insert(ino);
        if self.flushed.last() != Some(&ino) {
            self.flushed.push(ino);
        }
    }

    /// Leaves each inode where it was flushed last.
    fn in_order(&mut self) {
        if self.flushed.len() > self.known.len() {
            let mut seen = HashSet::new();
            self.flushed.reverse();
            self.flushed.retain(|ino| seen.insert(*ino));
            self.flushed.reverse();
        }
    }

    /// Forgets what was captured at its close, where nothing else has been done for long.
    fn sweep(&mut self, is_open: impl Fn(Ino) -> bool) {
        self.in_order();
        self.known.retain(|ino| is_open(*ino));
        self.flushed.retain(|ino| self.known.contains(ino));
    }

    /// Puts off an inode that is listed. Tells whether it was.
    fn put_off(&mut self, ino: Ino, bytes: u64, now: Instant) -> bool {
        if !self.known.contains(&ino) || self.put_off.contains_key(&ino) {
            return false;
        }
        self.put_off.insert(ino, bytes);
        self.bytes += bytes;
        self.put_off_since.get_or_insert(now);
        true
    }
}

impl Closing {
    /// Counts a close. Tells whether programs are in haste.
    fn count(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let soon = state.last_close.replace(now).is_some_and(|last| now - last < PAUSE);
        state.closes = if soon { state.closes.saturating_add(1) } else { 0 };
        state.closes >= HASTE_CLOSES
    }

    /// Puts off what was flushed, and has not changed since. Tells whether it did.
    fn put_off(&self, open: &OpenInode) -> bool {
        let mut state = self.state.lock();
        let bytes = open.is_as_flushed().then(|| open.flushed_bytes());
        let put_off = bytes.is_some_and(|bytes| state.listed.put_off(open.ino, bytes, Instant::now()));
        if put_off {
            self.waiting.fetch_add(1, Ordering::SeqCst);
        }
        put_off
    }

    /// Tells whether an inode is put off, or among those that are just being captured.
    pub fn is_put_off(&self, ino: Ino) -> bool {
        let is_listed = |state: &State| state.listed.put_off.contains_key(&ino) || state.taken.contains(&ino);
        self.is_waiting() && is_listed(&self.state.lock())
    }

    fn is_full(&self) -> bool {
        let listed = &self.state.lock().listed;
        listed.put_off.len() >= PUT_OFF_MAX || listed.bytes >= PUT_OFF_BYTES_MAX
    }

    /// Tells whether something is put off that should not be any longer: the programs pause, or go on for long.
    fn is_due(&self, now: Instant) -> bool {
        let state = self.state.lock();
        let has_paused = || state.last_close.is_none_or(|last| now - last >= PAUSE);
        state.listed.put_off_since.is_some_and(|since| now - since >= PUT_OFF_LASTS_MAX || has_paused())
    }

    /// Tells whether something is put off, or just being captured.
    pub fn is_waiting(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) > 0
    }

    /// What is to be captured now. It counts as waiting until the second is dropped, also where a panic does it.
    pub fn take(&self) -> (Listed, Taken<'_>) {
        let mut state = self.state.lock();
        let mut listed = std::mem::take(&mut state.listed);
        listed.in_order();
        state.taken = listed.put_off.keys().copied().collect();
        (listed, Taken { closing: self })
    }
}

/// That what was put off is being captured, by one at a time.
pub(super) struct Taken<'a> {
    closing: &'a Closing,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        // Order: whoever finds that nothing waits finds it captured. What was left counts anew.
        let captured = std::mem::take(&mut self.closing.state.lock().taken);
        self.closing.waiting.fetch_sub(captured.len(), Ordering::SeqCst);
    }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Remembers that a handle was flushed, where the capture that will follow is a small one. `bytes` are those of its
    /// file, if it has one.
    pub(super) fn note_flushed(&self, open: &OpenInode, bytes: Option<u64>) {
        let bytes = bytes.unwrap_or(0);
        if bytes > CAPTURED_AT_ONCE_BYTES_MAX || !open.content.read().dirty {
            open.take_flush();
            return;
        }
        open.note_flush(bytes);
        let mut state = self.closing.state.lock();
        state.listed.add(open.ino);
        if state.listed.flushed.len().is_multiple_of(LISTED_UNTIL_SWEEP) {
            state.listed.sweep(|ino| self.open.get(ino).is_some());
        }
    }

    /// Captures what is in a file that nobody writes any more, or sees to it that this is done.
    pub(super) fn capture_at_close(&self, open: &Arc<OpenInode>, remaining: Remaining) {
        let nobody = self.concerns_nobody(open.ino, &mut open.content.write());
        if nobody || !open.content.read().dirty {
            return;
        }
        let is_last = remaining.handles == 0;
        // In haste, or while others wait still: nobody is to capture all of these at a close.
        let joins = || self.closing.count(Instant::now()) || self.closing.is_waiting();
        let in_haste = is_last && self.may_wait(open.ino) && joins();
        if !in_haste || self.queue.has_barriers() || !self.closing.put_off(open) {
            return self.capture_or_queue(open, remaining.changes);
        }
        let mut content = open.content.write();
        // Order: whoever opens it has a handle first and looks then whether it is put off.
        let is_opened = self.open.has_handles(open.ino);
        // There may be more such files than one may have open.
        if !is_opened {
            content.file = None;
        }
        drop(content);
        self.queue.put_off();
        if is_opened || self.closing.is_full() {
            self.settle_put_off();
        }
    }

    /// Tells whether nobody has heard of a file, and nothing depends on what is in it.
    fn may_wait(&self, ino: Ino) -> bool {
        let replica = self.replica.lock();
        let node = replica.inode(ino).map(|inode| inode.node);
        node.is_some_and(|node| replica.is_embryo(node) && !self.ignores.is_read_from(node))
    }

    /// Captures small files that their writers think closed, and waits for what was fsynced, so that ops get
    /// into the log in the order programs made them.
    pub(super) fn settle_before_op(&self, but: &[Ino]) -> Result<(), VfsError> {
        self.settle(but);
        self.queue.wait_for_barriers(BARRIER_WAIT_MAX);
        Ok(())
    }

    /// Captures what was put off and should not be any longer; nobody is disturbed who is still at it.
    pub(super) fn settle_due(&self) {
        if self.closing.is_due(Instant::now()) {
            self.settle_put_off();
        }
    }

    /// Captures what was put off.
    pub fn settle_put_off(&self) {
        if self.closing.is_waiting() {
            self.settle(&[]);
        }
    }

    /// As [`Volume::settle_put_off`], where this inode is among it: what was closed is a version of its own.
    pub(super) fn settle_if_put_off(&self, ino: Ino) {
        if self.closing.is_put_off(ino) {
            self.settle(&[]);
        }
    }

    pub(super) fn settle(&self, but: &[Ino]) {
        // One at a time: what one call has taken to capture, another must not overtake.
        let _settling = self.closing.settling.lock();
        let (Listed { flushed, mut put_off, .. }, _taken) = self.closing.take();
        let mut together = Vec::new();
        for ino in flushed {
            if but.contains(&ino) {
                self.list_again(ino, put_off.remove(&ino));
                continue;
            }
            let Some(open) = self.open.get(ino) else { continue };
            let alone = !put_off.contains_key(&ino);
            if alone && self.queue.has_barriers() {
                self.settle_behind(&open);
                continue;
            }
            together.push(open);
            if alone || together.len() == TOGETHER_MAX {
                self.settle_together(&std::mem::take(&mut together));
            }
        }
        self.settle_together(&together);
    }

    /// What was flushed while fsynced content still waits is captured after it.
    // What is put off was closed before anything was fsynced that waits now.
    fn settle_behind(&self, open: &OpenInode) {
        if let Some(changes) = open.take_flush() {
            self.queue.push(Job { ino: open.ino, is_barrier: true, changes, sealed: None });
        }
    }

    /// Leaves an inode for whoever settles next.
    fn list_again(&self, ino: Ino, put_off: Option<u64>) {
        if self.open.get(ino).is_none() {
            return;
        }
        let mut state = self.closing.state.lock();
        state.listed.add(ino);
        if put_off.is_some_and(|bytes| state.listed.put_off(ino, bytes, Instant::now())) {
            self.closing.waiting.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn settle_together(&self, opens: &[Arc<OpenInode>]) {
        if opens.len() > 1
            && let Err(error) = self.capture_together(opens)
        {
            tracing::info!(%error, "files are captured one by one");
        }
        for open in opens {
            if let Some(changes) = open.take_flush()
                && self.await_release(open)
            {
                self.report(open.ino, self.try_capture(open, changes).map(|_| ()));
                self.prune_if_clean(open);
            }
        }
    }

    /// Captures in one step what nobody has changed since it was flushed. The rest stays as it is. No inode is among them
    /// twice.
    fn capture_together(&self, opens: &[Arc<OpenInode>]) -> Result<(), VfsError> {
        // Lock order: all captures, all gates, all contents; nobody else holds two of a kind.
        let _capturing: Vec<_> = opens.iter().map(|open| open.capturing.lock()).collect();
        let mut described = Vec::new();
        for open in opens {
            let undisturbed = || open.is_as_flushed() && !open.passage.is_written();
            if undisturbed()
                && let Some(file) = self.file_to_capture(open)?
                && let Some(content) = describe(file.as_deref(), undisturbed)?
            {
                described.push((open, file, content));
            }
        }
        let _gates: Vec<_> = described.iter().map(|(open, ..)| open.gate.write()).collect();
        let (mut taken, mut captured) = (Vec::new(), Vec::new());
        for (open, file, described) in described {
            let mut content = open.content.write();
            if open.is_as_flushed()
                && let Some(capture) = self.to_take(open, &mut content, file.as_deref(), described)?
            {
                captured.push(capture);
                taken.push((open, content));
            }
        }
        self.work(|replica| Ok(((), replica.capture_all(captured)?)))?;
        taken.into_iter().for_each(|(open, mut content)| self.is_taken(open, &mut content));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_open_any_more_is_listed_no_more_and_may_be_listed_again() {
        let mut listed = Listed::default();
        (1..=4).for_each(|ino| listed.add(Ino(ino)));
        assert!(listed.put_off(Ino(4), 10, Instant::now()));
        listed.sweep(|ino| ino.0 % 2 == 0);
        [3, 4].into_iter().for_each(|ino| listed.add(Ino(ino)));
        listed.in_order();
        assert_eq!(listed.flushed, [Ino(2), Ino(3), Ino(4)]);
        assert_eq!((listed.put_off.len(), listed.bytes), (1, 10));
    }

    #[test]
    fn what_is_put_off_is_due_in_a_pause_and_after_a_second_of_haste() {
        let (closing, began) = (Closing::default(), Instant::now());
        assert!(!closing.is_due(began));
        closing.count(began);
        let put_off = |ino, at| {
            let mut state = closing.state.lock();
            state.listed.add(Ino(ino));
            assert!(state.listed.put_off(Ino(ino), 1, at));
        };
        put_off(1, began);
        assert!(!closing.is_due(began + PAUSE / 2), "somebody is still at it");
        assert!(closing.is_due(began + PAUSE));
        let later = began + PUT_OFF_LASTS_MAX;
        closing.count(later - PAUSE / 2);
        assert!(!closing.is_due(later - PAUSE / 4));
        put_off(2, later - PAUSE / 2);
        assert!(closing.is_due(later));
        drop(closing.take());
        put_off(3, later);
        assert!(!closing.is_due(later), "the others are captured");
    }
}
