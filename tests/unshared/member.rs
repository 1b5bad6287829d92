//! A member with content files in memory.

use fl0wfs::content::ManifestBuilder;
use fl0wfs::model::{ChunkId, Digest, Manifest, MemberName, NodeId, Timestamp};
use fl0wfs::ops::Tree;
use fl0wfs::sync::member::{
    Captured, Effects, Ino, Kept, LocalError, NoContents, Replica, SessionOutput, content_of,
};
use fl0wfs::sync::{Kv, MemoryKv};
use fl0wfs::wire::{FromHub, FromMember, Row, decode, decode_row_key};
use std::collections::{BTreeMap, BTreeSet};

pub type Chunks = BTreeMap<ChunkId, Vec<u8>>;

pub struct Member {
    pub replica: Replica<MemoryKv>,
    pub files: BTreeMap<u64, Vec<u8>>,
    /// What unshared files hold.
    pub written: BTreeMap<Ino, Vec<u8>>,
    pub connected: bool,
    pub wanted_chunks: Vec<ChunkId>,
    pub broken: bool,
    pub seen_kept: BTreeMap<NodeId, Kept>,
    name: MemberName,
}

pub fn manifest_of(bytes: &[u8]) -> (Manifest, Chunks) {
    let mut chunks = Chunks::new();
    let mut sink = |id: ChunkId, bytes: &[u8]| drop(chunks.insert(id, bytes.to_vec()));
    let mut builder = ManifestBuilder::new();
    builder.push(bytes, &mut sink);
    let manifest = builder.finish(&mut sink);
    (manifest, chunks)
}

impl Member {
    pub fn new(name: &str) -> Member {
        let name = MemberName::new(name).unwrap();
        Member {
            replica: Replica::open(MemoryKv::default(), name.clone()).unwrap(),
            files: BTreeMap::new(),
            written: BTreeMap::new(),
            connected: false,
            wanted_chunks: Vec::new(),
            broken: false,
            seen_kept: BTreeMap::new(),
            name,
        }
    }

    /// The process dies and starts again.
    pub fn restart(&mut self, now: Timestamp) {
        let kv = self.replica.store().clone();
        self.replica = Replica::open(kv, self.name.clone()).unwrap();
        (self.connected, self.broken) = (false, false);
        self.wanted_chunks.clear();
        self.capture_all(now);
        let named: BTreeSet<u64> = self.replica.backing_files().collect();
        self.files.retain(|file, _| named.contains(file));
    }

    pub fn follow(&mut self, effects: Effects) {
        effects.removed_files.iter().for_each(|file| drop(self.files.remove(file)));
        for output in effects.outputs {
            match output {
                SessionOutput::Upload(chunks) => self.wanted_chunks = chunks,
                SessionOutput::Disconnect { .. } => self.broken = true,
                _ => {}
            }
        }
    }

    /// Tells whether it was done; what the tree refuses is refused.
    pub fn done(&mut self, result: Result<Effects, LocalError>) -> bool {
        match result {
            Ok(effects) => self.follow(effects),
            Err(LocalError::Rejected(_) | LocalError::NoSuchInode | LocalError::NotHere) => return false,
            Err(error) => panic!("{error}"),
        }
        true
    }

    pub fn write(&mut self, ino: Ino, bytes: Vec<u8>) {
        self.put_aside(ino);
        let file = self.replica.allocate_file();
        self.files.insert(file, bytes);
        let set = self.replica.set_backing(ino, file);
        self.done(set);
    }

    pub fn put_aside(&mut self, ino: Ino) {
        if let Some(content) = self.replica.held_content(ino) {
            let chunks = manifest_of(&self.content(ino)).1.into_iter().collect();
            let spooled = self.replica.spool(content, chunks);
            self.done(spooled);
        }
    }

    pub fn content(&self, ino: Ino) -> Vec<u8> {
        let backing = self.replica.inode(ino).and_then(|inode| inode.backing);
        backing.map_or(Vec::new(), |backing| self.files[&backing.file].clone())
    }

    pub fn capture(&mut self, now: Timestamp, ino: Ino) {
        if self.replica.is_dirty(ino) && self.replica.inode(ino).is_some() {
            let manifest = manifest_of(&self.content(ino)).0;
            let captured =
                Captured { ino, manifest, list: Vec::new(), mtime: now, beside: None, blocks: None };
            let taken = self.replica.capture(now, captured);
            self.done(taken);
        }
    }

    pub fn capture_all(&mut self, now: Timestamp) {
        self.replica.dirty_inodes().into_iter().for_each(|ino| self.capture(now, ino));
    }

    pub fn handle(&mut self, now: Timestamp, message: FromHub) {
        let mut ready: BTreeMap<Digest, u64> = BTreeMap::new();
        if let FromHub::Entry { entry, inline } = &message {
            for manifest in entry.ops.iter().filter_map(|op| op.verb.manifest()) {
                let bytes = inline.iter().find(|inline| manifest.inline_chunk() == Some(inline.chunk));
                if let Some(inline) = bytes.filter(|_| !ready.contains_key(&content_of(manifest))) {
                    let file = self.replica.allocate_file();
                    self.files.insert(file, inline.bytes.clone());
                    ready.insert(content_of(manifest), file);
                }
            }
        }
        let handled = self.replica.handle(now, message, ready, &mut NoContents);
        self.follow(handled.expect("history fits"));
    }

