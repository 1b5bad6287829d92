//! Encodings held still. A difference here means members, hubs and stores of before no longer understand: it
//! needs another [`WIRE_FORMAT`] or [`STORE_FORMAT`], not another constant.

use super::golden_bytes::{MESSAGES, QUESTIONS, RECORDS, ROWS, VERBS};
use super::*;
use crate::model::*;
use crate::ops::{
    Attributes, ConflictRow, Drop, Link, Make, Merged, Move, Op, Origin, Put, Replaced, Restored, SetMeta,
    Verb,
};
use data_encoding::HEXLOWER;

const TIME: Timestamp = Timestamp { seconds: 1_700_000_000, nanos: 123_456_789 };
const LATER: Timestamp = Timestamp { seconds: -1, nanos: 999_999_999 };
const NODE: NodeId = NodeId { member: MemberNumber(7), counter: 300 };
const OTHER: NodeId = NodeId { member: MemberNumber(70_000), counter: 1 << 40 };

fn place(name: &str) -> Place {
    Place { parent: NodeId::ROOT, name: Name::new(name).expect("a legal name") }
}

fn manifest() -> Manifest {
    let extents =
        vec![Extent { chunk: Some(ChunkId([0xab; 32])), length: 5 }, Extent { chunk: None, length: 1 << 20 }];
    let md5 = Md5Tag { digest: [0x11; 16], parts: 2 };
    Manifest { md5, length: (1 << 20) + 5, chunks: ChunkList::Flat(extents) }
}

fn conflict() -> Conflict {
    let (kind, base) = (ConflictKind::MakeMake, Some(Version(3)));
    Conflict { node: OTHER, member: MemberNumber(9), kind, base, remote: Version(4), time: LATER }
}

fn xattrs() -> Xattrs {
    Xattrs::from([(b"user.k".to_vec(), b"v".to_vec())])
}

fn op(verb: Verb) -> Op {
    Op { time: TIME, verb }
}

fn make(body: Body) -> Make {
    let owner = Some(Owner { uid: 1000, gid: 100 });
    Make {
        node: NODE,
        place: place("name"),
        body,
        mode: 0o644,
        owner,
        mtime: LATER,
        xattrs: xattrs(),
        came_from: None,
        conflict: None,
    }
}

fn put() -> Put {
    let (base, mtime) = (Version(2), LATER);
    Put { node: NODE, base, manifest: manifest(), mtime, attributes: None, came_from: None, conflict: None }
}

fn full_put() -> Put {
    let attributes = Some(Attributes { mode: 0o755, owner: None, xattrs: xattrs() });
    let came_from =
        Some(Origin::Merged(Merged { base: Version(1), local: Version(2), remote: Version(300) }));
    let tree = Manifest { chunks: ChunkList::Tree(manifest().extents().to_vec()), ..manifest() };
    Put { manifest: tree, attributes, came_from, conflict: Some(conflict()), ..put() }
}

fn restored() -> Option<Origin> {
    Some(Origin::Restored(Restored { node: OTHER, version: Version(300) }))
}

fn set_meta() -> SetMeta {
    let xattrs = vec![(b"user.k".to_vec(), Some(b"v".to_vec())), (b"user.gone".to_vec(), None)];
    SetMeta { node: NODE, mode: Some(0o600), uid: None, gid: Some(5), mtime: Some(LATER), xattrs }
}

fn rename() -> Move {
    let replaces = Some(Replaced { node: OTHER, version: Version(6) });
    Move { node: NODE, from: place("name"), to: place("name2"), replaces, exchange: false, keeps_owner: true }
}

fn verbs() -> Vec<(&'static str, Verb)> {
    let device = Special::BlockDevice(DeviceNumber(0x0801));
    vec![
        ("make file", Verb::Make(Make { conflict: Some(conflict()), ..make(Body::File(manifest())) })),
        ("make directory", Verb::Make(make(Body::Directory))),
        ("make symlink", Verb::Make(make(Body::Symlink(b"../target".to_vec())))),
        ("make fifo", Verb::Make(make(Body::Special(Special::Fifo)))),
        ("make device", Verb::Make(make(Body::Special(device)))),
        ("make restored", Verb::Make(Make { came_from: restored(), ..make(Body::Directory) })),
        ("put", Verb::Put(put())),
        ("put with everything", Verb::Put(full_put())),
        ("set-meta", Verb::SetMeta(set_meta())),
        ("link", Verb::Link(Link { node: NODE, place: place("name3") })),
        ("move", Verb::Move(rename())),
        ("exchange", Verb::Move(Move { exchange: true, ..rename() })),
        ("drop", Verb::Drop(Drop { node: NODE, place: place("name"), version: Version(251) })),
        ("settle", Verb::Settle { node: OTHER, member: MemberNumber(9) }),
        ("record", Verb::Record(conflict())),
    ]
}

