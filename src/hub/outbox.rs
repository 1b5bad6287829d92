//! What waits to be sent to one member.
//!
//! Invariant: a member gets everything in log order: an entry in its place, an answer after all entries that
//! were in the log when it was given. What does not fit here is not kept: the gap is read from the store when
//! its turn comes, and of what only the newest counts, no more than one message waits beside the one in the queue. So a
//! member that does not read costs a bounded amount, whatever the others write.

use crate::model::Sequence;
use crate::wire::{FromHub, encode};
use bytes::Bytes;
use parking_lot::Mutex;
use std::collections::VecDeque;
use tokio::sync::{Notify, watch};

/// Entries kept for a member; the bytes are shared with all other members' queues.
const ENTRY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Messages that are no entries, with what each costs beside its bytes. Only who asks without reading gets here.
const NOTE_BYTES_MAX: usize = 2 * 1024 * 1024;
const NOTE_BYTES: usize = 64;

/// Why a conversation ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With a last message.
    Refused(crate::sync::hub::Refusal),
    /// The member has gone, or cannot be talked to.
    Gone,
    /// The hub stops, or has no room for what it would have to write.
    Stopping(String),
}

/// What is to be done next for a member that has everything before `next`.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this; it is the entry at `next`, or an answer that stands for it, where `is_entry`.
    Send {
        frame: Bytes,
        is_entry: bool,
    },
    /// Read from the store up to here, inclusively.
    Fetch {
        upto: Sequence,
    },
    End(Ending),
}

#[derive(Debug)]
struct Item {
    /// For an entry its sequence, for a note the entry it comes after.
    at: Option<Sequence>,
    frame: Bytes,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Entry,
    Note,
    /// A note of which only the newest counts.
    News,
}

/// A member's queue, filled by the space's owner and emptied by the connection's writer.
#[derive(Debug)]
pub struct Outbox {
    inner: Mutex<Inner>,
    filled: Notify,
    ended: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Inner {
    items: VecDeque<Item>,
    entry_bytes: usize,
    note_bytes: usize,
    has_news: bool,
    /// News that takes its place in the queue once what is there of it already is sent.
    later_news: Option<Bytes>,
    head: Option<Sequence>,
    ending: Option<Ending>,
}

impl Outbox {
    pub fn new() -> Outbox {
        Outbox { inner: Mutex::default(), filled: Notify::new(), ended: watch::Sender::new(false) }
    }

    /// States the head at which the conversation begins.
    pub fn begin(&self, head: Option<Sequence>) {
        self.inner.lock().head = head;
    }

