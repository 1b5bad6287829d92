//! Work on what files hold: made, written, opened, synced, closed, saved the ways editors save.

use super::{Found, Worker, contents};
use fl0wfs::model::{Body, Manifest, Name, Owner, Place, Xattrs};
use fl0wfs::ops::{Drop, Move, Replaced, Tree, Verb};
use fl0wfs::sync::member::{Ino, Makings};

/// Handles open at a time.
const HANDLES_MAX: usize = 4;

impl Worker<'_> {
    /// Makes a file, which stays dirty.
    fn create(&mut self, place: Place) -> Option<Ino> {
        let stamp = self.member.stamp(self.now);
        let body = Body::File(Manifest::empty());
        let seen = self.member.replica.position();
        self.member.ledger.intend(1);
        let makings = Makings { body, mode: 0o644, owner: Some(Owner::default()), xattrs: Xattrs::new() };
        let (ino, effects) = self.member.replica.make(stamp, place, makings).ok()?;
        self.member.follow(effects);
        self.member.ledger.begin(ino, seen);
        Some(ino)
    }

    pub(super) fn make_file(&mut self) -> Option<&'static str> {
        let place = self.place();
        let name = place.name.clone();
        let ino = self.create(place)?;
        let bytes = contents::fresh(self.chance, &name);
        self.member.write_anew(ino, bytes);
        if self.chance.one_in(8) && self.member.handles.len() < HANDLES_MAX {
            self.hold_open(ino);
            return Some("makes a file and keeps it open");
        }
        self.member.capture(self.now, ino);
        Some("makes a file")
    }

    fn hold_open(&mut self, ino: Ino) {
        let seen = self.member.replica.position();
        self.member.replica.opened(ino);
        self.member.handles.push(ino);
        self.member.ledger.begin(ino, seen);
    }

    pub(super) fn write_anew(&mut self) -> Option<&'static str> {
        let (ino, found) = self.existing_file()?;
        let bytes = contents::fresh(self.chance, &found.place.name);
        self.member.write_anew(ino, bytes);
        self.close_after_write(ino);
        Some("writes a file anew")
    }

    pub(super) fn edit(&mut self) -> Option<&'static str> {
        let (ino, found) = self.existing_file()?;
        let before = self.member.read(ino)?;
        let bytes = contents::edited(self.chance, &found.place.name, &before);
        self.member.write_in_place(ino, bytes);
        self.close_after_write(ino);
        Some("edits a file in place")
    }

    pub(super) fn append(&mut self) -> Option<&'static str> {
        let (ino, _) = self.existing_file()?;
        let before = self.member.read(ino)?;
        let bytes = contents::appended(self.chance, &before);
        self.member.write_in_place(ino, bytes);
        self.close_after_write(ino);
        Some("appends to a file")
    }

    pub(super) fn truncate(&mut self) -> Option<&'static str> {
        let (ino, _) = self.existing_file()?;
        self.member.write_anew(ino, Vec::new());
        self.close_after_write(ino);
        Some("cuts a file to nothing")
    }

    /// The last handle for writing is closed; where others are open that may come later.
    fn close_after_write(&mut self, ino: Ino) {
        if !self.member.is_open(ino) {
            self.member.capture(self.now, ino);
        }
    }

    pub(super) fn open(&mut self) -> Option<&'static str> {
        let (ino, found) = self.existing_file()?;
        if self.member.handles.len() >= HANDLES_MAX {
            return None;
        }
        self.hold_open(ino);
        if self.chance.one_in(2) {
            return Some("opens a file");
        }
        match self.member.read(ino) {
            Some(before) if self.chance.one_in(2) => {
                let bytes = contents::edited(self.chance, &found.place.name, &before);
                self.member.write_in_place(ino, bytes);
            }
            _ => {
                let bytes = contents::fresh(self.chance, &found.place.name);
                self.member.write_anew(ino, bytes);
            }
        }
        Some("opens a file and writes")
    }

    pub(super) fn fsync(&mut self) -> Option<&'static str> {
        let ino = match self.member.handles.last() {
            Some(ino) => *ino,
            None => self.existing_file()?.0,
        };
        self.member.fsync(self.now, ino);
        Some("fsyncs a file")
    }

    pub(super) fn close_one(&mut self) -> Option<&'static str> {
        let at = self.member.handles.len().checked_sub(1)?;
        let at = self.chance.below(at + 1);
        self.close(at);
        Some("closes a file")
    }

    /// Closes everything, and captures whatever is still marked.
    pub fn close_all(&mut self) {
        while !self.member.handles.is_empty() {
            self.close(0);
        }
        for ino in self.member.replica.dirty_inodes() {
            self.member.capture(self.now, ino);
        }
    }

    /// Closes a handle; the last one of a written file is a flush point.
    pub fn close(&mut self, at: usize) {
        let ino = self.member.handles.swap_remove(at);
        if !self.member.is_open(ino) {
            self.member.capture(self.now, ino);
            // What there was no room to capture goes on from where it began.
            if !self.member.replica.is_dirty(ino) {
                self.member.ledger.end(ino);
            }
        }
        let effects = self.member.replica.closed(ino);
        self.member.follow(effects);
    }

    /// What most editors do: a new file beside, renamed over the old one.
    pub(super) fn save_by_rename(&mut self) -> Option<&'static str> {
        let (ino, found) = self.existing_file()?;
        let before = self.member.read(ino)?;
        let name = Name::new([found.place.name.as_bytes(), b".new"].concat()).ok()?;
        let beside = Place { parent: found.place.parent, name };
        let newcomer = self.create(beside.clone())?;
        // The old content was seen when the new one was begun.
        let bytes = contents::edited(self.chance, &found.place.name, &before);
        self.member.write_anew(newcomer, bytes);
        self.member.capture(self.now, newcomer);
        self.settle_closed();
        let node = self.member.replica.inode(newcomer)?.node;
        self.settle(node)?;
        self.settle_embryo(found.node)?;
        let version = self.member.replica.view().node(found.node)?.version;
        let Found { node: existing, place } = found;
        let replaces = Some(Replaced { node: existing, version });
        let step = Move { node, from: beside, to: place, replaces, exchange: false, keeps_owner: false };
        self.member.submit(self.now, Verb::Move(step));
        Some("saves a file by renaming over it")
    }

    /// What vim does: the file aside, a new one under its name, the old one unlinked.
    pub(super) fn save_by_backup(&mut self) -> Option<&'static str> {
        let (ino, found) = self.existing_file()?;
        let before = self.member.read(ino)?;
        self.settle_closed();
        self.settle(found.node)?;
        let name = Name::new([found.place.name.as_bytes(), b"~"].concat()).ok()?;
        let aside = Place { parent: found.place.parent, name };
        let Found { node, place } = found;
        let step = Move {
            node,
            from: place.clone(),
            to: aside.clone(),
            replaces: None,
            exchange: false,
            keeps_owner: false,
        };
        if !self.member.submit(self.now, Verb::Move(step)) {
            return None;
        }
        let name = place.name.clone();
        let newcomer = self.create(place)?;
        let bytes = contents::edited(self.chance, &name, &before);
        self.member.write_anew(newcomer, bytes);
        self.member.capture(self.now, newcomer);
        self.drop_name(Found { node, place: aside });
        Some("saves a file by a backup")
    }

    /// Takes a name away.
    pub(super) fn drop_name(&mut self, found: Found) -> bool {
        self.settle_closed();
        let Some(row) = self.member.replica.view().node(found.node) else { return false };
        let aside = row.moved.as_ref().map(|moved| &moved.from);
        if let Some(newcomer) = aside.and_then(|place| self.under(place))
            && self.settle(newcomer).is_none()
        {
            return false;
        }
        let last = self.member.replica.view().places(found.node).len() == 1;
        let ino = self.ino_of(found.node);
        let saves = row.moved.is_some();
        let dropped = Drop { node: found.node, place: found.place, version: row.version };
        let owed = self.member.ledger.owed.clone();
        // What a save by backup leaves is the same file still.
        if let Some(ino) = ino.filter(|_| last && !saves) {
            self.member.ledger.removed(ino);
        }
        let done = self.member.submit(self.now, Verb::Drop(dropped));
        if !done {
            self.member.ledger.owed = owed;
        }
        done
    }
}
