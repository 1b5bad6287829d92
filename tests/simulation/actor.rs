//! A member with simulated content files.

use fl0wfs::content::ManifestBuilder;
use fl0wfs::model::{ChunkId, Digest, Manifest, MemberName, NodeId, Timestamp};
use fl0wfs::ops::Tree;
use fl0wfs::sync::MemoryKv;
use fl0wfs::sync::member::{
    Captured, Effects, Ino, LocalError, NoContents, Replica, SessionOutput, content_of,
};
use fl0wfs::wire::{FromHub, FromMember};
use std::collections::{BTreeMap, BTreeSet};

pub type Chunks = BTreeMap<ChunkId, Vec<u8>>;

/// A member and the content on its disk.
pub struct Actor {
    pub replica: Replica<MemoryKv>,
    /// Backing files: what each holds.
    pub files: BTreeMap<u64, Vec<u8>>,
    /// Every content this member ever captured: none may vanish,
    /// but for what the member itself removed again before anybody else saw it.
    pub captured: BTreeSet<ChunkId>,
    pub replaced: BTreeSet<ChunkId>,
    by_ino: BTreeMap<Ino, BTreeSet<ChunkId>>,
    pub wants_upload: Vec<ChunkId>,
    pub wait: bool,
    pub disconnect: bool,
    pub open: Vec<Ino>,
    name: MemberName,
}

pub fn manifest_of(bytes: &[u8]) -> (Manifest, Vec<(ChunkId, Vec<u8>)>) {
    let mut chunks = Vec::new();
    let mut sink = |id: ChunkId, bytes: &[u8]| chunks.push((id, bytes.to_vec()));
    let mut builder = ManifestBuilder::new();
    builder.push(bytes, &mut sink);
    let manifest = builder.finish(&mut sink);
    (manifest, chunks)
}

impl Actor {
    pub fn new(name: &str) -> Actor {
        let name = MemberName::new(name).unwrap();
        Actor {
            replica: Replica::open(MemoryKv::default(), name.clone()).unwrap(),
            files: BTreeMap::new(),
            captured: BTreeSet::new(),
            replaced: BTreeSet::new(),
            by_ino: BTreeMap::new(),
            wants_upload: Vec::new(),
            wait: false,
            disconnect: false,
            open: Vec::new(),
            name,
        }
    }

    /// The process dies and starts again: what was in memory is gone, what was stored is there.
    pub fn restart(&mut self, now: Timestamp) {
        let kv = self.replica.store().clone();
        self.replica = Replica::open(kv, self.name.clone()).unwrap();
        self.open.clear();
        (self.wait, self.disconnect) = (false, false);
        self.wants_upload.clear();
        for ino in self.replica.dirty_inodes() {
            self.capture(now, ino);
        }
        let named: BTreeSet<u64> = self.replica.backing_files().collect();
        self.files.retain(|file, _| named.contains(file));
    }

    pub fn follow(&mut self, effects: Effects) {
        for file in effects.removed_files {
            self.files.remove(&file);
        }
        for output in effects.outputs {
            match output {
                SessionOutput::Upload(chunks) => self.wants_upload = chunks,
                SessionOutput::Disconnect { .. } => self.disconnect = true,
                SessionOutput::Wait => self.wait = true,
                SessionOutput::Barrier { .. } | SessionOutput::Role(_) | SessionOutput::Wanted { .. } => {}
            }
        }
    }

    pub fn done(&mut self, result: Result<Effects, LocalError>) {
        match result {
            Ok(effects) => self.follow(effects),
            Err(LocalError::Rejected(_) | LocalError::NoSuchInode) => {}
            Err(error) => panic!("{error}"),
        }
    }

    /// Writes a file's whole content and closes it.
    pub fn write(&mut self, now: Timestamp, ino: Ino, bytes: Vec<u8>) {
        self.begin_write(ino, bytes);
        self.capture(now, ino);
    }

    /// Writes without closing.
    pub fn begin_write(&mut self, ino: Ino, bytes: Vec<u8>) {
        self.put_aside(ino);
        let file = self.replica.allocate_file();
        self.files.insert(file, bytes);
        let marked = self.replica.set_backing(ino, file);
        self.done(marked);
    }

    /// What a pending op needs is kept before the file changes.
    pub fn put_aside(&mut self, ino: Ino) {
        if let Some(content) = self.replica.held_content(ino) {
            let chunks = manifest_of(&self.content(ino)).1;
            let spooled = self.replica.spool(content, chunks);
            self.done(spooled);
        }
    }

