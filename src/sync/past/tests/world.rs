//! A log made by random or chosen work, the tree it leads to, and a way to run steps on that tree.

use crate::model::{
    Body, Chain, ChunkId, ChunkList, CommitNumber, Extent, Manifest, MemberNumber, Name, Node, NodeId, Owner,
    Place, Sequence, Timestamp, Xattrs,
};
use crate::ops::{Drop, Link, Make, Move, Op, Put, Replaced, SetMeta, Tree, TreeMut, Verb, apply, is_within};
use crate::sync::past::{PastTree, Steps, Told, told_of};
use crate::sync::{Durability, MemoryKv, RowTree, RowTreeMut, Store, Txn};
use crate::wire::{LogEntry, chain_next};
use std::collections::BTreeMap;

pub const ANNE: MemberNumber = MemberNumber(1);
pub const BOB: MemberNumber = MemberNumber(2);
/// The member on whose view steps are run.
pub const CARL: MemberNumber = MemberNumber(3);
const PREFIX: &[u8] = b"now";

pub struct World {
    kv: MemoryKv,
    pub entries: Vec<LogEntry>,
    pub counter: u64,
}

/// What can be seen of a tree: by path, the node's group of names, and its row without the version.
pub type Seen = BTreeMap<String, (Vec<String>, Node)>;

impl World {
    pub fn new() -> World {
        let kv = MemoryKv::default();
        let mut txn = Txn::new(&kv);
        let root = crate::ops::Change::Node(NodeId::ROOT, Some(Node::root()));
        RowTreeMut { txn: &mut txn, prefix: PREFIX }.write(vec![root]);
        let batch = txn.into_batch();
        kv.commit(batch, Durability::Process).unwrap();
        World { kv, entries: Vec::new(), counter: 1 }
    }