    /// Queues the newest entry, or what stands for it; leaves a gap where there is no room.
    pub fn push_entry(&self, sequence: Sequence, frame: Bytes) {
        let mut inner = self.inner.lock();
        inner.head = Some(sequence);
        if inner.ending.is_none() && inner.entry_bytes + frame.len() <= ENTRY_BYTES_MAX {
            inner.entry_bytes += frame.len();
            inner.items.push_back(Item { at: Some(sequence), frame, kind: Kind::Entry });
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// Queues a message that is to come after everything that is in the log now.
    pub fn push_note(&self, message: &FromHub) {
        let frame = Bytes::from(encode(message));
        let mut inner = self.inner.lock();
        if inner.ending.is_some() {
            return;
        }
        let at = inner.head;
        inner.note_bytes += frame.len() + NOTE_BYTES;
        let too_many = inner.note_bytes > NOTE_BYTES_MAX;
        inner.items.push_back(Item { at, frame, kind: Kind::Note });
        drop(inner);
        if too_many {
            self.end(Ending::Gone);
        }
        self.filled.notify_one();
    }

    /// Queues a note that makes the ones before it worthless, which were queued in this way too: they need not be sent.
    pub fn push_news(&self, message: &FromHub) {
        let frame = Bytes::from(encode(message));
        let mut inner = self.inner.lock();
        if inner.ending.is_some() {
            return;
        }
        // What is queued keeps its place, so that news reaches a member that is always a little behind.
        if inner.has_news {
            inner.later_news = Some(frame)
        } else {
            inner.queue_news(frame)
        }
        drop(inner);
        self.filled.notify_one();
    }

    /// Ends the conversation; the first ending counts, and what is queued is not sent any more.
    pub fn end(&self, ending: Ending) {
        let mut inner = self.inner.lock();
        if inner.ending.is_none() {
            inner.ending = Some(ending);
            inner.items.clear();
            inner.later_news = None;
        }
        drop(inner);
        self.ended.send_replace(true);
        self.filled.notify_one();
    }

    /// Waits for the end of the conversation.
    pub async fn ended(&self) {
        let mut ended = self.ended.subscribe();
        // The sender lives as long as this outbox.
        let _ = ended.wait_for(|ended| *ended).await;
    }

    /// Waits for what is to be done next. Only one task may wait.
    pub async fn next(&self, next: Sequence) -> Step {
        loop {
            if let Some(step) = self.inner.lock().step(next) {
                return step;
            }
            self.filled.notified().await;
        }
    }
}

impl Inner {
    fn step(&mut self, next: Sequence) -> Option<Step> {
        if let Some(ending) = &self.ending {
            return Some(Step::End(ending.clone()));
        }
        while let Some(item) = self.items.front() {
            // An entry wants all before it sent, a note all up to its own.
            let is_entry = item.kind == Kind::Entry;
            let wants = if is_entry { item.at.and_then(before) } else { item.at };
            if let Some(upto) = wants.filter(|upto| *upto >= next) {
                return Some(Step::Fetch { upto });
            }
            let item = self.items.pop_front()?;
            self.forget(&item);
            // Entries that were fetched meanwhile are here twice.
            if !is_entry || item.at == Some(next) {
                return Some(Step::Send { frame: item.frame, is_entry });
            }
        }
        self.head.filter(|head| *head >= next).map(|upto| Step::Fetch { upto })
    }

    fn forget(&mut self, item: &Item) {
        match item.kind {
            Kind::Entry => self.entry_bytes -= item.frame.len(),
            Kind::Note => self.note_bytes -= item.frame.len() + NOTE_BYTES,
            Kind::News => {
                self.has_news = false;
                if let Some(frame) = self.later_news.take() {
                    self.queue_news(frame);
                }
            }
        }
    }

    fn queue_news(&mut self, frame: Bytes) {
        self.has_news = true;
        self.items.push_back(Item { at: self.head, frame, kind: Kind::News });
    }
}

fn before(sequence: Sequence) -> Option<Sequence> {
    sequence.0.checked_sub(1).map(Sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(outbox: &Outbox, next: u64) -> Option<Step> {
        outbox.inner.lock().step(Sequence(next))
    }

    fn frame(byte: u8) -> Bytes {
        Bytes::from(vec![byte; 10])
    }

    #[test]
    fn entries_come_in_order_and_an_answer_after_what_was_there_when_it_was_given() {
        let outbox = Outbox::new();
        outbox.begin(Some(Sequence(4)));
        outbox.push_entry(Sequence(5), frame(5));
        outbox.push_note(&FromHub::SnapshotEnd);
        outbox.push_entry(Sequence(6), frame(6));
        // This member has everything up to 2.
        assert_eq!(step(&outbox, 3), Some(Step::Fetch { upto: Sequence(4) }));
        assert_eq!(step(&outbox, 5), Some(Step::Send { frame: frame(5), is_entry: true }));
        let note = Bytes::from(encode(&FromHub::SnapshotEnd));
        assert_eq!(step(&outbox, 6), Some(Step::Send { frame: note, is_entry: false }));
        assert_eq!(step(&outbox, 6), Some(Step::Send { frame: frame(6), is_entry: true }));
        assert_eq!(step(&outbox, 7), None);
    }

    #[test]
    fn what_was_fetched_meanwhile_is_not_sent_again() {
        let outbox = Outbox::new();
        outbox.begin(None);
        (0..3).for_each(|number| outbox.push_entry(Sequence(number), frame(number as u8)));
        assert_eq!(step(&outbox, 2), Some(Step::Send { frame: frame(2), is_entry: true }));
        assert_eq!(step(&outbox, 3), None);
    }

    #[test]
    fn what_does_not_fit_is_read_from_the_store_instead() {
        let outbox = Outbox::new();
        outbox.begin(None);
        let large = Bytes::from(vec![0; 3 * 1024 * 1024]);
        (0..4).for_each(|number| outbox.push_entry(Sequence(number), large.clone()));
        outbox.push_note(&FromHub::SnapshotEnd);
        assert!(outbox.inner.lock().entry_bytes <= ENTRY_BYTES_MAX);
        assert!(matches!(step(&outbox, 0), Some(Step::Send { is_entry: true, .. })));
        // The note waits for the entries that were dropped.
        assert_eq!(step(&outbox, 1), Some(Step::Fetch { upto: Sequence(3) }));
        assert!(matches!(step(&outbox, 4), Some(Step::Send { is_entry: false, .. })));
        assert_eq!(step(&outbox, 4), None);
        outbox.push_entry(Sequence(4), frame(4));
        assert_eq!(step(&outbox, 4), Some(Step::Send { frame: frame(4), is_entry: true }));
    }

    #[test]
    fn the_first_ending_counts_and_nothing_follows_it() {
        let outbox = Outbox::new();
        outbox.begin(None);
        outbox.push_entry(Sequence(0), frame(0));
        outbox.end(Ending::Gone);
        outbox.end(Ending::Stopping("late".into()));
        outbox.push_entry(Sequence(1), frame(1));
        assert_eq!(step(&outbox, 0), Some(Step::End(Ending::Gone)));
    }

    #[test]
    fn of_news_that_nobody_reads_the_first_keeps_its_place_and_the_last_follows() {
        let outbox = Outbox::new();
        outbox.begin(None);
        let news = |number| FromHub::Barrier { id: number, head: None };
        for number in 0..100_000 {
            outbox.push_entry(Sequence(number), frame(0));
            outbox.push_news(&news(number));
        }
        let items = outbox.inner.lock().items.len();
        assert!(items <= 100_001, "{items}");
        let sent = |number| Some(Step::Send { frame: encode(&news(number)).into(), is_entry: false });
        assert!(matches!(step(&outbox, 0), Some(Step::Send { is_entry: true, .. })));
        assert_eq!(step(&outbox, 1), sent(0));
        assert!(matches!(step(&outbox, 1), Some(Step::Send { is_entry: true, .. })));
        // All entries were fetched meanwhile.
        assert_eq!(step(&outbox, 100_000), sent(99_999));
        outbox.push_news(&news(7));
        assert_eq!(step(&outbox, 100_000), sent(7));
        assert_eq!(step(&outbox, 100_000), None);
    }

    #[test]
    fn who_asks_without_ever_reading_is_let_go() {
        let outbox = Outbox::new();
        outbox.begin(None);
        (0..=NOTE_BYTES_MAX / NOTE_BYTES).for_each(|_| outbox.push_note(&FromHub::SnapshotEnd));
        assert_eq!(step(&outbox, 0), Some(Step::End(Ending::Gone)));
        assert!(outbox.inner.lock().items.is_empty());
    }
}