    /// Notes that a file goes: if it came and went before it was sent, it leaves nothing.
    pub fn gone(&mut self, ino: Ino) {
        self.replaced.extend(self.by_ino.remove(&ino).unwrap_or_default());
    }

    fn content(&self, ino: Ino) -> Vec<u8> {
        let backing = self.replica.inode(ino).and_then(|inode| inode.backing);
        backing.map_or(Vec::new(), |backing| self.files[&backing.file].clone())
    }

    pub fn capture(&mut self, now: Timestamp, ino: Ino) {
        if self.replica.inode(ino).is_none() {
            return;
        }
        let bytes = self.content(ino);
        let (manifest, chunks) = manifest_of(&bytes);
        self.captured.extend(chunks.iter().map(|(id, _)| *id));
        self.by_ino.entry(ino).or_default().extend(chunks.iter().map(|(id, _)| *id));
        let captured = Captured { ino, manifest, list: Vec::new(), mtime: now };
        let taken = self.replica.capture(now, captured);
        self.done(taken);
    }

    pub fn handle(&mut self, now: Timestamp, message: FromHub) {
        let mut ready: BTreeMap<Digest, u64> = BTreeMap::new();
        if let FromHub::Entry { entry, inline } = &message {
            for manifest in entry.ops.iter().filter_map(|op| op.verb.manifest()) {
                let Some(chunk) = manifest.inline_chunk() else { continue };
                if let Some(inline) = inline.iter().find(|inline| inline.chunk == chunk) {
                    let file = self.replica.allocate_file();
                    self.files.insert(file, inline.bytes.clone());
                    if let Some(unused) = ready.insert(content_of(manifest), file) {
                        self.files.remove(&unused);
                    }
                }
            }
        }
        let handled =
            self.replica.handle(now, message, ready, &mut NoContents).expect("memory does not fail");
        self.follow(handled);
    }

    /// The next commit, if one is to go.
    pub fn next_commit(&mut self) -> Option<FromMember> {
        if let Some(seal) = self.replica.to_seal() {
            // Bytes that are not here any more were sent before, with another op: the hub asks if it lacks them.
            let inline = seal.inline.iter().filter_map(|wanted| {
                let bytes = self.pending_bytes(wanted.node, wanted.content, wanted.chunk)?;
                Some((*wanted, bytes))
            });
            let inline = inline.collect();
            self.replica.seal(seal.count, inline).expect("memory does not fail");
        }
        self.replica.outgoing().map(|(commit, inline)| FromMember::Commit { commit, inline })
    }

    /// A chunk of a pending content, from where the replica says that it is.
    fn pending_bytes(&self, node: NodeId, content: Digest, chunk: ChunkId) -> Option<Vec<u8>> {
        if let Some(bytes) = self.replica.spooled(content, chunk) {
            return Some(bytes);
        }
        let file = self.replica.file_holding(node, content)?;
        let chunks = manifest_of(self.files.get(&file)?).1;
        chunks.into_iter().find(|(id, _)| *id == chunk).map(|(_, bytes)| bytes)
    }

    /// Bytes of a chunk of the sealed commit that the hub asked for.
    pub fn chunk_bytes(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        let ops = self.replica.sealed()?.commit.ops;
        ops.iter().find_map(|op| {
            let manifest =
                op.verb.manifest().filter(|manifest| manifest.chunk_ids().any(|id| id == chunk))?;
            self.pending_bytes(op.verb.node(), content_of(manifest), chunk)
        })
    }

    /// Fetches what is wanted, from what the hub has and what is spooled here.
    pub fn fetch(&mut self, hub: &Chunks) {
        for node in self.replica.wanted(None, usize::MAX) {
            let Some(manifest) = self.replica.view().node(node).and_then(|row| row.manifest().cloned())
            else {
                continue;
            };
            let content = content_of(&manifest);
            let bytes: Option<Vec<Vec<u8>>> = manifest
                .chunk_ids()
                .map(|chunk| self.pending_bytes(node, content, chunk).or_else(|| hub.get(&chunk).cloned()))
                .collect();
            if let Some(bytes) = bytes {
                let file = self.replica.allocate_file();
                self.files.insert(file, bytes.concat());
                let swapped = self.replica.materialized(node, content_of(&manifest), file);
                self.done(swapped);
            }
        }
    }
}
