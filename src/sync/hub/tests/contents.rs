//! Which contents of history a rule keeps.

use super::*;
use crate::sync::hub::Standing::{self, GivenUp, Needed, Surplus};
use std::time::Duration;

const MINUTE: i64 = 60;

/// One member's files, and a clock that goes on.
struct Author {
    bench: Bench,
    member: MemberNumber,
    commits: u64,
}

impl Author {
    fn new() -> Author {
        let mut bench = Bench::new();
        let member = bench.join(1, Role::Writer, "ada").member;
        Author { bench, member, commits: 0 }
    }

    fn node(&self, counter: u64) -> NodeId {
        node(self.member, counter)
    }

    /// A commit, a minute after the last one.
    fn commit(&mut self, ops: Vec<Op>) {
        self.bench.now = seconds(self.bench.now.seconds + MINUTE);
        self.commits += 1;
        self.bench.accepted(self.member, self.commits, ops);
    }

    fn make(&mut self, counter: u64, name: &str, content: &str) {
        let body = Body::File(self.bench.content(content.as_bytes()));
        self.commit(vec![make(self.node(counter), NodeId::ROOT, name, body)]);
    }

    fn put(&mut self, counter: u64, base: u64, content: &str) {
        let manifest = self.bench.content(content.as_bytes());
        self.commit(vec![put(self.node(counter), base, manifest)]);
    }

    /// Counter, version and standing of every content.
    fn standings(&self, keep: Keep) -> Vec<(u64, u64, Standing)> {
        let contents = self.bench.hub.contents(&self.bench.kv, keep, self.bench.now);
        contents.map(|content| (content.node.counter, content.version.0, content.standing)).collect()
    }
}

fn minutes(minutes: i64) -> Keep {
    Keep::For(Duration::from_secs((minutes * MINUTE) as u64))
}

#[test]
fn a_rule_of_versions_keeps_the_newest_of_each_file() {
    let mut author = Author::new();
    author.make(2, "a", "1");
    author.put(2, 1, "2");
    author.commit(vec![chmod(author.node(2)), rename(author.node(2), "a", "b", None)]);
    author.put(2, 2, "3");
    author.make(3, "other", "only");
    let expected = [(2, 3, Needed), (2, 2, Needed), (2, 1, Surplus), (3, 1, Needed)];
    assert_eq!(author.standings(Keep::Versions(2)), expected);
    assert!(author.standings(Keep::All).iter().all(|(_, _, standing)| *standing == Needed));
    // The current version is not up to a rule.
    assert_eq!(author.standings(Keep::Versions(0))[0], (2, 3, Needed));
}

#[test]
fn a_rule_of_time_counts_from_when_a_version_was_replaced() {
    let mut author = Author::new();
    author.make(2, "a", "1");
    author.put(2, 1, "2");
    author.put(2, 2, "3");
    author.make(3, "b", "x");
    // The first was replaced two minutes ago, the second one minute ago; the third is current.
    assert_eq!(
        author.standings(minutes(2)),
        [(2, 3, Needed), (2, 2, Needed), (2, 1, Surplus), (3, 1, Needed)]
    );
    assert_eq!(
        author.standings(minutes(3)),
        [(2, 3, Needed), (2, 2, Needed), (2, 1, Needed), (3, 1, Needed)]
    );
    assert_eq!(author.standings(minutes(0))[1..3], [(2, 2, Surplus), (2, 1, Surplus)]);
}

#[test]
fn the_content_of_a_removed_file_was_replaced_by_its_removal() {
    let mut author = Author::new();
    author.make(2, "a", "1");
    author.put(2, 1, "2");
    author.commit(vec![unlink(author.node(2), "a", 2)]);
    assert_eq!(author.standings(Keep::Versions(1)), [(2, 2, Surplus), (2, 1, Surplus)]);
    assert_eq!(author.standings(Keep::Versions(2)), [(2, 2, Needed), (2, 1, Surplus)]);
    assert_eq!(author.standings(minutes(1)), [(2, 2, Needed), (2, 1, Surplus)]);
}

#[test]
fn earlier_contents_of_a_file_that_vanished_in_a_save_were_replaced_by_that_save() {
    let mut author = Author::new();
    author.make(2, "a", "old");
    author.make(3, "a.tmp", "half");
    author.put(3, 1, "whole");
    author.commit(vec![rename(author.node(3), "a.tmp", "a", Some((author.node(2), 1)))]);
    let all = author.standings(Keep::All);
    assert_eq!(all, [(2, 2, Needed), (2, 1, Needed), (3, 1, Needed)]);
    assert_eq!(author.standings(Keep::Versions(1)), [(2, 2, Needed), (2, 1, Surplus), (3, 1, Surplus)]);
    assert_eq!(author.standings(minutes(1)), all);
    author.make(4, "later", "x");
    assert_eq!(author.standings(minutes(1))[..3], [(2, 2, Needed), (2, 1, Surplus), (3, 1, Surplus)]);
}

#[test]
fn what_is_given_up_stays_given_up_but_what_an_open_conflict_is_about_is_held() {
    let mut author = Author::new();
    author.make(2, "a", "1");
    for version in 1..4 {
        author.put(2, version, &format!("{}", version + 1));
    }
    author.bench.run(|hub, txn| hub.give_up(txn, node(MemberNumber(1), 2), Version(2)));
    author.bench.run(|hub, txn| hub.give_up(txn, node(MemberNumber(1), 2), Version(1)));
    let expected = [(2, 4, Needed), (2, 3, Needed), (2, 2, GivenUp), (2, 1, GivenUp)];
    assert_eq!(author.standings(Keep::All), expected);
    let conflict = Conflict {
        node: author.node(2),
        member: author.member,
        kind: ConflictKind::PutDrop,
        base: Some(Version(2)),
        remote: Version(3),
        time: seconds(5),
    };
    author.commit(vec![op(Verb::Record(conflict))]);
    let expected = [(2, 4, Needed), (2, 3, Needed), (2, 2, Standing::Held), (2, 1, GivenUp)];
    assert_eq!(author.standings(Keep::Versions(1)), expected);
}

#[test]
fn the_contents_of_the_tree_are_those_of_its_files_alone() {
    let mut author = Author::new();
    author.make(2, "a", "1");
    author.put(2, 1, "2");
    author.make(3, "b", "x");
    author.commit(vec![unlink(author.node(3), "b", 1)]);
    author.commit(vec![make(author.node(4), NodeId::ROOT, "d", Body::Directory)]);
    let contents: Vec<_> = author.bench.hub.tree_contents(&author.bench.kv).collect();
    assert_eq!(contents, [(author.node(2), Version(2), cut(b"2").0)]);
}
