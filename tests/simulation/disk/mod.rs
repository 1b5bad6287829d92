//! A simulated disk: rows in a log-structured store, and backing files beside it.
//!
//! The death of the process keeps everything that was written. The loss of power keeps a front part of the row
//! commits that nobody synced, whole ones (`rows.rs`), and of each file that nobody synced what was synced before, what
//! was written since, or something torn in between (`files.rs`). A process may die at any write: before it is made, or after it and
//! before anything else happens ([`Disk::arm`]).
//! Canaries meddle here: see [`Disk::tamper`].

mod files;
mod rows;

use files::FileState;
use fl0wfs::sync::{Batch, Durability, Kv, Pair, Store, WriteError};
use rows::Rows;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::resume_unwind;
use std::rc::Rc;

pub use rows::row_sum;

/// Whose disk it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    Member(usize),
    Hub,
}

/// What ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Death {
    Process,
    Power,
}

/// The process that uses the disk has died in the middle of its work; thrown by the write at which it did.
#[derive(Clone, Copy, Debug)]
pub struct Crash(pub Party, pub Death);

type Tamper = Box<dyn FnMut(&mut Batch)>;

/// A disk; clones share it.
#[derive(Clone)]
pub struct Disk {
    party: Party,
    state: Rc<RefCell<State>>,
    /// How many half-writes the process has still to live.
    fuse: Rc<Cell<Option<(u32, Death)>>>,
    full: Rc<Cell<bool>>,
    was_full: Rc<Cell<bool>>,
    tamper: Rc<RefCell<Option<Tamper>>>,
}

#[derive(Clone, Default)]
struct State {
    rows: Rows,
    files: BTreeMap<u64, FileState>,
    /// Counts row commits, so that who looks can tell whether anything changed.
    commits: u64,
}

impl Disk {
    /// An empty disk that keeps sums of the rows under each of `watched`.
    pub fn new(party: Party, watched: &[&[u8]]) -> Disk {
        let state = State { rows: Rows::watching(watched), ..State::default() };
        Disk::with(party, state)
    }

    fn with(party: Party, state: State) -> Disk {
        let (fuse, full, was_full, tamper) = (Rc::default(), Rc::default(), Rc::default(), Rc::default());
        Disk { party, state: Rc::new(RefCell::new(state)), fuse, full, was_full, tamper }
    }

    /// Another disk with the same on it.
    pub fn copy(&self) -> Disk {
        Disk::with(self.party, self.state.borrow().clone())
    }

    pub fn watch(&self, prefix: &[u8]) {
        self.state.borrow_mut().rows.watch(prefix);
    }

    /// The sum over all rows under a watched prefix; equal rows have equal sums.
    pub fn sum(&self, prefix: &[u8]) -> u128 {
        self.state.borrow().rows.sum(prefix)
    }

    pub fn commits(&self) -> u64 {
        self.state.borrow().commits
    }

    /// Lets the process die at one of its next writes.
    pub fn arm(&self, half_writes: u32, death: Death) {
        self.fuse.set(Some((half_writes, death)));
    }

    pub fn disarm(&self) {
        self.fuse.set(None);
    }

    /// While full, nothing more is written.
    pub fn set_full(&self, full: bool) {
        self.full.set(full);
        self.was_full.set(self.was_full.get() || full);
    }

    /// Whether something may have failed for want of room.
    pub fn was_full(&self) -> bool {
        self.was_full.get()
    }

    /// Has `tamper` change every batch of rows before it is written.
    pub fn tamper(&self, tamper: impl FnMut(&mut Batch) + 'static) {
        *self.tamper.borrow_mut() = Some(Box::new(tamper));
    }

    fn burn(&self) {
        match self.fuse.get() {
            None => {}
            Some((0, death)) => {
                self.fuse.set(None);
                resume_unwind(Box::new(Crash(self.party, death)));
            }
            Some((left, death)) => self.fuse.set(Some((left - 1, death))),
        }
    }

    /// One write, at which the process may die.
    fn write(&self, change: impl FnOnce(&mut State)) {
        self.burn();
        change(&mut self.state.borrow_mut());
        self.burn();
    }
}

impl Store for Disk {
    fn commit(&self, mut batch: Batch, durability: Durability) -> Result<(), WriteError> {
        if self.full.get() {
            return Err(WriteError::Full);
        }
        if let Some(tamper) = &mut *self.tamper.borrow_mut() {
            tamper(&mut batch);
        }
        self.write(|state| {
            state.commits += 1;
            state.rows.commit(batch);
            if durability == Durability::Power {
                state.rows.synced();
            }
        });
        Ok(())
    }
}

impl Kv for Disk {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.state.borrow().rows.get(key)
    }

    /// Takes the next pair anew at each step, so a scan outlives writes made meanwhile.
    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a> {
        let (mut from, to) = (std::ops::Bound::Included(from.to_vec()), to.to_vec());
        Box::new(std::iter::from_fn(move || {
            let (key, value) = self.state.borrow().rows.first_between(&from, &to)?;
            from = std::ops::Bound::Excluded(key.clone());
            Some((key, value))
        }))
    }
}
