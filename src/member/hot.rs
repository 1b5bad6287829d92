//! Rows of the member's store that were read or written lately, in memory: what `stat`, `lookup` and `open` ask for.
//!
//! Invariant: a row that is here is the store's, "no such row" included; the names of a node are here all or none. What
//! is here stays below a limit, however many files there are.

use crate::sync::kv::{Batch, Pair, prefix_end};
use foldhash::{HashMap, HashMapExt};
use parking_lot::Mutex;
use std::collections::hash_map::IntoIter;

/// Two generations, each of half as many bytes at most. What is being forgotten comes on top of them for a while, half
/// as much again when that begins.
const HOT_BYTES_MAX: usize = 48 * 1024 * 1024;
/// Of the rows that are to be forgotten so many go with each that comes: who makes a file waits for no more.
const FORGOTTEN_AT_ONCE: usize = 4;
/// What a row takes beside its bytes.
const ROW_BYTES: usize = 112;
/// How long the key is under which a node's places stand: table, tree, tag, node.
const PLACES_KEY_BYTES: usize = 15;

/// Rows used lately. The young are moved among the old when there are too many, and the old then forgotten; what is
/// asked for among the old is young again.
pub struct HotRows {
    rows: Mutex<Rows>,
}

struct Rows {
    young: HashMap<Vec<u8>, Row>,
    old: HashMap<Vec<u8>, Row>,
    /// What was old, and is gone before the young are.
    forgotten: IntoIter<Vec<u8>, Row>,
    young_bytes: usize,
    bytes_max: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Row {
    Value(Option<Vec<u8>>),
    /// All rows that begin with the key.
    Places(Vec<Pair>),
}

impl Row {
    fn bytes(&self) -> usize {
        let pair = |(key, value): &Pair| key.len() + value.len() + ROW_BYTES / 2;
        match self {
            Row::Value(value) => value.as_ref().map_or(0, Vec::len),
            Row::Places(pairs) => pairs.iter().map(pair).sum(),
        }
    }
}

/// Rows of nodes, names and inodes: what there is for every file; and what the base has of them, where that has become
/// too much for [`super::resident`], which all else is for.
fn is_hot(key: &[u8]) -> bool {
    matches!(key, [b'I' | b'N', ..] | [b'V', _, b'n' | b'e' | b't' | b'd', ..]) || may_be_elsewhere(key)
}

fn may_be_elsewhere(key: &[u8]) -> bool {
    matches!(key, [b'B', ..])
}

/// The key of the places that a row is among.
fn places_key(key: &[u8]) -> Option<&[u8]> {
    matches!(key, [b'V', _, b'p', ..]).then(|| key.get(..PLACES_KEY_BYTES)).flatten()
}

impl Default for HotRows {
    fn default() -> HotRows {
        HotRows::with_bytes(HOT_BYTES_MAX)
    }
}

impl HotRows {
    fn with_bytes(bytes_max: usize) -> HotRows {
        let (young, old) = (HashMap::new(), HashMap::new());
        let rows = Rows { young, old, forgotten: HashMap::new().into_iter(), young_bytes: 0, bytes_max };
        HotRows { rows: Mutex::new(rows) }
    }

    /// What the key holds; `read` asks the store.
    pub fn get(&self, key: &[u8], read: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        if !is_hot(key) {
            return read(key);
        }
        let mut rows = self.rows.lock();
        // Most of what is asked for is young.
        if let Some(Row::Value(value)) = rows.young.get(key) {
            return value.clone();
        }
        if let Some(Row::Value(value)) = rows.get(key) {
            return value.clone();
        }
        let value = read(key);
        rows.put(key, Row::Value(value.clone()));
        value
    }

    /// The rows from `from` up to `to`, where they are the places of one node; `scan` asks the store.
    pub fn places<I: Iterator<Item = Pair>>(
        &self,
        from: &[u8],
        to: &[u8],
        scan: impl FnOnce() -> I,
    ) -> Option<std::vec::IntoIter<Pair>> {
        let is_all = from.len() == PLACES_KEY_BYTES && to == prefix_end(from);
        let key = places_key(from).filter(|_| is_all)?;
        let mut rows = self.rows.lock();
        if let Some(Row::Places(pairs)) = rows.get(key) {
            return Some(pairs.clone().into_iter());
        }
        let pairs: Vec<Pair> = scan().collect();
        rows.put(key, Row::Places(pairs.clone()));
        Some(pairs.into_iter())
    }

