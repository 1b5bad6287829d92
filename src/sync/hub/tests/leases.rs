//! Leases: when they begin and how they end.

use super::*;

const DAY: i64 = LEASE_SECONDS;

impl Bench {
    fn lease(&self, chunks: &[ChunkId]) {
        self.run(|hub, txn| hub.lease(txn, chunks, self.now));
    }

    fn leased(&self, chunk: ChunkId) -> bool {
        self.hub.leased(&self.kv, chunk, self.now)
    }

    fn lease_rows(&self) -> usize {
        self.kv.scan_prefix(&self.hub.keys().leases()).count()
    }

    fn pass(&mut self, more: i64) {
        self.now = seconds(self.now.seconds + more);
    }
}

fn chunk(number: u32) -> ChunkId {
    chunk_id(&number.to_be_bytes())
}

#[test]
fn an_uploaded_chunk_is_leased_for_a_day_and_no_other_is() {
    let mut bench = Bench::new();
    bench.lease(&[chunk(1), chunk(2)]);
    assert!(bench.leased(chunk(1)) && bench.leased(chunk(2)) && !bench.leased(chunk(3)));
    bench.pass(DAY);
    assert!(bench.leased(chunk(1)));
    // Leases end on the quarter of a day.
    bench.pass(DAY / 4);
    assert!(!bench.leased(chunk(1)));
}

#[test]
fn a_lease_is_renewed_by_another_one_and_written_once_in_a_quarter_of_a_day() {
    let mut bench = Bench::new();
    for _ in 0..20 {
        bench.lease(&[chunk(1)]);
        bench.pass(60);
    }
    assert_eq!(bench.lease_rows(), 1);
    bench.pass(DAY / 2);
    bench.lease(&[chunk(1)]);
    bench.pass(DAY);
    assert!(bench.leased(chunk(1)));
}

#[test]
fn an_answer_leases_what_it_confirms_and_an_accepted_commit_ends_the_leases_of_its_chunks() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let (first, second) = (cut(b"first"), cut(b"second"));
    let ids: Vec<ChunkId> = first.1.keys().chain(second.1.keys()).copied().collect();
    let file = |counter, name, manifest: &Manifest| {
        make(node(ada, counter), NodeId::ROOT, name, Body::File(manifest.clone()))
    };
    let commit = sealed(1, vec![file(2, "a", &first.0), file(3, "b", &second.0)]);
    bench.held.0.borrow_mut().extend(first.1);
    assert_eq!(bench.answer(ada, &commit), Answer::Missing { chunks: vec![ids[1]] });
    assert_eq!(ids.iter().map(|id| bench.leased(*id)).collect::<Vec<_>>(), [true, false]);
    // Another answer renews it.
    bench.pass(DAY);
    assert!(matches!(bench.answer(ada, &commit), Answer::Missing { .. }));
    bench.pass(DAY);
    assert!(bench.leased(ids[0]));
    bench.held.0.borrow_mut().extend(second.1);
    bench.lease(&[ids[1], chunk(9)]);
    assert!(matches!(bench.answer(ada, &commit), Answer::Accept { .. }));
    assert_eq!(ids.iter().map(|id| bench.leased(*id)).collect::<Vec<_>>(), [false, false]);
    assert!(bench.leased(chunk(9)), "a chunk that no commit has named");
}

#[test]
fn what_came_along_with_a_commit_needs_no_lease() {
    let mut bench = Bench::new();
    let ada = bench.join(1, Role::Writer, "ada").member;
    let manifest = bench.content(b"small");
    let make = |counter| make(node(ada, counter), NodeId::ROOT, "a", Body::File(manifest.clone()));
    bench.accepted(ada, 1, vec![make(2)]);
    assert!(matches!(bench.answer(ada, &sealed(2, vec![make(3)])), Answer::Reject { .. }));
    assert_eq!(bench.lease_rows(), 0);
}

#[test]
fn expired_leases_do_not_pile_up() {
    let mut bench = Bench::new();
    let abandoned: Vec<ChunkId> = (0..5_000).map(chunk).collect();
    bench.lease(&abandoned);
    bench.pass(2 * DAY);
    for number in 0..5_000 {
        bench.lease(&[chunk(100_000 + number)]);
    }
    // Each write looks at a few rows only, wherever its chunk stands.
    let expired =
        abandoned.iter().filter(|id| bench.kv.scan_prefix(&bench.hub.keys().leases_of(**id)).count() > 0);
    assert!(expired.count() < 50);
    assert!((0..5_000).all(|number| bench.leased(chunk(100_000 + number))));
}
