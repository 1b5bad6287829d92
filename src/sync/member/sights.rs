//! What somebody who watches files and directories of the mount is to see of remote work.
//!
//! Invariant: where entries of the log are applied as they are, every op shows as what it is, in the log's order, also
//! where a later op of the same entry undoes it. Where the journal had to be replayed, or where rows change without an
//! entry, what differs before and after is shown.
//!
//! An inode named here is the one a node had before the change, since it may have lost it with the change. What the
//! kernel cannot know, because its directory never had an inode, is left out.

use super::records::Ino;
use super::state::{Replica, Work};
use crate::model::{Body, Kind, Manifest, Name, Node, NodeId, Place};
use crate::ops::{Change, Move, Op, Tree, Verb};
use crate::sync::kv::Store;
use std::collections::{BTreeMap, BTreeSet};

/// A name in a directory, as the kernel knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Spot {
    pub directory: Ino,
    pub name: Name,
}

/// What something happens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watched {
    pub node: NodeId,
    /// The inode that the kernel may know; none where it cannot, or where the inode lives on under another name.
    pub ino: Option<Ino>,
    pub kind: Kind,
}

/// Something to be seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    Made {
        spot: Spot,
        subject: Watched,
        content: Filling,
    },
    /// A file has another content. Under which of its names it was written is not known.
    Written {
        spots: Vec<Spot>,
        subject: Watched,
    },
    /// Attributes changed.
    Touched {
        spots: Vec<Spot>,
        subject: Watched,
    },
    Moved {
        /// None where the kernel cannot know the directory; one of the two is there.
        from: Option<Spot>,
        to: Option<Spot>,
        subject: Watched,
        /// What had the new name before.
        replaced: Option<Watched>,
        /// It has the old name now.
        exchange: bool,
    },
    Removed {
        spot: Spot,
        subject: Watched,
    },
}

/// What a new name brings along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filling {
    /// It is no new file.
    None,
    Empty,
    Some,
}

/// How the sights of a transaction are found.
#[derive(Debug, Default)]
pub(super) enum Sighting {
    /// Nobody is to see anything.
    #[default]
    Off,
    /// From the rows that differ in the end.
    ByRows,
    /// From the ops, as they were applied.
    ByOps(Vec<Sight>),
}

/// A name row before and after.
pub(super) type NameChange = (Place, Option<NodeId>, Option<NodeId>);
/// A node row before and after.
pub(super) type NodeChange = (NodeId, Option<Node>, Option<Node>);

impl<S> Replica<S> {
    /// Has it told from now on what watchers are to see of remote work.
    pub fn tell_sights(&mut self) {
        self.state.tells_sights = true;
    }
}

