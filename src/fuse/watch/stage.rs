//! The stage: where names lead that watchers have not been told of yet, and what the repeater is about.
//!
//! Invariant: a name stands here from before the kernel forgets it until watchers have been told of its last change;
//! what is shown under it is what they know.

use super::companion::Trace;
use super::figure::{Figure, Phantoms};
use super::order::Deed;
use crate::model::{Kind, Name};
use crate::sync::member::{Ino, Sight, Spot, Watched};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Under the phantom directory of things whose real one the kernel cannot know.
const ELSEWHERE_NAME: &[u8] = b"x";

pub struct Stage {
    /// The repeater's process, as the kernel numbers it for this mount; 0 while there is none.
    pub(super) repeater: AtomicU32,
    /// The process that an earlier daemon of this mount had; 0 for none.
    pub(super) former: AtomicU32,
    pub(super) greeting: AtomicBool,
    /// Names on the stage.
    names: AtomicUsize,
    pub(super) phantoms: Phantoms,
    pub(super) scene: Mutex<Scene>,
}

#[derive(Default)]
pub(super) struct Scene {
    /// The name by which the repeater makes itself known, and the phantom directory that it finds.
    pub greeting: Option<(Vec<u8>, Figure)>,
    slots: HashMap<Key, Slot>,
    /// Where directories stand, while a name of theirs is on the stage.
    directories: HashMap<Ino, Spot>,
    pub step: Option<Step>,
}

/// A directory's number, and a name in it.
type Key = (u64, Vec<u8>);

#[derive(Clone, Debug)]
struct Slot {
    shown: Option<Watched>,
    /// Sights to come that are about this name.
    pending: u32,
}

/// What the repeater has been told to do.
#[derive(Clone, Debug)]
pub(super) struct Step {
    pub deed: Deed,
    pub at: Part,
    pub to: Option<Part>,
    /// The request that decides has been answered. Watchers see what it did, also where the repeater ends then and
    /// there: a request that was read is waited for by the kernel, and the call it belongs to is finished.
    pub done: bool,
}

impl Step {
    pub fn new(deed: Deed, at: Part, to: Option<Part>) -> Step {
        Step { deed, at, to, done: false }
    }
}

/// A name that a step is about, and what the repeater finds there.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub directory: u64,
    pub name: Vec<u8>,
    pub figure: Option<Figure>,
    /// The kernel has asked for it, and so goes by what it was told here.
    pub asked: bool,
}

impl Part {
    pub fn new(spot: &Spot, figure: Option<Figure>) -> Part {
        Part { directory: spot.directory.0, name: spot.name.as_bytes().to_vec(), figure, asked: false }
    }

    pub fn is(&self, directory: u64, name: &[u8]) -> bool {
        self.directory == directory && self.name == name
    }
}

impl Default for Stage {
    fn default() -> Stage {
        Stage {
            repeater: AtomicU32::new(0),
            former: AtomicU32::new(0),
            greeting: AtomicBool::new(false),
            names: AtomicUsize::new(0),
            phantoms: Phantoms::new(),
            scene: Mutex::default(),
        }
    }
}

fn key(spot: &Spot) -> Key {
    (spot.directory.0, spot.name.as_bytes().to_vec())
}

impl Stage {
    /// A stage that knows the repeater an earlier daemon had.
    pub fn after(trace: &Trace) -> Stage {
        Stage { former: AtomicU32::new(trace.former().map_or(0, |former| former.number)), ..Stage::default() }
    }

    /// Tells whether a name is on the stage; then nobody may remember where it leads.
    pub(in crate::fuse) fn has(&self, directory: u64, name: &[u8]) -> bool {
        self.names.load(Ordering::SeqCst) > 0
            && self.scene.lock().slots.contains_key(&(directory, name.to_vec()))
    }

    /// Puts the names that sights are about on the stage as they were before. Order: before the kernel is told to
    /// forget them.
    pub(super) fn set(&self, sights: &[Sight]) {
        let mut scene = self.scene.lock();
        for sight in sights {
            for (spot, before) in befores(sight) {
                let slot = scene.slots.entry(key(spot)).or_insert(Slot { shown: before, pending: 0 });
                slot.pending += 1;
                if slot.pending == 1 {
                    scene.stands(spot, before);
                }
            }
        }
        self.names.store(scene.slots.len(), Ordering::SeqCst);
    }

    /// Takes note that watchers have been told of a sight, or never will be.
    pub(super) fn shown(&self, sight: &Sight, ino_of: impl Fn(&Watched) -> Option<Ino>) {
        let mut scene = self.scene.lock();
        for (spot, after) in afters(sight) {
            // Somebody may have asked for it since, and it has an inode now.
            let after =
                after.map(|watched| Watched { ino: watched.ino.or_else(|| ino_of(&watched)), ..watched });
            scene.change(spot, after);
        }
        self.names.store(scene.slots.len(), Ordering::SeqCst);
    }

    /// Where a directory stands on the stage; None where only the rows know.
    pub(super) fn place_of(&self, directory: Ino) -> Option<Spot> {
        self.scene.lock().directories.get(&directory).cloned()
    }

    /// The place of what is moved to or from a directory that the kernel cannot know.
    pub(super) fn elsewhere(&self, kind: Option<Kind>) -> Option<(Vec<u8>, Part)> {
        let (path, directory) = self.scene.lock().greeting.clone()?;
        let figure = kind.map(|kind| self.phantoms.next(kind));
        let name = ELSEWHERE_NAME.to_vec();
        Some((path, Part { directory: directory.number, name, figure, asked: false }))
    }

