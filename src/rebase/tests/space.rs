//! A hub and its members, in memory: what each accepted, bases, views and journals.

use crate::model::{
    Body, ChunkId, ChunkList, Extent, Manifest, Md5Tag, MemberName, MemberNumber, Node, NodeId, Timestamp,
    Version,
};
use crate::ops::{MemoryTree, Op, Put, Tree, TreeMut, Verb, apply, path_of};
use crate::rebase::{
    Correspondence, Meeting, Merger, Pending, Policy, Replayed, Replayer, replay, replay_late,
};
use std::collections::{BTreeMap, BTreeSet};

/// A content with a number instead of bytes.
pub fn content(number: u64) -> Manifest {
    let mut chunk = [0; 32];
    chunk[..8].copy_from_slice(&number.to_be_bytes());
    let extent = Extent { chunk: Some(ChunkId(chunk)), length: 1 };
    let md5 = Md5Tag { digest: [0; 16], parts: 0 };
    Manifest { md5, length: 1, chunks: ChunkList::Flat(vec![extent]) }
}

/// The number of a content.
pub fn number(manifest: &Manifest) -> u64 {
    let chunk = manifest.chunk_ids().next().expect("a content of one chunk");
    u64::from_be_bytes(chunk.0[..8].try_into().expect("8 bytes"))
}

/// Contents from this number on are sets of bits above it, and can be joined.
pub const BITS: u64 = 1 << 32;

/// Joins two contents where each side changed other bits.
struct JoinBits;

impl Merger for JoinBits {
    fn merge(&mut self, meeting: &Meeting) -> Option<Manifest> {
        let [base, local, remote] = [meeting.base, meeting.local, meeting.remote].map(number);
        let (ours, theirs) = (base ^ local, base ^ remote);
        let joinable = base.min(local).min(remote) >= BITS && ours & theirs == 0;
        joinable.then(|| content(base ^ ours ^ theirs))
    }
}

/// A file open for writing: where the content stands that it was opened with, or was written through it last.
#[derive(Clone, Copy)]
pub struct Handle {
    pub node: NodeId,
    pub version: Version,
    pub content: u64,
}

/// The hub's side.
#[derive(Default)]
pub struct Space {
    pub log: Vec<(MemberNumber, Vec<Op>)>,
    pub head: MemoryTree,
    /// Contents of conflict copies that a further conflict replaced: they are in history.
    pub replaced_in_copies: BTreeSet<u64>,
}

/// A member's side.
pub struct Member {
    pub number: MemberNumber,
    pub name: MemberName,
    /// Entries of the log in `base`.
    position: usize,
    pub base: MemoryTree,
    pub view: MemoryTree,
    pub journal: Vec<Pending>,
    counter: u64,
    time: i64,
    pub policy: Policy,
    pub handle: Option<Handle>,
    /// Contents this member wrote.
    pub written: BTreeSet<u64>,
    /// Contents this member removed or replaced while it saw them.
    pub superseded: BTreeSet<u64>,
}

impl Space {
    /// Accepts ops as the hub does, all or none.
    fn accept(&mut self, author: MemberNumber, ops: Vec<Op>) {
        for op in &ops {
            if let Verb::Put(put) = &op.verb
                && self.head.conflict_of_copy(put.node).is_some()
            {
                self.replaced_in_copies
                    .extend(self.head.node(put.node).and_then(|node| node.manifest().map(number)));
            }
            let changes = apply(&self.head, author, op).expect("ops replayed on the head apply to it");
            self.head.write(changes);
        }
        self.log.push((author, ops));
        check_well_formed(&self.head);
    }

    /// All contents that the log holds.
    pub fn contents(&self) -> BTreeSet<u64> {
        let ops = self.log.iter().flat_map(|(_, ops)| ops);
        ops.filter_map(|op| op.verb.manifest()).map(number).collect()
    }
}

impl Member {
    pub fn new(number: u32) -> Member {
        let name = ["zoe", "ann", "bob", "cid"][number as usize];
        Member {
            number: MemberNumber(number),
            name: MemberName::new(name).unwrap(),
            position: 0,
            base: MemoryTree::default(),
            view: MemoryTree::default(),
            journal: Vec::new(),
            counter: 0,
            time: i64::from(number),
            policy: Policy::Copy,
            handle: None,
            written: BTreeSet::new(),
            superseded: BTreeSet::new(),
        }
    }

