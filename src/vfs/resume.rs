//! A volume taken up from a process that died while applications went on: its open files, what is left of inodes they
//! hold on to, and what the kernel asks a second time.
//!
//! Invariant: a request that the kernel sends again because nobody answered it is not carried out twice. What changes
//! names says so in the ledger before it does, until it is answered; what has such a record and has happened, as the
//! names show, is answered as done. Writing, truncating and setting attributes twice is the same as once.
//! Order: an open file is in the ledger before the kernel hears of its number, and an unlinked inode before its last
//! name goes.

use super::clock::now;
use super::content::OpenInode;
use super::error::VfsError;
use super::handles::{FileId, Handle, OpenMode};
use super::host::ContentFiles;
use super::ledger::{Kind, Ledger};
use super::names::directory;
use super::orphans::Orphan;
use super::sealing::sealed_files;
use super::volume::Volume;
use crate::model::{Body, ChunkList, Name, Node, NodeId, Timestamp};
use crate::ops::Tree;
use crate::sync::Store;
use crate::sync::member::{Attributes, Ino};
use crate::wire::{decode, encode};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Which request of the kernel's something is done for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId {
    pub number: u64,
    /// It was sent before, to a process that did not answer.
    pub again: bool,
}

/// A name in a directory.
type At<'a> = (Ino, &'a [u8]);

/// What stands under a name: its inode, if it has been asked for, and its node.
type Standing = (Option<Ino>, NodeId);

