//! Names taken away: unlink, rmdir.

use super::clock::now;
use super::error::VfsError;
use super::host::ContentFiles;
use super::names::{directory, name_of};
use super::volume::Volume;
use crate::model::{Name, Place};
use crate::ops::{Drop, Tree, Verb};
use crate::sync::Store;
use crate::sync::member::Ino;

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
        if !self.is_unshared(dropped) {
            self.settle_before_op(&[dropped])?;
        }
        if let Some(newcomer) = self.newcomer_to(dropped) {
            // A save by backup ends here: what takes the old file's place enters the log before it does.
            self.capture_now(newcomer)?;
        }
        let dropped = self.work(|replica| {
            let (parent, _) = directory(replica, parent)?;
            let node = replica.tree().child(parent, &name).ok_or(VfsError::NotFound)?;
            let row = replica.tree().node(node).ok_or(VfsError::NotFound)?;
            match (row.is_directory(), is_directory) {
                (true, false) => return Err(VfsError::IsDirectory),
                (false, true) => return Err(VfsError::NotDirectory),
                _ => {}
            }
            let victim = self.orphan_to_be(replica, node);
            let place = Place { parent, name: name.clone() };
            let drop = Drop { node, place, version: row.version };
            let effects = replica.submit(now(), Verb::Drop(drop))?;
            self.bury(replica, victim);
            Ok(((), effects))
        });
        self.note_name(&name);
        dropped
    }

    /// The file that stands where this one was moved aside from.
    pub(super) fn newcomer_to(&self, ino: Ino) -> Option<Ino> {
        let replica = self.replica.lock();
        let view = replica.tree();
        let aside = view.node(replica.inode(ino)?.node)?.moved?.from;
        replica.known_ino_of(view.child(aside.parent, &aside.name)?)
    }

    pub(super) fn inode_under(&self, parent: Ino, name: &Name) -> Result<Ino, VfsError> {
        let mut replica = self.replica.lock();
        let (parent, _) = directory(&replica, parent)?;
        let node = replica.tree().child(parent, name).ok_or(VfsError::NotFound)?;
        Ok(replica.ino_of(node)?)
    }
}
