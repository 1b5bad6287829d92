//! A long journal meets a long history: a hundred thousand ops that wait, ten thousand entries of others.
#![allow(
    clippy::disallowed_methods,
    reason = "a test measures time and memory, and works in a directory of its own"
)]

use fl0wfs::content::ManifestBuilder;
use fl0wfs::model::{
    Body, Chain, CommitNumber, Incarnation, Manifest, MemberName, MemberNumber, Name, NodeId, Place, Role,
    Sequence, SpaceId, SpaceName, Timestamp, Xattrs,
};
use fl0wfs::ops::{Drop, Make, Move, Op, Put, SetMeta, Tree, Verb};
use fl0wfs::store::{RocksStore, StoreRole};
use fl0wfs::sync::kv::Kv;
use fl0wfs::sync::member::{NoContents, Replica};
use fl0wfs::wire::{Answer, FromHub, LogEntry, Position, Start, Welcome, chain_next};
use std::collections::BTreeMap;
use std::time::Instant;
use tempfile::TempDir;

const FILES: u64 = 2_000;
const PENDING: u64 = 100_000;
const ENTRIES: u64 = 10_000;
/// Commits in a row of which each is accepted while the next one's ops wait already.
const COMMITS: u64 = 300;
const OPS_IN_COMMIT: u64 = 30;
/// What a member may hold in memory.
const MEMORY_KIB_MAX: u64 = 300 * 1024;

const HERE: MemberNumber = MemberNumber(1);
const THERE: MemberNumber = MemberNumber(2);

/// The hub's log, as far as a member sees it.
#[derive(Default)]
struct Log {
    next: u64,
    chain: Chain,
}

impl Log {
    fn entry(&mut self, ops: Vec<Op>) -> FromHub {
        let (sequence, number) = (Sequence(self.next), CommitNumber(self.next + 1));
        self.next += 1;
        self.continue_with(sequence, THERE, number, &ops);
        let entry = LogEntry { sequence, member: THERE, number, time: time(), ops, chain: self.chain };
        FromHub::Entry { entry, inline: Vec::new() }
    }

    fn acceptance(&mut self, number: CommitNumber, ops: &[Op]) -> FromHub {
        let sequence = Sequence(self.next);
        self.next += 1;
        self.continue_with(sequence, HERE, number, ops);
        FromHub::Answer { number, answer: Answer::Accept { sequence, time: time(), chain: self.chain } }
    }

    fn continue_with(&mut self, sequence: Sequence, member: MemberNumber, number: CommitNumber, ops: &[Op]) {
        self.chain = chain_next(self.chain, sequence, member, number, time(), ops);
    }
}

fn time() -> Timestamp {
    Timestamp { seconds: 1_000, nanos: 0 }
}

fn op(verb: Verb) -> Op {
    Op { time: time(), verb }
}

fn content(number: u64) -> Manifest {
    let mut builder = ManifestBuilder::new();
    builder.push(format!("content {number}").as_bytes(), &mut |_, _| {});
    builder.finish(&mut |_, _| {})
}

fn place(parent: NodeId, name: String) -> Place {
    Place { parent, name: Name::new(name).unwrap() }
}

fn make(node: NodeId, place: Place, body: Body) -> Verb {
    Verb::Make(Make {
        node,
        place,
        body,
        mode: 0o644,
        owner: None,
        mtime: time(),
        xattrs: Xattrs::new(),
        came_from: None,
        conflict: None,
    })
}

fn file(number: u64) -> NodeId {
    NodeId { member: THERE, counter: 100 + number }
}

fn put(view: &impl Tree, node: NodeId, number: u64) -> Verb {
    let base = view.node(node).expect("the file is there").version;
    Verb::Put(Put {
        node,
        base,
        manifest: content(number),
        mtime: time(),
        attributes: None,
        came_from: None,
        conflict: None,
    })
}

fn welcome(head: Option<u64>) -> FromHub {
    FromHub::Welcome(Welcome {
        space: SpaceId([7; 16]),
        member: HERE,
        name: MemberName::new("here").unwrap(),
        incarnation: Incarnation([1; 16]),
        role: Role::Writer,
        accepted: CommitNumber::default(),
        has_sealed: false,
        head: head.map(Sequence),
        start: Start::Tail,
    })
}

fn resident_peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("it says how much memory it had");
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number of KiB")
}

fn handle(replica: &mut Replica<RocksStore>, message: FromHub) {
    replica.handle(time(), message, BTreeMap::new(), &mut NoContents).expect("the message is taken");
}

/// A member of an empty space, and the directory that it is in.
fn connected() -> (TempDir, Replica<RocksStore>) {
    let directory = tempfile::tempdir_in("/var/tmp").unwrap();
    let store = RocksStore::open(&directory.path().join("db"), StoreRole::Member).unwrap();
    let mut replica = Replica::open(store, MemberName::new("here").unwrap()).unwrap();
    replica.connected(SpaceName::new("notes").unwrap());
    handle(&mut replica, welcome(None));
    (directory, replica)
}

