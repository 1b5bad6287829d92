//! Where runs of rows end in the member's store.
//!
//! Nodes and inodes are numbered, each with a number above all before it, and what is made is first looked for: that it
//! is nowhere RocksDB finds out in every one of its files. So the last key of each run of numbers is remembered, and what
//! is behind it need not be looked for.
//!
//! Invariant: no row of a run stands behind its end. The replica's lock orders reads and commits.

use crate::sync::kv::Batch;
use foldhash::HashMap;
use parking_lot::Mutex;

/// What a node's number begins with: the member that made it.
const MEMBER_BYTES: usize = 4;

#[derive(Default)]
pub struct Ends {
    by_run: Mutex<HashMap<Vec<u8>, Vec<u8>>>,
}

/// What the keys begin with that one run has: of inodes, or of one member's nodes.
fn run_of(key: &[u8]) -> Option<&[u8]> {
    match key {
        [b'I', ..] => key.get(..1),
        [b'N', ..] => key.get(..1 + MEMBER_BYTES),
        [b'V' | b'B', _, b'n' | b't' | b'p', ..] => key.get(..3 + MEMBER_BYTES),
        _ => None,
    }
}

impl Ends {
    /// Tells whether a key is behind its run's end. `last` asks the store for the last key that begins with a run's.
    pub fn is_behind(&self, key: &[u8], last: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> bool {
        let Some(run) = run_of(key) else { return false };
        let mut by_run = self.by_run.lock();
        if let Some(end) = by_run.get(run) {
            return key > &end[..];
        }
        let end = last(run).unwrap_or_default();
        let is_behind = key > &end[..];
        by_run.insert(run.to_vec(), end);
        is_behind
    }

    /// Notes rows that are about to be written. Where they are not, an end only stands later than it need.
    pub fn written(&self, batch: &Batch) {
        let mut by_run = self.by_run.lock();
        for (key, _) in batch.iter().filter(|(_, value)| value.is_some()) {
            let end = run_of(key).and_then(|run| by_run.get_mut(run));
            if let Some(end) = end.filter(|end| key > *end) {
                end.clone_from(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberNumber, Name, NodeId};
    use crate::wire::RowKey;

    fn write(ends: &Ends, key: &[u8], value: Option<&[u8]>) {
        ends.written(&Batch::from([(key.to_vec(), value.map(<[u8]>::to_vec))]));
    }

    fn unasked(_: &[u8]) -> Option<Vec<u8>> {
        panic!("the store is not asked")
    }

    #[test]
    fn the_store_is_asked_once_for_the_end_of_each_run() {
        let ends = Ends::default();
        assert!(!ends.is_behind(b"I\x05", |run| Some([run, &[7]].concat())));
        assert!(!ends.is_behind(b"I\x07", unasked) && ends.is_behind(b"I\x08", unasked));
        write(&ends, b"I\x08", Some(b""));
        write(&ends, b"I\x03", Some(b""));
        write(&ends, b"I\x09", None);
        assert!(!ends.is_behind(b"I\x08", unasked) && ends.is_behind(b"I\x09", unasked));
        // Of a run that nobody has asked for nothing is known.
        write(&ends, b"N\x00\x00\x00\x01\x05", Some(b""));
        assert!(!ends.is_behind(b"N\x00\x00\x00\x01\x02", |run| Some([run, &[5]].concat())));
        assert!(ends.is_behind(b"N\x00\x00\x00\x02\x02", |_| None));
    }

    #[test]
    fn each_members_nodes_are_a_run_and_names_are_none() {
        let node = |member, counter| NodeId { member: MemberNumber(member), counter };
        for of in [RowKey::node, RowKey::tombstone, RowKey::places_of] {
            for tree in [b"V\x00", b"B\x00"] {
                let (ends, key) = (Ends::default(), |node| [&tree[..], &of(node)].concat());
                assert!(!ends.is_behind(&key(node(1, 5)), |_| Some(key(node(1, 300)))));
                assert!(ends.is_behind(&key(node(1, 301)), unasked));
                // Another member's are another run.
                assert!(ends.is_behind(&key(node(2, 1)), |_| None));
                assert!(!ends.is_behind(&key(node(0, 1)), |_| Some(key(node(0, 2)))));
            }
        }
        let ends = Ends::default();
        let name = RowKey::name(node(1, 1), &Name::new("a").unwrap());
        assert!(!ends.is_behind(&[&b"V\x00"[..], &name].concat(), unasked));
        assert!(!ends.is_behind(b"J\x01", unasked));
    }
}
