//! What a quota counts, and that it holds nothing up.

use super::*;

/// A member of a space that has files of 3 and 5 bytes.
struct Author {
    bench: Bench,
    member: MemberNumber,
    commits: u64,
}

impl Author {
    fn new() -> Author {
        let mut bench = Bench::new();
        let member = bench.join(1, Role::Writer, "ada").member;
        let mut author = Author { bench, member, commits: 0 };
        author.commit(vec![author.make(2, "a", 3), author.make(3, "b", 5)]);
        author
    }

    fn limited(limit_bytes: u64) -> Author {
        let author = Author::new();
        author.bench.run(|hub, txn| hub.set_quota(txn, Some(limit_bytes)));
        author
    }

    fn node(&self, counter: u64) -> NodeId {
        node(self.member, counter)
    }

    fn make(&self, counter: u64, name: &str, length: usize) -> Op {
        let body = Body::File(self.bench.content(&vec![b'x'; length]));
        make(self.node(counter), NodeId::ROOT, name, body)
    }

    fn put(&self, counter: u64, base: u64, length: usize) -> Op {
        put(self.node(counter), base, self.bench.content(&vec![b'y'; length]))
    }

    fn commit(&mut self, ops: Vec<Op>) {
        self.commits += 1;
        self.bench.accepted(self.member, self.commits, ops);
        assert_eq!(self.bench.hub.check_quota(&self.bench.kv), None);
    }

    /// What is counted after a commit.
    fn used_after(&mut self, ops: Vec<Op>) -> u64 {
        self.commit(ops);
        self.quota().expect("a quota").used_bytes
    }

    fn quota(&self) -> Option<Quota> {
        self.bench.hub.quota(&self.bench.kv)
    }
}

#[test]
fn setting_a_quota_counts_what_is_there_and_off_forgets_it() {
    let mut author = Author::new();
    assert_eq!(author.quota(), None);
    author.commit(vec![author.make(4, "c", 7), unlink(author.node(3), "b", 1)]);
    author.bench.run(|hub, txn| hub.set_quota(txn, Some(100)));
    assert_eq!(author.quota(), Some(Quota { limit_bytes: 100, used_bytes: 10 }));
    author.bench.run(|hub, txn| hub.set_quota(txn, Some(50)));
    assert_eq!(author.quota(), Some(Quota { limit_bytes: 50, used_bytes: 10 }));
    author.bench.run(|hub, txn| hub.set_quota(txn, None));
    assert_eq!(author.quota(), None);
    // What changes meanwhile is counted when there is a quota again.
    author.commit(vec![author.put(2, 1, 30)]);
    assert_eq!(author.quota(), None);
    author.bench.run(|hub, txn| hub.set_quota(txn, Some(50)));
    assert_eq!(author.quota(), Some(Quota { limit_bytes: 50, used_bytes: 37 }));
}

#[test]
fn every_change_of_content_is_counted_by_the_difference_it_makes() {
    let mut author = Author::limited(1_000);
    assert_eq!(author.used_after(vec![author.make(4, "c", 100)]), 108);
    assert_eq!(author.used_after(vec![author.put(4, 1, 300)]), 308, "overwritten by more");
    assert_eq!(author.used_after(vec![author.put(4, 2, 10)]), 18, "truncated");
    assert_eq!(author.used_after(vec![author.put(4, 3, 0)]), 8, "emptied");
    assert_eq!(author.used_after(vec![author.put(4, 4, 1), author.put(4, 5, 20)]), 28, "twice in one commit");
    let made_and_gone = vec![author.make(5, "d", 50), author.put(5, 1, 70), unlink(author.node(5), "d", 2)];
    assert_eq!(author.used_after(made_and_gone), 28);
    let directory = make(author.node(6), NodeId::ROOT, "dir", Body::Directory);
    let nothing = vec![chmod(author.node(4)), rename(author.node(4), "c", "e", None), directory];
    assert_eq!(author.used_after(nothing), 28, "neither attributes, names nor directories");
}

#[test]
fn a_file_counts_once_however_many_names_it_has_and_until_the_last_is_gone() {
    let mut author = Author::limited(1_000);
    let link = Verb::Link(crate::ops::Link { node: author.node(3), place: place(NodeId::ROOT, "second") });
    assert_eq!(author.used_after(vec![op(link)]), 8);
    assert_eq!(author.used_after(vec![unlink(author.node(3), "b", 1)]), 8);
    assert_eq!(author.used_after(vec![author.put(3, 1, 6)]), 9);
    assert_eq!(author.used_after(vec![unlink(author.node(3), "second", 2)]), 3);
}

#[test]
fn a_save_by_rename_counts_the_new_content_alone() {
    let mut author = Author::limited(1_000);
    let save = rename(author.node(4), "a.tmp", "a", Some((author.node(2), 1)));
    assert_eq!(author.used_after(vec![author.make(4, "a.tmp", 40)]), 48);
    assert_eq!(author.used_after(vec![save]), 45);
    let save = rename(author.node(5), "b.tmp", "b", Some((author.node(3), 1)));
    assert_eq!(author.used_after(vec![author.make(5, "b.tmp", 2), save]), 42, "in one commit");
}

#[test]
fn what_goes_over_the_limit_is_accepted_and_counted() {
    let mut author = Author::limited(10);
    assert_eq!(author.used_after(vec![author.make(4, "c", 500)]), 508);
    assert_eq!(author.quota().unwrap().free_bytes(), 0);
    assert_eq!(author.used_after(vec![author.put(4, 1, 600)]), 608);
}

#[test]
fn what_is_not_accepted_is_not_counted() {
    let author = Author::limited(10);
    let unknown = put(author.node(2), 1, cut(b"nobody has sent this").0);
    let answer = author.bench.answer(author.member, &sealed(2, vec![unknown]));
    assert!(matches!(answer, Answer::Missing { .. }), "{answer:?}");
    let outdated = author.put(2, 7, 100);
    let answer = author.bench.answer(author.member, &sealed(2, vec![author.make(4, "c", 9), outdated]));
    assert!(matches!(answer, Answer::Reject { .. } | Answer::Refuse { .. }), "{answer:?}");
    assert_eq!(author.quota(), Some(Quota { limit_bytes: 10, used_bytes: 8 }));
}

#[test]
fn more_than_64_bits_can_count_is_told_as_the_most_and_counted_all_the_same() {
    let mut author = Author::limited(10);
    let hole = |length| {
        let extents = vec![Extent { chunk: None, length }];
        Manifest { length, chunks: ChunkList::Flat(extents), ..Manifest::empty() }
    };
    let huge = |author: &Author, counter: u64| {
        let body = Body::File(hole(i64::MAX as u64));
        make(author.node(counter), NodeId::ROOT, &format!("f{counter}"), body)
    };
    let ops = (4..8).map(|counter| huge(&author, counter)).collect();
    assert_eq!(author.used_after(ops), u64::MAX);
    let ops = (4..8).map(|counter| unlink(author.node(counter), &format!("f{counter}"), 1)).collect();
    assert_eq!(author.used_after(ops), 8);
}

#[test]
fn a_count_that_is_not_what_is_there_is_found() {
    let author = Author::limited(10);
    author.bench.run(|hub, txn| hub.count_growth(txn, 4));
    let fault = author.bench.hub.check_quota(&author.bench.kv);
    assert_eq!(fault, Some(QuotaFault { counted: 12, bytes: 8 }));
}