    pub(super) fn begin(&self, step: Step) {
        self.scene.lock().step = Some(step);
    }

    /// Tells whether the step was done. From now on it is not.
    pub(super) fn end(&self) -> bool {
        self.scene.lock().step.take().is_some_and(|step| step.done)
    }
}

impl Scene {
    /// What is shown under a name; None where the rows tell.
    pub fn shown_under(&self, directory: u64, name: &[u8]) -> Option<Option<Watched>> {
        self.slots.get(&(directory, name.to_vec())).map(|slot| slot.shown)
    }

    fn change(&mut self, spot: &Spot, after: Option<Watched>) {
        let Some(slot) = self.slots.get_mut(&key(spot)) else { return };
        let before = std::mem::replace(&mut slot.shown, after);
        slot.pending -= 1;
        let over = slot.pending == 0;
        if let Some(ino) = before.and_then(|watched| watched.ino)
            && self.directories.get(&ino) == Some(spot)
        {
            self.directories.remove(&ino);
        }
        match over {
            true => drop(self.slots.remove(&key(spot))),
            false => self.stands(spot, after),
        }
    }

    fn stands(&mut self, spot: &Spot, watched: Option<Watched>) {
        let directory = watched.filter(|watched| watched.kind == Kind::Directory);
        if let Some(ino) = directory.and_then(|watched| watched.ino) {
            self.directories.insert(ino, spot.clone());
        }
    }
}

fn befores(sight: &Sight) -> Vec<(&Spot, Option<Watched>)> {
    match sight {
        Sight::Made { spot, .. } => vec![(spot, None)],
        Sight::Removed { spot, subject } => vec![(spot, Some(*subject))],
        Sight::Written { spots, subject } | Sight::Touched { spots, subject } => {
            spots.iter().map(|spot| (spot, Some(*subject))).collect()
        }
        Sight::Moved { from, to, subject, replaced, .. } => {
            let from = from.iter().map(|spot| (spot, Some(*subject)));
            from.chain(to.iter().map(|spot| (spot, *replaced))).collect()
        }
    }
}

fn afters(sight: &Sight) -> Vec<(&Spot, Option<Watched>)> {
    match sight {
        Sight::Made { spot, subject, .. } => vec![(spot, Some(*subject))],
        Sight::Removed { spot, .. } => vec![(spot, None)],
        Sight::Written { .. } | Sight::Touched { .. } => befores(sight),
        Sight::Moved { from, to, subject, replaced, exchange } => {
            let from = from.iter().map(|spot| (spot, replaced.filter(|_| *exchange)));
            from.chain(to.iter().map(|spot| (spot, Some(*subject)))).collect()
        }
    }
}

/// A path from the mount's root as the repeater takes it.
pub(super) fn path_of(names: &[Name]) -> Vec<u8> {
    names.iter().map(Name::as_bytes).collect::<Vec<_>>().join(&b'/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberNumber, NodeId};
    use crate::sync::member::Filling;

    fn spot(directory: u64, name: &str) -> Spot {
        Spot { directory: Ino(directory), name: Name::new(name.as_bytes()).unwrap() }
    }

    fn watched(counter: u64, kind: Kind) -> Watched {
        Watched { node: NodeId { member: MemberNumber(1), counter }, ino: Some(Ino(counter)), kind }
    }

    fn shown(stage: &Stage, spot: &Spot) -> Option<Option<Watched>> {
        stage.scene.lock().shown_under(spot.directory.0, spot.name.as_bytes())
    }

    #[test]
    fn a_name_stands_as_it_was_until_its_last_change_has_been_shown() {
        let stage = Stage::default();
        let (at, file, other) = (spot(1, "f"), watched(5, Kind::File), watched(6, Kind::File));
        let removed = Sight::Removed { spot: at.clone(), subject: file };
        let made = Sight::Made { spot: at.clone(), subject: other, content: Filling::Empty };
        stage.set(&[removed.clone(), made.clone()]);
        assert!(stage.has(1, b"f") && !stage.has(1, b"g") && !stage.has(2, b"f"));
        assert_eq!(shown(&stage, &at), Some(Some(file)));
        stage.shown(&removed, |_| None);
        assert_eq!(shown(&stage, &at), Some(None));
        stage.shown(&made, |_| None);
        assert!(!stage.has(1, b"f"));
        assert_eq!(shown(&stage, &at), None);
    }

    #[test]
    fn a_directory_stands_where_watchers_know_it() {
        let stage = Stage::default();
        let (from, to, directory) = (spot(1, "d"), spot(2, "e"), watched(5, Kind::Directory));
        let (here, there) = (Some(from.clone()), Some(to.clone()));
        let moved = |from, to| Sight::Moved { from, to, subject: directory, replaced: None, exchange: false };
        let (first, second) = (moved(here.clone(), there.clone()), moved(there, here));
        stage.set(&[first.clone(), second.clone()]);
        assert_eq!(stage.place_of(Ino(5)), Some(from));
        stage.shown(&first, |_| None);
        assert_eq!(stage.place_of(Ino(5)), Some(to));
        stage.shown(&second, |_| None);
        assert_eq!(stage.place_of(Ino(5)), None);
        assert!(!stage.has(1, b"d") && !stage.has(2, b"e"));
    }
}
