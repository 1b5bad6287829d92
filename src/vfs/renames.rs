//! Names changed: rename, within what is shared, within what is ignored, and between the two.

use super::clock::now;
use super::crossing::Readied;
use super::error::VfsError;
use super::host::ContentFiles;
use super::names::{NewNode, directory, name_of};
use super::settings::Caller;
use super::volume::Volume;
use crate::model::{Name, NodeId, Place};
use crate::ops::{Drop, Move, Replaced, Tree, Verb, is_within};
use crate::sync::Store;
use crate::sync::member::{Crossing, Effects, Ino, Replica};

/// Patterns that change all the time would keep a rename from finding out what it is.
const TRIES_MAX: u32 = 10;

/// What a rename does about a node that has the new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenameMode {
    Replace,
    NoReplace,
    /// Both nodes change places.
    Exchange,
    /// A device 0:0 takes the old name, by which a union of directories knows that what lies below is gone.
    Whiteout {
        caller: Caller,
        replaces: bool,
    },
}

/// A rename whose two sides have been looked up.
struct Resolved {
    node: NodeId,
    from: Place,
    to: Place,
    existing: Option<Replaced>,
}

/// What a rename is to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Rename,
    /// Nothing: it is between ignored names.
    Nothing,
    /// Something new.
    Make,
    Drop,
    /// A rename, and in a moment a drop.
    Leave,
}

