//! Where directories are, by the kernel's numbers.

use super::host::ContentFiles;
use super::volume::Volume;
use crate::ops::Tree;
use crate::sync::Store;
use crate::sync::member::{Ino, Spot};

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// A directory's name and the directory it is in, which gets a number if it has none. None for the root, and for
    /// what is no more.
    pub fn place_of(&self, directory: Ino) -> Option<Spot> {
        let mut replica = self.replica.lock();
        let node = replica.inode(directory).filter(|inode| !inode.detached)?.node;
        let place = replica.tree().places(node).into_iter().next()?;
        Some(Spot { directory: replica.ino_of(place.parent).ok()?, name: place.name })
    }
}
