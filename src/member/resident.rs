//! Small tables of the member's store, kept whole in memory.
//!
//! What waits for the hub stands in tables that are empty most of the time: journal, marks, kept rows. Local work asks
//! them a dozen questions per op, most of them answered "nothing there"; and RocksDB, which keeps removed rows as
//! tombstones for a while, takes longest over just those. So a table is read once and then answered from here.
//!
//! Invariant: a table that is here is here whole, and has the rows of the last commit. All tables together stay below a
//! limit; one that outgrows it is left to RocksDB, and looked at again when it may have shrunk.

use crate::sync::kv::{Batch, Pair, prefix_end};
use foldhash::HashMap;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::ops::Bound;

/// All tables together, in bytes.
const TABLES_BYTES_MAX: usize = 32 * 1024 * 1024;
/// What a row takes beside its bytes.
const ROW_BYTES: usize = 96;
/// A table that was too large is looked at again after so many removals more than writes of rows; looking takes as long
/// as reading a table of the largest size, and whoever asks next waits for it.
const REMOVALS_UNTIL_NEXT_LOOK: u32 = 50_000;
/// And after so many writes of any kind: rows written over are no more rows.
const WRITES_UNTIL_NEXT_LOOK: u32 = 1_000_000;
/// Rows taken out in one step of a scan, at most.
const STEP_ROWS_MAX: usize = 64;

type RowMap = BTreeMap<Vec<u8>, Vec<u8>>;

/// The tables that are kept.
pub struct Tables {
    tables: Mutex<HashMap<Vec<u8>, Table>>,
    bytes_max: usize,
}

enum Table {
    Whole { rows: RowMap, bytes: usize },
    Large(SinceLook),
}

/// What was written to a table since it was found too large.
#[derive(Default)]
struct SinceLook {
    writes: u32,
    /// Removals without those that rows written meanwhile may have made up for.
    removals: u32,
}

impl SinceLook {
    fn count(&mut self, is_removal: bool) {
        self.writes = self.writes.saturating_add(1);
        let counted = if is_removal { u32::saturating_add } else { u32::saturating_sub };
        self.removals = counted(self.removals, 1);
    }

    fn is_look_due(&self) -> bool {
        self.removals >= REMOVALS_UNTIL_NEXT_LOOK || self.writes >= WRITES_UNTIL_NEXT_LOOK
    }
}

impl Default for Tables {
    fn default() -> Tables {
        Tables { tables: Mutex::default(), bytes_max: TABLES_BYTES_MAX }
    }
}

/// The table that a key belongs to, where it is of the kind that may be small. Nodes, names and inodes are not; nor are
/// bytes of contents. Of a tree's tables those of conflicts are.
fn table_of(key: &[u8]) -> Option<&[u8]> {
    match key {
        [b'V', _, b'c' | b'o', ..] => Some(&key[..3]),
        [] | [b'V' | b'I' | b'N' | b'S', ..] => None,
        _ => Some(&key[..1]),
    }
}

fn row_bytes(key: &[u8], value: &[u8]) -> usize {
    key.len() + value.len() + ROW_BYTES
}

impl Tables {
    /// What the key holds, where its table is here: an inner none is "no such row". `load` scans from a key up to another.
    pub fn get<I: Iterator<Item = Pair>>(
        &self,
        key: &[u8],
        load: impl FnOnce(&[u8], &[u8]) -> I,
    ) -> Option<Option<Vec<u8>>> {
        let table = table_of(key)?;
        let mut tables = self.tables.lock();
        let rows = self.whole(&mut tables, table, load)?;
        Some(rows.get(key).cloned())
    }

