//! Merging in a replay: where the bytes are that a merge needs, and what becomes of the joined content.
//!
//! A replay never waits. Where it needs a content that is not on this machine nothing of it is kept; whoever called
//! is told what is missing ([`LocalError::Away`]), gathers it, and calls again. What cannot be had is said to be so,
//! and then both sides' contents stay beside each other.
//!
//! Invariant: a joined content is in a backing file that is held for its op before the op is in the journal.

use super::base::ViewTree;
use super::keys;
use super::records::{Held, Ino, Inode, content_of};
use super::state::{LocalError, Work};
use crate::content::{ManifestBuilder, verify};
use crate::merge::{Attributes, FileType, MERGE_BYTES_MAX, Outcome, Versions, merge};
use crate::model::{ChunkList, Digest, Manifest, Name, NodeId};
use crate::rebase::{Meeting, Merger, Replayed, Replayer};
use crate::sync::kv::{Durability, Kv, Store};
use crate::wire::decode;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Bytes of contents, as a merge reads and writes them.
pub trait Contents {
    /// What came of gathering a content.
    fn gathered(&mut self, content: Digest) -> Gathered;

    /// The first `length` bytes of a backing file.
    fn read(&mut self, file: u64, length: u64) -> Option<Vec<u8>>;

    /// Fills a new backing file, so that it survives the loss of power. Returns whether that went well; if not there
    /// is no merge.
    fn keep(&mut self, file: u64, bytes: &[u8]) -> bool;
}

/// A content that is not among this member's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gathered {
    /// It is in this backing file.
    In(u64),
    /// Nobody has looked for it yet.
    Away,
    /// It cannot be had.
    Never,
}

/// Has no content at all, so that nothing is merged.
pub struct NoContents;

impl Contents for NoContents {
    fn gathered(&mut self, _: Digest) -> Gathered {
        Gathered::Never
    }

    fn read(&mut self, _: u64, _: u64) -> Option<Vec<u8>> {
        None
    }

    fn keep(&mut self, _: u64, _: &[u8]) -> bool {
        false
    }
}

/// The joined contents of one replay, and the files they are in.
pub(super) type Kept = Vec<(Manifest, u64)>;

/// Joins contents while a replay runs.
struct Joining<'a, K> {
    /// Held files, spool and inodes as they were before this transaction: their bytes are still there.
    below: &'a K,
    ready: &'a BTreeMap<Digest, u64>,
    contents: &'a mut dyn Contents,
    /// The last number given to a backing file.
    files: &'a mut u64,
    kept: Kept,
    away: Vec<(NodeId, Manifest)>,
}

impl<K: Kv> Merger for Joining<'_, K> {
    fn merge(&mut self, meeting: &Meeting) -> Option<Manifest> {
        let versions = [meeting.base, meeting.local, meeting.remote];
        let attributes = meeting.attributes.iter().map(|(_, manifest)| manifest);
        if versions.into_iter().chain(attributes).any(|manifest| manifest.length > MERGE_BYTES_MAX) {
            return None;
        }
        let given = match &meeting.attributes {
            None => None,
            Some((node, manifest)) => {
                let bytes = self.bytes_of(*node, manifest)?;
                // Nothing is joined against a wish that cannot be read.
                Attributes::parse(&bytes).ok()?.file_type(&joined_path(meeting.path.as_deref()?))
            }
        };
        if given == Some(FileType::Binary) {
            return None;
        }
        let [base, local, remote] = versions.map(|manifest| self.bytes_of(meeting.node, manifest));
        let (base, local, remote) = (base?, local?, remote?);
        // What is missing elsewhere will have all of this done again.
        if !self.away.is_empty() {
            return None;
        }
        match merge(given, Versions { base: Some(&base), local: &local, remote: &remote }) {
            Outcome::Clean(bytes) => self.keep(&bytes),
            Outcome::Conflict(_) => None,
        }
    }
}