    /// A new node's number.
    pub fn allocate(&mut self) -> NodeId {
        self.counter += 1;
        NodeId { member: self.number, counter: self.counter }
    }

    /// Local work: it must apply to the view, and waits in the journal.
    pub fn act(&mut self, verb: Verb) {
        self.time += 10;
        let op = Op { time: Timestamp { seconds: self.time, nanos: 0 }, verb };
        let changes = apply(&self.view, self.number, &op).unwrap_or_else(|why| panic!("{op:?}: {why}"));
        let had = self.handle.map(|handle| self.stands(handle));
        self.view.write(changes);
        if had == Some(true) && !self.handle.is_some_and(|handle| self.stands(handle)) {
            // Replaced or removed on this very mount: what is written through it from now on is nobody's.
            self.handle = None;
        }
        self.written.extend(op.verb.manifest().map(number));
        self.journal.push(Pending::new(op, self.time as u64));
    }

    fn stands(&self, handle: Handle) -> bool {
        self.view.node(handle.node).is_some_and(|node| node.version == handle.version)
    }

    pub fn open(&self, node: NodeId) -> Handle {
        let row = self.view.node(node).expect("an open file is there");
        Handle {
            node,
            version: row.version,
            content: number(row.manifest().expect("an open file is a file")),
        }
    }

    /// Writes through the open file, whatever has become of its name and node.
    pub fn write_open(&mut self, new: u64) {
        let Some(handle) = self.handle else { return };
        self.superseded.insert(handle.content);
        let replayed = self.put_late(handle.node, handle.version, new);
        let (node, version) = follow(&replayed, handle.node, handle.version.next());
        self.handle = Some(Handle { node, version, content: new });
    }

    /// Applies what the hub accepted since, and replays the journal on it.
    pub fn pull(&mut self, space: &Space) -> Replayed {
        let mut old = self.base.clone();
        for (author, ops) in &space.log[self.position..] {
            for op in ops {
                let changes = apply(&self.base, *author, op).expect("accepted ops apply");
                self.base.write(changes);
            }
        }
        self.position = space.log.len();
        self.replay_on_base(&mut old)
    }

    /// Replays the journal on the base; `old` is what the base was when the journal was written.
    pub fn replay_on_base(&mut self, old: &mut MemoryTree) -> Replayed {
        let mut view = self.base.clone();
        let (number, counter) = (self.number, &mut self.counter);
        let mut allocate = || {
            *counter += 1;
            NodeId { member: number, counter: *counter }
        };
        let replayer = Replayer {
            author: number,
            member_name: &self.name,
            allocate: &mut allocate,
            merger: &mut JoinBits,
            policy: self.policy,
        };
        let replayed =
            replay(&mut view, old, Correspondence::default(), self.journal.iter().cloned(), replayer);
        check_well_formed(&view);
        check_mappings(old, &view, &replayed);
        self.view = view;
        self.journal = replayed.ops.clone();
        self.handle = self.handle.map(|handle| {
            let (node, version) = follow(&replayed, handle.node, handle.version);
            Handle { node, version, ..handle }
        });
        replayed
    }

    /// Content written through a handle that kept an older version of a file.
    pub fn put_late(&mut self, node: NodeId, base: Version, new: u64) -> Replayed {
        self.time += 10;
        let put = Put {
            node,
            base,
            manifest: content(new),
            mtime: Timestamp::default(),
            attributes: None,
            came_from: None,
            conflict: None,
        };
        let op = Op { time: Timestamp { seconds: self.time, nanos: 0 }, verb: Verb::Put(put) };
        self.written.insert(new);
        let (number, counter) = (self.number, &mut self.counter);
        let mut allocate = || {
            *counter += 1;
            NodeId { member: number, counter: *counter }
        };
        let replayer = Replayer {
            author: number,
            member_name: &self.name,
            allocate: &mut allocate,
            merger: &mut JoinBits,
            policy: self.policy,
        };
        let replayed = replay_late(&mut self.view, Pending::new(op, self.time as u64), replayer);
        self.journal.extend(replayed.ops.clone());
        check_well_formed(&self.view);
        replayed
    }

