//! The hub's rules, one test each, on a space in memory.

mod accounts;
mod audit;
mod commits;
mod contents;
mod golden;
mod guard;
mod greetings;
mod leases;
mod lines;
mod questions;
mod quota;

use super::*;
use crate::content::{ManifestBuilder, chunk_id};
use crate::model::*;
use crate::ops::{Drop, Make, Merged, Move, Op, Origin, Put, Replaced, Restored, SetMeta, Verb};
use crate::sync::{Durability, MemoryKv, Store, Txn};
use crate::wire::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// Chunks in memory.
#[derive(Default)]
struct Held(RefCell<BTreeMap<ChunkId, Vec<u8>>>);

impl HeldContent for Held {
    fn has(&self, chunk: ChunkId) -> bool {
        self.0.borrow().contains_key(&chunk)
    }

    fn read(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        self.0.borrow().get(&chunk).cloned()
    }
}

/// A hub with one space, whose clock the test sets.
struct Bench {
    kv: MemoryKv,
    held: Held,
    hub: HubSync,
    now: Timestamp,
    secrets: u8,
    connected: BTreeSet<MemberNumber>,
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp { seconds, nanos: 0 }
}

fn member_name(name: &str) -> MemberName {
    MemberName::new(name).unwrap()
}

fn space_name() -> SpaceName {
    SpaceName::new("work").unwrap()
}

fn device(number: u8) -> Device {
    Device([number; 32])
}

impl Bench {
    fn new() -> Bench {
        let kv = MemoryKv::default();
        let now = seconds(1_000);
        let mut txn = Txn::new(&kv);
        create_space(&mut txn, space_name(), SpaceId([7; 16]), now).unwrap();
        let batch = txn.into_batch();
        kv.commit(batch, Durability::Power).unwrap();
        let hub = HubSync::open(&kv, &space_name()).unwrap();
        Bench { kv, held: Held::default(), hub, now, secrets: 0, connected: BTreeSet::new() }
    }

    /// Runs one handler and makes its writes, as the process does.
    fn run<T>(&self, handler: impl FnOnce(&HubSync, &mut Txn<MemoryKv>) -> T) -> T {
        let mut txn = Txn::new(&self.kv);
        let result = handler(&self.hub, &mut txn);
        let batch = txn.into_batch();
        self.kv.commit(batch, Durability::Power).unwrap();
        result
    }

    fn enrol(&self, number: u8, role: Role, name: &str) -> MemberName {
        let token = TokenHash([number ^ 0x80; 32]);
        let expiry = seconds(self.now.seconds + 60);
        self.run(|hub, txn| hub.invite(txn, token, Invitation { role, uses: 1, expiry }));
        match self.redeem(number, token, name) {
            Ok(FromHub::Enrolled { name, .. }) => name,
            other => panic!("not enrolled: {other:?}"),
        }
    }

    fn redeem(&self, number: u8, token: TokenHash, name: &str) -> Result<FromHub, Refusal> {
        let enrol =
            Enrol { format: WIRE_FORMAT, space: space_name(), token: vec![], name: member_name(name) };
        self.run(|hub, txn| hub.enrol(txn, device(number), token, &enrol, self.now))
    }

    fn greet(&mut self, number: u8, hello: &Hello) -> Result<Welcome, Refusal> {
        self.secrets += 1;
        let fresh = Incarnation([self.secrets; 16]);
        self.run(|hub, txn| {
            hub.hello(txn, device(number), hello, fresh, &|member| self.connected.contains(&member))
        })
    }

    /// Enrols a device and says the first hello of a state directory.
    fn join(&mut self, number: u8, role: Role, name: &str) -> Welcome {
        self.enrol(number, role, name);
        self.greet(number, &first_hello(name)).unwrap()
    }

    fn commit(&self, member: MemberNumber, sealed: &SealedCommit) -> Option<Judgement> {
        self.run(|hub, txn| hub.commit(txn, member, sealed.clone(), &self.held, self.now))
    }

    fn answer(&self, member: MemberNumber, sealed: &SealedCommit) -> Answer {
        self.commit(member, sealed).expect("an answer").answer
    }

    fn accepted(&self, member: MemberNumber, number: u64, ops: Vec<Op>) -> Sequence {
        match self.answer(member, &sealed(number, ops)) {
            Answer::Accept { sequence, .. } => sequence,
            other => panic!("not accepted: {other:?}"),
        }
    }

    fn content(&self, bytes: &[u8]) -> Manifest {
        let (manifest, chunks) = cut(bytes);
        self.held.0.borrow_mut().extend(chunks);
        manifest
    }
}

fn cut(bytes: &[u8]) -> (Manifest, BTreeMap<ChunkId, Vec<u8>>) {
    let mut chunks = BTreeMap::new();
    let mut sink = |id: ChunkId, bytes: &[u8]| drop(chunks.insert(id, bytes.to_vec()));
    let mut builder = ManifestBuilder::new();
    builder.push(bytes, &mut sink);
    let manifest = builder.finish(&mut sink);
    assert!(chunks.iter().all(|(id, bytes)| chunk_id(bytes) == *id));
    (manifest, chunks)
}

fn first_hello(name: &str) -> Hello {
    Hello {
        format: WIRE_FORMAT,
        space: space_name(),
        name: member_name(name),
        member: None,
        position: None,
        whole: false,
        sealed: None,
    }
}

fn hello_after(welcome: &Welcome, position: Option<Position>) -> Hello {
    let member = Some((welcome.space, welcome.member, welcome.incarnation));
    Hello { member, position, ..first_hello(welcome.name.as_str()) }
}

fn sealed(number: u64, ops: Vec<Op>) -> SealedCommit {
    SealedCommit { round: Round(0), commit: Commit { number: CommitNumber(number), ops } }
}

fn node(member: MemberNumber, counter: u64) -> NodeId {
    NodeId { member, counter }
}

fn place(parent: NodeId, name: &str) -> Place {
    Place { parent, name: Name::new(name).unwrap() }
}

fn op(verb: Verb) -> Op {
    Op { time: seconds(5), verb }
}

fn make(node: NodeId, parent: NodeId, name: &str, body: Body) -> Op {
    op(Verb::Make(Make {
        node,
        place: place(parent, name),
        body,
        mode: 0o644,
        owner: None,
        mtime: seconds(5),
        xattrs: Xattrs::new(),
        came_from: None,
        conflict: None,
    }))
}

fn make_empty(node: NodeId, name: &str) -> Op {
    make(node, NodeId::ROOT, name, Body::File(Manifest::empty()))
}

fn put(node: NodeId, base: u64, manifest: Manifest) -> Op {
    op(Verb::Put(Put {
        node,
        base: Version(base),
        manifest,
        mtime: seconds(6),
        attributes: None,
        came_from: None,
        conflict: None,
    }))
}

fn rename(node: NodeId, from: &str, to: &str, replaces: Option<(NodeId, u64)>) -> Op {
    op(Verb::Move(Move {
        node,
        from: place(NodeId::ROOT, from),
        to: place(NodeId::ROOT, to),
        replaces: replaces.map(|(node, version)| Replaced { node, version: Version(version) }),
        exchange: false,
        keeps_owner: false,
    }))
}

fn unlink(node: NodeId, name: &str, version: u64) -> Op {
    op(Verb::Drop(Drop { node, place: place(NodeId::ROOT, name), version: Version(version) }))
}

fn chmod(node: NodeId) -> Op {
    let none = SetMeta { node, mode: Some(0o600), uid: None, gid: None, mtime: None, xattrs: vec![] };
    op(Verb::SetMeta(none))
}