/// Contents, renames, attributes and new directories, in turns.
fn work_here(replica: &mut Replica<RocksStore>) {
    let own = |counter: u64| NodeId { member: HERE, counter: 1_000_000 + counter };
    for step in 0..PENDING {
        let node = file(step / 4 * 7 % FILES);
        let verb = match step % 4 {
            0 => put(&replica.view(), node, step),
            1 => {
                let from = replica.view().places(node).remove(0);
                let to = place(from.parent, format!("{} {step}", node.counter));
                Verb::Move(Move { node, from, to, replaces: None, exchange: false, keeps_owner: false })
            }
            2 => Verb::SetMeta(SetMeta {
                node,
                mode: Some(0o600 + (step % 64) as u16),
                uid: None,
                gid: None,
                mtime: None,
                xattrs: Vec::new(),
            }),
            _ => make(own(step), place(NodeId::ROOT, format!("made {step}")), Body::Directory),
        };
        replica.submit(time(), verb).expect("local work is taken");
    }
}

#[test]
fn a_hundred_thousand_ops_are_replayed_on_ten_thousand_entries_in_bounded_memory() {
    let (_directory, mut replica) = connected();
    let mut log = Log::default();
    for from in (0..FILES).step_by(500) {
        let made = (from..from + 500).map(|number| {
            op(make(file(number), place(NodeId::ROOT, number.to_string()), Body::File(content(number))))
        });
        let entry = log.entry(made.collect());
        handle(&mut replica, entry);
    }
    replica.disconnected();
    let began = Instant::now();
    work_here(&mut replica);
    println!("{PENDING} local ops: {:?}, peak {} MiB", began.elapsed(), resident_peak_kib() / 1024);

    let hello = replica.connected(SpaceName::new("notes").unwrap());
    assert_eq!(hello.position, Some(Position { sequence: Sequence(log.next - 1), chain: log.chain }));
    handle(&mut replica, welcome(Some(log.next + ENTRIES - 1)));
    let mut versions = vec![1; FILES as usize];
    let began = Instant::now();
    for step in 0..ENTRIES {
        // Every other file gets contents that nobody here has seen.
        let number = step * 2 % FILES;
        let base = fl0wfs::model::Version(versions[number as usize]);
        versions[number as usize] += 1;
        let put = Put {
            node: file(number),
            base,
            manifest: content(1_000_000 + step),
            mtime: time(),
            attributes: None,
            came_from: None,
            conflict: None,
        };
        let entry = log.entry(vec![op(Verb::Put(put))]);
        handle(&mut replica, entry);
    }
    let peak = resident_peak_kib();
    println!("replayed on {ENTRIES} entries: {:?}, peak {} MiB", began.elapsed(), peak / 1024);
    assert_eq!(replica.position().map(|at| at.sequence), Some(Sequence(log.next - 1)));
    let view = replica.view();
    assert_eq!(view.conflicts().count() as u64, FILES / 2, "one copy of each file that both sides changed");
    let pending = replica.pending().ops;
    assert!(pending > PENDING / 2, "{pending} ops wait");
    assert!(peak < MEMORY_KIB_MAX, "{} MiB of memory", peak / 1024);
}

/// Files made in the commit of this number, and those removed of an earlier one.
fn make_and_remove(replica: &mut Replica<RocksStore>, commit: u64) {
    let made = |commit: u64, file: u64| {
        let node = NodeId { member: HERE, counter: 1_000_000 + commit * OPS_IN_COMMIT + file };
        (node, place(NodeId::ROOT, format!("{commit} {file}")))
    };
    for number in 0..OPS_IN_COMMIT {
        let (node, place) = made(commit, number);
        replica.submit(time(), make(node, place, Body::Symlink(b"elsewhere".to_vec()))).expect("a symlink");
        if let Some(before) = commit.checked_sub(3).filter(|_| number % 3 != 0) {
            let (node, place) = made(before, number);
            let version = replica.view().node(node).expect("it is there").version;
            replica.submit(time(), Verb::Drop(Drop { node, place, version })).expect("it is removed");
        }
    }
}

#[test]
fn while_work_never_stops_what_is_accepted_leaves_no_kept_rows_behind() {
    let (_directory, mut replica) = connected();
    let mut log = Log::default();
    let kept = |replica: &Replica<RocksStore>| replica.store().scan_prefix(b"B").count() as u64;
    make_and_remove(&mut replica, 0);
    let mut most = 0;
    for commit in 1..=COMMITS {
        let count = replica.to_seal().expect("ops wait").count;
        replica.seal(count, Vec::new()).unwrap();
        replica.seal_synced();
        let (sealed, _) = replica.outgoing().expect("it may go");
        if commit < COMMITS {
            make_and_remove(&mut replica, commit);
        }
        let acceptance = log.acceptance(sealed.commit.number, &sealed.commit.ops);
        handle(&mut replica, acceptance);
        most = most.max(kept(&replica));
    }
    assert!(most < OPS_IN_COMMIT * 12, "{most} rows are kept, for {OPS_IN_COMMIT} files a commit");
    assert_eq!((kept(&replica), replica.pending().ops), (0, 0));
    assert_eq!(
        replica.view().list(NodeId::ROOT, 0).count() as u64,
        COMMITS * OPS_IN_COMMIT / 3 + 3 * OPS_IN_COMMIT * 2 / 3
    );
}
