//! History: which lines a path or node has.

use super::*;
use HistoryOperation::*;

pub(super) fn lines_of(bench: &Bench, path: &str) -> Vec<HistoryRecord> {
    let page = bench.hub.log_of(&bench.kv, &HistoryOf::Path(path.into()), None, 100);
    assert!(!page.more);
    page.records
}

/// Operation, version and tag of each line, newest first.
fn shape(records: &[HistoryRecord]) -> Vec<(HistoryOperation, u64, Option<String>)> {
    records.iter().map(|record| (record.operation, record.version.0, record.md5_text())).collect()
}

pub(super) fn tag(content: &[u8]) -> Option<String> {
    Some(cut(content).0.md5.to_string())
}

pub(super) struct Author {
    pub bench: Bench,
    pub member: MemberNumber,
    commits: u64,
}

impl Author {
    pub fn new() -> Author {
        let mut bench = Bench::new();
        let member = bench.join(1, Role::Writer, "ada").member;
        Author { bench, member, commits: 0 }
    }

    pub fn node(&self, counter: u64) -> NodeId {
        node(self.member, counter)
    }

    pub fn file(&self, counter: u64, name: &str, content: &[u8]) -> Op {
        make(self.node(counter), NodeId::ROOT, name, Body::File(self.bench.content(content)))
    }

    pub fn put(&self, counter: u64, base: u64, content: &[u8]) -> Op {
        put(self.node(counter), base, self.bench.content(content))
    }

    pub fn commit(&mut self, ops: Vec<Op>) -> Sequence {
        self.commits += 1;
        self.bench.accepted(self.member, self.commits, ops)
    }
}

#[test]
fn a_file_made_changed_renamed_removed_and_made_again_has_a_line_for_each() {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "a", b"one")]);
    author.commit(vec![author.put(2, 1, b"two")]);
    author.commit(vec![rename(author.node(2), "a", "b", None)]);
    author.commit(vec![unlink(author.node(2), "b", 2)]);
    author.commit(vec![author.file(3, "b", b"anew")]);
    let lines = lines_of(&author.bench, "b");
    assert_eq!(
        shape(&lines),
        [
            (Made, 1, tag(b"anew")),
            (Removed, 3, Some("0".into())),
            (Renamed, 2, None),
            (Changed, 2, tag(b"two")),
            (Made, 1, tag(b"one")),
        ]
    );
    let sequences: Vec<u64> = lines.iter().map(|line| line.at.sequence.0).collect();
    assert_eq!(sequences, [4, 3, 2, 1, 0]);
    assert_eq!((lines[2].path.as_slice(), lines[2].from.as_deref()), (&b"b"[..], Some(&b"a"[..])));
    assert_eq!(
        (lines[0].name.as_str(), lines[0].manifest.as_ref().map(|manifest| manifest.length)),
        ("ada", Some(4))
    );
    // At the old path the story ends with the rename.
    assert_eq!(shape(&lines_of(&author.bench, "a"))[0], (Renamed, 2, None));
    assert_eq!(lines_of(&author.bench, "a").len(), 3);
    assert_eq!(lines_of(&author.bench, "c"), []);
}

#[test]
fn a_save_by_rename_over_is_one_line() {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "doc", b"one")]);
    author.commit(vec![author.file(3, "tmp", b"two"), chmod(author.node(3))]);
    author.commit(vec![rename(author.node(3), "tmp", "doc", Some((author.node(2), 1)))]);
    let lines = lines_of(&author.bench, "doc");
    assert_eq!(shape(&lines), [(Changed, 2, tag(b"two")), (Made, 1, tag(b"one"))]);
    assert_eq!((lines[0].node, lines[0].at.sequence), (author.node(2), Sequence(2)));
    // Asked for the temporary name, the log follows its content to where it is now.
    assert_eq!(lines_of(&author.bench, "tmp"), lines);
    let by_node = author.bench.hub.log_of(&author.bench.kv, &HistoryOf::Node(author.node(3)), None, 10);
    // Its own history ends where it vanished.
    assert_eq!(by_node.records, []);
}

