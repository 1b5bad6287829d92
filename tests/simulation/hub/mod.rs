//! The hub: the real state machine on a simulated disk, and what the process around it does.
//!
//! Content stands in the same store as the rows, as in the product: so what a commit needs is durable when it is.

mod conversation;
mod history;

pub use conversation::{Down, Up, hello_of};
pub use history::{History, Noted};

use super::clock::Stamps;
use super::disk::{Death, Disk, Party};
use super::failure::Checked;
use super::member::name_of;
use fl0wfs::model::{ChunkId, MemberNumber, Role, SpaceId, SpaceName, Timestamp};
use fl0wfs::sync::hub::{Device, HeldContent, HubSync, Invitation, TokenHash, create_space};
use fl0wfs::sync::{Batch, Durability, Kv, Store, Txn};
use fl0wfs::wire::{Enrol, Inline, WIRE_FORMAT};
use std::collections::BTreeMap;

/// What a canary breaks in the hub.
#[derive(Clone, Copy, Debug, Default)]
pub struct HubFaults {
    /// Attributes that a commit sets are entered twice.
    pub enters_twice: bool,
    /// Commits are not judged.
    pub never_answers: bool,
    /// Content that came is forgotten.
    pub forgets_content: bool,
}

pub struct Hub {
    pub disk: Disk,
    pub sync: HubSync,
    /// The connection through which each member speaks.
    pub sessions: BTreeMap<MemberNumber, u64>,
    pub history: History,
    /// Why nothing is taken for now.
    pub hold: Option<String>,
    pub faults: HubFaults,
}

/// A hub's state as it was once.
pub struct Backup {
    disk: Disk,
    history: History,
}

fn chunk_key(chunk: ChunkId) -> Vec<u8> {
    [b"\xfechunk", &chunk.0[..]].concat()
}

pub fn space() -> SpaceName {
    SpaceName::new("space").expect("a good name")
}

pub fn device(index: usize) -> Device {
    Device([index as u8; 32])
}

impl Hub {
    /// A hub with one space, in which `members` are enrolled.
    pub fn new(id: u8, members: usize, stamps: Stamps) -> Hub {
        let disk = Disk::new(Party::Hub, &[]);
        let mut txn = Txn::new(&disk);
        create_space(&mut txn, space(), SpaceId([id; 16]), Timestamp::default()).expect("a new space");
        // Members make their files longer all the same; it is there to be counted.
        HubSync::open(&txn, &space()).expect("the space is there").set_quota(&mut txn, Some(0));
        let batch = txn.into_batch();
        disk.commit(batch, Durability::Power).expect("there is room");
        let sync = HubSync::open(&disk, &space()).expect("the space is there");
        disk.watch(&sync.with_tree(&disk, |tree| tree.prefix.to_vec()));
        let history = History::new(stamps);
        let (sessions, hold, faults) = (BTreeMap::new(), None, HubFaults::default());
        let mut hub = Hub { disk, sync, sessions, history, hold, faults };
        hub.history.begin(hub.tree_sum());
        (0..members).for_each(|index| hub.enrol(index));
        hub
    }

    fn enrol(&mut self, index: usize) {
        let token = TokenHash([index as u8; 32]);
        let expiry = Timestamp { seconds: i64::MAX, nanos: 0 };
        let wish = Enrol { format: WIRE_FORMAT, space: space(), token: Vec::new(), name: name_of(index) };
        let mut txn = Txn::new(&self.disk);
        self.sync.invite(&mut txn, token, Invitation { role: Role::Writer, uses: 1, expiry });
        let enrolled = self.sync.enrol(&mut txn, device(index), token, &wish, Timestamp::default());
        enrolled.expect("a good invite");
        let batch = txn.into_batch();
        self.disk.commit(batch, Durability::Power).expect("there is room");
    }

    pub fn tree_sum(&self) -> u128 {
        self.disk.sum(&self.sync.with_tree(&self.disk, |tree| tree.prefix.to_vec()))
    }

    pub fn chunk(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        self.disk.get(&chunk_key(chunk))
    }

    /// Keeps content that came.
    pub fn keep(&self, chunks: impl IntoIterator<Item = (ChunkId, Vec<u8>)>) {
        let new = |(chunk, bytes): (ChunkId, Vec<u8>)| (chunk_key(chunk), Some(bytes));
        let batch: Batch = chunks.into_iter().map(new).collect();
        if !batch.is_empty() {
            self.disk.commit(batch, Durability::Process).expect("there is room");
        }
    }

    /// For a canary: content that came is gone.
    fn forget(&self, chunks: impl IntoIterator<Item = ChunkId>) {
        let batch: Batch = chunks.into_iter().map(|chunk| (chunk_key(chunk), None)).collect();
        self.disk.commit(batch, Durability::Process).expect("there is room");
    }

    /// The process has died and starts again.
    pub fn restart(&mut self, death: Death, chance: &mut super::chance::Chance) -> Checked {
        self.sessions.clear();
        self.hold = None;
        if death == Death::Power {
            self.disk.lose_power(chance);
        }
        self.sync = HubSync::open(&self.disk, &space()).expect("the space is there");
        self.follow_log()
    }

    /// Checks what is new in the log.
    pub fn follow_log(&mut self) -> Checked {
        let sum = self.tree_sum();
        self.history.follow(&self.sync, &self.disk, sum)
    }

    pub fn back_up(&self) -> Backup {
        Backup { disk: self.disk.copy(), history: self.history.clone() }
    }

    /// The hub goes back to how it was.
    pub fn restore(&mut self, backup: Backup) {
        self.disk = backup.disk;
        self.history.go_back(backup.history);
        self.sessions.clear();
    }

    /// The space is removed, and another made under its name, which all join.
    pub fn make_anew(&mut self, id: u8, members: usize) {
        let stamps = self.history.stamps.clone();
        let anew = Hub::new(id, members, stamps);
        (self.disk, self.sync) = (anew.disk, anew.sync);
        self.history.go_back(anew.history);
        self.sessions.clear();
    }
}

/// Content that is there, and what came along with the commit that is judged.
struct Held<'a> {
    hub: &'a Hub,
    inline: &'a [Inline],
}

impl HeldContent for Held<'_> {
    fn has(&self, chunk: ChunkId) -> bool {
        self.read(chunk).is_some()
    }

    fn read(&self, chunk: ChunkId) -> Option<Vec<u8>> {
        let inline = self.inline.iter().find(|inline| inline.chunk == chunk);
        inline.map(|inline| inline.bytes.clone()).or_else(|| self.hub.chunk(chunk))
    }

    fn hold(&self) -> Option<String> {
        self.hub.hold.clone()
    }
}
