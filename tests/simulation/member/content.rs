//! Content on a member's disk: written, captured, found again.

use super::Member;
use crate::clock::Stamp;
use fl0wfs::content::ManifestBuilder;
use fl0wfs::model::{ChunkId, Digest, Manifest, NodeId};
use fl0wfs::ops::Tree;
use fl0wfs::sync::member::{Captured, Ino, content_of};

/// Cuts and hashes bytes as the product does.
pub fn manifest_of(bytes: &[u8]) -> (Manifest, Vec<(ChunkId, Vec<u8>)>) {
    let mut chunks = Vec::new();
    let mut sink = |id: ChunkId, bytes: &[u8]| chunks.push((id, bytes.to_vec()));
    let mut builder = ManifestBuilder::new();
    builder.push(bytes, &mut sink);
    let manifest = builder.finish(&mut sink);
    (manifest, chunks)
}

impl Member {
    /// What the inode's file holds now; none where that has not arrived.
    pub fn read(&self, ino: Ino) -> Option<Vec<u8>> {
        if !self.replica.is_materialized(ino) {
            return None;
        }
        let backing = self.replica.inode(ino)?.backing;
        match backing {
            Some(backing) => self.disk.file(backing.file).map(|bytes| bytes.to_vec()),
            None => Some(Vec::new()),
        }
    }

    /// Writes a file anew, as after `O_TRUNC`; it stays dirty.
    pub fn write_anew(&mut self, ino: Ino, bytes: Vec<u8>) -> bool {
        if self.replica.is_dirty(ino) && self.replica.inode(ino).is_some_and(|inode| inode.backing.is_some())
        {
            return self.change(ino, bytes);
        }
        let seen = self.replica.position();
        let file = self.replica.allocate_file();
        if !self.disk.write_file(file, Vec::new()) {
            return false;
        }
        // A file is held for its op when it is given up, so nothing is put aside.
        let marked = self.replica.set_backing(ino, file);
        if !self.done(marked) {
            self.disk.remove_file(file);
            return false;
        }
        self.ledger.begin(ino, seen);
        self.change(ino, bytes)
    }

    /// Changes a file where it stands; it stays dirty. False where its content is not here.
    pub fn write_in_place(&mut self, ino: Ino, bytes: Vec<u8>) -> bool {
        if !self.replica.is_materialized(ino) {
            return false;
        }
        if self.replica.inode(ino).is_none_or(|inode| inode.backing.is_none()) {
            return self.write_anew(ino, bytes);
        }
        if !self.replica.is_dirty(ino) {
            let seen = self.replica.position();
            self.ledger.begin(ino, seen);
            if !self.put_aside(ino) {
                return false;
            }
            self.ledger.overwritten(ino);
            let marked = self.replica.mark_dirty(ino);
            if !self.done(marked) {
                return false;
            }
        }
        self.change(ino, bytes)
    }

    fn change(&mut self, ino: Ino, bytes: Vec<u8>) -> bool {
        let backing = self.replica.inode(ino).and_then(|inode| inode.backing);
        backing.is_some_and(|backing| self.disk.write_file(backing.file, bytes))
    }

    /// What a pending op needs is kept before the file changes.
    fn put_aside(&mut self, ino: Ino) -> bool {
        let Some(content) = self.replica.held_content(ino).filter(|_| !self.faults.skips_spool) else {
            return true;
        };
        let chunks = manifest_of(&self.read(ino).unwrap_or_default()).1;
        let spooled = self.replica.spool(content, chunks);
        self.done(spooled)
    }

    /// A flush point.
    pub fn capture(&mut self, now: u64, ino: Ino) {
        self.capture_excused(now, ino, false);
    }

    pub(super) fn capture_excused(&mut self, now: u64, ino: Ino, excused: bool) {
        let Some(inode) = self.replica.inode(ino).filter(|_| self.replica.is_dirty(ino)) else { return };
        let bytes = inode.backing.and_then(|backing| self.disk.file(backing.file)).unwrap_or_default();
        let (manifest, chunks) = manifest_of(&bytes);
        // Only the chunks of a long list go along, and no content here is so long.
        drop(chunks);
        let seen = self.ledger.begun(ino).unwrap_or(self.replica.position());
        let stamp = self.clock.stamp(now, Stamp { seen, at: self.replica.position(), excused });
        let content = content_of(&manifest);
        let length = manifest.length;
        self.ledger.intend(1);
        let captured = Captured { ino, manifest, list: Vec::new(), mtime: stamp, beside: None, blocks: None };
        let taken = self.replica.capture(stamp, captured);
        if self.done(taken) {
            if length > 0 {
                self.ledger.closed(content, ino);
            }
            if !self.is_open(ino) {
                self.ledger.end(ino);
            }
        }
    }

    /// What `fsync` does.
    pub fn fsync(&mut self, now: u64, ino: Ino) {
        let Some(inode) = self.replica.inode(ino) else { return };
        let unproven = self.replica.unproven_of(ino);
        if self.replica.sync_marks().is_err() {
            return;
        }
        inode.backing.iter().for_each(|backing| self.disk.sync_file(backing.file));
        if self.replica.proven(unproven.as_slice()).is_err() {
            return;
        }
        self.capture(now, ino);
        if self.replica.sync().is_ok()
            && let Some(content) = self.replica.inode(ino).and_then(|inode| inode.backing?.content)
        {
            self.ledger.durable(content);
        }
    }

    /// A chunk of a pending content, from where the replica says that it is.
    pub fn chunk_bytes(&self, node: NodeId, content: Digest, chunk: ChunkId) -> Option<Vec<u8>> {
        if let Some(bytes) = self.replica.spooled(content, chunk) {
            return Some(bytes);
        }
        let file = self.replica.file_holding(node, content)?;
        let chunks = manifest_of(&self.disk.file(file)?).1;
        chunks.into_iter().find(|(id, _)| *id == chunk).map(|(_, bytes)| bytes)
    }

    pub fn manifest_at(&self, node: NodeId) -> Option<Manifest> {
        self.replica.view().node(node)?.manifest().cloned()
    }
}