    /// The rows from `from` up to `to`, where they are of one table that is here.
    pub fn scan<I: Iterator<Item = Pair>>(
        &self,
        from: &[u8],
        to: &[u8],
        load: impl FnOnce(&[u8], &[u8]) -> I,
    ) -> Option<Scan<'_>> {
        let table = table_of(from).filter(|table| to <= &prefix_end(table)[..])?;
        self.whole(&mut self.tables.lock(), table, load)?;
        let (table, to) = (table.to_vec(), to.to_vec());
        let from = Bound::Included(from.to_vec());
        Some(Scan { tables: self, table, from, to, taken: Vec::new().into_iter(), step_rows: 1 })
    }

    fn whole<'t, I: Iterator<Item = Pair>>(
        &self,
        tables: &'t mut HashMap<Vec<u8>, Table>,
        name: &[u8],
        load: impl FnOnce(&[u8], &[u8]) -> I,
    ) -> Option<&'t RowMap> {
        let is_due = |table: &Table| matches!(table, Table::Large(since) if since.is_look_due());
        if tables.get(name).is_none_or(is_due) {
            let room = self.bytes_max.saturating_sub(bytes_of(tables));
            tables.insert(name.to_vec(), read(load(name, &prefix_end(name)), room));
        }
        match tables.get(name) {
            Some(Table::Whole { rows, .. }) => Some(rows),
            _ => None,
        }
    }

    /// Takes out of a batch what stands here already, and removals of what is not there.
    pub fn drop_unchanged(&self, batch: &mut Batch) {
        let tables = self.tables.lock();
        batch.retain(|key, value| match table_of(key).and_then(|name| tables.get(name)) {
            Some(Table::Whole { rows, .. }) => rows.get(key) != value.as_ref(),
            _ => true,
        });
    }

    /// Tells whether a key's table is here.
    pub fn holds(&self, key: &[u8]) -> bool {
        let tables = self.tables.lock();
        table_of(key).and_then(|name| tables.get(name)).is_some_and(|it| matches!(it, Table::Whole { .. }))
    }

    /// Takes over rows that were just written.
    pub fn written(&self, batch: &Batch) {
        let mut tables = self.tables.lock();
        for (key, value) in batch {
            if let Some(table) = table_of(key).and_then(|name| tables.get_mut(name)) {
                table.write(key, value.as_deref());
            }
        }
        while bytes_of(&tables) > self.bytes_max {
            let largest = tables.values_mut().max_by_key(|table| table.bytes());
            largest.into_iter().for_each(|table| *table = Table::Large(SinceLook::default()));
        }
    }
}

/// A scan of one table, which takes its rows out in steps.
pub struct Scan<'t> {
    tables: &'t Tables,
    table: Vec<u8>,
    from: Bound<Vec<u8>>,
    to: Vec<u8>,
    taken: std::vec::IntoIter<Pair>,
    step_rows: usize,
}

impl Iterator for Scan<'_> {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        if let Some(pair) = self.taken.next() {
            return Some(pair);
        }
        let tables = self.tables.tables.lock();
        let Some(Table::Whole { rows, .. }) = tables.get(&self.table) else { return None };
        let range = rows
            .range::<[u8], _>((self.from.as_ref().map(Vec::as_slice), Bound::Excluded(self.to.as_slice())));
        let rows = range.take(self.step_rows).map(|(key, value)| (key.clone(), value.clone()));
        let step: Vec<Pair> = rows.collect();
        self.step_rows = (self.step_rows * 4).min(STEP_ROWS_MAX);
        self.from = Bound::Excluded(step.last()?.0.clone());
        self.taken = step.into_iter();
        self.taken.next()
    }
}

fn bytes_of(tables: &HashMap<Vec<u8>, Table>) -> usize {
    tables.values().map(Table::bytes).sum()
}

fn read(pairs: impl Iterator<Item = Pair>, bytes_max: usize) -> Table {
    let (mut rows, mut bytes) = (RowMap::new(), 0);
    for (key, value) in pairs {
        bytes += row_bytes(&key, &value);
        if bytes > bytes_max {
            return Table::Large(SinceLook::default());
        }
        rows.insert(key, value);
    }
    Table::Whole { rows, bytes }
}

impl Table {
    fn bytes(&self) -> usize {
        match self {
            Table::Whole { bytes, .. } => *bytes,
            Table::Large(_) => 0,
        }
    }

