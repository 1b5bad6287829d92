//! Where each table of the member's store begins.
//!
//! The journal and its like are queues: rows come at one end and go at the other. RocksDB keeps what is removed as
//! tombstones for a while, and a scan for the first row would step over all of them, each time. So the first key that
//! can be there is remembered for each letter that keys begin with.
//!
//! Invariant: no row of a table stands before its front. The replica's lock orders scans and commits.

use crate::sync::kv::{Batch, Pair, prefix_end};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::iter::Chain;

#[derive(Default)]
pub struct Fronts {
    by_letter: Mutex<BTreeMap<u8, Vec<u8>>>,
}

impl Fronts {
    /// Scans from `from` on by `scan`, from a table's front on where all of the table is asked for.
    pub fn scan<I: Iterator<Item = Pair>>(
        &self,
        from: &[u8],
        scan: impl FnOnce(&[u8]) -> I,
    ) -> Chain<std::option::IntoIter<Pair>, I> {
        let [letter] = *from else { return None.into_iter().chain(scan(from)) };
        let front = self.by_letter.lock().get(&letter).cloned();
        let mut rows = scan(front.as_deref().unwrap_or(from));
        // Order: the front moves now. Once the caller gets to the first row another may have come before it.
        let first = rows.next();
        let front = first.as_ref().map_or_else(|| prefix_end(from), |(key, _)| key.clone());
        self.by_letter.lock().insert(letter, front);
        first.into_iter().chain(rows)
    }

    /// Notes rows that are about to be written. Where they are not, a front only stands earlier than it need.
    pub fn written(&self, batch: &Batch) {
        let mut fronts = self.by_letter.lock();
        for (key, _) in batch.iter().filter(|(_, value)| value.is_some()) {
            let front = key.first().and_then(|letter| fronts.get_mut(letter));
            if let Some(front) = front.filter(|front| key < *front) {
                front.clone_from(key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::kv::{Durability, Kv, MemoryKv, Store};

    struct Fronted {
        kv: MemoryKv,
        fronts: Fronts,
    }

    impl Fronted {
        fn write(&self, key: &[u8], value: Option<Vec<u8>>) {
            let batch = Batch::from([(key.to_vec(), value)]);
            self.fronts.written(&batch);
            self.kv.commit(batch, Durability::Process).unwrap();
        }

        /// The keys of table `J`, and where their scan began.
        fn keys(&self) -> (Vec<Vec<u8>>, Vec<u8>) {
            let mut begun = Vec::new();
            let rows = self.fronts.scan(b"J", |from| {
                begun = from.to_vec();
                self.kv.scan(from, b"K")
            });
            let keys = rows.map(|(key, _)| key).collect();
            (keys, begun)
        }
    }

    #[test]
    fn a_scan_begins_where_the_first_row_was_and_sees_all_there_are() {
        let store = Fronted { kv: MemoryKv::default(), fronts: Fronts::default() };
        for key in [b"J5", b"J6", b"J7"] {
            store.write(key, Some(vec![]));
        }
        assert_eq!(store.keys().0, [b"J5", b"J6", b"J7"]);
        store.write(b"J5", None);
        assert_eq!(store.keys(), (vec![b"J6".to_vec(), b"J7".to_vec()], b"J5".to_vec()));
        assert_eq!(store.keys().1, b"J6");
        // What goes back to the front is found there.
        store.write(b"J2", Some(vec![]));
        assert_eq!(store.keys(), (vec![b"J2".to_vec(), b"J6".to_vec(), b"J7".to_vec()], b"J2".to_vec()));
        for key in [b"J2", b"J6", b"J7"] {
            store.write(key, None);
        }
        assert!(store.keys().0.is_empty());
        assert_eq!(store.keys().1, b"K");
        store.write(b"J8", Some(vec![]));
        assert_eq!(store.keys(), (vec![b"J8".to_vec()], b"J8".to_vec()));
    }
}
