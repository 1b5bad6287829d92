//! Whether what a space has is what its log says: the log itself, and every row that follows from it.
//!
//! The log is applied again, from its start, to rows of its own; whoever does so decides where these stand. What must
//! be equal then are the rows of the tree and of history. Nothing is repaired here.

use super::HubSync;
use super::commit::Trial;
use super::keys::split_sequence;
use crate::model::{Chain, NodeId, Sequence};
use crate::ops::Rejection;
use crate::sync::{Kv, Pair, Txn};
use crate::wire::{LogEntry, Row, chain_next, decode, decode_row_key};
use std::iter::Peekable;

/// What is wrong with the log at a sequence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogFault {
    #[error("the log has no entry here")]
    Missing,
    #[error("the log's entry cannot be read")]
    Unreadable,
    #[error("the log's entry does not continue the one before it")]
    Chain,
    #[error("the log does not end where it is said to")]
    End,
    #[error("op {op} of the log's entry does not apply: {rejection}")]
    Rejected { op: u32, rejection: Rejection },
}

/// A row that is not what the log makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub row: DerivedRow,
    pub kind: DifferenceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DifferenceKind {
    Missing,
    Surplus,
    Other,
}

/// A row that follows from the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DerivedRow {
    Tree(Row),
    /// A line of history.
    Line(NodeId, Sequence),
    /// That a node stood at a path.
    Path(NodeId, Sequence),
    /// Its key makes no sense.
    Unknown,
}

/// The log's entries, read without trust.
struct Entries<'a> {
    rows: Box<dyn Iterator<Item = Pair> + 'a>,
    next: u64,
    /// None after a fault, where nothing is known of what came before.
    chain: Option<Chain>,
    /// Read already, and to be told after what is missing before it.
    waiting: Option<(u64, Vec<u8>)>,
}

impl HubSync {
    /// Every entry of the log in order, or what is wrong in its place.
    pub fn checked_entries<'a, K: Kv + ?Sized>(
        &self,
        kv: &'a K,
    ) -> impl Iterator<Item = Result<LogEntry, (Sequence, LogFault)>> + use<'a, K> {
        let rows = kv.scan_prefix(&self.keys().entries_prefix());
        Entries { rows, next: 0, chain: Some(Chain::default()), waiting: None }
    }

    /// Checks that the log's end is where it is said to be, given its last entry.
    pub fn check_end<K: Kv + ?Sized>(
        &self,
        kv: &K,
        last: Option<(Sequence, Chain)>,
    ) -> Option<(Sequence, LogFault)> {
        let head = self.log_head(kv);
        let fault = (head.map(|head| head.sequence).unwrap_or(Sequence(0)), LogFault::End);
        (head.map(|head| (head.sequence, head.chain)) != last).then_some(fault)
    }

    /// Writes what an entry changes, as it did when it was accepted.
    ///
    /// # Errors
    /// [`LogFault::Rejected`]; nothing is written then.
    pub fn replay<K: Kv + ?Sized>(&self, txn: &mut Txn<K>, entry: &LogEntry) -> Result<(), LogFault> {
        let judged = self.try_ops(txn, entry.member, &entry.ops);
        let judged = judged.map_err(|(op, rejection)| LogFault::Rejected { op, rejection })?;
        let Trial { writes, lineage, .. } = judged;
        writes.into_iter().for_each(|(key, value)| txn.set(key, value));
        self.append(txn, entry);
        self.write_history(txn, lineage, entry);
        Ok(())
    }

    /// Takes over what does not follow from the log and tells which contents are needed.
    pub fn copy_given_up<K: Kv + ?Sized>(&self, from: &K, txn: &mut Txn<impl Kv + ?Sized>) {
        from.scan_prefix(&self.keys().given_ups()).for_each(|(key, value)| txn.put(key, value));
    }

    /// Rows in `kept` that are not as in `replayed`.
    pub fn differences<'a>(
        &self,
        kept: &'a dyn Kv,
        replayed: &'a dyn Kv,
    ) -> impl Iterator<Item = Difference> + use<'a> {
        let keys = self.keys();
        let hub = *self;
        let prefixes = [keys.tree(), keys.histories(), keys.paths()];
        prefixes.into_iter().flat_map(move |prefix| {
            let rows = Unequal {
                kept: kept.scan_prefix(&prefix).peekable(),
                replayed: replayed.scan_prefix(&prefix).peekable(),
            };
            rows.map(move |(key, kind)| Difference { row: hub.derived_row(&key), kind })
        })
    }

    fn derived_row(&self, key: &[u8]) -> DerivedRow {
        let keys = self.keys();
        let tree = key.strip_prefix(keys.tree().as_slice()).map(decode_row_key);
        let (histories, paths) = (keys.histories(), keys.paths());
        match tree {
            Some(row) => row.map_or(DerivedRow::Unknown, DerivedRow::Tree),
            None if key.starts_with(&histories) && key.len() == histories.len() + 24 => {
                let (sequence, _) = split_sequence(key, histories.len() + 12);
                DerivedRow::Line(keys.history_node(key), sequence)
            }
            None if key.starts_with(&paths) && key.len() == paths.len() + 36 => {
                let (sequence, node) = split_sequence(key, paths.len() + 16);
                node.try_into()
                    .map_or(DerivedRow::Unknown, |node| DerivedRow::Path(NodeId::from_bytes(node), sequence))
            }
            None => DerivedRow::Unknown,
        }
    }
}

