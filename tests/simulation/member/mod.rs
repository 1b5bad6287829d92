//! A member: the real replica on a simulated disk, with a simulated clock.
//!
//! What the process around a replica does is done here as the product does it: the start after an end that was none
//! (`vfs::recover`), writing and capturing (`vfs::prepare`, `vfs::capture`), the driver's turn after each message
//! (`member::driver`).

mod boot;
mod content;
mod ledger;
mod merging;
mod session;

pub use content::manifest_of;
pub use ledger::Ledger;
pub use session::Wanted;

use super::clock::{Clock, Stamp};
use super::disk::{Disk, Party};
use fl0wfs::model::{ChunkId, Digest, MemberName, NodeId, Sequence, Timestamp};
use fl0wfs::ops::{Tree, Verb};
use fl0wfs::sync::WriteError;
use fl0wfs::sync::member::{Effects, Ino, LocalError, Replica, SessionOutput};

/// Where the two places for a member's tree begin; see the replica's keys.
pub const SLOTS: [&[u8]; 2] = [b"V\x00", b"V\x01"];

/// What a canary breaks in a member.
#[derive(Clone, Copy, Debug, Default)]
pub struct MemberFaults {
    /// Bytes that a pending op needs are not put aside before they change.
    pub skips_spool: bool,
    /// Fetched content is kept without a look at it, and has a wrong byte.
    pub fetches_wrong_bytes: bool,
    /// Entries come and are not looked at.
    pub ignores_entries: bool,
    /// Backing files that are given up stay.
    pub keeps_files: bool,
}

pub struct Member {
    pub index: usize,
    pub disk: Disk,
    pub replica: Replica<Disk>,
    pub clock: Clock,
    /// What the checks know of it; no part of the member.
    pub ledger: Ledger,
    /// Inodes that are open, once for each handle.
    pub handles: Vec<Ino>,
    pub todo: Todo,
    /// The last entry that came in this conversation.
    received: Option<Sequence>,
    /// Counts the starts of its machine.
    boots: u8,
    pub faults: MemberFaults,
    name: MemberName,
}

/// What the session wants of the process around it.
#[derive(Default)]
pub struct Todo {
    pub upload: Vec<ChunkId>,
    pub wait: bool,
    pub disconnect: bool,
}

pub fn name_of(index: usize) -> MemberName {
    MemberName::new(format!("m{index}")).expect("a good name")
}

impl Member {
    pub fn new(index: usize, clock: Clock) -> Member {
        let disk = Disk::new(Party::Member(index), &SLOTS);
        let replica = Replica::open(disk.clone(), name_of(index)).expect("an empty disk has room");
        let mut member = Member {
            index,
            disk,
            replica,
            clock,
            ledger: Ledger::default(),
            handles: Vec::new(),
            todo: Todo::default(),
            received: None,
            boots: 0,
            faults: MemberFaults::default(),
            name: name_of(index),
        };
        member.note_boot();
        member
    }

    /// A time for something that is done now.
    pub fn stamp(&mut self, now: u64) -> Timestamp {
        let stamp = Stamp { seen: self.replica.position(), at: self.replica.position(), excused: false };
        self.clock.stamp(now, stamp)
    }

    pub fn seen(&self) -> Option<Sequence> {
        self.replica.position().map(|position| position.sequence)
    }

    /// The conversation is over.
    pub fn disconnected(&mut self) {
        self.replica.disconnected();
        self.todo = Todo::default();
        self.received = None;
    }

    /// Entries that came and are not applied yet.
    pub fn entries_waiting(&self) -> u64 {
        let count = |sequence: Option<Sequence>| sequence.map_or(0, |sequence| sequence.0 + 1);
        count(self.received).saturating_sub(count(self.seen()))
    }

    /// Where it stands, for people.
    pub fn standing(&self) -> String {
        let replica = &self.replica;
        format!(
            "m{} at {:?} of {:?}, {:?}, {:?}, wants {:?}, to capture {:?}, waits for {:?}",
            self.index,
            self.seen(),
            replica.head(),
            replica.phase(),
            replica.pending(),
            replica.wanted(None, 3),
            replica.dirty_inodes(),
            replica.waiting()
        )
    }

    /// Takes a local op. False where it was not taken.
    pub fn submit(&mut self, now: u64, verb: Verb) -> bool {
        self.ledger.intend(1);
        if let Verb::Move(step) = &verb
            && let Some(replaced) = step.replaces.filter(|_| !step.exchange)
        {
            self.clock.stamps.join(step.node, replaced.node);
        }
        let ends = if let Verb::Drop(drop) = &verb { self.under_old_name(drop.node) } else { None };
        let stamp = self.stamp(now);
        let submitted = self.replica.submit(stamp, verb);
        let done = self.done(submitted);
        if let Some(newcomer) = ends
            && let Some(successor) = self.replica.view().tombstone(newcomer).and_then(|it| it.successor)
        {
            self.clock.stamps.join(newcomer, successor.node);
        }
        done
    }

    /// What is under the name that a file was moved from: unlinking the file may be the end of a save, meant as one or not.
    fn under_old_name(&self, node: NodeId) -> Option<NodeId> {
        let view = self.replica.view();
        let place = view.node(node)?.moved?.from;
        view.child(place.parent, &place.name)
    }

    pub fn done(&mut self, result: Result<Effects, LocalError>) -> bool {
        match result {
            Ok(effects) => {
                self.follow(effects);
                true
            }
            Err(LocalError::Rejected(_) | LocalError::NoSuchInode | LocalError::ReadOnly) => false,
            Err(LocalError::Write(WriteError::Full)) => false,
            Err(error) => panic!("{error}"),
        }
    }

    pub fn follow(&mut self, effects: Effects) {
        for output in effects.outputs {
            match output {
                SessionOutput::Upload(chunks) => self.todo.upload = chunks,
                SessionOutput::Disconnect { .. } => self.todo.disconnect = true,
                SessionOutput::Wait => self.todo.wait = true,
                SessionOutput::Barrier { .. }
                | SessionOutput::Role(_)
                | SessionOutput::Quota
                | SessionOutput::Wanted { .. } => {}
            }
        }
        for file in effects.removed_files {
            if !self.faults.keeps_files {
                self.disk.remove_file(file);
            }
        }
    }

    /// The bytes of a content, wherever on this member they are. `node` is one that has or had it.
    pub fn bytes_of(&self, node: NodeId, content: Digest, chunks: &[ChunkId]) -> Option<Vec<u8>> {
        let all: Option<Vec<Vec<u8>>> =
            chunks.iter().map(|chunk| self.chunk_bytes(node, content, *chunk)).collect();
        Some(all?.concat())
    }

    pub fn is_open(&self, ino: Ino) -> bool {
        self.handles.contains(&ino)
    }
}
