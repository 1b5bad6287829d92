//! Random work of a member's users: everything that can be done to a tree, biased to collisions by few names and few
//! directories. Each deed does what the mount does for it (`vfs`): captures before names change, in the same order.

mod contents;
mod files;
mod names;

use crate::chance::Chance;
use crate::member::Member;
use fl0wfs::model::{Name, NodeId, Place};
use fl0wfs::ops::Tree;
use fl0wfs::sync::member::Ino;

const NAMES: [&str; 6] = ["a.txt", "b.json", "c.xml", "d", "e.txt", "f"];
/// How deep directories are gone into.
const DEPTH_MAX: usize = 3;

/// One member at work, now.
pub struct Worker<'a> {
    pub member: &'a mut Member,
    pub chance: &'a mut Chance,
    pub now: u64,
}

/// What is found under a name.
struct Found {
    node: NodeId,
    place: Place,
}

impl Worker<'_> {
    /// Does one thing an application might do; returns what, for a trace. None where there was nothing to do it to.
    pub fn act(&mut self) -> Option<&'static str> {
        match self.chance.below(40) {
            0..=3 => self.make_file(),
            4..=6 => self.make_directory(),
            7 => self.make_symlink(),
            8 => self.make_special(),
            9..=12 => self.write_anew(),
            13..=17 => self.edit(),
            18 => self.append(),
            19 => self.truncate(),
            20..=21 => self.save_by_rename(),
            22..=23 => self.save_by_backup(),
            24..=25 => self.drop_one(),
            26 => self.remove_directory(),
            27..=29 => self.rename(),
            30 => self.exchange(),
            31 => self.link(),
            32..=33 => self.set_meta(),
            34 => self.set_xattr(),
            35..=36 => self.open(),
            37 => self.fsync(),
            _ => self.close_one(),
        }
    }

    fn name(&mut self) -> Name {
        Name::new(*self.chance.pick(&NAMES)).expect("a good name")
    }

    /// A directory of the view, the root more often than others.
    fn directory(&mut self) -> NodeId {
        let mut at = NodeId::ROOT;
        for _ in 0..self.chance.below(DEPTH_MAX + 1) {
            let view = self.member.replica.view();
            let inside = view.list(at, 0).map(|(_, node)| node);
            let inside: Vec<NodeId> =
                inside.filter(|node| view.node(*node).is_some_and(|row| row.is_directory())).collect();
            if inside.is_empty() {
                break;
            }
            at = *self.chance.pick(&inside);
        }
        at
    }

    fn place(&mut self) -> Place {
        Place { parent: self.directory(), name: self.name() }
    }

    /// Something that exists, and where.
    fn existing(&mut self) -> Option<Found> {
        let parent = self.directory();
        let entries: Vec<(Name, NodeId)> = self.member.replica.view().list(parent, 0).collect();
        if entries.is_empty() {
            return None;
        }
        let (name, node) = self.chance.pick(&entries).clone();
        Some(Found { node, place: Place { parent, name } })
    }

    fn existing_file(&mut self) -> Option<(Ino, Found)> {
        let found = self.existing().filter(|found| self.is_file(found.node))?;
        Some((self.ino_of(found.node)?, found))
    }

    fn is_file(&self, node: NodeId) -> bool {
        self.member.manifest_at(node).is_some()
    }

    fn is_directory(&self, node: NodeId) -> bool {
        self.member.replica.view().node(node).is_some_and(|row| row.is_directory())
    }

    fn under(&self, place: &Place) -> Option<NodeId> {
        self.member.replica.view().child(place.parent, &place.name)
    }

    /// None where there is no room to note it.
    fn ino_of(&mut self, node: NodeId) -> Option<Ino> {
        self.member.replica.ino_of(node).ok()
    }

    /// Names change only after content written before them is captured.
    /// None where that failed, for want of room.
    fn settle(&mut self, node: NodeId) -> Option<()> {
        let ino = self.ino_of(node)?;
        self.member.capture(self.now, ino);
        (!self.member.replica.is_dirty(ino)).then_some(())
    }

    /// A file that the log has not heard of is captured before anything takes its name.
    fn settle_embryo(&mut self, node: NodeId) -> Option<()> {
        if self.member.replica.is_embryo(node) { self.settle(node) } else { Some(()) }
    }

    /// What the mount does before any op on names or attributes: what its writers think closed is captured.
    fn settle_closed(&mut self) {
        for ino in self.member.replica.dirty_inodes() {
            if !self.member.is_open(ino) {
                self.member.capture(self.now, ino);
            }
        }
    }
}
