//! What else is asked of history: one version, who stood at a path, the whole log, a moment.

use super::lines::{Author, lines_of, tag};
use super::*;
use HistoryOperation::{Attributes, Changed, Made, Removed, Renamed};
use proptest::prelude::*;

impl Author {
    fn version_of(&self, counter: u64, version: u64) -> Option<HistoryRecord> {
        self.bench.hub.version_of(&self.bench.kv, self.node(counter), Version(version))
    }

    fn holders(&self, path: &str) -> Vec<(u64, Option<u64>, Option<u64>)> {
        let page = self.bench.hub.holders_of(&self.bench.kv, path.as_bytes(), None);
        assert!(!page.more);
        let number = |holder: &Holder| {
            (holder.node.counter, holder.until.map(|until| until.0), holder.successor.map(|s| s.node.counter))
        };
        page.holders.iter().map(number).collect()
    }

    fn put_from(&self, counter: u64, base: u64, content: &[u8], came_from: Origin) -> Op {
        let Op { time, verb: Verb::Put(put) } = self.put(counter, base, content) else { unreachable!() };
        Op { time, verb: Verb::Put(Put { came_from: Some(came_from), ..put }) }
    }
}

#[test]
fn every_version_is_found_by_its_number_with_its_content() {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "a", b"1"), author.put(2, 1, b"2"), chmod(author.node(2))]);
    for version in 2..40u64 {
        author.commit(vec![make_empty(author.node(version + 10), &format!("other {version}"))]);
        author.commit(vec![author.put(2, version, &[version as u8 + 1])]);
    }
    author.commit(vec![unlink(author.node(2), "a", 40)]);
    let tags = |version: u64| author.version_of(2, version).map(|line| (line.operation, line.md5_text()));
    assert_eq!(tags(0), None);
    assert_eq!(tags(1), Some((Made, tag(b"1"))));
    assert_eq!(tags(2), Some((Changed, tag(b"2"))));
    for version in 3..=40u64 {
        assert_eq!(tags(version), Some((Changed, tag(&[version as u8]))), "{version}");
    }
    assert_eq!(tags(41), Some((Removed, Some("0".into()))));
    assert_eq!(tags(42), None);
    assert_eq!(author.version_of(99, 1), None);
}

#[test]
fn a_version_that_a_save_took_over_is_found_where_it_went() {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "doc", b"one")]);
    author.commit(vec![author.file(3, "tmp", b"half")]);
    author.commit(vec![author.put(3, 1, b"whole")]);
    author.commit(vec![rename(author.node(3), "tmp", "doc", Some((author.node(2), 1)))]);
    let found = |counter, version| {
        author.version_of(counter, version).map(|line| (line.node.counter, line.md5_text()))
    };
    assert_eq!(found(3, 1), Some((3, tag(b"half"))));
    assert_eq!(found(3, 2), Some((2, tag(b"whole"))));
    assert_eq!(found(2, 2), Some((2, tag(b"whole"))));
    assert_eq!(found(3, 9), None);
}

#[test]
fn merged_and_restored_versions_say_what_they_were_made_of() {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "a", b"one"), author.put(2, 1, b"two")]);
    let merged = Origin::Merged(Merged { base: Version(1), local: Version(2), remote: Version(2) });
    author.commit(vec![author.put_from(2, 2, b"both", merged)]);
    let restored = Origin::Restored(Restored { node: author.node(2), version: Version(1) });
    author.commit(vec![author.put_from(2, 3, b"one", restored)]);
    let lines: Vec<_> =
        lines_of(&author.bench, "a").iter().map(|line| (line.operation, line.came_from)).collect();
    assert_eq!(
        lines,
        [
            (HistoryOperation::Restored, Some(restored)),
            (HistoryOperation::Merged, Some(merged)),
            (Changed, None),
            (Made, None)
        ]
    );
}

#[test]
fn holders_of_a_path_come_with_the_one_there_now_first() {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "a", b"one")]);
    author.commit(vec![rename(author.node(2), "a", "b", None)]);
    author.commit(vec![author.file(3, "a", b"two")]);
    author.commit(vec![unlink(author.node(3), "a", 1)]);
    author.commit(vec![author.file(4, "a", b"three")]);
    assert_eq!(author.holders("a"), [(4, None, None), (3, Some(3), None), (2, Some(1), None)]);
    assert_eq!(author.holders("b"), [(2, None, None)]);
    assert_eq!(author.holders("c"), []);
    author.commit(vec![author.file(5, "tmp", b"four")]);
    author.commit(vec![rename(author.node(5), "tmp", "a", Some((author.node(4), 1)))]);
    assert_eq!(author.holders("tmp"), [(5, Some(5), Some(4))]);
}