#[test]
fn a_save_by_moving_aside_is_one_line() {
    for commits in [1, 3] {
        let mut author = Author::new();
        author.commit(vec![author.file(2, "doc", b"one")]);
        let save = [
            rename(author.node(2), "doc", "doc~", None),
            author.file(3, "doc", b"two"),
            unlink(author.node(2), "doc~", 1),
        ];
        let size = save.len() / commits;
        for ops in save.chunks(size) {
            author.commit(ops.to_vec());
        }
        let lines = lines_of(&author.bench, "doc");
        assert_eq!(shape(&lines), [(Changed, 2, tag(b"two")), (Made, 1, tag(b"one"))], "{commits}");
        assert_eq!((lines[0].node, lines[0].path.as_slice()), (author.node(2), &b"doc"[..]));
    }
}

#[test]
fn a_rename_that_was_no_save_stays_in_history_when_a_save_follows() {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "a", b"one")]);
    author.commit(vec![rename(author.node(2), "a", "doc", None)]);
    author.commit(vec![author.file(3, "tmp", b"two")]);
    author.commit(vec![rename(author.node(3), "tmp", "doc", Some((author.node(2), 1)))]);
    let operations: Vec<_> = lines_of(&author.bench, "doc").iter().map(|line| line.operation).collect();
    assert_eq!(operations, [Changed, Renamed, Made]);
}

#[test]
fn earlier_contents_of_the_newcomer_are_not_lost_from_its_own_history() {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "doc", b"one")]);
    author.commit(vec![author.file(3, "tmp", b"half")]);
    author.commit(vec![author.put(3, 1, b"whole")]);
    author.commit(vec![rename(author.node(3), "tmp", "doc", Some((author.node(2), 1)))]);
    assert_eq!(
        shape(&lines_of(&author.bench, "tmp")),
        [(Changed, 2, tag(b"whole")), (Made, 1, tag(b"half")), (Made, 1, tag(b"one"))]
    );
    assert_eq!(shape(&lines_of(&author.bench, "doc")).len(), 2);
}

#[test]
fn paths_read_as_they_did_when_a_directory_is_renamed_later() {
    let mut author = Author::new();
    let directory = make(author.node(2), NodeId::ROOT, "old", Body::Directory);
    let manifest = author.bench.content(b"x");
    let file = make(author.node(3), author.node(2), "f", Body::File(manifest));
    author.commit(vec![directory, file]);
    author.commit(vec![rename(author.node(2), "old", "new", None), author.put(3, 1, b"y")]);
    let lines = lines_of(&author.bench, "new/f");
    let paths: Vec<_> = lines.iter().map(|line| line.path.clone()).collect();
    assert_eq!(paths, [b"new/f".to_vec(), b"old/f".to_vec()]);
    let directory = lines_of(&author.bench, "new");
    assert_eq!(shape(&directory), [(Renamed, 0, None), (Made, 0, None)]);
}

#[test]
fn pages_follow_each_other_without_gap_or_overlap() {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "a", b"0")]);
    for version in 1..12u64 {
        let mut ops = vec![author.put(2, version, &[version as u8])];
        if version % 3 == 0 {
            ops.push(chmod(author.node(2)));
        }
        author.commit(ops);
    }
    let whole = lines_of(&author.bench, "a");
    assert_eq!(whole.len(), 15);
    for limit in 1..6 {
        let (mut lines, mut before) = (Vec::new(), None);
        loop {
            let of = HistoryOf::Path(b"a".to_vec());
            let page = author.bench.hub.log_of(&author.bench.kv, &of, before, limit);
            assert!(!page.records.is_empty());
            before = page.records.last().map(|line| line.at);
            lines.extend(page.records);
            if !page.more {
                break;
            }
        }
        assert_eq!(lines, whole, "{limit} a page");
    }
}

#[test]
fn a_rejected_commit_leaves_no_line() {
    let mut author = Author::new();
    author.commit(vec![author.file(2, "a", b"0")]);
    let ops = vec![author.put(2, 1, b"1"), author.put(2, 1, b"2")];
    assert!(matches!(author.bench.answer(author.member, &sealed(2, ops)), Answer::Reject { .. }));
    assert_eq!(lines_of(&author.bench, "a").len(), 1);
}
