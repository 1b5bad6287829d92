//! Contents for merges: read where they are on this member, or fetched from the hub while the member waits.

use super::Member;
use crate::disk::Disk;
use fl0wfs::model::{ChunkId, Digest, Manifest};
use fl0wfs::ops::Op;
use fl0wfs::sync::member::{Contents, Gathered, Replica, content_of};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Contents that merges have made, noted so that a crash does not make one forget them.
pub type Made = Rc<RefCell<BTreeSet<Digest>>>;

/// What came of gathering for one message.
pub struct Gathering<'a> {
    disk: Disk,
    fetch: &'a dyn Fn(ChunkId) -> Option<Vec<u8>>,
    /// None is a content that cannot be had.
    found: BTreeMap<Digest, Option<u64>>,
    made: Made,
}

impl<'a> Gathering<'a> {
    pub fn new(disk: Disk, fetch: &'a dyn Fn(ChunkId) -> Option<Vec<u8>>, made: Made) -> Gathering<'a> {
        Gathering { disk, fetch, found: BTreeMap::new(), made }
    }

    /// Fetches a content that is away into a file of its own.
    pub fn gather(&mut self, replica: &mut Replica<Disk>, manifest: &Manifest) {
        let content = content_of(manifest);
        if self.found.contains_key(&content) {
            return;
        }
        let parts: Option<Vec<Vec<u8>>> = manifest.chunk_ids().map(|chunk| (self.fetch)(chunk)).collect();
        let file = parts.and_then(|parts| {
            let file = replica.allocate_file();
            self.disk.write_file(file, parts.concat()).then_some(file)
        });
        self.found.insert(content, file);
    }

    /// The merges are done: what was gathered for them goes.
    pub fn end(self) {
        self.found.values().flatten().for_each(|file| self.disk.remove_file(*file));
    }
}

impl Contents for Gathering<'_> {
    fn gathered(&mut self, content: Digest) -> Gathered {
        match self.found.get(&content) {
            Some(Some(file)) => Gathered::In(*file),
            Some(None) => Gathered::Never,
            None => Gathered::Away,
        }
    }

    fn read(&mut self, file: u64, length: u64) -> Option<Vec<u8>> {
        let bytes = self.disk.file(file)?;
        bytes.get(..usize::try_from(length).ok()?).map(<[u8]>::to_vec)
    }

    fn keep(&mut self, file: u64, bytes: &[u8]) -> bool {
        self.made.borrow_mut().insert(content_of(&super::manifest_of(bytes).0));
        let written = self.disk.write_file(file, bytes.to_vec());
        self.disk.sync_file(file);
        written
    }
}

impl Member {
    /// Notes which pending contents went while merges made others.
    pub(super) fn note_merges(&mut self) {
        let Some((pending, made)) = self.ledger.merging.take() else { return };
        let made = made.borrow();
        if !made.is_empty() {
            let after = self.pending_contents();
            pending.difference(&after).for_each(|content| self.ledger.merged(*content, &made));
        }
    }

    /// The contents that pending ops bring.
    pub(super) fn pending_contents(&self) -> BTreeSet<Digest> {
        let sealed = self.replica.sealed().map_or(Vec::new(), |sealed| sealed.commit.ops);
        let ops = sealed.into_iter().chain(self.replica.journal().map(|(_, op)| op));
        ops.filter_map(|op: Op| op.verb.manifest().map(content_of)).collect()
    }
}