    pub fn next_commit(&mut self) -> Option<FromMember> {
        if let Some(seal) = self.replica.to_seal() {
            let bytes = |wanted: &fl0wfs::sync::member::InlineContent| {
                self.pending_bytes(wanted.node, wanted.content, wanted.chunk)
            };
            let inline = seal.inline.iter().filter_map(|wanted| Some((*wanted, bytes(wanted)?))).collect();
            self.replica.seal(seal.count, inline).unwrap();
            self.replica.sync().unwrap();
        }
        self.replica.outgoing().map(|(commit, inline)| FromMember::Commit { commit, inline })
    }

    fn pending_bytes(&self, node: NodeId, content: Digest, chunk: ChunkId) -> Option<Vec<u8>> {
        let in_file = || {
            let file = self.replica.file_holding(node, content)?;
            manifest_of(self.files.get(&file)?).1.remove(&chunk)
        };
        self.replica.spooled(content, chunk).or_else(in_file)
    }

    pub fn chunk_bytes(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        self.replica.sealed()?.commit.ops.iter().find_map(|op| {
            let manifest =
                op.verb.manifest().filter(|manifest| manifest.chunk_ids().any(|id| id == chunk))?;
            self.pending_bytes(op.verb.node(), content_of(manifest), chunk)
        })
    }

    /// A content of the sealed commit is nowhere: what brings it is parked.
    pub fn lose(&mut self, now: Timestamp, chunk: ChunkId) {
        let Some(sealed) = self.replica.sealed() else { return };
        let mut manifests = sealed.commit.ops.iter().filter_map(|op| op.verb.manifest());
        let lost = manifests.find(|manifest| manifest.chunk_ids().any(|id| id == chunk)).map(content_of);
        if let Some(content) = lost {
            let parked = self.replica.lost(now, content);
            self.done(parked);
        }
    }

    pub fn fetch(&mut self, hub: &Chunks) {
        for node in self.replica.wanted(None, usize::MAX) {
            let Some(row) = self.replica.view().node(node) else { continue };
            let Some(manifest) = row.manifest() else { continue };
            let content = content_of(manifest);
            let chunk = |chunk| hub.get(&chunk).cloned().or_else(|| self.pending_bytes(node, content, chunk));
            if let Some(bytes) = manifest.chunk_ids().map(chunk).collect::<Option<Vec<_>>>() {
                let file = self.replica.allocate_file();
                self.files.insert(file, bytes.concat());
                let swapped = self.replica.materialized(node, content, (file, None));
                self.done(swapped);
            }
        }
    }

    /// Every name leads to one node, which knows it; no unshared node is left out; contents are what was written.
    pub fn check(&mut self) {
        let (tree, view) = (self.replica.tree(), self.replica.view());
        let (mut todo, mut found) = (vec![NodeId::ROOT], BTreeSet::new());
        while let Some(directory) = todo.pop() {
            let mut names = BTreeSet::new();
            let mut subdirectories = 0;
            for (name, node) in tree.list(directory, 0) {
                assert!(names.insert(name.clone()), "{name} is there twice");
                assert_eq!(tree.child(directory, &name), Some(node), "{name} leads elsewhere");
                assert!(
                    node.is_unshared() || !directory.is_unshared(),
                    "{name} is shared in an unshared one"
                );
                let place = fl0wfs::model::Place { parent: directory, name };
                assert!(tree.places(node).contains(&place), "{node} does not know {place:?}");
                let row = tree.node(node).expect("a name leads to a node");
                subdirectories += u64::from(row.is_directory());
                if found.insert(node) && row.is_directory() {
                    todo.push(node);
                }
            }
            assert_eq!(tree.subdirectories(directory), subdirectories);
        }
        for (key, value) in self.replica.store().scan_prefix(b"U") {
            match decode_row_key(&key[1..]).unwrap() {
                Row::Node(node) => assert!(found.contains(&node), "{node} is in no directory"),
                Row::Name(place) => {
                    let parent = tree.node(place.parent);
                    assert!(parent.is_some_and(|row| row.is_directory()), "{place:?} is nowhere");
                    assert!(view.child(place.parent, &place.name).is_none());
                    assert!(found.contains(&decode("node", &value).unwrap()));
                }
                _ => {}
            }
        }
        for (ino, bytes) in &self.written {
            let inode = self.replica.inode(*ino).expect("an unshared file's inode stays");
            assert!(found.contains(&inode.node) && inode.node.is_unshared());
            assert_eq!(self.content(*ino), *bytes, "an unshared file holds something else");
        }
        let kept = found.iter().filter_map(|node| Some((*node, self.replica.kept(*node)?)));
        self.seen_kept.extend(kept);
    }
}
