//! Walks through a tree of the space, a directory at a time: the replica is locked for no longer.

use crate::member::shared::Shared;
use crate::model::{Body, NodeId};
use crate::ops::Tree;
use crate::wire::RowKey;

/// Names of one directory taken at a time.
const NAMES_AT_ONCE: usize = 4096;
/// Files handed on at a time.
const FILES_AT_ONCE: usize = 1024;

impl Shared {
    /// Hands every file at or below a node to `take`, some at a time, each name once; stops where it says so.
    pub(in crate::member) fn walk_files<E>(
        &self,
        from: NodeId,
        mut take: impl FnMut(&[NodeId]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut directories, mut files) = (vec![from], Vec::new());
        let is_directory =
            |node| self.volume().replica().view().node(node).is_some_and(|row| row.is_directory());
        if !is_directory(from) {
            return take(&[from]);
        }
        while let Some(directory) = directories.pop() {
            let mut after = 0;
            loop {
                let page = self.names_of(directory, after);
                let Some(last) = page.last() else { break };
                after = last.0;
                for (_, node, kind) in &page {
                    match kind {
                        Kind::Directory => directories.push(*node),
                        Kind::File => files.push(*node),
                        Kind::Other => {}
                    }
                }
                if files.len() >= FILES_AT_ONCE {
                    take(&files)?;
                    files.clear();
                }
            }
        }
        if files.is_empty() { Ok(()) } else { take(&files) }
    }

    /// Names of a directory behind a position of its listing: position, node, and what it is.
    fn names_of(&self, directory: NodeId, after: u64) -> Vec<(u64, NodeId, Kind)> {
        let replica = self.volume().replica();
        let view = replica.view();
        let kind = |node: NodeId| match view.node(node).map(|row| row.body) {
            Some(Body::Directory) => Kind::Directory,
            Some(Body::File(_)) => Kind::File,
            _ => Kind::Other,
        };
        let names = view.list(directory, after).map(|(name, node)| (RowKey::name_order(&name), node));
        let mut names = names.peekable();
        let mut page = Vec::new();
        while let Some((order, node)) = names.next() {
            page.push((order, node, kind(node)));
            // Names that share a position belong to one page.
            if page.len() >= NAMES_AT_ONCE && names.peek().is_none_or(|(next, _)| *next != order) {
                break;
            }
        }
        page
    }

    /// Has fetched what is missing below all pins.
    pub(in crate::member) fn want_pinned(&self) {
        let pins = self.volume().replica().pins();
        self.want_below(pins);
    }

    /// Has fetched what is missing below directories that have come below a pin.
    pub(in crate::member) fn want_moved(&self) {
        let moved = self.volume().replica().take_moved();
        self.want_below(moved);
    }

    pub(in crate::member) fn want_below(&self, nodes: Vec<NodeId>) {
        for node in nodes {
            let wanted = self.walk_files(node, |files| {
                let effects = self.volume().replica().want_all(files)?;
                if effects.wants_content {
                    self.wants_content();
                }
                Ok::<(), crate::sync::member::LocalError>(())
            });
            if let Err(error) = wanted {
                tracing::warn!(%error, "what is pinned could not all be asked for");
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Directory,
    File,
    Other,
}
