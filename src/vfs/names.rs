//! Names found and made: lookup, make, link.

use super::acl;
use super::attributes::Stat;
use super::clock::now;
use super::error::VfsError;
use super::host::ContentFiles;
use super::ignored::is_list;
use super::settings::Caller;
use super::volume::Volume;
use crate::model::{
    Body, DeviceNumber, InvalidName, Manifest, Name, Node, NodeId, Owner, Place, Special, Xattrs,
};
use crate::ops::{Link, Tree, Verb};
use crate::sync::Store;
use crate::sync::member::{Effects, Ino, Makings, Replica};

const SET_GID: u16 = 0o2000;

/// What a new node is to be.
#[derive(Clone, Debug)]
pub struct NewNode {
    pub body: Body,
    /// Permission and set-id bits as the caller gave them, whatever its umask.
    pub mode: u16,
}

impl NewNode {
    pub fn file(mode: u16) -> NewNode {
        NewNode { body: Body::File(Manifest::empty()), mode }
    }

    pub(super) fn whiteout() -> NewNode {
        NewNode { body: Body::Special(Special::CharDevice(DeviceNumber(0))), mode: 0 }
    }
}

/// Checks bytes from the kernel and makes them a name.
pub(super) fn name_of(bytes: &[u8]) -> Result<Name, VfsError> {
    Name::new(bytes).map_err(|invalid| match invalid {
        InvalidName::TooLong => VfsError::NameTooLong,
        InvalidName::Dots => VfsError::Exists,
        _ => VfsError::Invalid,
    })
}

/// The node of a directory's inode and its row.
pub(super) fn directory<S: Store>(replica: &Replica<S>, ino: Ino) -> Result<(NodeId, Node), VfsError> {
    let inode = replica.inode(ino).filter(|inode| !inode.detached).ok_or(VfsError::NotFound)?;
    let row = replica.tree().node(inode.node).ok_or(VfsError::NotFound)?;
    if row.is_directory() { Ok((inode.node, row)) } else { Err(VfsError::NotDirectory) }
}