impl<S: Store> Work<'_, S> {
    fn spot(&self, place: &Place) -> Option<Spot> {
        Some(Spot { directory: self.known_ino_of(place.parent)?, name: place.name.clone() })
    }

    fn spots(&self, places: &[Place]) -> Vec<Spot> {
        places.iter().filter_map(|place| self.spot(place)).collect()
    }

    fn subject(&self, node: NodeId, row: Option<&Node>) -> Watched {
        Watched { node, ino: self.known_ino_of(node), kind: row.map_or(Kind::File, |row| row.body.kind()) }
    }

    /// What an op shows that changes `tree`; its changes are still to be written.
    pub fn sights_of(&self, tree: &impl Tree, op: &Op, changes: &[Change]) -> Vec<Sight> {
        let node = op.verb.node();
        let row = tree.node(node);
        let subject = self.subject(node, row.as_ref());
        match &op.verb {
            Verb::Make(make) => {
                let subject = Watched { kind: make.body.kind(), ..subject };
                let content = content_of_new(&make.body);
                let made = |spot| Sight::Made { spot, subject, content };
                self.spot(&make.place).map(made).into_iter().collect()
            }
            Verb::Put(_) => vec![Sight::Written { spots: self.spots(&tree.places(node)), subject }],
            Verb::SetMeta(_) => vec![Sight::Touched { spots: self.spots(&tree.places(node)), subject }],
            Verb::Link(link) => {
                let made = |spot| Sight::Made { spot, subject, content: Filling::None };
                self.spot(&link.place).map(made).into_iter().collect()
            }
            Verb::Drop(drop) => {
                // Where the node lives on as what had taken its place, its inode does too.
                let ino = subject.ino.filter(|_| succession(changes).is_none());
                let removed = |spot| Sight::Removed { spot, subject: Watched { ino, ..subject } };
                self.spot(&drop.place).map(removed).into_iter().collect()
            }
            Verb::Move(step) => self.sights_of_move(tree, step, subject, changes),
            Verb::Settle { .. } | Verb::Record(_) => Vec::new(),
        }
    }

    /// A save by rename is the next version of the file that had the name; the newcomer's own name goes.
    fn sights_of_move(
        &self,
        tree: &impl Tree,
        step: &Move,
        subject: Watched,
        changes: &[Change],
    ) -> Vec<Sight> {
        if let Some(survivor) = succession(changes) {
            let survivor = self.subject(survivor, None);
            let written =
                Sight::Written { spots: self.spots(std::slice::from_ref(&step.to)), subject: survivor };
            let gone = Watched { ino: None, ..subject };
            let removed = self.spot(&step.from).map(|spot| Sight::Removed { spot, subject: gone });
            return [written].into_iter().chain(removed).collect();
        }
        let replaced =
            step.replaces.map(|replaced| self.subject(replaced.node, tree.node(replaced.node).as_ref()));
        self.moved((&step.from, &step.to), subject, replaced, step.exchange).into_iter().collect()
    }

    fn moved(
        &self,
        (from, to): (&Place, &Place),
        subject: Watched,
        replaced: Option<Watched>,
        exchange: bool,
    ) -> Option<Sight> {
        let (from, to) = (self.spot(from), self.spot(to));
        let seen = from.is_some() || to.is_some();
        seen.then_some(Sight::Moved { from, to, subject, replaced, exchange })
    }

    /// What is to be seen where `names` and `nodes` differ: what goes, what moves, what comes, what is another.
    pub fn sights_by_rows(&self, names: &[NameChange], nodes: &[NodeChange]) -> Vec<Sight> {
        let rows: BTreeMap<NodeId, &NodeChange> = nodes.iter().map(|change| (change.0, change)).collect();
        let mut gone: BTreeMap<NodeId, Vec<&Place>> = BTreeMap::new();
        let mut come: BTreeMap<NodeId, Vec<&Place>> = BTreeMap::new();
        for (place, was, now) in names.iter().filter(|(_, was, now)| was != now) {
            was.iter().for_each(|node| gone.entry(*node).or_default().push(place));
            now.iter().for_each(|node| come.entry(*node).or_default().push(place));
        }
        let subject = |node: NodeId| {
            let before = rows.get(&node).and_then(|(_, before, now)| before.as_ref().or(now.as_ref()));
            self.subject(node, before.or(self.view().node(node).as_ref()))
        };
        let mut moved = Vec::new();
        for (node, places) in &mut come {
            let Some(from) = gone.get_mut(node) else { continue };
            while let (Some(from), Some(to)) = (from.pop(), places.pop()) {
                moved.extend(self.moved((from, to), subject(*node), None, false));
            }
        }
        let removed = gone.iter().rev().flat_map(|(node, places)| places.iter().map(|place| (*node, *place)));
        let removed = removed.filter_map(|(node, place)| {
            Some(Sight::Removed { spot: self.spot(place)?, subject: subject(node) })
        });
        let mut sights: Vec<Sight> = removed.collect();
        sights.extend(moved);
        for (node, place) in come.iter().flat_map(|(node, places)| places.iter().map(|place| (*node, *place)))
        {
            let new = rows.get(&node).filter(|(_, before, _)| before.is_none());
            let content = new.and_then(|(_, _, now)| now.as_ref());
            let content = content.map_or(Filling::None, |row| content_of_new(&row.body));
            sights.extend(self.spot(place).map(|spot| Sight::Made { spot, subject: subject(node), content }));
        }
        sights.extend(nodes.iter().filter_map(|change| self.sight_of_row(change)));
        sights
    }

    fn sight_of_row(&self, (node, before, now): &NodeChange) -> Option<Sight> {
        let (Some(before), Some(now)) = (before, now) else { return None };
        let subject = self.subject(*node, Some(now));
        let spots = self.spots(&self.view().places(*node));
        let same = |old: &Manifest, new: &Manifest| old.same_content(new);
        let written =
            matches!((before.manifest(), now.manifest()), (Some(old), Some(new)) if !same(old, new));
        // A directory's mtime follows from its names.
        let touched = (before.mode, before.owner, &before.xattrs) != (now.mode, now.owner, &now.xattrs)
            || (!now.is_directory() && before.mtime != now.mtime);
        match (written, touched) {
            (true, _) => Some(Sight::Written { spots, subject }),
            (false, true) => Some(Sight::Touched { spots, subject }),
            (false, false) => None,
        }
    }
}

fn content_of_new(body: &Body) -> Filling {
    match body {
        Body::File(manifest) if manifest.length == 0 => Filling::Empty,
        Body::File(_) => Filling::Some,
        _ => Filling::None,
    }
}

/// The node that goes on as what another one became, where an op makes that so.
fn succession(changes: &[Change]) -> Option<NodeId> {
    changes.iter().find_map(|change| match change {
        Change::Tombstone(_, Some(tombstone)) => tombstone.successor.map(|successor| successor.node),
        _ => None,
    })
}

impl Sight {
    /// The names that lead elsewhere from then on.
    pub fn spots(&self) -> Vec<&Spot> {
        match self {
            Sight::Made { spot, .. } | Sight::Removed { spot, .. } => vec![spot],
            Sight::Written { spots, .. } | Sight::Touched { spots, .. } => spots.iter().collect(),
            Sight::Moved { from, to, .. } => from.iter().chain(to).collect(),
        }
    }

    pub fn subject(&self) -> &Watched {
        let (Sight::Made { subject, .. }
        | Sight::Written { subject, .. }
        | Sight::Touched { subject, .. }
        | Sight::Moved { subject, .. }
        | Sight::Removed { subject, .. }) = self;
        subject
    }

    /// The inodes of directories and of what the sight is about, any of which may be watched.
    pub fn inodes(&self) -> BTreeSet<Ino> {
        let replaced = match self {
            Sight::Moved { replaced: Some(replaced), .. } => replaced.ino,
            _ => None,
        };
        let directories = self.spots().into_iter().map(|spot| spot.directory);
        directories.chain(self.subject().ino).chain(replaced).collect()
    }
}

#[cfg(test)]
#[path = "sights_tests.rs"]
mod tests;
