//! Directories listed.
//!
//! A name's place in the listing is its order number, which depends on the name alone: a listing goes on where
//! it stopped, whatever was added or removed meanwhile, also after a remount.

use super::attributes::{FileType, Stat};
use super::error::VfsError;
use super::host::ContentFiles;
use super::names::directory;
use super::volume::Volume;
use crate::model::{Name, NodeId};
use crate::ops::Tree;
use crate::sync::Store;
use crate::sync::member::{Ino, Replica};
use crate::wire::RowKey;

const COOKIE_DOT: u64 = 1;
const COOKIE_DOT_DOT: u64 = 2;

/// One entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: Vec<u8>,
    pub ino: Ino,
    pub file_type: FileType,
    /// Where the listing goes on after this entry.
    pub cookie: u64,
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Up to `limit` entries of a directory that come after `cookie`; 0 is the beginning.
    ///
    /// # Errors
    /// [`VfsError::NotFound`] where the directory is gone, [`VfsError::NotDirectory`].
    pub fn list(&self, ino: Ino, cookie: u64, limit: usize) -> Result<Vec<Entry>, VfsError> {
        if self.orphans.get(ino).is_some() {
            return Ok(Vec::new());
        }
        let mut replica = self.replica.lock();
        let (node, _) = directory(&replica, ino)?;
        let mut entries = Vec::new();
        if cookie < COOKIE_DOT {
            entries.push(dot(b".", ino, COOKIE_DOT));
        }
        if cookie < COOKIE_DOT_DOT {
            let parent = replica.tree().places(node).first().map_or(NodeId::ROOT, |place| place.parent);
            entries.push(dot(b"..", replica.ino_of(parent)?, COOKIE_DOT_DOT));
        }
        let after = cookie.max(COOKIE_DOT_DOT);
        let room = limit.saturating_sub(entries.len());
        let names: Vec<(Name, NodeId)> = replica.tree().list(node, after).take(room).collect();
        for (name, child) in names {
            entries.extend(entry(&mut replica, &name, child)?);
        }
        Ok(entries)
    }

    /// The attributes of a listed inode.
    pub fn stat_entry(&self, entry: &Entry) -> Option<Stat> {
        self.stat(entry.ino).ok()
    }
}

fn dot(name: &[u8], ino: Ino, cookie: u64) -> Entry {
    Entry { name: name.to_vec(), ino, file_type: FileType::Directory, cookie }
}

fn entry<S: Store>(replica: &mut Replica<S>, name: &Name, child: NodeId) -> Result<Option<Entry>, VfsError> {
    let Some(row) = replica.tree().node(child) else { return Ok(None) };
    let ino = replica.ino_of(child)?;
    let cookie = RowKey::name_order(name);
    Ok(Some(Entry { name: name.as_bytes().to_vec(), ino, file_type: FileType::of(&row.body), cookie }))
}