/// The node that a name in a directory leads to.
fn child<S: Store>(replica: &Replica<S>, parent: Ino, name: &Name) -> Result<NodeId, VfsError> {
    let inode = replica.inode(parent).filter(|inode| !inode.detached).ok_or(VfsError::NotFound)?;
    match replica.tree().child(inode.node, name) {
        Some(node) => Ok(node),
        // What has names in it is a directory: its row is read only to tell why there is none.
        None => Err(directory(replica, parent).err().unwrap_or(VfsError::NotFound)),
    }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// The inode a name leads to.
    ///
    /// # Errors
    /// [`VfsError::NotFound`], [`VfsError::NotDirectory`], [`VfsError::NameTooLong`].
    pub fn lookup(&self, parent: Ino, name: &[u8]) -> Result<Stat, VfsError> {
        let name = name_of(name)?;
        let ino = {
            let mut replica = self.replica.lock();
            let node = child(&replica, parent, &name)?;
            replica.ino_of(node)?
        };
        self.stat(ino)
    }

    /// Makes a node under a name that must be free. A regular file is closed at once, as `mknod(2)` has it.
    ///
    /// # Errors
    /// [`VfsError::Exists`], [`VfsError::NotFound`], [`VfsError::NoSpace`], [`VfsError::ReadOnly`].
    pub fn make(&self, caller: Caller, parent: Ino, name: &[u8], new: NewNode) -> Result<Stat, VfsError> {
        let is_file = matches!(new.body, Body::File(_));
        if !is_file && !self.is_unshared(parent) {
            self.settle_before_op(&[])?;
        }
        let ino = self.make_node(caller, parent, name, new, None)?;
        if is_file {
            self.capture_now(ino)?;
        }
        self.stat(ino)
    }

    /// `backing` is an empty file for a regular one, which takes it unless it is ignored.
    pub(super) fn make_node(
        &self,
        caller: Caller,
        parent: Ino,
        name: &[u8],
        new: NewNode,
        backing: Option<u64>,
    ) -> Result<Ino, VfsError> {
        let name = name_of(name)?;
        if self.closing.is_waiting() && self.is_unshared(parent) {
            // It may be a directory that becomes shared with what is made in it.
            self.settle_put_off();
        }
        let made = self.work(|replica| {
            let (node, row) = directory(replica, parent)?;
            let is_directory = matches!(new.body, Body::Directory);
            let makings = self.makings(caller, &row, new);
            if self.is_ignored(replica, node, &name, is_directory) {
                let place = Place { parent: node, name: name.clone() };
                return Ok(replica.make_unshared(now(), place, makings)?);
            }
            let (node, mut effects) = self.shared_directory(replica, parent, node)?;
            let place = Place { parent: node, name: name.clone() };
            let (ino, made) = match backing {
                Some(file) => replica.make_backed(now(), place, makings, file)?,
                None => replica.make(now(), place, makings)?,
            };
            effects.extend(made);
            Ok((ino, effects))
        });
        self.note_name(&name);
        made
    }

    /// The node of a directory, `node` so far, in which something is to be made that is shared.
    pub(super) fn shared_directory(
        &self,
        replica: &mut Replica<S>,
        ino: Ino,
        node: NodeId,
    ) -> Result<(NodeId, Effects), VfsError> {
        if !node.is_unshared() {
            return Ok((node, Effects::default()));
        }
        let effects = self.share_directory(replica, ino)?;
        Ok((directory(replica, ino)?.0, effects))
    }

    /// A name was made, changed or removed.
    pub(super) fn note_name(&self, name: &Name) {
        if is_list(name) {
            self.ignores.forget();
        }
    }

    /// POSIX: a set-group-id directory gives its group to what is made in it, and the bit to directories. A default
    /// list of the directory takes the umask's place. A symlink has all permissions.
    fn makings(&self, caller: Caller, parent: &Node, new: NewNode) -> Makings {
        let inherits = parent.mode & SET_GID != 0;
        let is_directory = matches!(new.body, Body::Directory);
        let permissions = match new.body {
            Body::Symlink(_) => Some((new.mode, Xattrs::new())),
            _ if self.keeps_owners() => acl::inherited(&parent.xattrs, new.mode, is_directory),
            _ => None,
        };
        let (mode, xattrs) = permissions.unwrap_or_else(|| (new.mode & !caller.umask, Xattrs::new()));
        let mode = if is_directory && inherits { mode | SET_GID } else { mode };
        let gid = if inherits { parent.owner.gid } else { caller.gid };
        let owner = self.keeps_owners().then_some(Owner { uid: caller.uid, gid });
        Makings { body: new.body, mode: mode & 0o7777, owner, xattrs }
    }

    /// Gives an inode one more name.
    ///
    /// # Errors
    /// [`VfsError::Exists`], [`VfsError::NotFound`], [`VfsError::NotPermitted`] for a directory.
    pub fn link(&self, ino: Ino, parent: Ino, name: &[u8]) -> Result<Stat, VfsError> {
        let name = name_of(name)?;
        if self.is_unshared(ino) {
            self.link_unshared(ino, parent, name)?;
            return self.stat(ino);
        }
        self.settle_before_op(&[])?;
        // A file that nobody has heard of, or with content of its own, enters the log before its new name does.
        self.capture_now(ino)?;
        self.work(|replica| {
            let (parent, _) = directory(replica, parent)?;
            let inode = replica.inode(ino).filter(|inode| !inode.detached).ok_or(VfsError::NotFound)?;
            if replica.tree().node(inode.node).is_some_and(|row| row.is_directory()) {
                return Err(VfsError::NotPermitted);
            }
            if replica.tree().child(parent, &name).is_none()
                && (parent.is_unshared() || self.is_ignored(replica, parent, &name, false))
            {
                return Err(VfsError::CrossDevice);
            }
            let link = Link { node: inode.node, place: Place { parent, name: name.clone() } };
            Ok(((), replica.submit(now(), Verb::Link(link))?))
        })?;
        self.note_name(&name);
        self.stat(ino)
    }

    /// Names of an ignored file are all ignored.
    fn link_unshared(&self, ino: Ino, parent: Ino, name: Name) -> Result<(), VfsError> {
        self.work(|replica| {
            let (parent, _) = directory(replica, parent)?;
            let node = replica.inode(ino).ok_or(VfsError::NotFound)?.node;
            if replica.tree().node(node).is_some_and(|row| row.is_directory()) {
                return Err(VfsError::NotPermitted);
            }
            if replica.tree().child(parent, &name).is_some() {
                return Err(VfsError::Exists);
            }
            if !self.is_ignored(replica, parent, &name, false) {
                return Err(VfsError::CrossDevice);
            }
            let link = Link { node, place: Place { parent, name } };
            Ok(((), replica.submit(now(), Verb::Link(link))?))
        })
    }

    pub(super) fn is_unshared(&self, ino: Ino) -> bool {
        self.replica.lock().inode(ino).is_some_and(|inode| inode.node.is_unshared())
    }
}
