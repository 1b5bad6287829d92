//! History of the whole space, both ways: the log's entries read as lines.

use super::HubSync;
use super::history::{Line, is_beyond};
use super::keys::read;
use crate::model::{NodeId, Sequence};
use crate::ops::Verb;
use crate::sync::Kv;
use crate::wire::{HISTORY_RECORDS_MAX, HistoryPage, LogEntry, OpPlace};

impl HubSync {
    /// Lines of ops after `after`, in order. A page ends only between two ops; where it is empty and there are more,
    /// they are further on.
    pub fn log_since<K: Kv + ?Sized>(&self, kv: &K, after: Option<OpPlace>, limit: u32) -> HistoryPage {
        let limit = limit.clamp(1, HISTORY_RECORDS_MAX) as usize;
        let mut lines: Vec<Line> = Vec::new();
        for entry in self.entries(kv, after.map_or(Sequence(0), |after| after.sequence)) {
            lines.extend(self.lines_in(kv, &entry).into_iter().filter(|line| Some(line.at) > after));
            if is_beyond(&lines, limit) {
                break;
            }
        }
        self.page(kv, lines, limit)
    }

    /// Lines up to `newest`, newest first: at least `limit` and one op more, where there are so many.
    pub(super) fn lines_before<K: Kv + ?Sized>(&self, kv: &K, newest: OpPlace, limit: usize) -> Vec<Line> {
        let Some(head) = self.head(kv) else { return Vec::new() };
        let mut lines: Vec<Line> = Vec::new();
        let mut at = Some(head.min(newest.sequence));
        while let Some(entry) = at.and_then(|sequence| self.entry_at(kv, sequence)) {
            lines.extend(self.lines_in(kv, &entry).into_iter().rev().filter(|line| line.at <= newest));
            if is_beyond(&lines, limit) {
                break;
            }
            at = entry.sequence.0.checked_sub(1).map(Sequence);
        }
        lines
    }

    /// The lines of an entry, in the order of its ops.
    fn lines_in<K: Kv + ?Sized>(&self, kv: &K, entry: &LogEntry) -> Vec<Line> {
        let mut lines = Vec::new();
        for (op, index) in entry.ops.iter().zip(0u32..) {
            let at = OpPlace { sequence: entry.sequence, op: index };
            for node in nodes_of(&op.verb) {
                let row = read(kv, &self.keys().history(node, at.sequence, at.op));
                lines.extend(row.map(|row| Line { at, node, row }));
            }
        }
        lines
    }
}

/// The nodes that may have a line of an op.
fn nodes_of(verb: &Verb) -> impl Iterator<Item = NodeId> {
    let replaced = match verb {
        Verb::Move(step) => step.replaces.map(|replaced| replaced.node),
        _ => None,
    };
    [Some(verb.node()), replaced].into_iter().flatten()
}