    /// Takes out of a batch what stands here already, and removals of what is known not to be there.
    pub fn drop_unchanged(&self, batch: &mut Batch) {
        let rows = self.rows.lock();
        batch.retain(|key, value| match places_key(key) {
            Some(places) => match rows.peek(places) {
                Some(Row::Places(pairs)) => {
                    let there = pairs.iter().find(|(there, _)| there == key).map(|(_, value)| value);
                    there != value.as_ref()
                }
                _ => true,
            },
            None => match rows.peek(key) {
                Some(Row::Value(there)) => there != value,
                _ => true,
            },
        });
    }

    /// Takes over rows that were just written, but for what `is_elsewhere`.
    pub fn written(&self, batch: &Batch, is_elsewhere: impl Fn(&[u8]) -> bool) {
        let mut rows = self.rows.lock();
        // Order: what is known of a node tells whether it is new, so its places come before its row.
        for (key, value) in batch {
            if let Some(places) = places_key(key) {
                rows.write_place(places, key, value.as_deref(), batch);
            }
        }
        for (key, value) in batch.iter().filter(|(key, _)| is_hot(key)) {
            match may_be_elsewhere(key) && is_elsewhere(key) {
                true => rows.forget(key),
                false => rows.put(key, Row::Value(value.clone())),
            }
        }
    }
}

impl Rows {
    fn peek(&self, key: &[u8]) -> Option<&Row> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    fn get(&mut self, key: &[u8]) -> Option<&Row> {
        if !self.young.contains_key(key)
            && let Some(row) = self.old.remove(key)
        {
            self.put(key, row);
        }
        // It may have been the one too many among the young.
        self.peek(key)
    }

    fn put(&mut self, key: &[u8], row: Row) {
        let bytes = row.bytes();
        let before = match self.young.get_mut(key) {
            Some(there) => std::mem::replace(there, row).bytes(),
            None => {
                self.old.remove(key);
                self.forgotten.by_ref().take(FORGOTTEN_AT_ONCE).for_each(drop);
                self.young_bytes += key.len() + ROW_BYTES;
                self.young.insert(key.to_vec(), row);
                0
            }
        };
        self.young_bytes = self.young_bytes + bytes - before;
        if self.young_bytes > self.bytes_max / 2 {
            // As large as the last one became, since it would be filled anew each time that it grows.
            let next = HashMap::with_capacity(self.young.len());
            let old = std::mem::replace(&mut self.young, next);
            self.forgotten = std::mem::replace(&mut self.old, old).into_iter();
            self.young_bytes = 0;
        }
    }

    fn forget(&mut self, key: &[u8]) {
        self.old.remove(key);
        if let Some(row) = self.young.remove(key) {
            self.young_bytes -= key.len() + ROW_BYTES + row.bytes();
        }
    }

    /// Where a node's places are not known they stay so, unless it is new: what has no row has no places.
    fn write_place(&mut self, places: &[u8], key: &[u8], value: Option<&[u8]>, batch: &Batch) {
        let known = match self.get(places) {
            Some(Row::Places(pairs)) => Some(pairs.clone()),
            _ => None,
        };
        let new = known.is_none() && self.is_new(places, batch);
        let Some(mut pairs) = known.or_else(|| new.then(Vec::new)) else { return };
        let at = pairs.binary_search_by(|(there, _)| there[..].cmp(key));
        match (at, value) {
            (Ok(at), Some(value)) => pairs[at].1 = value.to_vec(),
            (Ok(at), None) => drop(pairs.remove(at)),
            (Err(at), Some(value)) => pairs.insert(at, (key.to_vec(), value.to_vec())),
            (Err(_), None) => {}
        }
        self.put(places, Row::Places(pairs));
    }

