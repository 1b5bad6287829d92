//! Three members, a hub, and the time that passes between them.

use super::actor::{Actor, Chunks, manifest_of};
use super::network::{Chance, Link};
use super::work;
use fl0wfs::model::{
    ChunkId, Incarnation, MemberName, MemberNumber, Node, NodeId, Role, Sequence, SpaceId, SpaceName,
    Timestamp,
};
use fl0wfs::ops::Tree;
use fl0wfs::sync::hub::{Device, HeldContent, HubSync, Invitation, TokenHash, create_space};
use fl0wfs::sync::{Durability, Kv, MemoryKv, RowTree, Store, Txn};
use fl0wfs::wire::{Answer, Enrol, FromHub, FromMember, Inline, LogEntry, Start, WIRE_FORMAT};
use std::collections::{BTreeMap, BTreeSet};

const MEMBERS: usize = 3;
const STEPS: usize = 120;

#[derive(Default)]
struct Wire {
    up: Link<FromMember>,
    down: Link<FromHub>,
    /// The member's number while it is connected.
    connected: Option<MemberNumber>,
}

pub struct World {
    chance: Chance,
    now: u64,
    actors: Vec<Actor>,
    wires: Vec<Wire>,
    hub: HubSync,
    hub_kv: MemoryKv,
    hub_chunks: Chunks,
    partitioned: Vec<bool>,
}

/// A hub's state as it was once.
pub struct Backup {
    kv: MemoryKv,
    chunks: Chunks,
}

struct Held<'a> {
    chunks: &'a Chunks,
    inline: &'a [Inline],
}

impl HeldContent for Held<'_> {
    fn has(&self, chunk: ChunkId) -> bool {
        self.read(chunk).is_some()
    }

    fn read(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        let inline = self.inline.iter().find(|inline| inline.chunk == chunk);
        inline.map(|inline| inline.bytes.clone()).or_else(|| self.chunks.get(&chunk).cloned())
    }
}

fn space() -> SpaceName {
    SpaceName::new("space").unwrap()
}

impl World {
    pub fn new(seed: u64) -> World {
        let hub_kv = MemoryKv::default();
        let mut txn = Txn::new(&hub_kv);
        create_space(&mut txn, space(), SpaceId([7; 16]), Timestamp::default()).expect("a new space");
        hub_kv.commit(txn.into_batch(), Durability::Power).unwrap();
        let hub = HubSync::open(&hub_kv, &space()).unwrap();
        let mut world = World {
            chance: Chance(seed),
            now: 1,
            actors: (0..MEMBERS).map(|at| Actor::new(&format!("m{at}"))).collect(),
            wires: (0..MEMBERS).map(|_| Wire::default()).collect(),
            hub,
            hub_kv,
            hub_chunks: Chunks::new(),
            partitioned: vec![false; MEMBERS],
        };
        (0..MEMBERS).for_each(|at| world.enrol(at));
        world
    }

    fn time(&self) -> Timestamp {
        Timestamp { seconds: self.now as i64, nanos: 0 }
    }

    fn on_hub<R>(&mut self, body: impl FnOnce(HubSync, &mut Txn<MemoryKv>) -> R) -> R {
        let mut txn = Txn::new(&self.hub_kv);
        let result = body(self.hub, &mut txn);
        let batch = txn.into_batch();
        self.hub_kv.commit(batch, Durability::Power).unwrap();
        result
    }

    fn enrol(&mut self, at: usize) {
        let (token, device) = (TokenHash([at as u8; 32]), Device([at as u8; 32]));
        let expiry = Timestamp { seconds: i64::MAX, nanos: 0 };
        let name = MemberName::new(format!("m{at}")).unwrap();
        let wish = Enrol { format: WIRE_FORMAT, space: space(), token: Vec::new(), name };
        self.on_hub(|hub, txn| {
            hub.invite(txn, token, Invitation { role: Role::Writer, uses: 1, expiry });
            hub.enrol(txn, device, token, &wish, Timestamp::default()).expect("a good invite");
        });
    }

    pub fn run(&mut self) {
        for _ in 0..STEPS {
            self.now += 1;
            let at = self.chance.below(MEMBERS);
            match self.chance.below(20) {
                0..=9 => {
                    let now = self.time();
                    work::act(&mut self.actors[at], &mut self.chance, now);
                }
                10 if self.chance.one_in(3) => self.disconnect(at),
                11 if self.chance.one_in(4) => self.partitioned[at] = !self.partitioned[at],
                12 if self.chance.one_in(6) => {
                    self.disconnect(at);
                    let now = self.time();
                    self.actors[at].restart(now);
                }
                _ => self.step(at),
            }
        }
    }

