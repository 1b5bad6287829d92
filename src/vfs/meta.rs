//! Attributes changed: mode, owner, times, size.

use super::attributes::Stat;
use super::clock::now;
use super::content::OpenInode;
use super::error::VfsError;
use super::handles::FileId;
use super::host::ContentFiles;
use super::ledger::Kind;
use super::prepare::{Keep, set_mtime};
use super::settings::Caller;
use super::volume::Volume;
use crate::model::{Body, Node, NodeId, Timestamp};
use crate::ops::{SetMeta, Verb};
use crate::sync::Store;
use crate::sync::member::Ino;
use crate::wire::encode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const SET_UID: u16 = 0o4000;
const SET_GID: u16 = 0o2000;
const GROUP_EXECUTE: u16 = 0o010;
pub(super) const CAPABILITY: &[u8] = b"security.capability";

/// What `chmod`, `chown`, `utimens` and `truncate` change; None leaves a field as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetAttributes {
    pub mode: Option<u16>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size: Option<u64>,
    pub atime: Option<Timestamp>,
    pub mtime: Option<Timestamp>,
}

impl SetAttributes {
    /// POSIX: `chown` with nothing to change still ends set-id bits and changes ctime. It is the one call that
    /// comes without any field.
    fn is_chown(&self) -> bool {
        self.uid.is_some() || self.gid.is_some() || *self == SetAttributes::default()
    }
}

/// Nothing to change, for `node`.
pub(super) fn no_change(node: NodeId) -> SetMeta {
    SetMeta { node, mode: None, uid: None, gid: None, mtime: None, xattrs: Vec::new() }
}

/// Tells whether writing to a file must take something from it.
pub(super) fn has_privileges(row: &Node) -> bool {
    row.mode & (SET_UID | SET_GID) != 0 || row.xattrs.contains_key(CAPABILITY)
}