    fn is_new(&mut self, places: &[u8], batch: &Batch) -> bool {
        let node = [&places[..2], b"n", &places[3..]].concat();
        self.get(&node) == Some(&Row::Value(None)) && batch.get(&node).is_some_and(Option::is_some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Name, NodeId, Place};
    use crate::wire::RowKey;

    fn view(key: Vec<u8>) -> Vec<u8> {
        [&b"V\x00"[..], &key].concat()
    }

    fn place(name: &str) -> Vec<u8> {
        let place = Place { parent: NodeId::ROOT, name: Name::new(name).unwrap() };
        view(RowKey::place(NodeId::ROOT, &place))
    }

    fn unread(_: &[u8]) -> Option<Vec<u8>> {
        panic!("the store is not asked")
    }

    fn write(hot: &HotRows, rows: &[(&[u8], Option<&[u8]>)]) {
        let row = |(key, value): &(&[u8], Option<&[u8]>)| (key.to_vec(), value.map(<[u8]>::to_vec));
        hot.written(&rows.iter().map(row).collect(), |_| false);
    }

    fn places(hot: &HotRows, stored: Option<Vec<Pair>>) -> Vec<Pair> {
        let from = view(RowKey::places_of(NodeId::ROOT));
        let scan = || stored.expect("the store is not asked").into_iter();
        hot.places(&from, &prefix_end(&from), scan).expect("they are places").collect()
    }

    #[test]
    fn a_row_is_read_once_and_follows_what_is_written() {
        let hot = HotRows::default();
        assert_eq!(hot.get(b"I1", |_| Some(b"a".to_vec())), Some(b"a".to_vec()));
        assert_eq!(hot.get(b"I2", |_| None), None);
        assert_eq!((hot.get(b"I1", unread), hot.get(b"I2", unread)), (Some(b"a".to_vec()), None));
        write(&hot, &[(b"I1", None), (b"I2", Some(b"b"))]);
        assert_eq!((hot.get(b"I1", unread), hot.get(b"I2", unread)), (None, Some(b"b".to_vec())));
        // Other tables are not kept.
        assert_eq!(hot.get(b"J1", |_| Some(b"a".to_vec())), Some(b"a".to_vec()));
        assert_eq!(hot.get(b"J1", |_| None), None);
    }

    #[test]
    fn a_row_that_is_elsewhere_meanwhile_is_not_remembered() {
        let hot = HotRows::default();
        let bytes = || hot.rows.lock().young_bytes;
        let before = bytes();
        write(&hot, &[(b"B\x00n1", Some(b"old"))]);
        assert_eq!(hot.get(b"B\x00n1", unread), Some(b"old".to_vec()));
        hot.written(&[(b"B\x00n1".to_vec(), Some(b"new".to_vec()))].into(), |_| true);
        assert_eq!(bytes(), before);
        assert_eq!(hot.get(b"B\x00n1", |_| Some(b"new".to_vec())), Some(b"new".to_vec()));
    }

    #[test]
    fn a_nodes_places_are_known_whole_or_not_at_all() {
        let hot = HotRows::default();
        // One more place of a node of which nothing is known.
        write(&hot, &[(&place("b"), Some(b""))]);
        let stored = [place("a"), place("b")].map(|key| (key, Vec::new()));
        assert_eq!(places(&hot, Some(stored.to_vec())), stored);
        write(&hot, &[(&place("a"), None), (&place("c"), Some(b""))]);
        assert_eq!(places(&hot, None), [place("b"), place("c")].map(|key| (key, Vec::new())));
    }

    #[test]
    fn the_places_of_a_new_node_are_known_from_the_start() {
        let (hot, node) = (HotRows::default(), view(RowKey::node(NodeId::ROOT)));
        assert_eq!(hot.get(&node, |_| None), None);
        write(&hot, &[(&node, Some(b"row")), (&place("a"), Some(b""))]);
        assert_eq!(places(&hot, None), [(place("a"), Vec::new())]);
    }

    #[test]
    fn what_stands_there_already_is_not_written_again() {
        let (hot, node) = (HotRows::default(), view(RowKey::node(NodeId::ROOT)));
        assert_eq!(hot.get(&node, |_| None), None);
        write(&hot, &[(&node, Some(b"row")), (&place("a"), Some(b""))]);
        assert_eq!(hot.get(b"I1", |_| None), None);
        let (a, b) = (place("a"), place("b"));
        let rows: [(&[u8], Option<&[u8]>); 6] = [
            (&node, Some(b"row")),
            (&a, Some(b"")),
            (&b, Some(b"")),
            (b"I1", None),
            (b"I2", None),
            (b"J1", None),
        ];
        let row = |(key, value): &(&[u8], Option<&[u8]>)| (key.to_vec(), value.map(<[u8]>::to_vec));
        let mut batch: Batch = rows.iter().map(row).collect();
        hot.drop_unchanged(&mut batch);
        let left: Vec<&[u8]> = batch.keys().map(Vec::as_slice).collect();
        assert_eq!(left, [&b"I2"[..], b"J1", &b]);
    }

    #[test]
    fn what_is_kept_stays_below_the_limit_and_what_is_used_stays() {
        let hot = HotRows::with_bytes(10_000);
        for number in 0..10_000u32 {
            hot.get(b"I used", |_| Some(Vec::new()));
            hot.get(&[b"I", &number.to_be_bytes()[..]].concat(), |_| Some(vec![0; 100]));
            let rows = hot.rows.lock();
            let bytes = |rows: &HashMap<Vec<u8>, Row>| -> usize {
                rows.iter().map(|(key, row)| key.len() + ROW_BYTES + row.bytes()).sum()
            };
            assert!(bytes(&rows.young) + bytes(&rows.old) <= 10_500);
            let (young, forgotten) = (rows.young.len(), rows.forgotten.len());
            assert!(young < 20 || forgotten == 0, "{forgotten} rows are not gone yet beside {young} young");
            assert!(rows.young.contains_key(&b"I used"[..]) || rows.old.contains_key(&b"I used"[..]));
        }
    }
}