/// A commit that holds each verb; all its names begin with the same four letters, which stand nowhere else.
pub fn commit_of_every_verb() -> Commit {
    Commit { number: CommitNumber(12), ops: verbs().into_iter().map(|(_, verb)| op(verb)).collect() }
}

fn entry() -> LogEntry {
    let ops = vec![op(Verb::Drop(Drop { node: NODE, place: place("name"), version: Version(2) }))];
    let (sequence, member, number) = (Sequence(1000), MemberNumber(7), CommitNumber(12));
    LogEntry { sequence, member, number, time: TIME, ops, chain: Chain([0xcc; 32]) }
}

fn hello(known: bool) -> Opening {
    let member = known.then_some((SpaceId([1; 16]), MemberNumber(7), Incarnation([2; 16])));
    let position = known.then_some(Position { sequence: Sequence(1000), chain: Chain([3; 32]) });
    let space = SpaceName::new("work").expect("a plain name");
    let name = MemberName::new("laptop").expect("a plain name");
    let sealed = known.then_some((MemberNumber(6), CommitNumber(12), Digest([9; 32])));
    Opening::Hello(Hello { format: 3, space, name, member, position, whole: known, sealed })
}

fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let chain = Chain([4; 32]);
    let name = || MemberName::new("laptop").expect("a plain name");
    let space = SpaceName::new("work").expect("a plain name");
    let enrol = Opening::Enrol(Enrol { format: 3, space, token: b"secret".to_vec(), name: name() });
    let visit = Opening::Visit(Visit { format: 3, space: SpaceName::new("work").expect("a plain name") });
    let visited = FromHub::Visited { space: SpaceId([1; 16]), head: Some(Sequence(1000)) };
    let welcome = FromHub::Welcome(Welcome {
        space: SpaceId([1; 16]),
        member: MemberNumber(7),
        name: name(),
        incarnation: Incarnation([2; 16]),
        role: Role::Writer,
        accepted: CommitNumber(11),
        has_sealed: true,
        head: Some(Sequence(1000)),
        start: Start::Snapshot { position: Some(Position { sequence: Sequence(5), chain }), departs: true },
    });
    let commit =
        SealedCommit { round: Round(2), commit: Commit { number: CommitNumber(12), ops: entry().ops } };
    let inline = vec![Inline { chunk: ChunkId([5; 32]), bytes: b"content".to_vec() }];
    let accept = Answer::Accept { sequence: Sequence(9), time: TIME, chain };
    let answer = |answer| FromHub::Answer { number: CommitNumber(12), answer };
    vec![
        ("first hello", encode(&hello(false))),
        ("hello", encode(&hello(true))),
        ("enrol", encode(&enrol)),
        ("welcome", encode(&welcome)),
        ("commit message", encode(&FromMember::Commit { commit, inline: inline.clone() })),
        ("barrier", encode(&FromMember::Barrier { id: 5 })),
        ("applied", encode(&FromMember::Applied { sequence: Sequence(8) })),
        ("looked", encode(&FromMember::Looked { id: 5 })),
        ("wanted", encode(&FromHub::Wanted { id: 5, wanted: vec![(NODE, vec![ChunkId([6; 32])])] })),
        ("entry message", encode(&FromHub::Entry { entry: entry(), inline })),
        ("accept", encode(&answer(accept))),
        ("reject", encode(&answer(Answer::Reject { round: Round(3), detail: "stale".to_owned() }))),
        ("missing", encode(&answer(Answer::Missing { chunks: vec![ChunkId([6; 32])] }))),
        ("wait", encode(&answer(Answer::Wait { reason: "full".to_owned() }))),
        ("refuse", encode(&answer(Answer::Refuse { op: Some(1), reason: "role".to_owned() }))),
        ("forked", encode(&answer(Answer::Forked))),
        ("give up", encode(&answer(Answer::GiveUp { round: Round(3), reason: "guard".to_owned() }))),
        ("held", encode(&answer(Answer::Held { reason: "guard".to_owned() }))),
        ("try again", encode(&FromHub::TryAgain)),
        ("quota", encode(&FromHub::Quota(Some(Quota { limit_bytes: 1 << 40, used_bytes: 300 })))),
        ("refused", encode(&FromHub::Refused { reason: RefuseReason::Revoked, detail: String::new() })),
        ("get", encode(&ContentRequest::Get(vec![ChunkId([7; 32])]))),
        ("damaged", encode(&ContentReply::Damaged(ChunkId([8; 32])))),
        ("visit", encode(&visit)),
        ("visited", encode(&visited)),
    ]
}

