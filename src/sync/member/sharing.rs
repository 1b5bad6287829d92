//! Nodes that cross the line between shared and unshared: a rename from an ignored name to another or back, or
//! patterns that changed.
//!
//! What becomes shared is made anew: directories, links and special files at once, a file with its next capture, like
//! any new one. A file that is renamed over a shared file becomes that file's next version. What becomes unshared is
//! dropped for the others. Either way inodes, backing files and open handles go on as they are.
//!
//! Order: what a pending op needs of a file that becomes unshared has been spooled before.

use super::inodes::holds;
use super::keys;
use super::records::{Backing, Ino, Inode};
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{Body, Manifest, Name, Node, NodeId, Place, Timestamp, Version, keeping_privileged};
use crate::ops::{Change, Drop, Link, Make, Op, Rejection, Replaced, SetMeta, Tree, Verb, xattr_changes};
use crate::sync::kv::{Durability, Store};
use crate::wire::encode;
use std::collections::{BTreeMap, BTreeSet};

/// A node that crosses, with what is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crossing {
    pub node: NodeId,
    pub from: Place,
    /// Where it is to be; that may be where it is.
    pub to: Place,
    /// What has that name.
    pub replaces: Option<Replaced>,
}

/// Unshared nodes that become shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sharing {
    pub roots: Vec<Crossing>,
    /// All that become shared, the roots among them; others stay unshared in their directories. Of a file with several
    /// names all are below the roots.
    pub nodes: BTreeSet<NodeId>,
    /// Ops carry no owner.
    pub keeps_owner: bool,
}

/// Nodes with several names, and what they have become.
type Linked = BTreeMap<NodeId, NodeId>;

impl<S: Store> Replica<S> {
    /// Makes unshared nodes shared. Returns the inodes whose content is to be captured for that.
    ///
    /// # Errors
    /// [`LocalError::Rejected`] where a name is taken or cannot be replaced; [`LocalError::ReadOnly`],
    /// [`LocalError::Write`].
    pub fn share(&mut self, now: Timestamp, sharing: &Sharing) -> Result<(Vec<Ino>, Effects), LocalError> {
        self.check_writable()?;
        self.transact(now, Durability::Process, |work| work.share(sharing))
    }

    /// Makes a shared node unshared, with all that is below it. Of a file with several names all are below it.
    ///
    /// # Errors
    /// Those of [`Replica::share`]; [`LocalError::NotHere`] where content is still elsewhere.
    pub fn unshare(&mut self, now: Timestamp, crossing: &Crossing) -> Result<Effects, LocalError> {
        self.check_writable()?;
        let unshared = self.transact(now, Durability::Process, |work| {
            let Crossing { node, from, to, replaces } = crossing;
            if let Some(replaced) = replaces {
                work.replace_unshared(*node, *replaced, to)?;
            }
            work.unshare(*node, from, to, &mut Linked::new())?;
            [from.parent, to.parent].into_iter().for_each(|parent| work.touch(parent));
            Ok(())
        });
        unshared.map(|((), effects)| effects)
    }
}