/// A directory's inode and a name in it.
type At<'n> = (Ino, &'n Name);

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Renames. Two names of one file are left as they are.
    ///
    /// # Errors
    /// Those of `rename(2)`; [`VfsError::CrossDevice`] where a file with several names would have ignored ones and
    /// others, or an exchange would be between the two.
    pub fn rename(
        &self,
        (parent, name): (Ino, &[u8]),
        (new_parent, new_name): (Ino, &[u8]),
        mode: RenameMode,
    ) -> Result<(), VfsError> {
        let (name, new_name) = (name_of(name)?, name_of(new_name)?);
        let (from, to) = ((parent, &name), (new_parent, &new_name));
        for _ in 0..TRIES_MAX {
            if self.try_rename(from, to, mode)? {
                self.note_name(&name);
                self.note_name(&new_name);
                if let RenameMode::Whiteout { caller, .. } = mode {
                    // The kernel holds both directories, so nobody here sees the moment between.
                    self.make_node(caller, parent, name.as_bytes(), NewNode::whiteout(), None)?;
                }
                return Ok(());
            }
        }
        Err(VfsError::State("what is ignored changes all the time".into()))
    }

    /// Tells whether it is done, or has to be looked at again.
    fn try_rename(&self, from: At, to: At, mode: RenameMode) -> Result<bool, VfsError> {
        let (course, moved) = {
            let replica = self.replica.lock();
            let resolved = resolve(&replica, from, to)?;
            (self.course(&replica, &resolved, mode)?, resolved.node)
        };
        let readied = self.before_rename(course, (from, to), moved, mode)?;
        let files = self.work(|replica| {
            let resolved = resolve(replica, from, to)?;
            let ready = readied.as_ref().is_none_or(|readied| self.is_still_ready(replica, readied));
            if resolved.node != moved || !ready || self.course(replica, &resolved, mode)? != course {
                return Ok((None, Effects::default()));
            }
            if resolved.existing.is_some_and(|existing| existing.node == resolved.node) {
                return Ok((Some(Vec::new()), Effects::default()));
            }
            let (files, effects) = self.do_rename(replica, resolved, (from.0, to.0), course, mode)?;
            Ok((Some(files), effects))
        })?;
        let done = files.is_some();
        self.capture_shared(files.unwrap_or_default());
        Ok(done)
    }

    fn course(
        &self,
        replica: &Replica<S>,
        resolved: &Resolved,
        mode: RenameMode,
    ) -> Result<Course, VfsError> {
        let is_unshared = resolved.node.is_unshared();
        let to_ignored = match (mode, resolved.existing) {
            (RenameMode::NoReplace | RenameMode::Whiteout { replaces: false, .. }, Some(_)) => {
                return Err(VfsError::Exists);
            }
            (RenameMode::Exchange, None) => return Err(VfsError::NotFound),
            (RenameMode::Exchange, Some(existing)) => {
                let same = existing.node.is_unshared() == is_unshared;
                return match (same, is_unshared) {
                    (false, _) => Err(VfsError::CrossDevice),
                    (true, true) => Ok(Course::Nothing),
                    (true, false) => Ok(Course::Rename),
                };
            }
            // What is shared stays so, whatever patterns say of its name.
            (_, Some(existing)) if !existing.node.is_unshared() => false,
            _ => {
                let row = replica.tree().node(resolved.node).ok_or(VfsError::NotFound)?;
                self.is_ignored(replica, resolved.to.parent, &resolved.to.name, row.is_directory())
            }
        };
        if is_unshared != to_ignored && is_within(&replica.tree(), resolved.to.parent, resolved.node) {
            return Err(VfsError::Invalid);
        }
        Ok(match (is_unshared, to_ignored) {
            (false, false) => Course::Rename,
            (true, true) => Course::Nothing,
            (true, false) => Course::Make,
            (false, true) => self.course_of_leaving(replica, resolved),
        })
    }

    /// What is shared under an ignored name already stays so under another. What is not new, and is moved aside where it
    /// was, may be on its way to become a backup.
    fn course_of_leaving(&self, replica: &Replica<S>, resolved: &Resolved) -> Course {
        let Resolved { node, from, to, .. } = resolved;
        let row = replica.tree().node(*node);
        let is_directory = row.as_ref().is_some_and(|row| row.is_directory());
        if !to.parent.is_unshared() && self.is_ignored(replica, from.parent, &from.name, is_directory) {
            return Course::Rename;
        }
        let single_file =
            row.is_some_and(|row| row.manifest().is_some()) && replica.tree().places(*node).len() == 1;
        match single_file && from.parent == to.parent && !replica.is_untold(*node) {
            true => Course::Leave,
            false => Course::Drop,
        }
    }

    /// What has to be in the log, or on disk, before a rename.
    fn before_rename(
        &self,
        course: Course,
        (from, to): (At, At),
        moved: NodeId,
        mode: RenameMode,
    ) -> Result<Option<Readied>, VfsError> {
        if course == Course::Nothing {
            return Ok(None);
        }
        self.settle_before_op(&[])?;
        if course == Course::Drop {
            return self.ready_to_unshare(moved).map(Some);
        }
        if matches!(course, Course::Rename | Course::Leave) {
            // What is moved enters the log with the content it has, before it moves.
            self.capture_now(self.inode_under(from.0, from.1)?)?;
        }
        if let Ok(replaced) = self.inode_under(to.0, to.1)
            && (mode == RenameMode::Exchange || self.is_embryo(replaced))
        {
            self.capture_now(replaced)?;
        }
        Ok(None)
    }

    /// Returns the files that have become shared.
    fn do_rename(
        &self,
        replica: &mut Replica<S>,
        resolved: Resolved,
        (parent, new_parent): (Ino, Ino),
        course: Course,
        mode: RenameMode,
    ) -> Result<(Vec<Ino>, Effects), VfsError> {
        let Resolved { node, mut from, mut to, existing: mut replaces } = resolved;
        let is_directory = replica.tree().node(node).is_some_and(|row| row.is_directory());
        let victim = replaces.and_then(|existing| self.orphan_to_be(replica, existing.node));
        let mut effects = Effects::default();
        let stays_shared = matches!(course, Course::Rename | Course::Leave);
        if stays_shared || course == Course::Make {
            (to.parent, effects) = self.shared_directory(replica, new_parent, to.parent)?;
            // That may have been the same directory, or one above it.
            (from.parent, _) = directory(replica, parent)?;
        }
        if let Some(existing) = replaces.take_if(|it| stays_shared && it.node.is_unshared()) {
            // A name that is about to be looked over, or to be left to what is moved there.
            let drop = Drop { node: existing.node, place: to.clone(), version: existing.version };
            effects.extend(replica.submit(now(), Verb::Drop(drop))?);
        }
        let (files, renamed) = match course {
            Course::Rename | Course::Nothing | Course::Leave => {
                let exchange = mode == RenameMode::Exchange;
                let keeps_owner = self.settings.shown_as.is_some();
                let rename = Move { node, from, to, replaces, exchange, keeps_owner };
                let renamed = match course {
                    Course::Leave => replica.rename_to_leave(now(), rename),
                    _ => replica.submit(now(), Verb::Move(rename)),
                };
                (Vec::new(), renamed?)
            }
            Course::Make => self.share_by_rename(replica, Crossing { node, from, to, replaces })?,
            Course::Drop => (Vec::new(), replica.unshare(now(), &Crossing { node, from, to, replaces })?),
        };
        effects.extend(renamed);
        self.bury(replica, victim);
        if is_directory {
            // Other patterns may match what is in it.
            self.ignores.due.store(true, std::sync::atomic::Ordering::SeqCst);
        }
        Ok((files, effects))
    }

    /// Tells whether the log has not heard of a file: what names its node must wait for its first capture.
    fn is_embryo(&self, ino: Ino) -> bool {
        let replica = self.replica.lock();
        replica.inode(ino).is_some_and(|inode| replica.is_embryo(inode.node))
    }
}

fn resolve<S: Store>(
    replica: &Replica<S>,
    (parent, name): At,
    (new_parent, new_name): At,
) -> Result<Resolved, VfsError> {
    let (parent, _) = directory(replica, parent)?;
    let (new_parent, _) = directory(replica, new_parent)?;
    let tree = replica.tree();
    let node = tree.child(parent, name).ok_or(VfsError::NotFound)?;
    let existing = tree.child(new_parent, new_name).and_then(|node| {
        let version = tree.node(node)?.version;
        Some(Replaced { node, version })
    });
    let (from, to) =
        (Place { parent, name: name.clone() }, Place { parent: new_parent, name: new_name.clone() });
    Ok(Resolved { node, from, to, existing })
}