    /// Lets everything arrive, until nothing is left to do.
    pub fn settle(&mut self) {
        self.partitioned = vec![false; MEMBERS];
        let now = self.time();
        for actor in &mut self.actors {
            for ino in std::mem::take(&mut actor.open) {
                let effects = actor.replica.closed(ino);
                actor.follow(effects);
            }
            for ino in actor.replica.dirty_inodes() {
                actor.capture(now, ino);
            }
        }
        for _ in 0..400 {
            self.now += 20;
            (0..MEMBERS).for_each(|at| self.step(at));
            if self.is_quiet() {
                return;
            }
        }
        let standing: Vec<_> = self
            .actors
            .iter()
            .map(|actor| {
                let replica = &actor.replica;
                (
                    replica.pending(),
                    replica.dirty_inodes().into_iter().map(|i| (i, replica.inode(i))).collect::<Vec<_>>(),
                    replica.wanted(None, 9),
                    replica.position().map(|p| p.sequence),
                )
            })
            .collect();
        panic!("head {:?}; not quiet after a long time: {standing:?}", self.hub.head(&self.hub_kv));
    }

    fn is_quiet(&self) -> bool {
        let head = self.hub.head(&self.hub_kv);
        self.actors.iter().all(|actor| {
            actor.replica.is_clean()
                && actor.replica.position().map(|position| position.sequence) == head
                && actor.replica.wanted(None, 1).is_empty()
        })
    }

    fn step(&mut self, at: usize) {
        if self.wires[at].connected.is_none() {
            if self.partitioned[at] {
                return;
            }
            self.connect(at);
        }
        if self.partitioned[at] {
            return self.disconnect(at);
        }
        let now = self.time();
        while let Some(message) = self.wires[at].up.receive(self.now) {
            self.hub_takes(at, message);
        }
        while let Some(message) = self.wires[at].down.receive(self.now) {
            self.actors[at].handle(now, message);
            self.serve(at);
            if self.wires[at].connected.is_none() {
                return;
            }
        }
        self.actors[at].fetch(&self.hub_chunks);
        self.serve(at);
    }

    /// What the process around a member does after each message.
    fn serve(&mut self, at: usize) {
        let actor = &mut self.actors[at];
        if std::mem::take(&mut actor.disconnect) {
            return self.disconnect(at);
        }
        let wanted = std::mem::take(&mut actor.wants_upload);
        if !wanted.is_empty() {
            for chunk in wanted {
                let bytes = actor.chunk_bytes(chunk).expect("content of a pending op is somewhere");
                self.hub_chunks.insert(chunk, bytes);
            }
            actor.replica.uploaded();
        }
        if std::mem::take(&mut actor.wait) {
            actor.replica.waited();
        }
        if let Some(message) = actor.next_commit() {
            let arrives = self.now + self.chance.below(12) as u64;
            self.wires[at].up.send(arrives, message);
        }
    }

    fn disconnect(&mut self, at: usize) {
        self.wires[at].up.cut();
        self.wires[at].down.cut();
        self.wires[at].connected = None;
        self.actors[at].replica.disconnected();
    }

    fn connect(&mut self, at: usize) {
        let hello = self.actors[at].replica.connected(space());
        assert_eq!(hello.format, WIRE_FORMAT);
        let fresh = Incarnation(std::array::from_fn(|_| self.chance.next() as u8));
        let welcome = self
            .on_hub(|hub, txn| hub.hello(txn, Device([at as u8; 32]), &hello, fresh, &|_| false))
            .expect("an enrolled device is welcome");
        let mut messages = vec![FromHub::Welcome(welcome.clone())];
        let from = match welcome.start {
            Start::Tail => hello.position.map(|position| position.sequence),
            Start::Snapshot { position, .. } => {
                let rows = self.hub.snapshot(&self.hub_kv).rows.collect();
                messages.extend([FromHub::SnapshotRows(rows), FromHub::SnapshotEnd]);
                position.map(|position| position.sequence)
            }
        };
        let tail = self.hub.entries(&self.hub_kv, Sequence::after(from));
        messages.extend(tail.map(|entry| FromHub::Entry { entry, inline: Vec::new() }));
        self.wires[at].connected = Some(welcome.member);
        for message in messages {
            self.wires[at].down.send(self.now + self.chance.below(12) as u64, message);
        }
    }

    fn hub_takes(&mut self, at: usize, message: FromMember) {
        let FromMember::Commit { commit, inline } = message else { return };
        let member = self.wires[at].connected.expect("only the connected send");
        let (now, number) = (self.time(), commit.commit.number);
        let chunks = std::mem::take(&mut self.hub_chunks);
        let held = Held { chunks: &chunks, inline: &inline };
        let judgement = self.on_hub(|hub, txn| hub.commit(txn, member, commit, &held, now));
        self.hub_chunks = chunks;
        let Some(judgement) = judgement else { return };
        if let Answer::Refuse { reason, .. } = &judgement.answer {
            panic!("the hub refused honest work: {reason}");
        }
        if let Some(entry) = judgement.entry {
            for inline in &inline {
                self.hub_chunks.insert(inline.chunk, inline.bytes.clone());
            }
            self.fan_out(at, &entry, &inline);
        }
        let arrives = self.now + self.chance.below(12) as u64;
        self.wires[at].down.send(arrives, FromHub::Answer { number, answer: judgement.answer });
    }

