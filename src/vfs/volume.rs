//! A mounted space: what all operations share.

use super::attributes::Stat;
use super::clock::now;
use super::closing::Closing;
use super::content::Content;
use super::error::VfsError;
use super::handles::{FileId, Handles};
use super::host::{ContentFiles, Host};
use super::ignored::Ignores;
use super::ledger::{Kind, Ledger};
use super::open::OpenTable;
use super::orphans::{Orphan, Orphans};
use super::queue::CaptureQueue;
use super::quota::Allowance;
use super::settings::Settings;
use super::untold::Untold;
use crate::model::{Body, ChunkList, NodeId, Timestamp};
use crate::sync::Store;
use crate::sync::member::{Attributes, Effects, Ino, Replica};
use parking_lot::{Mutex, MutexGuard};
use std::collections::{HashMap, HashSet};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Instant;

/// A mounted space. Shared by the threads that serve the kernel, the one that captures, and the member.
pub struct Volume<S: Store, F: ContentFiles> {
    pub(super) replica: Mutex<Replica<S>>,
    pub(super) files: F,
    pub(super) host: Box<dyn Host>,
    pub(super) settings: Settings,
    pub(super) open: OpenTable,
    pub(super) handles: Handles,
    pub(super) orphans: Orphans,
    pub(super) queue: CaptureQueue,
    pub(super) untold: Untold,
    pub(super) ignores: Ignores,
    pub(super) allowance: Allowance,
    /// Files may be open that the kernel reads and writes by itself.
    pub(super) passes: AtomicBool,
    /// Until when that there is room for more need not be asked again, in milliseconds since the start.
    pub(super) has_room_until: AtomicU64,
    /// Inodes that the kernel wrote all the time when they were to be captured.
    pub(super) watched: Mutex<HashSet<Ino>>,
    pub(super) closing: Closing,
    /// Access times that were set, for as long as the kernel holds the inode: they are not kept.
    pub(super) atimes: Mutex<HashMap<Ino, Timestamp>>,
    /// What the next process needs if this one dies.
    pub(super) ledger: Ledger,
    /// Files opened by an earlier process, by the request they were opened for.
    pub(super) asked_again: Mutex<HashMap<u64, (FileId, Ino)>>,
    started: Instant,
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    pub fn new(replica: Replica<S>, files: F, host: Box<dyn Host>, settings: Settings) -> Volume<S, F> {
        Volume {
            allowance: Allowance::new(replica.quota()),
            replica: Mutex::new(replica),
            files,
            host,
            settings,
            open: OpenTable::default(),
            handles: Handles::default(),
            orphans: Orphans::default(),
            queue: CaptureQueue::default(),
            untold: Untold::default(),
            ignores: Ignores::default(),
            passes: AtomicBool::new(false),
            has_room_until: AtomicU64::new(0),
            watched: Mutex::default(),
            closing: Closing::default(),
            atimes: Mutex::default(),
            ledger: Ledger::default(),
            asked_again: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// The replica, for the member's conversation with the hub. What its calls bring about goes to
    /// [`Volume::remove_files`] and to the kernel by way of the member.
    pub fn replica(&self) -> MutexGuard<'_, Replica<S>> {
        self.replica.lock()
    }

    pub fn files(&self) -> &F {
        &self.files
    }

    /// Runs local work on the replica and does what follows from it.
    pub(super) fn work<R>(
        &self,
        body: impl FnOnce(&mut Replica<S>) -> Result<(R, Effects), VfsError>,
    ) -> Result<R, VfsError> {
        let mut replica = self.replica.lock();
        let (result, mut effects) = body(&mut replica)?;
        let removed = std::mem::take(&mut effects.removed_files);
        self.allowance.doubt();
        self.host.happened(effects);
        drop(replica);
        self.remove_files(removed);
        Ok(result)
    }

    /// Makes what was committed so far survive the loss of power.
    pub(super) fn sync_rows(&self) -> Result<(), VfsError> {
        match self.host.sync_rows() {
            Some(synced) => Ok(synced?),
            None => Ok(self.replica.lock().sync()?),
        }
    }

    /// Removes backing files that no inode names any more, but for those an unlinked inode still needs.
    pub fn remove_files(&self, files: Vec<u64>) {
        for file in self.orphans.unneeded(files) {
            // Nothing is lost where this fails: the next start removes what no inode names.
            if let Err(error) = self.files.remove(file) {
                tracing::warn!(file, %error, "a backing file could not be removed");
            }
        }
    }

    /// The kernel holds on to the inode no longer.
    pub fn forget(&self, ino: Ino) {
        if self.atimes.lock().remove(&ino).is_some() {
            self.ledger.remove(Kind::AccessTime, ino.0);
        }
        if !self.open.has_handles(ino) && self.orphans.get(ino).is_some() {
            self.open.get(ino).into_iter().for_each(|open| self.open.prune(&open));
            self.reap(ino);
        }
    }

    /// Removes what only the kernel still held on to. To be called once the volume is unmounted.
    pub fn end(&self) {
        let files = self.orphans.clear();
        self.remove_files(files);
    }

    /// Ends an orphan that nobody can reach any more.
    fn reap(&self, ino: Ino) {
        let file = self.orphans.remove(ino);
        self.ledger.remove(Kind::Orphan, ino.0);
        self.remove_files(file.into_iter().collect());
    }

    /// An inode's attributes.
    ///
    /// # Errors
    /// [`VfsError::Gone`].
    pub fn stat(&self, ino: Ino) -> Result<Stat, VfsError> {
        self.take_privileges(ino);
        let open = self.open.get(ino);
        let content = open.as_ref().map(|open| open.content.read());
        let (attributes, _) = self.attributes(ino)?;
        let mut stat = Stat::of(ino, &attributes, &self.settings);
        let is_file = matches!(attributes.row.body, Body::File(_));
        // A detached inode's node has another content by now, and the row tells of that; an unshared one's tells nothing, and
        // no row tells of what is still to be captured, which is not even open where an earlier process has left it.
        let waits = || self.ignores.captures.lock().contains(&ino);
        let by_file = attributes.detached || attributes.node.is_unshared() || waits();
        let file = content.as_deref().and_then(|content| content.file.as_ref());
        let dirty = content.as_deref().is_some_and(|content| content.dirty);
        let pieces = content.as_deref().and_then(|content| content.pieces.as_ref());
        // Content that is known still to be what it was has the attributes of the rows, also when its last writer has gone and
        // it has not been looked at since.
        let known =
            || open.as_ref().zip(file).is_some_and(|(open, file)| open.passage.known_in(file).is_some());
        match file {
            Some(file) if !by_file && known() => stat.blocks = file.metadata()?.blocks(),
            Some(file) if is_file && (dirty || by_file) => stat.overlay(&file.metadata()?),
            None if is_file && by_file && pieces.is_some() => {
                stat.size = pieces.map_or(0, |pieces| pieces.length());
            }
            None if is_file && (dirty || by_file) => match self.backing_number(ino) {
                Some(number) => stat.overlay(&self.files.open_read(number)?.metadata()?),
                None => (stat.size, stat.blocks) = (0, 0),
            },
            _ => {}
        }
        stat.changes_unseen = file.is_none() && self.is_room_unknown(ino, &attributes);
        if let Some(open) = open.as_ref().filter(|open| open.passage.is_written()) {
            stat.changes_unseen = true;
            self.note_told(open, stat.mtime);
        }
        if let Some(atime) = self.atimes.lock().get(&ino) {
            stat.atime = *atime;
        }
        Ok(stat)
    }

    /// Tells whether content is still to come of whose holes the row knows nothing.
    fn is_room_unknown(&self, ino: Ino, attributes: &Attributes) -> bool {
        let manifest = attributes.row.manifest().filter(|_| attributes.blocks.is_none());
        manifest.is_some_and(|it| matches!(it.chunks, ChunkList::Tree(_))) && !self.is_materialized(ino)
    }

    /// What the replica knows of an inode, or what is left of it; and whether it is an orphan.
    pub(super) fn attributes(&self, ino: Ino) -> Result<(Attributes, bool), VfsError> {
        if let Some(attributes) = self.replica.lock().attributes(ino) {
            return Ok((attributes, false));
        }
        let orphan = self.orphans.get(ino).ok_or(VfsError::Gone)?;
        Ok((orphan.attributes, true))
    }

    /// A symlink's target.
    ///
    /// # Errors
    /// [`VfsError::Invalid`] where the inode is something else.
    pub fn read_link(&self, ino: Ino) -> Result<Vec<u8>, VfsError> {
        match self.attributes(ino)?.0.row.body {
            Body::Symlink(target) => Ok(target),
            _ => Err(VfsError::Invalid),
        }
    }

    /// Tells whether an inode has names, or is the root.
    pub fn is_live(&self, ino: Ino) -> bool {
        self.replica.lock().inode(ino).is_some_and(|inode| !inode.detached)
    }

    /// Tells whether nodes keep owners and what only root may set, as on a mount by root.
    pub fn keeps_owners(&self) -> bool {
        self.settings.shown_as.is_none()
    }

    /// The inode the kernel may know for a node; none is made up.
    pub fn known_ino(&self, node: NodeId) -> Option<Ino> {
        self.replica.lock().known_ino_of(node)
    }

    pub(super) fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Brings an open inode's fields in line with the store, once.
    pub(super) fn load(&self, ino: Ino, content: &mut Content) {
        if !content.loaded {
            content.dirty = self.replica.lock().is_dirty(ino);
            content.loaded = true;
        }
    }

    /// Counts a handle, or a use as short as one.
    pub(super) fn acquire(&self, ino: Ino, writer: bool) -> Arc<super::content::OpenInode> {
        if writer {
            self.settle_if_put_off(ino);
        }
        // Order: remote content leaves the inode alone before anybody finds it open.
        self.replica.lock().opened(ino);
        let (open, first) = self.open.add(ino, writer, self.elapsed_ms());
        if first {
            let mut content = open.content.write();
            self.load(ino, &mut content);
            // From now on remote content leaves the inode alone, but until now it may have been swapped.
            if !content.dirty {
                (content.file, content.pieces) = (None, None);
            }
        }
        if writer {
            // It may have been put off meanwhile.
            self.settle_if_put_off(ino);
        }
        open
    }

    /// Ends a handle; content that nobody writes any more is captured.
    pub(super) fn release(&self, ino: Ino, writer: bool) {
        let Some(open) = self.open.get(ino) else { return };
        let remaining = self.open.subtract(ino, writer);
        let closed = self.work(|replica| Ok(((), replica.closed(ino))));
        closed.unwrap_or_else(|error| tracing::warn!(ino = ino.0, %error, "a close"));
        if remaining.handles == 0 || (writer && remaining.writers == 0) {
            self.capture_at_close(&open, remaining);
        }
        if remaining.handles == 0 {
            self.prune_if_clean(&open);
        }
    }

    /// Prepares the burial of a node's inode, should an op take its last name.
    pub(super) fn orphan_to_be(&self, replica: &Replica<S>, node: NodeId) -> Option<(Ino, Orphan)> {
        let ino = replica.known_ino_of(node)?;
        let attributes = replica.attributes(ino)?;
        let inode = replica.inode(ino)?;
        let backing = inode.backing.filter(|_| replica.is_materialized(ino));
        let orphan = Orphan { attributes, file: backing.map(|backing| backing.file), owns_file: false };
        self.keep_orphan(ino, &orphan);
        Some((ino, orphan))
    }

    /// Keeps what is left of an inode if the op did take its last name.
    pub(super) fn bury(&self, replica: &Replica<S>, victim: Option<(Ino, Orphan)>) {
        if let Some((ino, orphan)) = victim
            && replica.inode(ino).is_none()
        {
            self.orphans.insert(ino, orphan, now());
        }
    }
}
