//! The start of a member's process: the first one, and those after an end that was none.

use super::{Member, Todo};
use crate::clock::Stamp;
use fl0wfs::sync::Kv;
use fl0wfs::sync::member::{Replica, Unproven, content_of};

/// Proven at a time.
const PROVED_AT_ONCE: usize = 100;

impl Member {
    /// The process starts again: what was in memory is gone, what was written is there. `lost_power` tells that the
    /// machine starts too.
    pub fn restart(&mut self, now: u64, lost_power: bool) {
        self.boots += u8::from(lost_power);
        self.handles.clear();
        self.todo = Todo::default();
        self.received = None;
        self.replica = Replica::open(self.disk.clone(), self.name.clone()).expect("the state is there");
        self.note_merges();
        self.ledger.keep_begun(&self.replica.dirty_inodes());
        self.replica.remove_abandoned().expect("there is room at the start");
        self.remove_nameless();
        let same_boot = self.replica.last_boot().is_none_or(|boot| boot == [self.boots]);
        if !same_boot {
            self.take_up_after_power_loss(now);
        }
        for ino in self.replica.dirty_inodes() {
            self.capture_excused(now, ino, !same_boot);
        }
        self.note_boot();
    }

    pub(super) fn note_boot(&mut self) {
        self.replica.set_boot(vec![self.boots]).expect("there is room at the start");
    }

    fn remove_nameless(&mut self) {
        let named: Vec<u64> = self.replica.backing_files().collect();
        for file in self.disk.files() {
            if !named.contains(&file) {
                self.disk.remove_file(file);
            }
        }
    }

    fn take_up_after_power_loss(&mut self, now: u64) {
        for ino in self.replica.dirty_inodes() {
            self.replica.distrust(ino).expect("there is room at the start");
        }
        let mut whole = Vec::new();
        for was in self.replica.unproven(usize::MAX) {
            let found = super::manifest_of(&self.disk.file(was.file).unwrap_or_default()).0;
            if content_of(&found) == was.content {
                whole.push(was);
                continue;
            }
            let stamp = self.clock.stamp(
                now,
                Stamp { seen: self.replica.position(), at: self.replica.position(), excused: true },
            );
            let disproven = self.replica.disproven(stamp, was, found);
            self.done(disproven);
        }
        self.replica.proven(&whole).expect("there is room at the start");
        for (content, file) in self.replica.held_files() {
            let found = super::manifest_of(&self.disk.file(file).unwrap_or_default()).0;
            if content_of(&found) != content {
                self.replica.not_held(content, file).expect("there is room at the start");
            }
        }
    }

    /// Makes sure of contents that nobody has synced.
    pub fn prove(&mut self) {
        let unproven: Vec<Unproven> = self.replica.unproven(PROVED_AT_ONCE);
        // Where anything fails they stay unproven.
        if self.replica.sync_marks().is_err() {
            return;
        }
        unproven.iter().for_each(|was| self.disk.sync_file(was.file));
        let _ = self.replica.proven(&unproven);
    }

    /// Tells whether a row of the replica is there; for what it keeps and does not tell.
    pub fn has_rows(&self, prefix: &[u8]) -> bool {
        self.disk.scan_prefix(prefix).next().is_some()
    }
}