    fn fan_out(&mut self, author: usize, entry: &LogEntry, inline: &[Inline]) {
        for at in (0..MEMBERS).filter(|at| *at != author) {
            if self.wires[at].connected.is_some() {
                let arrives = self.now + self.chance.below(12) as u64;
                let message = FromHub::Entry { entry: entry.clone(), inline: inline.to_vec() };
                self.wires[at].down.send(arrives, message);
            }
        }
    }

    pub fn check(&self) {
        self.check_trees();
        self.check_nothing_unreachable();
        self.check_exactly_once();
    }

    /// All trees are equal, and all content is where it should be.
    pub fn check_trees(&self) {
        let hub = self.hub.with_tree(&self.hub_kv, describe);
        for actor in &self.actors {
            let view = describe(&actor.replica.view());
            assert_eq!(view, hub, "a member's tree differs from the hub's");
            self.check_materialized(actor);
        }
    }

    /// What all files hold.
    pub fn live_contents(&self) -> BTreeSet<Vec<ChunkId>> {
        let rows = self.hub.with_tree(&self.hub_kv, nodes).into_iter();
        rows.filter_map(|(_, row)| Some(row.manifest()?.chunk_ids().collect::<Vec<_>>())).collect()
    }

    pub fn back_up(&self) -> Backup {
        Backup { kv: self.hub_kv.clone(), chunks: self.hub_chunks.clone() }
    }

    /// The hub goes back to how it was.
    pub fn restore(&mut self, backup: Backup) {
        (0..MEMBERS).for_each(|at| self.disconnect(at));
        (self.hub_kv, self.hub_chunks) = (backup.kv, backup.chunks);
    }

    /// The space is removed, and another made under its name, which all join.
    pub fn make_anew(&mut self) {
        (0..MEMBERS).for_each(|at| self.disconnect(at));
        (self.hub_kv, self.hub_chunks) = (MemoryKv::default(), Chunks::new());
        let mut txn = Txn::new(&self.hub_kv);
        create_space(&mut txn, space(), SpaceId([8; 16]), Timestamp::default()).expect("a new space");
        let batch = txn.into_batch();
        self.hub_kv.commit(batch, Durability::Power).unwrap();
        self.hub = HubSync::open(&self.hub_kv, &space()).unwrap();
        (0..MEMBERS).for_each(|at| self.enrol(at));
    }

    fn check_materialized(&self, actor: &Actor) {
        for (node, row) in nodes(&actor.replica.view()) {
            let Some(manifest) = row.manifest().filter(|manifest| manifest.length > 0) else { continue };
            let ino = actor.replica.known_ino_of(node).unwrap_or_else(|| panic!("{node} has no inode"));
            let backing = actor.replica.inode(ino).and_then(|inode| inode.backing).expect("content is here");
            let bytes = &actor.files[&backing.file];
            assert!(manifest_of(bytes).0.same_content(manifest), "a file's bytes are not its row's");
        }
    }

    /// Whatever a close captured is in the log, or was replaced by its own author before it was sent.
    fn check_nothing_unreachable(&self) {
        let mut logged = BTreeSet::new();
        for entry in self.hub.entries(&self.hub_kv, Sequence(0)) {
            for manifest in entry.ops.iter().filter_map(|op| op.verb.manifest()) {
                logged.extend(manifest.chunk_ids());
            }
        }
        for actor in &self.actors {
            for lost in actor.captured.difference(&logged) {
                assert!(actor.replaced.contains(lost), "captured content {lost} is nowhere");
            }
        }
        for chunk in &logged {
            assert!(self.hub_chunks.contains_key(chunk), "logged content {chunk} is not at the hub");
        }
    }

    fn check_exactly_once(&self) {
        let mut seen = BTreeSet::new();
        for entry in self.hub.entries(&self.hub_kv, Sequence(0)) {
            assert!(seen.insert((entry.member, entry.number)), "a commit is in the log twice");
        }
    }

    pub fn commits(&self) -> u64 {
        self.hub.head(&self.hub_kv).map_or(0, |head| head.0 + 1)
    }

    pub fn conflicts(&self) -> u64 {
        self.hub.with_tree(&self.hub_kv, |tree| tree.conflicts().count() as u64)
    }
}

type Description = BTreeMap<Vec<String>, (NodeId, Node)>;

/// Every path with what is there.
fn describe<K: Kv + ?Sized>(tree: &RowTree<K>) -> Description {
    let mut all = Description::new();
    let mut todo = vec![(Vec::new(), NodeId::ROOT)];
    while let Some((path, node)) = todo.pop() {
        let row = tree.node(node).expect("every name leads to a node");
        if row.is_directory() {
            for (name, child) in tree.list(node, 0) {
                todo.push(([path.clone(), vec![name.to_string()]].concat(), child));
            }
        }
        all.insert(path, (node, row));
    }
    all
}

fn nodes<K: Kv + ?Sized>(tree: &RowTree<K>) -> Vec<(NodeId, Node)> {
    describe(tree).into_values().collect()
}
