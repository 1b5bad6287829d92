//! What is wrong in a space is found and named: in the log, and in the rows that follow from it.

use super::*;
use crate::sync::{Batch, Kv};

/// A space with a log of three entries, written by one member.
fn written() -> (Bench, MemberNumber) {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    bench.accepted(ada, 1, vec![make_empty(node(ada, 2), "a"), make_empty(node(ada, 3), "b")]);
    bench.accepted(ada, 2, vec![rename(node(ada, 2), "a", "c", None)]);
    bench.accepted(ada, 3, vec![unlink(node(ada, 3), "b", 1)]);
    (bench, ada)
}

fn faults(bench: &Bench) -> Vec<(u64, LogFault)> {
    let mut last = None;
    let mut faults = Vec::new();
    for entry in bench.hub.checked_entries(&bench.kv) {
        match entry {
            Ok(entry) => last = Some((entry.sequence, entry.chain)),
            Err((sequence, fault)) => faults.push((sequence.0, fault)),
        }
    }
    faults.extend(bench.hub.check_end(&bench.kv, last).map(|(sequence, fault)| (sequence.0, fault)));
    faults
}

fn replayed(bench: &Bench) -> MemoryKv {
    let scratch = MemoryKv::default();
    let mut txn = Txn::new(&scratch);
    bench.hub.plant(&mut txn);
    for entry in bench.hub.entries(&bench.kv, Sequence(0)) {
        bench.hub.replay(&mut txn, &entry).unwrap();
    }
    let batch = txn.into_batch();
    scratch.commit(batch, Durability::Process).unwrap();
    scratch
}

fn set(bench: &Bench, key: Vec<u8>, value: Option<Vec<u8>>) {
    bench.kv.commit(Batch::from([(key, value)]), Durability::Process).unwrap();
}

#[test]
fn a_log_without_fault_makes_the_rows_there_are() {
    let (bench, _) = written();
    assert_eq!(faults(&bench), []);
    assert_eq!(bench.hub.differences(&bench.kv, &replayed(&bench)).count(), 0);
}

#[test]
fn gaps_unreadable_entries_and_broken_chains_are_named_by_their_sequence() {
    let key = |bench: &Bench, sequence| bench.hub.keys().entry(Sequence(sequence));
    let (bench, _) = written();
    set(&bench, key(&bench, 1), None);
    assert_eq!(faults(&bench), [(1, LogFault::Missing)]);
    let (bench, _) = written();
    set(&bench, key(&bench, 0), Some(vec![0xff; 9]));
    assert_eq!(faults(&bench), [(0, LogFault::Unreadable)]);
    let (bench, ada) = written();
    let mut entry = bench.hub.entry_at(&bench.kv, Sequence(1)).unwrap();
    entry.ops.push(chmod(node(ada, 2)));
    set(&bench, key(&bench, 1), Some(encode(&entry)));
    assert_eq!(faults(&bench), [(1, LogFault::Chain)]);
    let (bench, _) = written();
    set(&bench, key(&bench, 2), None);
    assert_eq!(faults(&bench), [(2, LogFault::End)]);
}

#[test]
fn an_entry_that_does_not_apply_is_told_with_its_op() {
    let (bench, ada) = written();
    let scratch = replayed(&bench);
    let mut entry = bench.hub.entry_at(&bench.kv, Sequence(0)).unwrap();
    entry.ops.swap(0, 1);
    let fault = bench.hub.replay(&mut Txn::new(&scratch), &entry).unwrap_err();
    let removed = node(ada, 3);
    assert!(matches!(fault, LogFault::Rejected { op: 0 | 1, .. }), "{fault:?} of {removed}");
}

#[test]
fn rows_that_the_log_does_not_make_are_named() {
    let (bench, ada) = written();
    let scratch = replayed(&bench);
    let keys = bench.hub.keys();
    let row = |row_key: Vec<u8>| [keys.tree(), row_key].concat();
    let node_row = bench.kv.get(&row(RowKey::node(node(ada, 2)))).unwrap();
    set(&bench, row(RowKey::node(node(ada, 2))), None);
    set(&bench, row(RowKey::node(node(ada, 9))), Some(node_row));
    set(&bench, row(RowKey::tombstone(node(ada, 3))), Some(vec![1, 2, 3]));
    set(&bench, keys.history(node(ada, 2), Sequence(1), 0), None);
    let found: Vec<Difference> = bench.hub.differences(&bench.kv, &scratch).collect();
    let difference = |row, kind| Difference { row, kind };
    assert_eq!(
        found,
        [
            difference(DerivedRow::Tree(Row::Node(node(ada, 2))), DifferenceKind::Missing),
            difference(DerivedRow::Tree(Row::Node(node(ada, 9))), DifferenceKind::Surplus),
            difference(DerivedRow::Tree(Row::Tombstone(node(ada, 3))), DifferenceKind::Other),
            difference(DerivedRow::Line(node(ada, 2), Sequence(1)), DifferenceKind::Missing),
        ]
    );
}