impl<K: Kv> Joining<'_, K> {
    fn keep(&mut self, bytes: &[u8]) -> Option<Manifest> {
        let manifest = manifest_of(bytes);
        let known = |(kept, _): &(Manifest, u64)| kept.same_content(&manifest);
        if manifest.length > 0 && !self.kept.iter().any(known) {
            *self.files += 1;
            if !self.contents.keep(*self.files, bytes) {
                return None;
            }
            self.kept.push((manifest.clone(), *self.files));
        }
        Some(manifest)
    }

    fn bytes_of(&mut self, node: NodeId, manifest: &Manifest) -> Option<Vec<u8>> {
        if manifest.length == 0 {
            return Some(Vec::new());
        }
        let content = content_of(manifest);
        if let Some(bytes) = self.bytes_here(node, content, manifest) {
            return Some(bytes);
        }
        match self.contents.gathered(content) {
            Gathered::In(file) => self.read(file, manifest),
            Gathered::Away => {
                self.away.push((node, manifest.clone()));
                None
            }
            Gathered::Never => None,
        }
    }

    fn bytes_here(&mut self, node: NodeId, content: Digest, manifest: &Manifest) -> Option<Vec<u8>> {
        let held: Option<Held> = self.record(&keys::held(content));
        let kept = self.kept.iter().find(|(kept, _)| kept.same_content(manifest)).map(|(_, file)| *file);
        let files =
            [kept, held.map(|held| held.file), self.ready.get(&content).copied(), self.own(node, content)];
        let found = files.into_iter().flatten().find_map(|file| self.read(file, manifest));
        found.or_else(|| self.spooled(content, manifest))
    }

    fn own(&self, node: NodeId, content: Digest) -> Option<u64> {
        let ino: Ino = self.record(&keys::ino_of(node))?;
        let inode: Inode = self.record(&keys::inode(ino))?;
        inode.backing.filter(|backing| backing.content == Some(content)).map(|backing| backing.file)
    }

    fn spooled(&self, content: Digest, manifest: &Manifest) -> Option<Vec<u8>> {
        let ChunkList::Flat(extents) = &manifest.chunks else { return None };
        let mut bytes = Vec::new();
        for extent in extents {
            match extent.chunk {
                Some(chunk) => bytes.extend(self.below.get(&keys::spool(content, chunk))?),
                None => bytes.resize(bytes.len() + usize::try_from(extent.length).ok()?, 0),
            }
        }
        Some(bytes)
    }

    /// A backing file's bytes, if they are what the manifest says.
    fn read(&mut self, file: u64, manifest: &Manifest) -> Option<Vec<u8>> {
        let bytes = self.contents.read(file, manifest.length)?;
        let same = match manifest.inline_chunk() {
            Some(chunk) => verify(chunk, &bytes).is_ok(),
            None => manifest_of(&bytes).same_content(manifest),
        };
        same.then_some(bytes)
    }

    fn record<T: DeserializeOwned>(&self, key: &[u8]) -> Option<T> {
        self.below.get(key).map(|value| decode("record", &value).expect("records of ours decode"))
    }
}

/// The manifest of a content that is in memory.
pub fn manifest_of(bytes: &[u8]) -> Manifest {
    let mut builder = ManifestBuilder::new();
    builder.push(bytes, &mut |_, _| {});
    builder.finish(&mut |_, _| {})
}

fn joined_path(path: &[Name]) -> Vec<u8> {
    path.iter().map(Name::as_bytes).collect::<Vec<_>>().join(&b'/')
}

impl<S: Store> Work<'_, S> {
    /// Runs a replay on the view.
    ///
    /// # Errors
    /// [`LocalError::Away`].
    pub fn run_replay(
        &mut self,
        run: impl FnOnce(&mut ViewTree<'_, '_, S>, Replayer<'_>) -> Replayed,
    ) -> Result<Replayed, LocalError> {
        let author = self.author();
        let name = self.state.identity.as_ref().map_or(&self.state.name, |identity| &identity.name).clone();
        let counters = &mut self.state.counters;
        let mut joining = Joining {
            below: self.txn.below(),
            ready: &self.effects.ready,
            contents: &mut *self.contents,
            files: &mut counters.file,
            kept: Vec::new(),
            away: Vec::new(),
        };
        let mut allocate = || {
            counters.node += 1;
            NodeId { member: author, counter: counters.node }
        };
        let mut tree = ViewTree { txn: &mut self.txn, slot: self.state.slot };
        let replayer = Replayer {
            author,
            member_name: &name,
            allocate: &mut allocate,
            merger: &mut joining,
            policy: self.state.policy,
        };
        let replayed = run(&mut tree, replayer);
        let Joining { kept, away, .. } = joining;
        if !away.is_empty() {
            self.state.unused_files.extend(kept.into_iter().map(|(_, file)| file));
            return Err(LocalError::Away(away));
        }
        if !kept.is_empty() {
            // Order: a joined content is safe before what went into it is let go.
            self.durability = Durability::Power;
        }
        for (manifest, file) in kept {
            self.joined.push(file);
            self.hold(&manifest, file);
            self.effects.removed_files.extend(self.effects.ready.insert(content_of(&manifest), file));
        }
        Ok(replayed)
    }

    /// Gives up the filled files that no inode has taken; those held for an op stay.
    pub fn give_up_ready(&mut self) {
        for (content, file) in std::mem::take(&mut self.effects.ready) {
            self.give_up_file(Some(content), file);
        }
    }
}
