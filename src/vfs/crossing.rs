//! Renames between ignored and shared names, and the looking over of what is ignored when patterns change.

use super::clock::now;
use super::error::VfsError;
use super::host::ContentFiles;
use super::ignored::{Way, way_to};
use super::prepare::{MATERIALIZE_WAIT_MAX, set_mtime};
use super::volume::Volume;
use crate::model::{Digest, NodeId, Place};
use crate::ops::Tree;
use crate::sync::Store;
use crate::sync::member::{Crossing, Effects, Ino, Kept, Replica, Sharing};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// More files than these are captured one after the other once they are shared.
const CAPTURED_AT_ONCE_MAX: usize = 16;

/// Files that are about to become unshared, their contents here and put aside where pending ops need them.
pub(super) struct Readied {
    files: Vec<Ino>,
    put_aside: BTreeSet<Digest>,
}

/// Finds out what becomes shared.
struct Planner<'a, S: Store, F: ContentFiles> {
    volume: &'a Volume<S, F>,
    replica: &'a Replica<S>,
    nodes: BTreeSet<NodeId>,
    /// How many names of files with several have been found.
    names: BTreeMap<NodeId, usize>,
}

impl<S: Store, F: ContentFiles> Planner<'_, S, F> {
    /// Adds a node and what is below it, but for what is ignored. Tells whether anything was added.
    fn walk(&mut self, node: NodeId, way: &mut Way, is_root: bool) -> bool {
        let tree = self.replica.tree();
        let Some(row) = tree.node(node) else { return false };
        let kept = self.replica.kept(node).filter(|_| !is_root);
        let ignored = || self.volume.last_is_ignored(self.replica, way, row.is_directory());
        if kept == Some(Kept::Aside) || (!is_root && ignored()) {
            return false;
        }
        if !row.is_directory() {
            let found = self.names.entry(node).or_default();
            *found += 1;
            if *found == tree.places(node).len() {
                self.nodes.insert(node);
            }
            return true;
        }
        let mut any = false;
        for (name, child) in tree.list(node, 0) {
            way.push(node, name);
            any |= self.walk(child, way, false);
            way.pop();
        }
        if kept == Some(Kept::Directory) && !any {
            return false;
        }
        self.nodes.insert(node)
    }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// What of `roots` becomes shared; all of them do that are not ignored where they are to be.
    fn plan(&self, replica: &Replica<S>, roots: Vec<Crossing>, by_name: bool) -> Sharing {
        let mut planner = Planner { volume: self, replica, nodes: BTreeSet::new(), names: BTreeMap::new() };
        for root in &roots {
            let is_directory = replica.tree().node(root.node).is_some_and(|row| row.is_directory());
            let ignored = !by_name && self.is_ignored(replica, root.to.parent, &root.to.name, is_directory);
            if let Some(mut way) = way_to(replica, root.to.parent, &root.to.name).filter(|_| !ignored) {
                // Where it was sent by name it goes, whatever kept it here.
                planner.walk(root.node, &mut way, by_name);
            }
        }
        let nodes = planner.nodes;
        let roots = roots.into_iter().filter(|root| nodes.contains(&root.node)).collect();
        Sharing { roots, nodes, keeps_owner: self.settings.shown_as.is_some() }
    }

    /// Renames an unshared node to a name that is shared.
    pub(super) fn share_by_rename(
        &self,
        replica: &mut Replica<S>,
        crossing: Crossing,
    ) -> Result<(Vec<Ino>, Effects), VfsError> {
        let row = replica.tree().node(crossing.node).ok_or(VfsError::NotFound)?;
        if !row.is_directory() && replica.tree().places(crossing.node).len() > 1 {
            return Err(VfsError::CrossDevice);
        }
        let sharing = self.plan(replica, vec![crossing], true);
        Ok(replica.share(now(), &sharing)?)
    }

    /// Makes a directory shared that stayed here, and those above it: something in it is to be shared.
    pub(super) fn share_directory(&self, replica: &mut Replica<S>, ino: Ino) -> Result<Effects, VfsError> {
        let node = replica.inode(ino).ok_or(VfsError::NotFound)?.node;
        let mut nodes = BTreeSet::new();
        let (mut at, mut top) = (node, None);
        while at.is_unshared() {
            let place = replica.tree().places(at).into_iter().next().ok_or(VfsError::NotFound)?;
            nodes.insert(at);
            top = Some((at, place.clone()));
            at = place.parent;
        }
        let Some((node, from)) = top else { return Ok(Effects::default()) };
        let roots = vec![Crossing { node, to: from.clone(), from, replaces: None }];
        let sharing = Sharing { roots, nodes, keeps_owner: self.settings.shown_as.is_some() };
        Ok(replica.share(now(), &sharing)?.1)
    }

    /// Has the content of files captured that have just become shared: of few at once, or in the background where they
    /// are large; of many one after the other.
    pub(super) fn capture_shared(&self, files: Vec<Ino>) {
        if files.len() > CAPTURED_AT_ONCE_MAX {
            files.iter().for_each(|ino| self.note_shared(*ino));
            return self.ignores.captures.lock().extend(files);
        }
        for ino in files {
            let open = self.acquire(ino, false);
            self.note_shared(ino);
            let mut content = open.content.write();
            if content.file_to_write().is_none()
                && let Some(number) = self.backing_number(ino)
                && let Ok(file) = self.files.open_write(number)
            {
                // Until it is captured the file tells its size.
                content.set_file(file, true);
            }
            drop(content);
            self.release(ino, false);
        }
    }

    /// What its handles write is captured from here on.
    fn note_shared(&self, ino: Ino) {
        if let Some(open) = self.open.get(ino) {
            let mut content = open.content.write();
            (content.loaded, content.dirty) = (true, true);
        }
    }

    /// Readies all files below a node, or the node, for becoming unshared.
    ///
    /// # Errors
    /// [`VfsError::CrossDevice`] where one has names elsewhere too; [`VfsError::NotMaterialized`].
    pub(super) fn ready_to_unshare(&self, node: NodeId) -> Result<Readied, VfsError> {
        let files = self.files_below(node)?;
        let deadline = Instant::now() + MATERIALIZE_WAIT_MAX;
        let mut put_aside = BTreeSet::new();
        for ino in &files {
            self.wait_for_content(*ino, deadline)?;
            let open = self.acquire(*ino, false);
            let readied = self.put_aside_and_stamp(&open);
            self.release(*ino, false);
            put_aside.extend(readied?);
        }
        Ok(Readied { files, put_aside })
    }

    fn files_below(&self, node: NodeId) -> Result<Vec<Ino>, VfsError> {
        let mut replica = self.replica.lock();
        let (mut nodes, mut names) = (vec![node], BTreeMap::<NodeId, usize>::new());
        while let Some(node) = nodes.pop() {
            let row = replica.tree().node(node).ok_or(VfsError::NotFound)?;
            match row.is_directory() {
                true => nodes
                    .extend(replica.tree().list(node, 0).map(|(_, id)| id).filter(|id| !id.is_unshared())),
                false => *names.entry(node).or_default() += 1,
            }
        }
        if names.iter().any(|(node, names)| replica.tree().places(*node).len() != *names) {
            return Err(VfsError::CrossDevice);
        }
        let is_file = |node: &NodeId| replica.tree().node(*node).is_some_and(|row| row.manifest().is_some());
        let files: Vec<NodeId> = names.into_keys().filter(is_file).collect();
        files.into_iter().map(|node| Ok(replica.ino_of(node)?)).collect()
    }

    /// A file that is not being written gets the mtime that its row has: from here on the file alone tells it.
    fn put_aside_and_stamp(&self, open: &super::content::OpenInode) -> Result<Option<Digest>, VfsError> {
        let _gate = open.gate.write();
        let mut content = open.content.write();
        self.load(open.ino, &mut content);
        let Some(number) = self.backing_number(open.ino).filter(|_| !content.dirty) else { return Ok(None) };
        let file = self.files.open_write(number)?;
        let held = self.replica.lock().held_content(open.ino);
        self.put_aside(open.ino, &file)?;
        let (attributes, _) = self.attributes(open.ino)?;
        set_mtime(&file, attributes.row.mtime)?;
        Ok(held)
    }

    /// Tells whether nothing has changed that matters since files were readied.
    pub(super) fn is_still_ready(&self, replica: &Replica<S>, readied: &Readied) -> bool {
        readied.files.iter().all(|ino| {
            let held = replica.held_content(*ino);
            replica.is_materialized(*ino) && held.is_none_or(|held| readied.put_aside.contains(&held))
        })
    }

    /// Looks after what is ignored. To be called every second or so.
    pub fn tend_ignored(&self) {
        self.look_for_lists();
        if let Err(error) = self.unshare_leaving(false) {
            tracing::warn!(%error, "a file under an ignored name is still shared");
        }
        if let Err(error) = self.review_ignored() {
            tracing::warn!(%error, "what is not ignored any more could not be shared");
        }
        self.capture_many();
        if let Err(error) = self.end_emptied() {
            tracing::warn!(%error, "an empty directory could not be removed");
        }
    }

    fn capture_many(&self) {
        let files = self.ignores.captures.lock().clone();
        for ino in files {
            self.capture_and_report(ino);
            // Until now it was its backing file that told its size.
            self.ignores.captures.lock().remove(&ino);
        }
    }

    /// Makes shared what is not ignored any more, where patterns or paths have changed.
    ///
    /// # Errors
    /// [`VfsError::State`], [`VfsError::NoSpace`]; it is tried again then.
    pub(super) fn review_ignored(&self) -> Result<(), VfsError> {
        if self.replica.lock().read_only() || !self.ignores.due.swap(false, Ordering::SeqCst) {
            return Ok(());
        }
        self.settle_put_off();
        let shared = self.work(|replica| {
            let as_it_stands = |(place, node): (Place, NodeId)| Crossing {
                node,
                from: place.clone(),
                to: place,
                replaces: None,
            };
            let roots = replica.unshared_roots().into_iter().map(as_it_stands).collect();
            let sharing = self.plan(replica, roots, false);
            match sharing.roots.is_empty() {
                true => Ok((Vec::new(), Effects::default())),
                false => Ok(replica.share(now(), &sharing)?),
            }
        });
        if shared.is_err() {
            self.ignores.due.store(true, Ordering::SeqCst);
        }
        self.capture_shared(shared?);
        Ok(())
    }

    /// Makes files unshared that were renamed to an ignored name, now or once they have been there for a while.
    pub(super) fn unshare_leaving(&self, at_once: bool) -> Result<(), VfsError> {
        let leaving = self.replica.lock().leaving();
        let before = std::mem::replace(&mut *self.ignores.leaving.lock(), leaving.clone());
        let due = leaving.into_iter().filter(|node| at_once || before.contains(node));
        due.map(|node| self.unshare_in_place(node)).fold(Ok(()), Result::and)
    }

    fn unshare_in_place(&self, node: NodeId) -> Result<(), VfsError> {
        let place = {
            let mut replica = self.replica.lock();
            let is_file = replica.view().node(node).is_some_and(|row| row.manifest().is_some());
            let places = replica.view().places(node);
            match <[Place; 1]>::try_from(places) {
                Ok([place]) if is_file && self.is_ignored(&replica, place.parent, &place.name, false) => {
                    place
                }
                _ => return Ok(replica.stay_shared(node)?),
            }
        };
        let ino = self.replica.lock().ino_of(node)?;
        if self.must_wait(ino) {
            // Its content is on its way, and nobody waits for this.
            return Ok(());
        }
        let readied = self.ready_to_unshare(node)?;
        let newcomer = readied.files.first().and_then(|ino| self.newcomer_to(*ino));
        // A save by backup ends here, as where the backup is removed.
        newcomer.map_or(Ok(()), |newcomer| self.capture_now(newcomer))?;
        self.work(|replica| {
            let there = replica.view().child(place.parent, &place.name) == Some(node);
            if !there || !self.is_still_ready(replica, &readied) {
                return Ok(((), Effects::default()));
            }
            let crossing = Crossing { node, from: place.clone(), to: place, replaces: None };
            Ok(((), replica.unshare(now(), &crossing)?))
        })
    }

    /// Ends directories that stayed here and have been empty for a while: whoever removes a tree removes them.
    fn end_emptied(&self) -> Result<(), VfsError> {
        let emptied = self.replica.lock().emptied();
        let before = std::mem::replace(&mut *self.ignores.emptied.lock(), emptied.clone());
        let over: Vec<NodeId> = emptied.into_iter().filter(|node| before.contains(node)).collect();
        if over.is_empty() {
            return Ok(());
        }
        self.work(|replica| Ok(((), replica.end_emptied(now(), &over)?)))
    }
}