#[test]
fn holders_of_a_path_that_many_had_come_in_pages() {
    const HOLDERS: u64 = 2_500;
    let mut author = Author::new();
    for counter in 0..HOLDERS {
        author.commit(vec![
            make_empty(author.node(counter + 2), "t"),
            unlink(author.node(counter + 2), "t", 1),
        ]);
    }
    let (mut found, mut before, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = author.bench.hub.holders_of(&author.bench.kv, b"t", before);
        before = page.holders.last().and_then(|last| last.until);
        found.extend(page.holders.into_iter().map(|holder| holder.node.counter));
        pages += 1;
        if !page.more {
            break;
        }
    }
    assert_eq!((found, pages), ((2..HOLDERS + 2).rev().collect(), 3));
}

/// A space with commits of all kinds, some of many ops.
fn busy() -> Author {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "a", b"1"), author.file(3, "b", b"1"), chmod(author.node(2))]);
    author.commit(vec![author.put(2, 1, b"2")]);
    let Op { time, verb: Verb::Move(step) } = rename(author.node(2), "a", "b", Some((author.node(3), 1)))
    else {
        unreachable!()
    };
    author.commit(vec![Op { time, verb: Verb::Move(Move { exchange: true, ..step }) }]);
    author.commit(vec![author.file(4, "tmp", b"3")]);
    author.commit(vec![rename(author.node(4), "tmp", "b", Some((author.node(2), 2)))]);
    author.commit(vec![unlink(author.node(3), "a", 1), author.file(5, "a", b"4")]);
    author
}

#[test]
fn the_whole_history_reads_the_same_forwards_and_backwards_in_pages_of_any_size() {
    let author = busy();
    let (hub, kv) = (author.bench.hub, &author.bench.kv);
    let whole = hub.log_since(kv, None, 100);
    let shapes: Vec<_> = whole.records.iter().map(|line| (line.at.sequence.0, line.operation)).collect();
    let expected = [
        (0, Made),
        (0, Made),
        (0, Attributes),
        (1, Changed),
        (2, Renamed),
        (2, Renamed),
        (4, Changed),
        (5, Removed),
        (5, Made),
    ];
    assert_eq!(shapes, expected);
    for limit in 1..8 {
        let (mut forwards, mut after) = (Vec::new(), None);
        loop {
            let page = hub.log_since(kv, after, limit);
            after = page.records.last().map(|line| line.at);
            forwards.extend(page.records);
            if !page.more {
                break;
            }
        }
        let (mut backwards, mut before) = (Vec::new(), None);
        loop {
            let page = hub.log_of(kv, &HistoryOf::Space, before, limit);
            before = page.records.last().map(|line| line.at);
            backwards.extend(page.records);
            if !page.more {
                break;
            }
        }
        assert_eq!(forwards, whole.records, "{limit} a page");
        backwards.reverse();
        // Both halves of an exchange have one place.
        let places = |lines: &[HistoryRecord]| lines.iter().map(|line| line.at).collect::<Vec<_>>();
        assert_eq!(places(&backwards), places(&whole.records), "{limit} a page");
        assert!(whole.records.iter().all(|line| backwards.contains(line)), "{limit} a page");
    }
}

#[test]
fn the_log_is_read_in_pages_bounded_in_bytes() {
    const COMMITS: u64 = 30;
    let mut author = Author::new();
    let note = |node, bytes| {
        let xattrs = vec![(b"user.note".to_vec(), Some(vec![7; bytes]))];
        op(Verb::SetMeta(SetMeta { node, mode: None, uid: None, gid: None, mtime: None, xattrs }))
    };
    author.commit(vec![author.file(2, "a", b"1")]);
    for _ in 1..COMMITS {
        author.commit(vec![note(author.node(2), 60_000), note(author.node(2), 60_000)]);
    }
    let (mut entries, mut after, mut pages) = (Vec::new(), None, 0);
    loop {
        let page = author.bench.hub.log_page(&author.bench.kv, after, 1_000);
        assert!(encode(&page).len() < FRAME_BYTES_MAX);
        after = page.entries.last().map(|entry| entry.sequence);
        entries.extend(page.entries);
        pages += 1;
        if !page.more {
            break;
        }
    }
    let all: Vec<LogEntry> = author.bench.hub.entries(&author.bench.kv, Sequence(0)).collect();
    assert_eq!((entries, all.len() as u64), (all, COMMITS));
    assert!(pages > 2, "{pages} pages");
}

proptest! {
    #[test]
    fn the_sequence_at_a_time_is_the_last_one_not_later(steps in prop::collection::vec(-3i64..4, 0..20), asked in 990i64..1030) {
        let mut author = Author::new();
        let mut times = Vec::new();
        for (counter, step) in steps.iter().enumerate() {
            // The hub's clock may go back; the log's times do not.
            author.bench.now = seconds(author.bench.now.seconds + step);
            let node = author.node(counter as u64 + 2);
            let sequence = author.commit(vec![make_empty(node, &counter.to_string())]);
            times.push(author.bench.hub.entry_at(&author.bench.kv, sequence).unwrap().time);
        }
        prop_assert!(times.is_sorted());
        let found = author.bench.hub.sequence_at(&author.bench.kv, seconds(asked));
        let expected = times.iter().rposition(|time| *time <= seconds(asked)).map(|at| Sequence(at as u64));
        prop_assert_eq!(found, expected);
    }
}