impl Entries<'_> {
    fn judge(&mut self, sequence: u64, value: &[u8]) -> Result<LogEntry, LogFault> {
        let before = self.chain.take();
        let entry: LogEntry = decode("log entry", value).map_err(|_| LogFault::Unreadable)?;
        if entry.sequence != Sequence(sequence) {
            return Err(LogFault::Unreadable);
        }
        let LogEntry { sequence, member, number, time, ops, chain } = &entry;
        self.chain = Some(*chain);
        match before {
            Some(before) if chain_next(before, *sequence, *member, *number, *time, ops) != *chain => {
                Err(LogFault::Chain)
            }
            _ => Ok(entry),
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Result<LogEntry, (Sequence, LogFault)>;

    fn next(&mut self) -> Option<Self::Item> {
        let (sequence, value) = match self.waiting.take() {
            Some(waiting) => waiting,
            None => {
                let (key, value) = self.rows.next()?;
                let number = *key.last_chunk().expect("keys of ours hold a sequence");
                (u64::from_be_bytes(number), value)
            }
        };
        if sequence > self.next {
            // However many are missing, the first of them is named.
            let missing = Sequence(std::mem::replace(&mut self.next, sequence));
            (self.chain, self.waiting) = (None, Some((sequence, value)));
            return Some(Err((missing, LogFault::Missing)));
        }
        self.next = sequence + 1;
        Some(self.judge(sequence, &value).map_err(|fault| (Sequence(sequence), fault)))
    }
}

/// Keys whose values differ between two ordered sets of rows.
struct Unequal<I: Iterator<Item = Pair>> {
    kept: Peekable<I>,
    replayed: Peekable<I>,
}

impl<I: Iterator<Item = Pair>> Iterator for Unequal<I> {
    type Item = (Vec<u8>, DifferenceKind);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let order = match (self.kept.peek(), self.replayed.peek()) {
                (None, None) => return None,
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (Some((kept, _)), Some((replayed, _))) => kept.cmp(replayed),
            };
            match order {
                std::cmp::Ordering::Less => {
                    return self.kept.next().map(|(key, _)| (key, DifferenceKind::Surplus));
                }
                std::cmp::Ordering::Greater => {
                    return self.replayed.next().map(|(key, _)| (key, DifferenceKind::Missing));
                }
                std::cmp::Ordering::Equal => {
                    let (kept, replayed) = (self.kept.next()?, self.replayed.next()?);
                    if kept.1 != replayed.1 {
                        return Some((kept.0, DifferenceKind::Other));
                    }
                }
            }
        }
    }
}
