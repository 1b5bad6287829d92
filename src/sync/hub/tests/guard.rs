//! The guard against mass deletion: who it holds, and what an administrator decides.

use super::*;
use crate::sync::hub::GuardState::Free;

/// A member with files 2 to 99 in a space that is guarded at three removals a minute.
struct Author {
    bench: Bench,
    member: MemberNumber,
    commits: u64,
}

impl Author {
    fn new(rate: Rate) -> Author {
        let mut bench = Bench::new();
        let member = bench.join(1, Role::Writer, "ada").member;
        let mut author = Author { bench, member, commits: 0 };
        let ops = (2..100).map(|counter| make_empty(author.node(counter), &format!("f{counter}"))).collect();
        assert!(author.accepts(ops));
        author.bench.run(|hub, txn| hub.set_guard(txn, Some(rate)));
        author
    }

    fn node(&self, counter: u64) -> NodeId {
        node(self.member, counter)
    }

    fn removals(&self, counters: std::ops::Range<u64>) -> Vec<Op> {
        counters.map(|counter| unlink(self.node(counter), &format!("f{counter}"), 1)).collect()
    }

    fn answer(&mut self, ops: Vec<Op>) -> Answer {
        self.commits += 1;
        self.bench.answer(self.member, &sealed(self.commits, ops))
    }

    fn accepts(&mut self, ops: Vec<Op>) -> bool {
        matches!(self.answer(ops), Answer::Accept { .. })
    }

    fn waits(&mut self, ops: Vec<Op>) -> bool {
        matches!(self.answer(ops), Answer::Held { .. })
    }

    fn state(&self) -> GuardState {
        self.bench.hub.guarded(&self.bench.kv).first().map_or(Free, |guarded| guarded.state)
    }

    fn pass(&mut self, more: i64) {
        self.bench.now = seconds(self.bench.now.seconds + more);
    }

    fn release(&self) -> Result<(), Undecided> {
        self.bench.run(|hub, txn| hub.release(txn, &member_name("ada")))
    }

    fn discard(&self) -> Result<(), Undecided> {
        self.bench.run(|hub, txn| hub.discard(txn, &member_name("ada")))
    }
}

const THREE: Rate = Rate::PerMinute(3);

#[test]
fn removals_are_counted_over_a_minute_and_too_many_hold_all_that_follows() {
    let mut author = Author::new(THREE);
    assert!(author.accepts(author.removals(2..4)));
    assert!(author.accepts(author.removals(4..5)));
    author.pass(61);
    assert!(author.accepts(author.removals(5..8)));
    author.pass(59);
    let head = author.bench.hub.head(&author.bench.kv);
    assert!(author.waits(author.removals(8..9)));
    assert!(matches!(author.state(), GuardState::Held { removals: 1, .. }));
    // Neither time nor another commit ends it, nor a reconnection.
    author.pass(3_600);
    assert!(author.waits(vec![make_empty(author.node(200), "new")]));
    assert_eq!(author.bench.hub.head(&author.bench.kv), head);
}

#[test]
fn without_a_rate_nothing_is_counted_and_turning_it_off_holds_nobody_any_more() {
    let mut author = Author::new(Rate::Any);
    assert!(author.accepts(author.removals(2..50)));
    author.bench.run(|hub, txn| hub.set_guard(txn, Some(THREE)));
    assert!(author.accepts(author.removals(50..53)));
    assert!(author.waits(author.removals(53..54)));
    author.bench.run(|hub, txn| hub.set_guard(txn, Some(Rate::Any)));
    assert_eq!(author.state(), Free);
    assert!(author.accepts(author.removals(53..90)));
    // What holds for the whole hub holds where a space says nothing else.
    author.bench.run(|_, txn| set_guard_of_all(txn, THREE));
    assert_eq!(author.bench.hub.guard(&author.bench.kv), Rate::Any);
    author.bench.run(|hub, txn| hub.set_guard(txn, None));
    assert_eq!(author.bench.hub.guard(&author.bench.kv), THREE);
}

#[test]
fn saves_that_rename_over_a_file_and_names_of_a_file_that_has_others_are_no_removals() {
    let mut author = Author::new(Rate::PerMinute(0));
    let save = rename(author.node(2), "f2", "f3", Some((author.node(3), 1)));
    assert!(author.accepts(vec![save]));
    let link = Verb::Link(crate::ops::Link { node: author.node(4), place: place(NodeId::ROOT, "second") });
    assert!(author.accepts(vec![op(link), unlink(author.node(4), "f4", 1)]));
    assert!(author.waits(vec![unlink(author.node(4), "second", 1)]));
}

#[test]
fn a_released_member_passes_until_it_has_sent_nothing_for_a_minute() {
    let mut author = Author::new(THREE);
    assert_eq!(author.release(), Err(Undecided::NotHeld));
    assert!(author.waits(author.removals(2..20)));
    assert_eq!(author.release(), Ok(()));
    // However late it comes.
    author.pass(86_400);
    assert!(author.accepts(author.removals(2..20)));
    author.pass(60);
    assert!(author.accepts(author.removals(20..40)));
    author.pass(61);
    assert!(author.waits(author.removals(40..60)));
    let nobody = member_name("bob");
    assert_eq!(author.bench.run(|hub, txn| hub.release(txn, &nobody)), Err(Undecided::NoSuchMember));
}

#[test]
fn a_member_that_is_to_discard_is_told_so_until_its_round_shows_that_it_has() {
    let mut author = Author::new(THREE);
    assert!(author.waits(author.removals(2..20)));
    assert_eq!(author.discard(), Ok(()));
    assert_eq!(author.discard(), Err(Undecided::NotHeld));
    for _ in 0..2 {
        let answer = author.answer(author.removals(2..20));
        assert!(matches!(answer, Answer::GiveUp { round: Round(1), .. }), "{answer:?}");
    }
    author.commits += 1;
    let ops = vec![make_empty(author.node(200), "kept")];
    let commit = Commit { number: CommitNumber(author.commits), ops };
    let answer = author.bench.answer(author.member, &SealedCommit { round: Round(1), commit });
    assert!(matches!(answer, Answer::Accept { .. }), "{answer:?}");
    assert_eq!(author.state(), Free);
}