fn questions() -> Vec<(&'static str, Vec<u8>)> {
    let place = OpPlace { sequence: Sequence(300), op: 4 };
    let of = |of| ContentRequest::History { of, before: Some(place), limit: 50 };
    let since = ContentRequest::Since { after: Some(place), limit: 50 };
    let holders = ContentRequest::Holders { path: b"a/b".to_vec(), before: Some(Sequence(300)) };
    let log = ContentRequest::Log { after: Some(Sequence(300)), limit: 50 };
    let holder = Holder {
        node: NODE,
        until: Some(Sequence(300)),
        successor: Some(Successor { node: OTHER, version: Version(2) }),
    };
    vec![
        ("history of a path", encode(&of(HistoryOf::Path(b"a/b".to_vec())))),
        ("history of a node", encode(&of(HistoryOf::Node(NODE)))),
        ("history of the space", encode(&of(HistoryOf::Space))),
        ("history since", encode(&since)),
        ("holders", encode(&holders)),
        ("log", encode(&log)),
        ("sequence at", encode(&ContentRequest::SequenceAt(TIME))),
        ("version of", encode(&ContentRequest::VersionOf { node: NODE, version: Version(4) })),
        ("history page", encode(&history_page())),
        ("holder page", encode(&HolderPage { holders: vec![holder], more: true })),
        ("log page", encode(&LogPage { entries: vec![entry()], more: true })),
    ]
}

fn history_page() -> HistoryPage {
    let record = HistoryRecord {
        at: OpPlace { sequence: Sequence(1000), op: 3 },
        node: NODE,
        member: MemberNumber(7),
        name: MemberName::new("laptop").expect("a plain name"),
        time: TIME,
        operation: HistoryOperation::Restored,
        path: b"a/b".to_vec(),
        from: Some(b"c".to_vec()),
        manifest: Some(manifest()),
        version: Version(4),
        came_from: restored(),
    };
    HistoryPage { records: vec![record], more: true }
}

fn rows() -> Vec<(&'static str, Vec<u8>)> {
    let moved = Some(Moved { from: place("name"), by: MemberNumber(7) });
    let Make { body, mode, mtime, xattrs, .. } = make(Body::File(manifest()));
    let node = Node { body, mode, owner: Owner::default(), mtime, xattrs, version: Version(4), moved };
    let successor = Some(Successor { node: OTHER, version: Version(2) });
    let tombstone = Tombstone { node: node.clone(), place: place("name"), successor };
    let name = Name::new("name").expect("a legal name");
    vec![
        ("node row", encode(&node)),
        ("tombstone row", encode(&tombstone)),
        ("conflict row", encode(&ConflictRow { conflict: conflict(), copy: Some(NODE) })),
        ("root row", encode(&Node::root())),
        ("key of node", RowKey::node(NODE)),
        ("key of tombstone", RowKey::tombstone(NODE)),
        ("key of name", RowKey::name(NODE, &name)),
        ("key of place", RowKey::place(NODE, &place("name"))),
        ("key of conflict", RowKey::conflict(NODE, MemberNumber(9))),
        ("key of copy", RowKey::copy(NODE)),
        ("key of subdirectories", RowKey::subdirectories(NODE)),
        ("names after", RowKey::names_after(NODE, 0xff)),
    ]
}

fn records() -> Vec<(&'static str, Vec<u8>)> {
    let LogEntry { sequence, member, number, time, ops, chain } = entry();
    vec![
        ("log entry", encode(&entry())),
        ("chain", chain_next(chain, sequence, member, number, time, &ops).0.to_vec()),
        ("commit digest", commit_digest(&commit_of_every_verb()).0.to_vec()),
    ]
}

fn check(found: Vec<(&'static str, Vec<u8>)>, known: &[(&str, &str)]) {
    let found: Vec<(&str, String)> =
        found.into_iter().map(|(name, bytes)| (name, HEXLOWER.encode(&bytes))).collect();
    for ((name, hex), (known_name, known_hex)) in found.iter().zip(known) {
        assert_eq!((*name, hex.as_str()), (*known_name, *known_hex));
    }
    assert_eq!(found.len(), known.len());
}

#[test]
fn verbs_are_encoded_as_they_always_were() {
    let commits = verbs()
        .into_iter()
        .map(|(name, verb)| (name, encode(&Commit { number: CommitNumber(1), ops: vec![op(verb)] })));
    check(commits.collect(), VERBS);
}

#[test]
fn messages_are_encoded_as_they_always_were() {
    check(messages(), MESSAGES);
}

#[test]
fn questions_about_history_are_encoded_as_they_always_were() {
    check(questions(), QUESTIONS);
}

#[test]
fn records_are_encoded_and_hashed_as_they_always_were() {
    check(records(), RECORDS);
}

#[test]
fn rows_and_their_keys_are_encoded_as_they_always_were() {
    check(rows(), ROWS);
}
