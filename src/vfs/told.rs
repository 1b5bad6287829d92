//! Extended attributes that nobody sets: what the mount tells scripts of a file.
//!
//! `user.fl0w.status` is how it stands with the hub, `user.fl0w.md5` and `user.fl0w.version` say which content it has,
//! `user.fl0w.materialized` whether that is on this machine. They are in no list of a file's attributes, so that no
//! copy takes them along.

use super::error::VfsError;
use super::host::ContentFiles;
use super::volume::Volume;
use crate::model::Body;
use crate::sync::Store;
use crate::sync::member::Ino;

const PREFIX: &[u8] = b"user.fl0w.";

/// Whether an attribute is the mount's to tell.
pub(super) fn is_told(name: &[u8]) -> bool {
    name.starts_with(PREFIX)
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// The value of an attribute that the mount tells.
    ///
    /// # Errors
    /// [`VfsError::NoAttribute`] where there is none of this name, or nothing true to say.
    pub(super) fn told_xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>, VfsError> {
        self.settle_put_off();
        let (attributes, is_orphan) = self.attributes(ino)?;
        if is_orphan {
            return Err(VfsError::NoAttribute);
        }
        let here = !self.must_wait(ino);
        let replica = self.replica.lock();
        let row = &attributes.row;
        // What is being written has no name yet, nor has what remote content has replaced.
        let is_unnamed = replica.is_dirty(ino) || replica.is_embryo(attributes.node);
        let is_named = !attributes.detached && !attributes.node.is_unshared() && !is_unnamed;
        let manifest = match &row.body {
            Body::File(manifest) => Some(manifest),
            _ => None,
        };
        let named = manifest.filter(|_| is_named);
        let value = match name.strip_prefix(PREFIX) {
            Some(b"status") => Some(replica.standing_of(ino, attributes.node).word().to_owned()),
            Some(b"md5") => named.map(|manifest| manifest.md5.to_string()),
            Some(b"version") => named.map(|_| row.version.0.to_string()),
            Some(b"materialized") => manifest.map(|_| if here { "yes" } else { "no" }.to_owned()),
            _ => None,
        };
        value.map(String::into_bytes).ok_or(VfsError::NoAttribute)
    }
}