/// The mode without the bits that do not survive a change. Set-group-id on what the group cannot execute is no
/// privilege; it goes where the caller could not have set it.
fn without_set_id(row: &Node, caller: Caller) -> u16 {
    let kept = row.mode & !SET_UID;
    let may_keep = || kept & GROUP_EXECUTE == 0 && caller.belongs_to(row.owner.gid);
    if kept & SET_GID != 0 && !may_keep() { kept & !SET_GID } else { kept }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Changes attributes and returns the new ones.
    ///
    /// # Errors
    /// [`VfsError::NotPermitted`] for a foreign owner on an unprivileged mount; those of `truncate(2)`.
    pub fn set_attributes(
        &self,
        caller: Caller,
        ino: Ino,
        handle: Option<FileId>,
        set: SetAttributes,
    ) -> Result<Stat, VfsError> {
        self.check_owner(&set)?;
        if let Some(size) = set.size {
            self.truncate(caller, ino, handle, size)?;
        }
        if let Some(atime) = set.atime {
            self.atimes.lock().insert(ino, atime);
            self.ledger.put(Kind::AccessTime, ino.0, &encode(&atime));
        }
        let beside_size = SetAttributes { size: None, ..set };
        if set.size.is_none() || beside_size != SetAttributes::default() {
            self.set_meta(caller, ino, &beside_size)?;
        }
        self.stat(ino)
    }

    fn check_owner(&self, set: &SetAttributes) -> Result<(), VfsError> {
        let Some(owner) = self.settings.shown_as else { return Ok(()) };
        let foreign =
            set.uid.is_some_and(|uid| uid != owner.uid) || set.gid.is_some_and(|gid| gid != owner.gid);
        if foreign { Err(VfsError::NotPermitted) } else { Ok(()) }
    }

    fn truncate(&self, caller: Caller, ino: Ino, handle: Option<FileId>, size: u64) -> Result<(), VfsError> {
        match self.attributes(ino)?.0.row.body {
            Body::File(_) => {}
            Body::Directory => return Err(VfsError::IsDirectory),
            _ => return Err(VfsError::Invalid),
        }
        let through_handle = handle.and_then(|id| self.handles.get(id).ok());
        if let Some(handle) = through_handle.filter(|handle| handle.open.ino == ino) {
            self.cut(&handle.open, size)?;
            return self.clear_privileges(caller.if_unprivileged(), &handle.open);
        }
        let open = self.acquire(ino, true);
        let cut = self.cut(&open, size).and_then(|()| self.clear_privileges(caller.if_unprivileged(), &open));
        self.release(ino, true);
        cut
    }

    /// Gives content a length.
    pub(super) fn cut(&self, open: &OpenInode, size: u64) -> Result<(), VfsError> {
        let _gate = open.gate.read();
        let keep = if size == 0 { Keep::Nothing } else { Keep::Content };
        let file = self.prepare(open, keep)?;
        open.flushed.store(false, Ordering::Relaxed);
        self.check_quota(open, &file, size)?;
        file.set_len(size)?;
        self.allowance.doubt();
        // POSIX: a truncation that changes nothing is a change all the same.
        set_mtime(&file, now())
    }

    /// POSIX: a write or truncation by others than root takes set-id bits, and by anyone, capabilities.
    pub(super) fn clear_privileges(
        &self,
        unprivileged: Option<Caller>,
        open: &OpenInode,
    ) -> Result<(), VfsError> {
        let (attributes, _) = self.attributes(open.ino)?;
        let row = &attributes.row;
        let mode = unprivileged.map_or(row.mode, |caller| without_set_id(row, caller));
        let capable = row.xattrs.contains_key(CAPABILITY);
        if mode != row.mode || capable {
            let xattrs = capable.then(|| (CAPABILITY.to_vec(), None)).into_iter().collect();
            let changed = (mode != row.mode).then_some(mode);
            self.submit_meta(open.ino, SetMeta { mode: changed, xattrs, ..no_change(attributes.node) })?;
            open.privileged.store(mode & (SET_UID | SET_GID) != 0, Ordering::Relaxed);
        }
        Ok(())
    }

    fn set_meta(&self, caller: Caller, ino: Ino, set: &SetAttributes) -> Result<(), VfsError> {
        let (attributes, _) = self.attributes(ino)?;
        let row = &attributes.row;
        let chown_ends_set_id = set.is_chown() && set.mode.is_none() && !row.is_directory();
        let mode = match set.mode {
            None if chown_ends_set_id => Some(without_set_id(row, caller)).filter(|mode| *mode != row.mode),
            mode => mode.map(|mode| mode & 0o7777),
        };
        let owners = self.settings.shown_as.is_none();
        let mut meta = SetMeta {
            mode,
            uid: set.uid.filter(|_| owners),
            gid: set.gid.filter(|_| owners),
            mtime: set.mtime,
            ..no_change(attributes.node)
        };
        if let Some(mtime) = set.mtime
            && self.set_dirty_mtime(ino, mtime)?
        {
            meta.mtime = None;
            if meta == no_change(attributes.node) {
                return Ok(());
            }
        }
        self.submit_meta(ino, meta)
    }

    /// While content is dirty, or where nobody is told of it, its mtime is the backing file's. Tells whether that is so.
    fn set_dirty_mtime(&self, ino: Ino, mtime: Timestamp) -> Result<bool, VfsError> {
        if self.is_unshared(ino) {
            let Some(number) = self.backing_number(ino) else { return Ok(false) };
            return set_mtime(&self.files.open_write(number)?, mtime).map(|()| true);
        }
        if let Some(open) = self.open.get(ino) {
            return self.set_mtime_if_dirty(&open, mtime);
        }
        if !self.replica.lock().is_dirty(ino) {
            return Ok(false);
        }
        let open = self.acquire(ino, false);
        let set = self.set_mtime_if_dirty(&open, mtime);
        self.release(ino, false);
        set
    }

    fn set_mtime_if_dirty(&self, open: &OpenInode, mtime: Timestamp) -> Result<bool, VfsError> {
        let _gate = open.gate.read();
        let mut content = open.content.write();
        self.load(open.ino, &mut content);
        if !content.dirty {
            return Ok(false);
        }
        // What is put off, or waits for its capture since the start, is not open.
        let file = match &content.file {
            Some(file) => file.clone(),
            None => match self.backing_number(open.ino) {
                Some(number) => Arc::new(self.files.open_write(number)?),
                None => return Ok(false),
            },
        };
        open.note_touch();
        set_mtime(&file, mtime).map(|()| true)
    }

    /// Makes a change of attributes an op; an orphan's stays here.
    pub(super) fn submit_meta(&self, ino: Ino, meta: SetMeta) -> Result<(), VfsError> {
        let changed = self.orphans.update(ino, |orphan| {
            apply_to_row(&mut orphan.attributes.row, &meta);
            orphan.attributes.ctime = now();
            self.keep_orphan(ino, orphan);
        });
        if changed.is_some() {
            return Ok(());
        }
        let is_untold = meta.node.is_unshared() || self.replica.lock().is_embryo(meta.node);
        if !is_untold {
            self.settle_before_op(&[ino])?;
        }
        if let Some(open) = self.open.get(ino) {
            open.privileged.store(true, Ordering::Relaxed);
        }
        self.work(|replica| Ok(((), replica.submit(now(), Verb::SetMeta(meta))?)))?;
        if let Some(open) = self.open.get(ino).filter(|open| open.passage.is_written())
            && has_privileges(&self.attributes(ino)?.0.row)
        {
            self.watch_privileges(&open);
        }
        Ok(())
    }
}

fn apply_to_row(row: &mut Node, meta: &SetMeta) {
    row.mode = meta.mode.unwrap_or(row.mode);
    row.owner.uid = meta.uid.unwrap_or(row.owner.uid);
    row.owner.gid = meta.gid.unwrap_or(row.owner.gid);
    row.mtime = meta.mtime.unwrap_or(row.mtime);
    for (name, value) in &meta.xattrs {
        match value {
            Some(value) => row.xattrs.insert(name.clone(), value.clone()),
            None => row.xattrs.remove(name),
        };
    }
}
