//! Which names are ignored: the space's `.fl0wignore` files and this mount's own lists.
//!
//! As in git: of a directory's path the first component that is ignored decides for all below it; of several lists the
//! one deepest in the tree that says anything, then this mount's own. A `.fl0wignore` is read from its backing file
//! when first needed after it changed; while its new content is still elsewhere, the old one holds. A `.fl0wignore` is
//! itself never ignored, unless its directory is.
//!
//! When patterns or paths change, unshared nodes are looked over: what is not ignored any more becomes shared. What is
//! shared stays shared.
//!
//! Lock order: the replica, then what is known here.

use super::host::ContentFiles;
use super::patterns::{PATTERNS_BYTES_MAX, Patterns, Verdict};
use super::volume::Volume;
use crate::model::{Body, Name, NodeId};
use crate::ops::{Tree, path_of};
use crate::sync::Store;
use crate::sync::member::{Ino, Kept, Replica};
use crate::wire::Row;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The name of the space's own lists.
const LIST_NAME: &[u8] = b".fl0wignore";
/// Directories that are remembered, at most.
const KNOWN_MAX: usize = 65_536;

/// A list of patterns that is this mount's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnList {
    /// As people are told of it.
    pub name: String,
    pub content: Vec<u8>,
}

#[derive(Default)]
pub(super) struct Ignores {
    known: Mutex<Known>,
    /// Unshared nodes are to be looked over.
    pub due: AtomicBool,
    /// Files that became shared, many at once, and are still to be captured.
    pub captures: Mutex<BTreeSet<Ino>>,
    /// Directories that stayed here and were empty a while ago.
    pub emptied: Mutex<Vec<NodeId>>,
    /// Files that were about to become unshared a while ago.
    pub leaving: Mutex<Vec<NodeId>>,
}

#[derive(Default)]
struct Known {
    own: Arc<Vec<(String, Patterns)>>,
    directories: HashMap<NodeId, Listed>,
    /// The files that lists have been read from.
    lists: HashSet<NodeId>,
    /// The content of a list is still elsewhere.
    waits: bool,
}

/// What is known of a directory's list.
#[derive(Clone, Default)]
struct Listed {
    list: Option<(NodeId, Arc<Patterns>)>,
    stale: bool,
}

/// The way from the root to a name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// The directory that holds the name beside it.
    pub directories: Vec<NodeId>,
    pub names: Vec<Name>,
}

impl Way {
    pub fn push(&mut self, directory: NodeId, name: Name) {
        self.directories.push(directory);
        self.names.push(name);
    }

    pub fn pop(&mut self) {
        self.directories.pop();
        self.names.pop();
    }

    fn bytes(&self, from: usize, to: usize) -> Vec<u8> {
        self.names[from..=to].iter().map(Name::as_bytes).collect::<Vec<_>>().join(&b'/')
    }
}

pub(super) fn is_list(name: &Name) -> bool {
    name.as_bytes() == LIST_NAME
}

impl Ignores {
    /// Some list changed, or may have.
    pub fn forget(&self) {
        self.known.lock().directories.values_mut().for_each(|listed| listed.stale = true);
        self.due.store(true, Ordering::SeqCst);
    }

    /// A file's content changed.
    pub fn changed(&self, node: NodeId) {
        let is_list = self.known.lock().lists.contains(&node);
        if is_list {
            self.forget();
        }
    }

    /// Tells whether a list has been read from a file.
    pub fn is_read_from(&self, node: NodeId) -> bool {
        self.known.lock().lists.contains(&node)
    }

    /// Takes note of rows that remote work changed.
    pub fn note_rows(&self, rows: &[Row]) {
        let mut placed = BTreeSet::new();
        for row in rows {
            match row {
                Row::Name(place) if is_list(&place.name) => self.forget(),
                Row::Node(node) => self.changed(*node),
                // Two places of one node are a rename, after which other patterns may match.
                Row::Place(node, _) if !placed.insert(*node) => self.due.store(true, Ordering::SeqCst),
                _ => {}
            }
        }
    }
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// Sets this mount's own lists, later ones over earlier ones.
    pub fn set_own_lists(&self, lists: Vec<OwnList>) {
        let parsed = lists.into_iter().map(|list| (list.name, Patterns::parse(&list.content)));
        self.ignores.known.lock().own = Arc::new(parsed.collect());
        self.ignores.forget();
    }

    /// Lines of lists in use that are no patterns, for people.
    pub fn bad_patterns(&self) -> Vec<String> {
        let replica = self.replica.lock();
        self.list_of(&replica, NodeId::ROOT);
        let known = self.ignores.known.lock();
        let of = |name: &str, patterns: &Patterns| {
            let lines = patterns.bad_lines.iter();
            lines.map(|bad| format!("{name}, line {}: {}", bad.line, bad.reason)).collect::<Vec<_>>()
        };
        let own = known.own.iter().flat_map(|(name, patterns)| of(name, patterns));
        let shared = known.directories.values().filter_map(|listed| listed.list.as_ref());
        let shared = shared.flat_map(|(list, patterns)| {
            let path = path_of(&replica.tree(), *list).unwrap_or_default();
            let path = path.iter().map(Name::as_bytes).collect::<Vec<_>>().join(&b'/');
            of(&String::from_utf8_lossy(&path), patterns)
        });
        own.chain(shared).collect()
    }