/// A change of names that must not be made twice.
#[derive(Clone, Copy, Debug)]
pub enum Change<'a> {
    Make(At<'a>),
    Drop(At<'a>),
    /// Something stands under the name afterwards as well, in an exchange for instance, or nothing does.
    Move {
        from: At<'a>,
        leaves_name: bool,
    },
    Link {
        ino: Ino,
        to: At<'a>,
    },
}

/// What an earlier process had in use; none of it is to be cleared away.
#[derive(Debug, Default)]
pub struct InUse {
    pub inodes: HashSet<Ino>,
    pub files: HashSet<u64>,
}

#[derive(Serialize, Deserialize)]
struct HandleRecord {
    ino: Ino,
    request: u64,
    read: bool,
    write: bool,
    append: bool,
    /// The kernel reads and writes it by itself.
    passes: bool,
}

#[derive(Serialize, Deserialize)]
struct OrphanRecord {
    node: NodeId,
    row: Node,
    links: u32,
    ctime: Timestamp,
    file: Option<u64>,
}

/// Numbers of open files begin anew, far from the last ones, in every process.
const HANDLES_OF_ONE: u32 = 40;

impl InUse {
    /// Reads what an earlier process left in the ledger.
    pub fn read(ledger: &Ledger) -> InUse {
        let inodes = handles(ledger).into_iter().map(|(_, record)| record.ino).collect();
        let nameless = orphans(ledger).into_iter().filter_map(|(_, orphan)| orphan.file);
        let files = nameless.chain(sealed_files(ledger)).collect();
        InUse { inodes, files }
    }
}

fn handles(ledger: &Ledger) -> Vec<(FileId, HandleRecord)> {
    let records = ledger.all(Kind::Handle).into_iter();
    records.filter_map(|(id, bytes)| Some((FileId(id), read("handle", &bytes)?))).collect()
}

fn orphans(ledger: &Ledger) -> Vec<(Ino, OrphanRecord)> {
    let records = ledger.all(Kind::Orphan).into_iter();
    records.filter_map(|(ino, bytes)| Some((Ino(ino), read("orphan", &bytes)?))).collect()
}

/// What another version wrote may make no sense to this one: then that handle is lost, and no more.
pub(super) fn read<T: serde::de::DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Option<T> {
    decode(what, bytes)
        .inspect_err(|error| tracing::error!(%error, "what was handed over makes no sense"))
        .ok()
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Uses a ledger, which may hold what an earlier process left.
    pub fn with_ledger(mut self, ledger: Ledger) -> Volume<S, F> {
        self.ledger = ledger;
        self
    }

    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Takes up what an earlier process had open. To be called before [`Volume::recover`], which leaves alone what is
    /// still being written.
    ///
    /// # Errors
    /// [`VfsError::State`].
    pub fn resume(&self) -> Result<(), VfsError> {
        let before = self.ledger.get(Kind::Incarnation, 0).and_then(|bytes| read::<u64>("number", &bytes));
        let number = before.unwrap_or(0) + 1;
        self.ledger.put(Kind::Incarnation, 0, &encode(&number));
        self.handles.count_from(number << HANDLES_OF_ONE);
        self.resume_orphans();
        self.resume_sealed();
        for (id, record) in handles(&self.ledger) {
            let HandleRecord { ino, request, read, write, append, passes } = record;
            let open = self.acquire(ino, write);
            if let Err(error) = self.resume_content(&open, passes) {
                tracing::error!(ino = ino.0, %error, "an open file could not be taken up");
            }
            let mode = OpenMode { read, write, append, ..OpenMode::default() };
            self.resume_passage(&open, mode, passes);
            self.handles.restore(id, Handle { open, mode, passes: passes.into() });
            self.asked_again.lock().insert(request, (id, ino));
        }
        for (ino, bytes) in self.ledger.all(Kind::AccessTime) {
            self.atimes.lock().extend(read::<Timestamp>("time", &bytes).map(|time| (Ino(ino), time)));
        }
        Ok(())
    }

    fn resume_orphans(&self) {
        let mut replica = self.replica.lock();
        let named: HashSet<u64> = replica.backing_files().collect();
        for (ino, record) in orphans(&self.ledger) {
            record.file.into_iter().for_each(|file| replica.note_file(file));
            // The process may have died before the last name was gone.
            if replica.inode(ino).is_some() {
                self.ledger.remove(Kind::Orphan, ino.0);
                continue;
            }
            let OrphanRecord { node, row, links, ctime, file } = record;
            let attributes = Attributes { node, row, links, ctime, detached: false, blocks: None };
            let owns_file = file.is_some_and(|file| !named.contains(&file));
            self.orphans.restore(ino, Orphan { attributes, file, owns_file });
        }
    }

    /// The file of content that is being written, whose size and mtime are the inode's.
    fn resume_content(&self, open: &OpenInode, passes: bool) -> Result<(), VfsError> {
        let mut content = open.content.write();
        if content.file.is_some() {
            return Ok(());
        }
        let orphan = self.orphans.get(open.ino);
        content.dirty |= orphan.as_ref().is_some_and(|orphan| orphan.owns_file);
        if let Some(number) = self.backing_number(open.ino).filter(|_| content.dirty || passes) {
            content.set_file(self.files.open_write(number)?, true);
        }
        Ok(())
    }

    /// Keeps an open file for the next process.
    pub fn keep_handle(&self, request: RequestId, id: FileId, ino: Ino, mode: OpenMode) {
        let OpenMode { read, write, append, .. } = mode;
        let passes = self.is_passed(id);
        let record = HandleRecord { ino, request: request.number, read, write, append, passes };
        self.ledger.put(Kind::Handle, id.0, &encode(&record));
    }

    /// The file that was opened for a request before it came again.
    pub fn opened_before(&self, request: RequestId) -> Option<(FileId, Ino)> {
        if !request.again {
            return None;
        }
        self.asked_again.lock().get(&request.number).copied()
    }

    /// Makes a change of names and answers; `act` is told whether an earlier process has made it already, for the
    /// same request, and died before the answer.
    pub fn once<R>(&self, request: RequestId, change: Change<'_>, act: impl FnOnce(bool) -> R) -> R {
        let done = request.again && self.was_made(request.number, change);
        if !done {
            let moved = match change {
                Change::Move { from, leaves_name: true } => self.standing(from),
                _ => None,
            };
            self.ledger.put(Kind::Change, request.number, &encode(&moved));
        }
        let answered = act(done);
        self.ledger.remove(Kind::Change, request.number);
        answered
    }

    fn was_made(&self, number: u64, change: Change<'_>) -> bool {
        let Some(record) = self.ledger.get(Kind::Change, number) else { return false };
        match change {
            Change::Make(at) => self.standing(at).is_some(),
            Change::Drop(at) | Change::Move { from: at, leaves_name: false } => self.standing(at).is_none(),
            Change::Move { from, leaves_name: true } => read::<Option<Standing>>("change", &record)
                .is_some_and(|before| {
                    let after = self.standing(from);
                    let differs = |(a, b): (Standing, Standing)| a.0 != b.0 && a.1 != b.1;
                    before.zip(after).is_some_and(differs)
                }),
            Change::Link { ino, to } => self.standing(to).is_some_and(|(there, _)| there == Some(ino)),
        }
    }

    /// What a name leads to.
    fn standing(&self, (parent, name): At<'_>) -> Option<Standing> {
        let name = Name::new(name).ok()?;
        let replica = self.replica.lock();
        let (parent, _) = directory(&replica, parent).ok()?;
        let node = replica.tree().child(parent, &name)?;
        Some((replica.known_ino_of(node), node))
    }

    /// Keeps what is left of an inode for the next process; to be called before its last name goes and whenever it
    /// changes.
    pub(super) fn keep_orphan(&self, ino: Ino, orphan: &Orphan) {
        let Attributes { node, row, ctime, .. } = orphan.attributes.clone();
        let row = Node { body: without_chunks(row.body), ..row };
        let record = OrphanRecord { node, row, links: 0, ctime: ctime.max(now()), file: orphan.file };
        self.ledger.put(Kind::Orphan, ino.0, &encode(&record));
    }
}

/// Nobody looks for the chunks of what has no name.
fn without_chunks(body: Body) -> Body {
    match body {
        Body::File(mut manifest) => {
            manifest.chunks = ChunkList::Flat(Vec::new());
            Body::File(manifest)
        }
        other => other,
    }
}
