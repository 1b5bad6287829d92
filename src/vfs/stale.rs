//! What the kernel must forget because remote work changed rows.

use super::host::ContentFiles;
use super::volume::Volume;
use crate::model::{Name, NodeId, Place};
use crate::ops::Tree;
use crate::sync::Store;
use crate::sync::member::{Ino, Replica};
use crate::wire::Row;

/// Something the kernel may hold a copy of that is old.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stale {
    // Order: these come first, so that nobody who opens the file mixes old pages with new content.
    /// An inode's attributes and content; a directory's content is its listing.
    Content(Ino),
    /// What a name leads to, or that it leads nowhere.
    Name(Ino, Name),
    /// An inode's attributes.
    Attributes(Ino),
}

impl<S: Store, F: ContentFiles> Volume<S, F> {
    /// What the kernel must forget after these rows changed. Inodes it cannot know are left out.
    pub fn stale(&self, rows: &[Row]) -> Vec<Stale> {
        let replica = self.replica.lock();
        let mut stale: Vec<Stale> = rows.iter().flat_map(|row| stale_by(&replica, row)).collect();
        stale.sort();
        stale.dedup();
        stale
    }
}

fn stale_by<S: Store>(replica: &Replica<S>, row: &Row) -> Vec<Stale> {
    let attributes = |node: NodeId| replica.known_ino_of(node).map(Stale::Attributes);
    match row {
        Row::Node(node) => stale_node(replica, *node),
        Row::Name(place) => stale_name(replica, place),
        Row::Place(node, _) | Row::Subdirectories(node) => attributes(*node).into_iter().collect(),
        Row::Tombstone(_) | Row::Conflict(..) | Row::Copy(_) => Vec::new(),
    }
}

/// A file that is open may have got another inode with its new content, so its names are looked up again.
fn stale_node<S: Store>(replica: &Replica<S>, node: NodeId) -> Vec<Stale> {
    let view = replica.view();
    let ino = replica.known_ino_of(node);
    match view.node(node) {
        Some(row) if row.is_directory() => ino.map(Stale::Attributes).into_iter().collect(),
        Some(_) => {
            let names = view.places(node).into_iter().flat_map(|place| stale_name(replica, &place));
            names.chain(ino.map(Stale::Content)).collect()
        }
        None => Vec::new(),
    }
}

/// The kernel keeps names it has looked up, and listings, each by itself.
fn stale_name<S: Store>(replica: &Replica<S>, place: &Place) -> Vec<Stale> {
    let Some(parent) = replica.known_ino_of(place.parent) else { return Vec::new() };
    vec![Stale::Content(parent), Stale::Name(parent, place.name.clone())]
}
