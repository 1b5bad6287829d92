//! Extended attributes.

use super::acl::{self, Acl};
use super::error::VfsError;
use super::host::ContentFiles;
use super::meta::no_change;
use super::settings::Caller;
use super::told::is_told;
use super::volume::Volume;
use crate::model::{XATTR_NAME_BYTES_MAX, XATTR_VALUE_BYTES_MAX, Xattrs};
use crate::ops::SetMeta;
use crate::sync::Store;
use crate::sync::member::Ino;

/// All attributes of one node together, in bytes.
const XATTRS_BYTES_MAX: usize = 256 * 1024;
/// Labels of security modules belong to a machine and never travel.
const LABELS: [&[u8]; 5] =
    [b"security.selinux", b"security.apparmor", b"security.SMACK64", b"security.ima", b"security.evm"];

/// What a new attribute may meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XattrMode {
    Any,
    Create,
    Replace,
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// An attribute's value.
    ///
    /// # Errors
    /// [`VfsError::NoAttribute`]; [`VfsError::Unsupported`] for a kind that is not kept.
    pub fn xattr(&self, ino: Ino, name: &[u8]) -> Result<Vec<u8>, VfsError> {
        if is_told(name) {
            return self.told_xattr(ino, name);
        }
        self.check_name(name)?;
        let row = self.attributes(ino)?.0.row;
        let value = row.xattrs.get(name).cloned();
        let value =
            if name == acl::ACCESS { value.and_then(|list| acl::shown(&list, row.mode)) } else { value };
        value.ok_or(VfsError::NoAttribute)
    }

    /// The names of all attributes that are shown, each with a NUL behind it.
    ///
    /// # Errors
    /// [`VfsError::Gone`].
    pub fn xattr_names(&self, ino: Ino) -> Result<Vec<u8>, VfsError> {
        let row = self.attributes(ino)?.0.row;
        let shown = row.xattrs.keys().filter(|name| self.check_name(name).is_ok() && !is_told(name));
        Ok(shown.flat_map(|name| name.iter().copied().chain([0])).collect())
    }

    /// Sets an attribute.
    ///
    /// # Errors
    /// [`VfsError::NotPermitted`] for what the mount tells; those of `setxattr(2)`.
    pub fn set_xattr(&self, ino: Ino, name: &[u8], value: &[u8], mode: XattrMode) -> Result<(), VfsError> {
        check_settable(name)?;
        self.check_name(name)?;
        let (attributes, _) = self.attributes(ino)?;
        let xattrs = &attributes.row.xattrs;
        match (mode, xattrs.contains_key(name)) {
            (XattrMode::Create, true) => return Err(VfsError::Exists),
            (XattrMode::Replace, false) => return Err(VfsError::NoAttribute),
            _ => {}
        }
        if value.len() > XATTR_VALUE_BYTES_MAX {
            return Err(VfsError::TooBig);
        }
        if bytes_of(xattrs, name) + name.len() + value.len() > XATTRS_BYTES_MAX {
            return Err(VfsError::NoSpace);
        }
        let change = vec![(name.to_vec(), Some(value.to_vec()))];
        self.submit_meta(ino, SetMeta { xattrs: change, ..no_change(attributes.node) })
    }

    /// Sets an access control list. POSIX: one that a mode can say is none, and set-group-id stays only where the caller
    /// belongs to the group.
    ///
    /// # Errors
    /// [`VfsError::Invalid`], [`VfsError::Unsupported`]; those of [`Volume::set_xattr`].
    pub fn set_acl(&self, caller: Caller, ino: Ino, name: &[u8], value: &[u8]) -> Result<(), VfsError> {
        self.check_name(name)?;
        let list = Acl::parse(value)?;
        if name != acl::ACCESS {
            return self.set_xattr(ino, name, &list.bytes(), XattrMode::Any);
        }
        let (attributes, _) = self.attributes(ino)?;
        let row = &attributes.row;
        let kept = if caller.belongs_to(row.owner.gid) { 0o7000 } else { 0o5000 };
        let mode = row.mode & kept | list.mode();
        let kept_list = (!list.is_mode()).then(|| list.bytes());
        let has_any = kept_list.is_some() || row.xattrs.contains_key(name);
        let xattrs = has_any.then(|| (name.to_vec(), kept_list)).into_iter().collect();
        let mode = Some(mode).filter(|mode| *mode != row.mode);
        self.submit_meta(ino, SetMeta { mode, xattrs, ..no_change(attributes.node) })
    }

    /// Removes an attribute.
    ///
    /// # Errors
    /// [`VfsError::NoAttribute`].
    pub fn remove_xattr(&self, ino: Ino, name: &[u8]) -> Result<(), VfsError> {
        check_settable(name)?;
        self.check_name(name)?;
        let (attributes, _) = self.attributes(ino)?;
        if !attributes.row.xattrs.contains_key(name) {
            // POSIX: to have no list is what was asked for.
            return if acl::is_acl(name) { Ok(()) } else { Err(VfsError::NoAttribute) };
        }
        let change = vec![(name.to_vec(), None)];
        self.submit_meta(ino, SetMeta { xattrs: change, ..no_change(attributes.node) })
    }

    fn check_name(&self, name: &[u8]) -> Result<(), VfsError> {
        if name.len() > XATTR_NAME_BYTES_MAX {
            return Err(VfsError::BufferTooSmall);
        }
        if LABELS.iter().any(|label| name.starts_with(label)) {
            return Err(VfsError::Unsupported);
        }
        let privileged = self.settings.shown_as.is_none();
        let has_prefix = |prefix: &[u8]| name.starts_with(prefix);
        let is_of_root = || has_prefix(b"trusted.") || has_prefix(b"security.") || acl::is_acl(name);
        let is_kept = has_prefix(b"user.") || (privileged && is_of_root());
        if !is_kept {
            return Err(VfsError::Unsupported);
        }
        if name.ends_with(b".") && name.iter().filter(|byte| **byte == b'.').count() == 1 {
            return Err(VfsError::Invalid);
        }
        Ok(())
    }
}

fn check_settable(name: &[u8]) -> Result<(), VfsError> {
    if is_told(name) { Err(VfsError::NotPermitted) } else { Ok(()) }
}

/// What a node's attributes take, but for the one of this name.
fn bytes_of(xattrs: &Xattrs, but: &[u8]) -> usize {
    xattrs.iter().filter(|(name, _)| *name != but).map(|(name, value)| name.len() + value.len()).sum()
}