    fn write(&mut self, key: &[u8], value: Option<&[u8]>) {
        match self {
            Table::Large(since) => since.count(value.is_none()),
            Table::Whole { rows, bytes } => {
                let before = match value {
                    Some(value) => {
                        *bytes += row_bytes(key, value);
                        rows.insert(key.to_vec(), value.to_vec())
                    }
                    None => rows.remove(key),
                };
                *bytes -= before.map_or(0, |before| row_bytes(key, &before));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::kv::{Durability, Kv, MemoryKv, Store};

    struct Kept {
        kv: MemoryKv,
        tables: Tables,
    }

    impl Kept {
        fn new(bytes_max: usize) -> Kept {
            let tables = Tables { tables: Mutex::default(), bytes_max };
            Kept { kv: MemoryKv::default(), tables }
        }

        fn write(&self, key: &[u8], value: Option<&[u8]>) {
            let batch = Batch::from([(key.to_vec(), value.map(<[u8]>::to_vec))]);
            self.kv.commit(batch.clone(), Durability::Process).unwrap();
            self.tables.written(&batch);
        }

        /// What the table says, unless it is left to the store.
        fn keys(&self, from: &[u8], to: &[u8]) -> Option<Vec<Vec<u8>>> {
            let rows = self.tables.scan(from, to, |from, to| self.kv.scan(from, to))?;
            Some(rows.map(|(key, _)| key).collect())
        }

        fn get(&self, key: &[u8]) -> Option<Option<Vec<u8>>> {
            self.tables.get(key, |from, to| self.kv.scan(from, to))
        }
    }

    #[test]
    fn a_table_is_read_once_and_follows_what_is_written() {
        let kept = Kept::new(10_000);
        kept.write(b"J1", Some(b"one"));
        assert_eq!(kept.get(b"J1"), Some(Some(b"one".to_vec())));
        kept.write(b"J2", Some(b"two"));
        kept.write(b"J1", None);
        // Behind the table's back: it is not read again.
        let unseen = Batch::from([(b"J3".to_vec(), Some(Vec::new()))]);
        kept.kv.commit(unseen, Durability::Process).unwrap();
        assert_eq!(kept.get(b"J1"), Some(None));
        assert_eq!(kept.keys(b"J", b"K"), Some(vec![b"J2".to_vec()]));
    }

    #[test]
    fn a_scan_goes_on_from_step_to_step_and_ends_where_it_should() {
        let kept = Kept::new(1_000_000);
        let keys: Vec<Vec<u8>> = (0..200u8).map(|number| vec![b'J', number]).collect();
        keys.iter().for_each(|key| kept.write(key, Some(b"")));
        assert_eq!(kept.keys(b"J", b"K").as_deref(), Some(&keys[..]));
        assert_eq!(kept.keys(&[b'J', 7], &[b'J', 150]).as_deref(), Some(&keys[7..150]));
        assert_eq!(kept.keys(b"J", b"L"), None, "that is more than one table");
    }

    #[test]
    fn what_stands_there_already_is_not_written_again() {
        let kept = Kept::new(10_000);
        assert_eq!(kept.get(b"J1"), Some(None));
        kept.write(b"J1", Some(b"one"));
        let rows: [(&[u8], Option<&[u8]>); 5] = [
            (b"J1", Some(b"one")),
            (b"J2", Some(b"two")),
            (b"J3", None),
            // Of this table nothing is known.
            (b"K1", None),
            (b"V\x00n", None),
        ];
        let row = |(key, value): &(&[u8], Option<&[u8]>)| (key.to_vec(), value.map(<[u8]>::to_vec));
        let mut batch: Batch = rows.iter().map(row).collect();
        kept.tables.drop_unchanged(&mut batch);
        let left: Vec<&[u8]> = batch.keys().map(Vec::as_slice).collect();
        assert_eq!(left, [&b"J2"[..], b"K1", b"V\x00n"]);
    }

    #[test]
    fn nodes_and_inodes_are_left_to_the_store() {
        let kept = Kept::new(10_000);
        for key in [b"V\x00n", b"I\x00\x00", b"N\x00\x00", b"S\x00\x00"] {
            assert_eq!(kept.get(key), None);
        }
        assert_eq!(kept.get(b"V\x00c1"), Some(None));
    }

    #[test]
    fn the_largest_table_goes_where_all_take_too_much_and_comes_back_when_it_is_small() {
        let kept = Kept::new(1_000);
        assert_eq!((kept.get(b"D1"), kept.get(b"J1")), (Some(None), Some(None)));
        kept.write(b"D1", Some(b""));
        (0..20u8).for_each(|number| kept.write(&[b'J', number], Some(b"")));
        assert_eq!((kept.get(b"D1"), kept.get(b"J1")), (Some(Some(Vec::new())), None));
        (0..20u8).for_each(|number| kept.write(&[b'J', number], None));
        assert_eq!(kept.keys(b"J", b"K"), None, "it is not looked at again so soon");
        (0..REMOVALS_UNTIL_NEXT_LOOK).for_each(|_| kept.write(b"J1", None));
        assert_eq!(kept.keys(b"J", b"K"), Some(Vec::new()));
    }

    #[test]
    fn rows_written_are_no_reason_to_look_whether_a_table_has_shrunk() {
        let mut since = SinceLook::default();
        // As files are made one after the other: a row each, and another removed that may not have been there.
        for _ in 0..REMOVALS_UNTIL_NEXT_LOOK {
            [false, true].into_iter().for_each(|is_removal| since.count(is_removal));
        }
        assert!(!since.is_look_due());
        // What was written before the removals began does not count against them.
        (0..REMOVALS_UNTIL_NEXT_LOOK).for_each(|_| since.count(true));
        assert!(since.is_look_due());
        let mut since = SinceLook::default();
        (0..WRITES_UNTIL_NEXT_LOOK).for_each(|_| since.count(false));
        assert!(since.is_look_due(), "one row may have been written over all the time");
    }
}