impl<S: Store> Work<'_, S> {
    fn share(&mut self, sharing: &Sharing) -> Result<Vec<Ino>, LocalError> {
        let (mut linked, mut captures) = (Linked::new(), Vec::new());
        for Crossing { node, from, to, replaces } in &sharing.roots {
            [from.parent, to.parent].into_iter().for_each(|parent| self.touch(parent));
            if let Some(replaced) = replaces {
                self.check_replace(*node, replaced.node)?;
                if self.is_next_version_of(*node, replaced.node) {
                    captures.extend(self.become_version(*node, from, replaced.node, sharing.keeps_owner)?);
                    continue;
                }
                self.take(Verb::Drop(Drop {
                    node: replaced.node,
                    place: to.clone(),
                    version: replaced.version,
                }))?;
            }
            self.share_node(*node, (from, to), sharing, &mut linked, &mut captures)?;
        }
        Ok(captures)
    }

    /// As a rename of one shared file over another would have it.
    fn is_next_version_of(&self, node: NodeId, existing: NodeId) -> bool {
        let single_file = |id| {
            let tree = self.shown();
            tree.node(id).is_some_and(|row| row.manifest().is_some()) && tree.places(id).len() == 1
        };
        !existing.is_unshared() && single_file(node) && single_file(existing)
    }

    /// POSIX: the name leads to the newcomer's inode, with its content and attributes; the node is the existing one.
    fn become_version(
        &mut self,
        node: NodeId,
        from: &Place,
        existing: NodeId,
        keeps_owner: bool,
    ) -> Result<Option<Ino>, LocalError> {
        let Some((row, there)) = self.unshared().node(node).zip(self.view().node(existing)) else {
            return Ok(None);
        };
        let ino = self.ino_of(node);
        let has_file = self.inode(ino).is_some_and(|inode| inode.backing.is_some());
        self.forget_unshared(node, from);
        if let Some(old) = self.known_ino_of(existing) {
            self.remove_inode(old);
        }
        let set = attributes_after(existing, &row, &there, keeps_owner);
        // The mtime of what has a file is the file's.
        let set = SetMeta { mtime: Some(row.mtime).filter(|_| !has_file), ..set };
        if set != no_change(existing) {
            self.submit(Verb::SetMeta(set))?;
        }
        self.bind_to_capture(ino, existing, there.version);
        Ok(Some(ino))
    }

    fn share_node(
        &mut self,
        node: NodeId,
        (from, to): (&Place, &Place),
        sharing: &Sharing,
        linked: &mut Linked,
        captures: &mut Vec<Ino>,
    ) -> Result<(), LocalError> {
        let Some(row) = self.unshared().node(node) else { return Ok(()) };
        if let Some(shared) = linked.get(&node).copied() {
            self.forget_unshared(node, from);
            return Ok(self.submit(Verb::Link(Link { node: shared, place: to.clone() }))?);
        }
        let ino = self.known_ino_of(node);
        let several = self.unshared().places(node).len() > 1;
        self.forget_unshared(node, from);
        let made = self.make_shared(&row, to, several, sharing.keeps_owner)?;
        if several {
            linked.insert(node, made);
        }
        match row.body {
            Body::File(_) => {
                let ino = ino.unwrap_or_else(|| self.ino_of(made));
                self.bind_to_capture(ino, made, Version::FIRST);
                captures.push(ino);
            }
            _ => self.take_inode(ino, made),
        }
        let names: Vec<(Name, NodeId)> = self.unshared().list(node, 0).collect();
        for (name, child) in names {
            let (from, to) =
                (Place { parent: node, name: name.clone() }, Place { parent: made, name: name.clone() });
            if sharing.nodes.contains(&child) {
                self.share_node(child, (&from, &to), sharing, linked, captures)?;
            } else {
                self.move_unshared(child, from, to);
            }
        }
        Ok(())
    }

    /// A file enters the journal with its capture. One with several names does so at once, so that they can follow.
    fn make_shared(
        &mut self,
        row: &Node,
        to: &Place,
        several: bool,
        keeps_owner: bool,
    ) -> Result<NodeId, LocalError> {
        let node = self.new_node();
        let Node { body, mode, owner, mtime, xattrs, .. } = row.clone();
        let owner = Some(owner).filter(|_| !keeps_owner);
        let make = Make {
            node,
            place: to.clone(),
            body,
            mode,
            owner,
            mtime,
            xattrs,
            conflict: None,
            came_from: None,
        };
        self.check_unshared(&Verb::Make(make.clone()))?;
        if row.manifest().is_none() || several {
            self.submit(Verb::Make(make))?;
        } else {
            self.write_op(&Op { time: self.now, verb: Verb::Make(make.clone()) })?;
            self.txn.put(keys::embryo(node), encode(&(self.now, make)));
        }
        Ok(node)
    }

    fn unshare(
        &mut self,
        node: NodeId,
        from: &Place,
        to: &Place,
        linked: &mut Linked,
    ) -> Result<(), LocalError> {
        let row = self.view().node(node).ok_or(Rejection::Missing(node))?;
        let version = row.version;
        let named = |made| Change::Name { place: to.clone(), was: None, now: Some(made) };
        match linked.get(&node).copied() {
            Some(made) => self.write_unshared(vec![named(made)]),
            None => {
                let made = self.new_unshared();
                if self.view().places(node).len() > 1 {
                    linked.insert(node, made);
                }
                let body = match &row.body {
                    Body::File(_) => Body::File(Manifest::empty()),
                    other => other.clone(),
                };
                let kept = Node { body, version: Version::default(), moved: None, ..row.clone() };
                self.write_unshared(vec![Change::Node(made, Some(kept)), named(made)]);
                self.let_go(node, &row, made)?;
                let names: Vec<(Name, NodeId)> = self.shown().list(node, 0).collect();
                for (name, child) in names {
                    let from = Place { parent: node, name: name.clone() };
                    let to = Place { parent: made, name };
                    match child.is_unshared() {
                        true => self.move_unshared(child, from, to),
                        false => self.unshare(child, &from, &to, linked)?,
                    }
                }
            }
        }
        self.take(Verb::Drop(Drop { node, place: from.clone(), version }))
    }

    /// Parts a shared node's inode from it: it is the unshared node's from here on, with the file that it has.
    fn let_go(&mut self, node: NodeId, row: &Node, made: NodeId) -> Result<(), LocalError> {
        let ino = self.known_ino_of(node);
        let inode = ino.and_then(|ino| self.inode(ino));
        let dirty = ino.is_some_and(|ino| self.is_dirty(ino));
        let here = |manifest: &Manifest| inode.as_ref().is_some_and(|inode| holds(inode, manifest));
        if row.manifest().is_some_and(|manifest| manifest.length > 0 && !dirty && !here(manifest)) {
            return Err(LocalError::NotHere);
        }
        let (Some(ino), Some(mut inode)) = (ino, inode) else { return Ok(()) };
        if let Some(Backing { file, content }) = &mut inode.backing
            && let Some(content) = content.take()
        {
            self.release_to_write(content, *file);
        }
        let noted = [keys::dirty(ino), keys::unproven(ino), keys::wanted(node), keys::ino_of(node)];
        for key in noted.into_iter().chain([keys::kept(node)]) {
            self.txn.remove(key);
        }
        let version = Version::default();
        self.bind(ino, Inode { node: made, version, ctime: self.now, ..inode });
        Ok(())
    }

    /// Takes a name from an unshared node, and with its last one the node. Its inode is the caller's.
    fn forget_unshared(&mut self, node: NodeId, place: &Place) {
        let name = Change::Name { place: place.clone(), was: Some(node), now: None };
        self.write_unshared(vec![name]);
        if self.unshared().places(node).is_empty() {
            self.write_unshared(vec![Change::Node(node, None)]);
            self.txn.remove(keys::kept(node));
        }
    }

    fn move_unshared(&mut self, node: NodeId, from: Place, to: Place) {
        self.write_unshared(vec![
            Change::Name { place: from, was: Some(node), now: None },
            Change::Name { place: to, was: None, now: Some(node) },
        ]);
    }

    fn take_inode(&mut self, ino: Option<Ino>, node: NodeId) {
        if let Some(ino) = ino
            && let Some(inode) = self.inode(ino)
        {
            self.txn.remove(keys::ino_of(inode.node));
            self.bind(ino, Inode { node, ctime: self.now, ..inode });
        }
    }

    /// Makes an inode a shared file's, whose content is what the inode's file holds.
    fn bind_to_capture(&mut self, ino: Ino, node: NodeId, version: Version) {
        self.take_inode(Some(ino), node);
        if let Some(inode) = self.inode(ino) {
            self.save_inode(ino, &Inode { version, ..inode });
        }
        self.txn.put(keys::dirty(ino), Vec::new());
        self.want(node);
    }

    fn is_dirty(&self, ino: Ino) -> bool {
        crate::sync::kv::Kv::get(&self.txn, &keys::dirty(ino)).is_some()
    }
}

fn no_change(node: NodeId) -> SetMeta {
    SetMeta { node, mode: None, uid: None, gid: None, mtime: None, xattrs: Vec::new() }
}

/// What makes the attributes `there` those of `row`.
fn attributes_after(node: NodeId, row: &Node, there: &Node, keeps_owner: bool) -> SetMeta {
    let wanted = match keeps_owner {
        true => keeping_privileged(&row.xattrs, &there.xattrs),
        false => row.xattrs.clone(),
    };
    let differs = |now: u32, was: u32| Some(now).filter(|_| now != was && !keeps_owner);
    SetMeta {
        mode: Some(row.mode).filter(|mode| *mode != there.mode),
        uid: differs(row.owner.uid, there.owner.uid),
        gid: differs(row.owner.gid, there.owner.gid),
        xattrs: xattr_changes(&there.xattrs, &wanted),
        ..no_change(node)
    }
}
