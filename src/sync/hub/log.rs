//! The op log and the tree it leads to, read and appended.

use super::HubSync;
use super::keys::read;
use super::records::Head;
use crate::model::{Chain, CommitNumber, MemberNumber, Sequence, Timestamp};
use crate::ops::Op;
use crate::sync::kv::prefix_end;
use crate::sync::{Kv, Pair, RowTree, Txn};
use crate::wire::{LOG_ENTRIES_MAX, LogEntry, LogPage, Position, chain_next, decode, encode};

/// Entries of one answer, in bytes; with the largest entry more it stays below a frame.
const PAGE_BYTES_MAX: usize = 1024 * 1024;
/// And in ops, of which the smallest take far more memory than bytes.
const PAGE_OPS_MAX: usize = 8_000;

/// A space's tree at one sequence, for a newcomer.
pub struct Snapshot<'a> {
    /// None before the first commit.
    pub position: Option<Position>,
    /// Rows as [`crate::wire::RowKey`] keys them.
    pub rows: Box<dyn Iterator<Item = Pair> + 'a>,
}

impl HubSync {
    pub(super) fn log_head<K: Kv + ?Sized>(&self, kv: &K) -> Option<Head> {
        read(kv, &self.keys().head())
    }

    /// The last sequence of the log.
    pub fn head<K: Kv + ?Sized>(&self, kv: &K) -> Option<Sequence> {
        self.log_head(kv).map(|head| head.sequence)
    }

    /// The entry at a sequence.
    pub fn entry_at<K: Kv + ?Sized>(&self, kv: &K, sequence: Sequence) -> Option<LogEntry> {
        read(kv, &self.keys().entry(sequence))
    }

    /// Entries from a sequence on, in order.
    pub fn entries<'a, K: Kv + ?Sized>(
        &self,
        kv: &'a K,
        from: Sequence,
    ) -> impl Iterator<Item = LogEntry> + use<'a, K> {
        let rows = kv.scan(&self.keys().entry(from), &prefix_end(&self.keys().entries_prefix()));
        rows.map(|(_, value)| decode("log entry", &value).expect("entries of ours decode"))
    }

    /// Entries after a sequence, in order; at least one where there is one.
    pub fn log_page<K: Kv + ?Sized>(&self, kv: &K, after: Option<Sequence>, limit: u32) -> LogPage {
        let limit = limit.clamp(1, LOG_ENTRIES_MAX) as usize;
        let (mut page, mut bytes, mut ops) = (LogPage::default(), 0, 0);
        let from = self.keys().entry(Sequence::after(after));
        for (_, value) in kv.scan(&from, &prefix_end(&self.keys().entries_prefix())) {
            if page.entries.len() >= limit || bytes > PAGE_BYTES_MAX || ops > PAGE_OPS_MAX {
                page.more = true;
                break;
            }
            let entry: LogEntry = decode("log entry", &value).expect("entries of ours decode");
            (bytes, ops) = (bytes + value.len(), ops + entry.ops.len());
            page.entries.push(entry);
        }
        page
    }

    /// The last entry that was accepted no later than `time`; None before the first. Times in the log never go back, so
    /// there is one such point.
    pub fn sequence_at<K: Kv + ?Sized>(&self, kv: &K, time: Timestamp) -> Option<Sequence> {
        let (mut low, mut high) = (0, self.head(kv)?.0 + 1);
        // Invariant: entries before `low` are no later than `time`, and those from `high` on are.
        while low < high {
            let middle = low + (high - low) / 2;
            let is_later = self.entry_at(kv, Sequence(middle)).is_none_or(|entry| entry.time > time);
            if is_later { high = middle } else { low = middle + 1 }
        }
        low.checked_sub(1).map(Sequence)
    }

    /// The tree at the head. `kv` must not change while the rows are taken: a store gives a frozen view for it.
    pub fn snapshot<'a, K: Kv + ?Sized>(&self, kv: &'a K) -> Snapshot<'a> {
        let position = self.log_head(kv).map(|head| Position { sequence: head.sequence, chain: head.chain });
        Snapshot { position, rows: Box::new(self.tree_rows(kv, None)) }
    }

    /// The tree's rows behind a key, or all of them; so that a snapshot can be taken in parts.
    pub fn tree_rows<'a, K: Kv + ?Sized>(
        &self,
        kv: &'a K,
        after: Option<&[u8]>,
    ) -> impl Iterator<Item = Pair> + use<'a, K> {
        let prefix = self.keys().tree();
        let skip = prefix.len();
        // The next key there can be is the same with a zero behind it.
        let from = after.map_or(prefix.clone(), |after| [prefix.as_slice(), after, &[0]].concat());
        let rows = kv.scan(&from, &prefix_end(&prefix));
        rows.map(move |(mut key, value)| (key.split_off(skip), value))
    }

    /// The tree's rows whose keys begin with `tag`.
    pub(super) fn tree_rows_tagged<'a, K: Kv + ?Sized>(
        &self,
        kv: &'a K,
        tag: Vec<u8>,
    ) -> impl Iterator<Item = Pair> + use<'a, K> {
        let prefix = self.keys().tree();
        let skip = prefix.len();
        let rows = kv.scan_prefix(&[prefix, tag].concat());
        rows.map(move |(mut key, value)| (key.split_off(skip), value))
    }

    /// Tells whether `position` is a point of this log.
    pub(super) fn holds<K: Kv + ?Sized>(&self, kv: &K, position: Position) -> bool {
        self.entry_at(kv, position.sequence).is_some_and(|entry| entry.chain == position.chain)
    }

    /// Reads the tree at the head with `read`.
    pub fn with_tree<K: Kv + ?Sized, T>(&self, kv: &K, read: impl FnOnce(&RowTree<K>) -> T) -> T {
        let prefix = self.keys().tree();
        read(&RowTree { kv, prefix: &prefix })
    }

    /// Gives a commit's ops the next sequence. The entry's time is the hub's clock, but never before its predecessor's.
    pub(super) fn next_entry<K: Kv + ?Sized>(
        &self,
        kv: &K,
        (member, number): (MemberNumber, CommitNumber),
        ops: Vec<Op>,
        now: Timestamp,
    ) -> LogEntry {
        let head = self.log_head(kv);
        let sequence = Sequence::after(head.map(|head| head.sequence));
        let time = head.map_or(now, |head| head.time.max(now));
        let previous = head.map_or(Chain::default(), |head| head.chain);
        let chain = chain_next(previous, sequence, member, number, time, &ops);
        LogEntry { sequence, member, number, time, ops, chain }
    }

    pub(super) fn append<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, entry: &LogEntry) {
        let head = Head { sequence: entry.sequence, chain: entry.chain, time: entry.time };
        txn.put(self.keys().entry(entry.sequence), encode(entry));
        txn.put(self.keys().head(), encode(&head));
    }
}