    pub fn tree(&self) -> RowTree<'_, MemoryKv> {
        RowTree { kv: &self.kv, prefix: PREFIX }
    }

    /// The sequence after which the tree is as it is now.
    pub fn now(&self) -> usize {
        self.entries.len()
    }

    fn time(&self) -> Timestamp {
        Timestamp { seconds: 1_000 + self.entries.len() as i64, nanos: 7 }
    }

    /// Applies one op and logs it. False where it does not apply.
    pub fn act(&mut self, member: MemberNumber, verb: Verb) -> bool {
        let op = Op { time: self.time(), verb };
        let Ok(changes) = apply(&self.tree(), member, &op) else { return false };
        let mut txn = Txn::new(&self.kv);
        RowTreeMut { txn: &mut txn, prefix: PREFIX }.write(changes);
        let batch = txn.into_batch();
        self.kv.commit(batch, Durability::Process).unwrap();
        let previous = self.entries.last().map_or(Chain::default(), |entry| entry.chain);
        let (sequence, number) = (Sequence(self.entries.len() as u64), CommitNumber(self.counter));
        let (time, ops) = (op.time, vec![op]);
        let chain = chain_next(previous, sequence, member, number, time, &ops);
        self.entries.push(LogEntry { sequence, member, number, time, ops, chain });
        true
    }

    /// The tree that the first `count` entries lead to.
    pub fn past(&self, count: usize) -> PastTree<MemoryKv> {
        let mut past = PastTree::new(MemoryKv::default()).unwrap();
        self.entries[..count].chunks(3).for_each(|page| past.apply(page).unwrap());
        past
    }

    /// Runs steps to their end; every op has to fit. What each does comes back.
    pub fn run(&mut self, steps: &mut impl Steps) -> Vec<Told> {
        let mut told = Vec::new();
        loop {
            let mut allocate = || {
                self.counter += 1;
                NodeId { member: CARL, counter: self.counter }
            };
            let tree = RowTree { kv: &self.kv, prefix: PREFIX };
            let Some(verb) = steps.next(&tree, &mut allocate) else { return told };
            told.push(told_of(&tree, &verb));
            let op = Op { time: self.time(), verb: verb.clone() };
            let judged = apply(&self.tree(), CARL, &op);
            assert!(judged.is_ok(), "{verb:?} does not fit: {judged:?}");
            assert!(self.act(CARL, verb));
            assert!(told.len() < 5_000, "steps without an end: {:?}", &told[4_900..]);
        }
    }

    pub fn at(&self, path: &str) -> Option<NodeId> {
        find(&self.tree(), path)
    }

    pub fn place(&self, path: &str) -> Place {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        Place { parent: self.at(parent).expect("a directory"), name: Name::new(name).unwrap() }
    }

    fn new_node(&mut self, member: MemberNumber) -> NodeId {
        self.counter += 1;
        NodeId { member, counter: self.counter }
    }

    pub fn make_at(&mut self, member: MemberNumber, place: Place, body: Body) -> bool {
        let node = self.new_node(member);
        let (mode, owner) = (0o644, Some(Owner { uid: 5, gid: 6 }));
        let (mtime, xattrs) = (self.time(), Xattrs::new());
        let came_from = None;
        let make = Make { node, place, body, mode, owner, mtime, xattrs, came_from, conflict: None };
        self.act(member, Verb::Make(make))
    }

    pub fn dir(&mut self, member: MemberNumber, path: &str) {
        let place = self.place(path);
        assert!(self.make_at(member, place, Body::Directory), "{path} cannot be made");
    }

    /// Writes a file: a new one, or the next content of the one that is there.
    pub fn file(&mut self, member: MemberNumber, path: &str, mark: u8) {
        let written = match self.at(path) {
            Some(node) => self.put(member, node, mark),
            None => {
                let place = self.place(path);
                self.make_at(member, place, Body::File(content(mark)))
            }
        };
        assert!(written, "{path} cannot be written");
    }

    pub fn put(&mut self, member: MemberNumber, node: NodeId, mark: u8) -> bool {
        let Some(row) = self.tree().node(node) else { return false };
        let (base, manifest, mtime) = (row.version, content(mark), self.time());
        let (attributes, came_from, conflict) = (None, None, None);
        self.act(member, Verb::Put(Put { node, base, manifest, mtime, attributes, came_from, conflict }))
    }

    pub fn remove(&mut self, member: MemberNumber, path: &str) {
        let place = self.place(path);
        assert!(self.remove_at(member, place), "{path} cannot be removed");
    }

    pub fn remove_at(&mut self, member: MemberNumber, place: Place) -> bool {
        let Some(node) = self.tree().child(place.parent, &place.name) else { return false };
        let version = self.tree().node(node).unwrap().version;
        self.act(member, Verb::Drop(Drop { node, place, version }))
    }

    pub fn remove_all(&mut self, member: MemberNumber, place: Place) {
        if let Some(node) = self.tree().child(place.parent, &place.name) {
            let below: Vec<Name> = self.tree().list(node, 0).map(|(name, _)| name).collect();
            below.into_iter().for_each(|name| self.remove_all(member, Place { parent: node, name }));
            self.remove_at(member, place);
        }
    }

    pub fn rename(&mut self, member: MemberNumber, from: &str, to: &str) {
        let (from, to) = (self.place(from), self.place(to));
        assert!(self.rename_at(member, from, to, false), "no rename");
    }

    pub fn rename_at(&mut self, member: MemberNumber, from: Place, to: Place, exchange: bool) -> bool {
        let tree = self.tree();
        let Some(node) = tree.child(from.parent, &from.name) else { return false };
        let replaced = tree.child(to.parent, &to.name);
        let replaces = replaced.map(|node| Replaced { node, version: tree.node(node).unwrap().version });
        let ring = exchange && replaced.is_some_and(|other| is_within(&tree, from.parent, other));
        let step = Move { node, from, to, replaces, exchange, keeps_owner: false };
        !ring && self.act(member, Verb::Move(step))
    }

    pub fn link_at(&mut self, member: MemberNumber, node: NodeId, place: Place) -> bool {
        self.act(member, Verb::Link(Link { node, place }))
    }

    pub fn chmod(&mut self, member: MemberNumber, node: NodeId, mode: u16) -> bool {
        let note = (b"user.note".to_vec(), (!mode.is_multiple_of(3)).then(|| mode.to_string().into_bytes()));
        let set = SetMeta { node, mode: Some(mode), uid: None, gid: None, mtime: None, xattrs: vec![note] };
        self.act(member, Verb::SetMeta(set))
    }
}

pub fn content(mark: u8) -> Manifest {
    let extent = Extent { chunk: Some(ChunkId([mark; 32])), length: u64::from(mark) + 1 };
    Manifest { length: extent.length, chunks: ChunkList::Flat(vec![extent]), ..Manifest::empty() }
}

pub fn names(path: &str) -> Vec<Name> {
    path.split('/').filter(|name| !name.is_empty()).map(|name| Name::new(name).unwrap()).collect()
}

pub fn find(tree: &impl Tree, path: &str) -> Option<NodeId> {
    names(path).iter().try_fold(NodeId::ROOT, |at, name| tree.child(at, name))
}

/// All that can be seen below a path, and at it under the empty path.
pub fn seen(tree: &RowTree<'_, MemoryKv>, path: &str) -> Seen {
    let mut seen = Seen::new();
    let mut groups: BTreeMap<NodeId, Vec<String>> = BTreeMap::new();
    let mut open: Vec<(String, NodeId)> =
        find(tree, path).map(|id| (String::new(), id)).into_iter().collect();
    let mut found = Vec::new();
    while let Some((path, id)) = open.pop() {
        groups.entry(id).or_default().push(path.clone());
        open.extend(tree.list(id, 0).map(|(name, child)| (format!("{path}/{name}"), child)));
        found.push((path, id));
    }
    groups.values_mut().for_each(|group| group.sort());
    for (path, id) in found {
        let row = tree.node(id).expect("a name leads to a node");
        let plain = Node { version: Default::default(), moved: None, ..row };
        seen.insert(path, (groups[&id].clone(), plain));
    }
    seen
}