    /// Sends the journal; the base must be the hub's head.
    pub fn push(&mut self, space: &mut Space) {
        let (kept, sent): (Vec<Pending>, Vec<Pending>) =
            self.journal.drain(..).partition(|pending| pending.withheld);
        let ops: Vec<Op> = sent.into_iter().map(|pending| pending.op).collect();
        if !ops.is_empty() {
            space.accept(self.number, ops);
            self.position += 1;
        }
        self.journal = kept;
        if self.journal.is_empty() {
            assert_eq!(self.view, space.head, "the view is what the hub has");
        }
        self.base = space.head.clone();
    }

    /// Pulls, then pushes.
    pub fn sync(&mut self, space: &mut Space) -> Replayed {
        let replayed = self.pull(space);
        self.push(space);
        replayed
    }
}

/// Where a content stands after a replay.
fn follow(replayed: &Replayed, node: NodeId, version: Version) -> (NodeId, Version) {
    let moved = replayed.versions.get(&(node, version)).copied();
    let elsewhere = replayed.nodes.get(&node).map(|node| (*node, Version(0)));
    moved.or(elsewhere).unwrap_or((node, version))
}

/// Every name leads to a live node, every live node but the root has a name, a directory has exactly one and is
/// below the root, copies of open conflicts are live.
fn check_well_formed(tree: &MemoryTree) {
    for (place, id) in &tree.names {
        assert!(tree.node(*id).is_some(), "{place:?} leads to {id}, which is gone");
        assert!(tree.node(place.parent).is_some_and(|parent| parent.is_directory()), "{place:?} is nowhere");
    }
    for (id, node) in &tree.nodes {
        let places = tree.places(*id);
        assert_eq!(places.is_empty(), *id == NodeId::ROOT, "{id} has no name");
        assert!(!node.is_directory() || places.len() <= 1, "directory {id} has several names");
        assert!(path_of(tree, *id).is_some(), "{id} is not below the root");
        assert!(!tree.tombstones.contains_key(id), "{id} is live and removed");
    }
    for row in tree.conflicts.values() {
        assert!(row.copy.is_none_or(|copy| tree.node(copy).is_some()), "{row:?} has lost its copy");
        assert!(tree.node(row.conflict.node).is_some(), "{row:?} is about a removed node");
    }
}

/// What a replay says of contents is true: where it says an old content stands, that content stands.
fn check_mappings(old: &MemoryTree, new: &MemoryTree, replayed: &Replayed) {
    for (id, node) in &old.nodes {
        let Some(had) = node.manifest() else { continue };
        let (now, version) = follow(replayed, *id, node.version);
        if let Some(row) = new.node(now).filter(|row| row.version == version) {
            let has = row.manifest().expect("a file stays a file");
            assert_eq!(
                number(has),
                number(had),
                "{id} at {:?} is said to be {now} at {version:?}",
                node.version
            );
        }
    }
}

/// Every file's path and content number, directories and others as None.
pub fn listing(tree: &MemoryTree) -> BTreeMap<String, Option<u64>> {
    let describe = |(place, id): (&crate::model::Place, &NodeId)| {
        let mut path = path_of(tree, place.parent).expect("a listed place is in the tree");
        path.push(place.name.clone());
        let path: Vec<String> = path.iter().map(|name| name.to_string()).collect();
        (path.join("/"), tree.node(*id).and_then(|node| node.manifest().map(number)))
    };
    tree.names.iter().map(describe).collect()
}

/// The contents of all files of a tree.
pub fn contents_of(tree: &MemoryTree) -> BTreeSet<u64> {
    tree.nodes.values().filter_map(Node::manifest).map(number).collect()
}

/// Contents that are rightly in no file: replaced or removed by somebody who saw them. Of a file with several
/// names a name is enough, as members may remove one each.
pub fn unwanted(space: &Space, members: &[&Member]) -> BTreeSet<u64> {
    let mut unwanted = space.replaced_in_copies.clone();
    members.iter().for_each(|member| unwanted.extend(&member.superseded));
    unwanted
}

/// The version of a node that must be live.
pub fn version(tree: &MemoryTree, node: NodeId) -> Version {
    tree.node(node).expect("a live node").version
}

/// The body of a node that must be live.
pub fn body(tree: &MemoryTree, node: NodeId) -> Body {
    tree.node(node).expect("a live node").body
}
