//! Files that programs think closed: when their content is captured.
//!
//! A close captures a small file at once. But who unpacks an archive closes one new file after the other: then they are
//! put off, and captured together when the programs pause, or do anything else that gets into the log.
//!
//! Invariant: what is put off has had its last close, nobody has heard of it, and it enters the log in the order of the
//! closes, before anything that is done later.

use super::capture::{CAPTURED_AT_ONCE_BYTES_MAX, describe};
use super::content::OpenInode;
use super::error::VfsError;
use super::host::ContentFiles;
use super::open::Remaining;
use super::queue::{BARRIER_WAIT_MAX, PAUSE};
use super::volume::Volume;
use crate::sync::Store;
use crate::sync::member::Ino;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// So many closes one after the other are haste, without a pause in between.
const HASTE_CLOSES: u32 = 16;
/// Files put off, at most: each stays open, and whoever does something else waits until all are captured.
const PUT_OFF_MAX: usize = 1024;
/// Files captured in one step: nobody else gets at the replica meanwhile.
const TOGETHER_MAX: usize = 64;

/// What programs think closed.
#[derive(Default)]
pub(super) struct Closing {
    state: Mutex<State>,
    /// Files put off and not captured since.
    waiting: AtomicUsize,
    /// Held while flushed inodes are captured.
    settling: Mutex<()>,
}

#[derive(Default)]
struct State {
    /// Inodes flushed after their last change and not captured yet, in that order.
    flushed: Vec<Ino>,
    /// How many of them were put off.
    put_off: usize,
    last_close: Option<Instant>,
    closes: u32,
}

impl Closing {
    /// Counts a close. Tells whether programs are in haste.
    fn count(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let soon = state.last_close.replace(now).is_some_and(|last| now - last < PAUSE);
        state.closes = if soon { state.closes.saturating_add(1) } else { 0 };
        state.closes >= HASTE_CLOSES
    }

    /// What was flushed so far, and how many files of it were put off.
    fn take(&self) -> (Vec<Ino>, usize) {
        let mut state = self.state.lock();
        (std::mem::take(&mut state.flushed), std::mem::take(&mut state.put_off))
    }

    #[cfg(test)]
    pub fn is_settled(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    fn leave(&self, ino: Ino, put_off: usize) {
        let mut state = self.state.lock();
        state.flushed.push(ino);
        state.put_off += put_off;
    }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Remembers that a handle was flushed, where the capture that will follow is a small one. `size` is that of its file.
    pub(super) fn note_flushed(&self, open: &OpenInode, size: Option<u64>) {
        let small = size.is_none_or(|size| size <= CAPTURED_AT_ONCE_BYTES_MAX);
        if small && open.content.read().dirty && !open.note_flush() {
            self.closing.state.lock().flushed.push(open.ino);
        }
    }

    /// Captures what is in a file that nobody writes any more, or sees to it that this is done.
    pub(super) fn capture_at_close(&self, open: &Arc<OpenInode>, remaining: Remaining) {
        let nobody = self.concerns_nobody(open.ino, &mut open.content.write());
        if nobody || !open.content.read().dirty {
            return;
        }
        let in_haste = remaining.handles == 0 && self.is_new(open.ino) && self.closing.count(Instant::now());
        if !in_haste || self.queue.has_barriers() || !open.put_off() {
            return self.capture_or_queue(open, remaining.changes);
        }
        self.closing.state.lock().put_off += 1;
        self.queue.put_off();
        if self.closing.waiting.fetch_add(1, Ordering::SeqCst) + 1 >= PUT_OFF_MAX {
            self.settle_put_off();
        }
    }

    /// Tells whether nobody has heard of a file.
    fn is_new(&self, ino: Ino) -> bool {
        let replica = self.replica.lock();
        replica.inode(ino).is_some_and(|inode| replica.is_embryo(inode.node))
    }

    /// Captures small files that their writers think closed, and waits for what was fsynced, so that ops get
    /// into the log in the order programs made them.
    pub(super) fn settle_before_op(&self, but: &[Ino]) -> Result<(), VfsError> {
        self.settle(but);
        self.queue.wait_for_barriers(BARRIER_WAIT_MAX);
        Ok(())
    }

    /// Captures what was put off.
    pub(super) fn settle_put_off(&self) {
        if self.closing.waiting.load(Ordering::SeqCst) > 0 {
            self.settle(&[]);
        }
    }

    fn settle(&self, but: &[Ino]) {
        // One at a time: what one call has taken to capture, another must not overtake.
        let _settling = self.closing.settling.lock();
        let (flushed, put_off) = self.closing.take();
        let (mut left, mut together) = (0, Vec::new());
        for ino in flushed {
            let Some(open) = self.open.get(ino) else { continue };
            if but.contains(&ino) {
                let is_put_off = usize::from(open.is_put_off());
                self.closing.leave(ino, is_put_off);
                left += is_put_off;
                continue;
            }
            let alone = !open.is_put_off();
            together.push(open);
            if alone || together.len() == TOGETHER_MAX {
                self.settle_together(&std::mem::take(&mut together));
            }
        }
        self.settle_together(&together);
        // Order: whoever finds that nothing waits finds it captured.
        self.closing.waiting.fetch_sub(put_off - left.min(put_off), Ordering::SeqCst);
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
            }
            open.end_put_off();
            self.prune_if_clean(open);
        }
    }

    /// Captures in one step what nobody is at. The rest stays as it is.
    fn capture_together(&self, opens: &[Arc<OpenInode>]) -> Result<(), VfsError> {
        // Lock order: all captures, all gates, all contents; nobody else holds two of a kind.
        let _capturing: Vec<_> = opens.iter().map(|open| open.capturing.lock()).collect();
        let mut described = Vec::new();
        for open in opens.iter().filter(|open| open.is_put_off()) {
            let undisturbed = || open.is_as_flushed() && !open.passage.is_written();
            if let Some(file) = self.file_to_capture(open)?.filter(|_| undisturbed())
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
