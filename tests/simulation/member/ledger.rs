//! What a member's users may count on: the contents that it took, and since when it was at work on a file.

use super::merging::Made;
use fl0wfs::model::Digest;
use fl0wfs::sync::member::Ino;
use fl0wfs::wire::Position;
use std::collections::{BTreeMap, BTreeSet};

/// A content that a flush point took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    pub ino: Ino,
    /// It survives the loss of power: fsynced, or sealed as small content is.
    pub durable: bool,
    /// Later content has begun to take its place in the same file.
    pub overwritten: bool,
    /// The member itself removed the file again.
    pub removed: bool,
}

#[derive(Clone, Default)]
pub struct Ledger {
    /// Contents that must not be lost.
    pub owed: BTreeMap<Digest, Owed>,
    /// The pending contents when a message came, and what merges have made since.
    pub merging: Option<(BTreeSet<Digest>, Made)>,
    /// Contents that merges have taken in, and what they made then.
    merged: BTreeMap<Digest, BTreeSet<Digest>>,
    /// Until a snapshot has come, the base has this member's last accepted commit without what stands before it in the
    /// log: what is replayed on the snapshot must not have it any more. The position it has then.
    pub counted_early: Option<Option<Position>>,
    pub power_was_lost: bool,
    /// Local operations since nothing was pending.
    pub intents: u64,
    /// All there ever were.
    pub intents_ever: u64,
    /// The hub says that it lacks what this member's base has.
    pub departs: bool,
    /// Files that are open or written, and what the member had seen when that began.
    begun: BTreeMap<Ino, Option<Position>>,
}

impl Ledger {
    /// So many local operations are made.
    pub fn intend(&mut self, operations: u64) {
        self.intents += operations;
        self.intents_ever += operations;
    }

    /// Work on a file begins, unless it has begun.
    pub fn begin(&mut self, ino: Ino, seen: Option<Position>) {
        self.begun.entry(ino).or_insert(seen);
    }

    /// What had been seen when work on a file began, if any has.
    pub fn begun(&self, ino: Ino) -> Option<Option<Position>> {
        self.begun.get(&ino).copied()
    }

    pub fn end(&mut self, ino: Ino) {
        self.begun.remove(&ino);
    }

    /// A close or fsync has returned.
    pub fn closed(&mut self, content: Digest, ino: Ino) {
        let durable = self.owed.get(&content).is_some_and(|owed| owed.durable);
        self.owed.insert(content, Owed { ino, durable, overwritten: false, removed: false });
    }

    /// A pending content went while these were made by merges.
    pub fn merged(&mut self, content: Digest, made: &BTreeSet<Digest>) {
        self.merged.entry(content).or_default().extend(made);
    }

    /// What a content went into, and what that went into.
    pub fn went_into(&self, content: Digest) -> BTreeSet<Digest> {
        let (mut all, mut new) = (BTreeSet::new(), vec![content]);
        while let Some(content) = new.pop() {
            let made = self.merged.get(&content).into_iter().flatten();
            new.extend(made.filter(|made| all.insert(**made)));
        }
        all
    }

    /// A content is on this member, whoever made it: only this member may still have it.
    pub fn hold(&mut self, content: Digest) {
        let held = Owed { ino: Ino(0), durable: true, overwritten: false, removed: false };
        self.owed.entry(content).or_insert(held);
    }

    pub fn durable(&mut self, content: Digest) {
        if let Some(owed) = self.owed.get_mut(&content) {
            owed.durable = true;
        }
    }

    /// The file is about to be written where it stands.
    pub fn overwritten(&mut self, ino: Ino) {
        self.owed.values_mut().filter(|owed| owed.ino == ino).for_each(|owed| owed.overwritten = true);
    }

    /// The member removes the file's last name.
    pub fn removed(&mut self, ino: Ino) {
        self.owed.values_mut().filter(|owed| owed.ino == ino).for_each(|owed| owed.removed = true);
    }

    /// Only what was durable, and is not being changed, is owed after the loss of power.
    pub fn lost_power(&mut self) {
        self.power_was_lost = true;
        // The journal may be again what it was before any of them was accepted.
        self.intents = self.intents_ever;
        self.owed.retain(|_, owed| owed.durable && !owed.overwritten);
    }

    /// The process starts again: nothing is open, and work goes on only on files that are still to be captured.
    pub fn keep_begun(&mut self, dirty: &[Ino]) {
        self.begun.retain(|ino, _| dirty.contains(ino));
    }
}