    /// Tells whether what has, or is to have, this name is ignored.
    pub(super) fn is_ignored(
        &self,
        replica: &Replica<S>,
        parent: NodeId,
        name: &Name,
        is_directory: bool,
    ) -> bool {
        match way_to(replica, parent, name) {
            None => true,
            Some(way) => (0..way.names.len())
                .any(|at| self.matches(replica, &way, at, is_directory || at + 1 < way.names.len())),
        }
    }

    /// Tells whether the last name of a way is ignored, where none before it is.
    pub(super) fn last_is_ignored(&self, replica: &Replica<S>, way: &Way, is_directory: bool) -> bool {
        self.matches(replica, way, way.names.len() - 1, is_directory)
    }

    fn matches(&self, replica: &Replica<S>, way: &Way, at: usize, is_directory: bool) -> bool {
        if is_list(&way.names[at]) && !is_directory {
            return false;
        }
        let says = |patterns: &Patterns, from: usize| {
            patterns.verdict(Path::new(OsStr::from_bytes(&way.bytes(from, at))), is_directory)
        };
        let shared = (0..=at).rev().find_map(|level| {
            let patterns = self.list_of(replica, way.directories[level])?;
            says(&patterns, level)
        });
        let own = || {
            let own = self.ignores.known.lock().own.clone();
            own.iter().rev().find_map(|(_, patterns)| says(patterns, 0))
        };
        shared.or_else(own) == Some(Verdict::Ignored)
    }

    /// The patterns that a directory has for what is in it.
    fn list_of(&self, replica: &Replica<S>, directory: NodeId) -> Option<Arc<Patterns>> {
        let mut known = self.ignores.known.lock();
        if let Some(listed) = known.directories.get(&directory).filter(|listed| !listed.stale) {
            return listed.list.as_ref().map(|(_, patterns)| patterns.clone());
        }
        let tree = replica.tree();
        let name = Name::new(LIST_NAME).expect("a plain name");
        let list = tree.child(directory, &name).filter(|list| {
            let row = tree.node(*list);
            row.is_some_and(|row| matches!(row.body, Body::File(_)))
        });
        let listed = match list.map(|list| (list, self.read_list(replica, list))) {
            None => None,
            Some((list, Some(content))) => Some((list, Arc::new(Patterns::parse(&content)))),
            Some((_, None)) => {
                known.waits = true;
                return known
                    .directories
                    .get(&directory)?
                    .list
                    .as_ref()
                    .map(|(_, patterns)| patterns.clone());
            }
        };
        if known.directories.len() >= KNOWN_MAX {
            known.directories.clear();
            known.lists.clear();
        }
        known.lists.extend(listed.as_ref().map(|(list, _)| *list));
        known.directories.insert(directory, Listed { list: listed.clone(), stale: false });
        listed.map(|(_, patterns)| patterns)
    }

    /// A list's content; None where it is not here yet.
    fn read_list(&self, replica: &Replica<S>, list: NodeId) -> Option<Vec<u8>> {
        let row = replica.tree().node(list)?;
        let is_empty = row.manifest().is_some_and(|manifest| manifest.length == 0);
        let Some(ino) = replica.known_ino_of(list) else { return is_empty.then(Vec::new) };
        if !replica.is_materialized(ino) {
            return None;
        }
        let Some(backing) = replica.inode(ino)?.backing else { return Some(Vec::new()) };
        let mut content = Vec::new();
        let read = self
            .files
            .open_read(backing.file)
            .and_then(|file| file.take(PATTERNS_BYTES_MAX).read_to_end(&mut content));
        match read {
            Ok(_) => Some(content),
            Err(error) => {
                tracing::warn!(%error, "a list of patterns cannot be read");
                None
            }
        }
    }

    /// Has lists read again whose content was elsewhere.
    pub(super) fn look_for_lists(&self) {
        let waits = std::mem::take(&mut self.ignores.known.lock().waits);
        if waits {
            self.ignores.forget();
        }
    }
}

/// The way to a name; None where it leads through a directory that is ignored as a whole.
pub(super) fn way_to<S: Store>(replica: &Replica<S>, parent: NodeId, name: &Name) -> Option<Way> {
    let mut way = Way::default();
    way.push(parent, name.clone());
    let (mut at, tree) = (parent, replica.tree());
    while at != NodeId::ROOT {
        if at.is_unshared() && replica.kept(at) != Some(Kept::Directory) {
            return None;
        }
        // One that is in no directory is on no way to anything.
        let Some(place) = tree.places(at).into_iter().next() else { break };
        at = place.parent;
        way.push(place.parent, place.name);
    }
    way.directories.reverse();
    way.names.reverse();
    Some(way)
}
