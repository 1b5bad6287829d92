//! Names taken away and changed: unlink, rmdir, rename.

use super::clock::now;
use super::error::VfsError;
use super::host::ContentFiles;
use super::names::{directory, name_of};
use super::volume::Volume;
use crate::model::{Name, NodeId, Place};
use crate::ops::{Drop, Move, Replaced, Tree, Verb};
use crate::sync::Store;
use crate::sync::member::{Effects, Ino, Replica};

/// What a rename does about a node that has the new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    Replace,
    NoReplace,
    /// Both nodes change places.
    Exchange,
}

/// A rename whose two sides have been looked up.
struct Resolved {
    node: NodeId,
    from: Place,
    to: Place,
    existing: Option<Replaced>,
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Removes a name of something that is not a directory.
    ///
    /// # Errors
    /// [`VfsError::NotFound`], [`VfsError::IsDirectory`].
    pub fn unlink(&self, parent: Ino, name: &[u8]) -> Result<(), VfsError> {
        self.drop_name(parent, name_of(name)?, false)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`VfsError::NotFound`], [`VfsError::NotDirectory`], [`VfsError::NotEmpty`].
    pub fn remove_directory(&self, parent: Ino, name: &[u8]) -> Result<(), VfsError> {
        self.drop_name(parent, name_of(name)?, true)
    }

    fn drop_name(&self, parent: Ino, name: Name, is_directory: bool) -> Result<(), VfsError> {
        let dropped = self.inode_under(parent, &name)?;
        self.settle_before_op(&[dropped])?;
        if let Some(newcomer) = self.newcomer_to(dropped) {
            // A save by backup ends here: what takes the old file's place enters the log before it does.
            self.capture_now(newcomer)?;
        }
        self.work(|replica| {
            let (parent, _) = directory(replica, parent)?;
            let node = replica.view().child(parent, &name).ok_or(VfsError::NotFound)?;
            let row = replica.view().node(node).ok_or(VfsError::NotFound)?;
            match (row.is_directory(), is_directory) {
                (true, false) => return Err(VfsError::IsDirectory),
                (false, true) => return Err(VfsError::NotDirectory),
                _ => {}
            }
            let victim = self.orphan_to_be(replica, node);
            let drop = Drop { node, place: Place { parent, name }, version: row.version };
            let effects = replica.submit(now(), Verb::Drop(drop))?;
            self.bury(replica, victim);
            Ok(((), effects))
        })
    }

    /// The file that stands where this one was moved aside from.
    fn newcomer_to(&self, ino: Ino) -> Option<Ino> {
        let replica = self.replica.lock();
        let view = replica.view();
        let aside = view.node(replica.inode(ino)?.node)?.moved?.from;
        replica.known_ino_of(view.child(aside.parent, &aside.name)?)
    }

    fn inode_under(&self, parent: Ino, name: &Name) -> Result<Ino, VfsError> {
        let mut replica = self.replica.lock();
        let (parent, _) = directory(&replica, parent)?;
        let node = replica.view().child(parent, name).ok_or(VfsError::NotFound)?;
        Ok(replica.ino_of(node)?)
    }

    /// Tells whether the log has not heard of a file: what names its node must wait for its first capture.
    fn is_embryo(&self, ino: Ino) -> bool {
        let replica = self.replica.lock();
        replica.inode(ino).is_some_and(|inode| replica.is_embryo(inode.node))
    }

    /// Renames. Two names of one file are left as they are.
    ///
    /// # Errors
    /// Those of `rename(2)`.
    pub fn rename(
        &self,
        (parent, name): (Ino, &[u8]),
        (new_parent, new_name): (Ino, &[u8]),
        mode: RenameMode,
    ) -> Result<(), VfsError> {
        let (name, new_name) = (name_of(name)?, name_of(new_name)?);
        // What is moved enters the log with the content it has, before it moves.
        let moved = self.inode_under(parent, &name)?;
        self.settle_before_op(&[])?;
        self.capture_now(moved)?;
        if let Ok(replaced) = self.inode_under(new_parent, &new_name)
            && (mode == RenameMode::Exchange || self.is_embryo(replaced))
        {
            self.capture_now(replaced)?;
        }
        self.work(|replica| {
            let resolved = resolve(replica, (parent, name), (new_parent, new_name))?;
            self.rename_resolved(replica, resolved, mode)
        })
    }

    fn rename_resolved(
        &self,
        replica: &mut Replica<S>,
        resolved: Resolved,
        mode: RenameMode,
    ) -> Result<((), Effects), VfsError> {
        let Resolved { node, from, to, existing } = resolved;
        match (mode, existing) {
            (RenameMode::NoReplace, Some(_)) => return Err(VfsError::Exists),
            (RenameMode::Exchange, None) => return Err(VfsError::NotFound),
            (_, Some(existing)) if existing.node == node => return Ok(((), Effects::default())),
            _ => {}
        }
        let victim = existing.and_then(|existing| self.orphan_to_be(replica, existing.node));
        let rename = Move {
            node,
            from,
            to,
            replaces: existing,
            exchange: mode == RenameMode::Exchange,
            keeps_owner: self.settings.shown_as.is_some(),
        };
        let effects = replica.submit(now(), Verb::Move(rename))?;
        self.bury(replica, victim);
        Ok(((), effects))
    }
}

fn resolve<S: Store>(
    replica: &Replica<S>,
    (parent, name): (Ino, Name),
    (new_parent, new_name): (Ino, Name),
) -> Result<Resolved, VfsError> {
    let (parent, _) = directory(replica, parent)?;
    let (new_parent, _) = directory(replica, new_parent)?;
    let view = replica.view();
    let node = view.child(parent, &name).ok_or(VfsError::NotFound)?;
    let existing = view.child(new_parent, &new_name).and_then(|node| {
        let version = view.node(node)?.version;
        Some(Replaced { node, version })
    });
    let (from, to) = (Place { parent, name }, Place { parent: new_parent, name: new_name });
    Ok(Resolved { node, from, to, existing })
}
