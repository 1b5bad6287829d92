//! The replica: what a member is between two calls, and the transaction every call works in.

use super::base::ViewTree;
pub use super::effects::Effects;
use super::inodes::Attributes;
use super::keys::{self, Slot};
use super::merging::{Contents, NoContents};
use super::presence::Presence;
use super::records::{Identity, Ino, Parked};
use super::resolution::Refusal;
use super::session::Session;
use super::sights::Sighting;
use crate::model::{
    CommitNumber, Manifest, MemberName, MemberNumber, Name, Node, NodeId, Place, Quota, Role, Round,
    Timestamp,
};
use crate::ops::{Change, Op, Rejection, TreeMut};
use crate::rebase::Policy;
use crate::sync::kv::{Batch, Durability, Kv, Store, Txn, WriteError};
use crate::sync::rows::{RowTree, RowTreeMut};
use crate::wire::{Position, decode, encode};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// A member's state over the store that keeps it.
pub struct Replica<S> {
    pub(super) store: S,
    pub(super) state: State,
}

/// What is held in memory; everything in it but the session can be read back from the store.
pub(super) struct State {
    pub slot: Slot,
    pub counters: Counters,
    pub identity: Option<Identity>,
    pub position: Option<Position>,
    pub session: Session,
    /// Inodes with open handles, and how many.
    pub open: BTreeMap<Ino, u32>,
    /// Inodes whose dirty mark stands although their content was captured when it was last looked at: the kernel may
    /// write them unseen.
    pub idle: BTreeSet<Ino>,
    /// The mount itself is read-only, whatever the role.
    pub read_only: bool,
    pub policy: Policy,
    pub name: MemberName,
    /// The hub's log did not continue from here, or the base has more of it already: the next hello asks for a snapshot.
    pub doubts_position: bool,
    /// Removals that an administrator had this member give up, since this process began.
    pub discarded: u64,
    /// Backing files filled for entries that were never applied; removed with the next call's.
    pub unused_files: Vec<u64>,
    /// A dirty mark of a file that is written where it stands may not survive the loss of power yet.
    pub marks_unsynced: Cell<bool>,
    /// Which contents are to be here.
    pub presence: Presence,
    /// The sealed commit may not survive the loss of power yet.
    pub seal_unsynced: Cell<bool>,
    /// It is told what watchers are to see.
    pub tells_sights: bool,
    /// The space's quota, as the hub told it last.
    pub quota: Option<Quota>,
    /// The inode that was asked about last and what was said, until the next commit: one call of an application's asks
    /// several times.
    pub last_told: RefCell<Option<(Ino, Attributes)>>,
}

/// Numbers that only grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Counters {
    pub ino: u64,
    pub node: u64,
    pub file: u64,
    pub journal: u64,
    pub commit: CommitNumber,
    pub round: Round,
}

/// Why local work was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LocalError {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the mount is read-only")]
    ReadOnly,
    #[error("no such inode")]
    NoSuchInode,
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("the content is not on this machine")]
    NotHere,
    /// What the hub sent does not fit what this member has: the conversation is over, and the next one begins
    /// with a snapshot.
    #[error("the hub's history does not fit this member's: {0}")]
    History(String),
    /// Nothing was done: a merge needs these contents, each of a file, and they are not on this machine.
    #[error("{} contents that a merge needs are not here", .0.len())]
    Away(Vec<(NodeId, Manifest)>),
}

/// Work that the hub has not accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    pub ops: u64,
    pub files: u64,
    /// Bytes of content the ops bring.
    pub bytes: u64,
}

/// One call's transaction: reads and gathered writes, and what is to follow them.
pub(super) struct Work<'a, S: Store> {
    pub txn: Txn<'a, S>,
    pub state: &'a mut State,
    pub effects: Effects,
    pub now: Timestamp,
    /// How safe the transaction must be at least.
    pub durability: Durability,
    /// What merges read and write.
    pub contents: &'a mut dyn Contents,
    /// Own ops accepted in this transaction: they are in the new base, and were in front of the journal.
    pub accepted: Vec<(MemberNumber, Op)>,
    /// Backing files that merges filled in this transaction: nobody's, should it fail.
    pub joined: Vec<u64>,
    pub sighting: Sighting,
    /// The pending ops were replayed in this transaction: they are on the base as it is now.
    pub replayed: bool,
}

impl<S: Store> Replica<S> {
    /// Takes up the state in `store`, or begins a new one under the member name `name`.
    ///
    /// # Errors
    /// [`WriteError`] where a new state cannot be written.
    pub fn open(store: S, name: MemberName) -> Result<Replica<S>, WriteError> {
        let read = |key: &str| store.get(&keys::meta(key));
        let slot = Slot(read("slot").map_or(0, |value| value[0]));
        let first = Counters {
            ino: Ino::ROOT.0,
            node: NodeId::ROOT.counter,
            file: 0,
            // Room below for ops that go back to the journal's front.
            journal: 1 << 32,
            commit: CommitNumber::default(),
            round: Round::default(),
        };
        let ours = "a record of ours decodes";
        let counters = read("counters").map_or(first, |value| decode("counters", &value).expect(ours));
        let identity = read("identity").map(|value| decode("identity", &value).expect(ours));
        let position = read("position").map(|value| decode("position", &value).expect(ours));
        // The root's inode is there from the start; counters may be as they began for long.
        let fresh = store.get(&keys::inode(Ino::ROOT)).is_none();
        let session = Session::default();
        let open = BTreeMap::new();
        let state = State {
            slot,
            counters,
            identity,
            position,
            session,
            open,
            idle: BTreeSet::new(),
            read_only: false,
            policy: Policy::default(),
            name,
            doubts_position: read("early").is_some(),
            discarded: 0,
            unused_files: Vec::new(),
            marks_unsynced: Cell::new(false),
            presence: Presence::of(&store),
            seal_unsynced: Cell::new(store.get(keys::SEALED).is_some()),
            tells_sights: false,
            quota: read("quota").map(|value| decode("quota", &value).expect(ours)),
            last_told: RefCell::new(None),
        };
        let mut replica = Replica { store, state };
        if fresh {
            replica
                .transact(Timestamp::default(), Durability::Power, |work| {
                    let prefix = work.state.slot.view();
                    let root = Change::Node(NodeId::ROOT, Some(Node::root()));
                    RowTreeMut { txn: &mut work.txn, prefix: &prefix }.write(vec![root]);
                    work.bind_root();
                    Ok(())
                })
                .map_err(|error| match error {
                    LocalError::Write(error) => error,
                    other => WriteError::Failed(other.to_string()),
                })?;
        }
        Ok(replica)
    }

    /// Runs `body` in a transaction and commits it. Where either fails nothing is written, and what is held in
    /// memory of the store is as it was; numbers given meanwhile stay given.
    pub(super) fn transact<R>(
        &mut self,
        now: Timestamp,
        durability: Durability,
        body: impl FnOnce(&mut Work<'_, S>) -> Result<R, LocalError>,
    ) -> Result<(R, Effects), LocalError> {
        self.transact_with(&mut NoContents, now, durability, body)
    }

    /// As [`Replica::transact`], with contents for merges.
    pub(super) fn transact_with<R>(
        &mut self,
        contents: &mut dyn Contents,
        now: Timestamp,
        durability: Durability,
        body: impl FnOnce(&mut Work<'_, S>) -> Result<R, LocalError>,
    ) -> Result<(R, Effects), LocalError> {
        let State { slot, position, identity, doubts_position, .. } = &self.state;
        let before = (*slot, *position, identity.clone(), *doubts_position);
        let done = self.try_transact(contents, now, durability, body);
        if done.is_err() {
            let state = &mut self.state;
            (state.slot, state.position, state.identity, state.doubts_position) = before;
        }
        done
    }

    /// As [`Replica::transact`], for callers that tell nothing of what is to follow: files that can go do so with the
    /// next call that does.
    pub(super) fn transact_quietly<R>(
        &mut self,
        durability: Durability,
        body: impl FnOnce(&mut Work<'_, S>) -> Result<R, LocalError>,
    ) -> Result<R, LocalError> {
        let (result, effects) = self.transact(Timestamp::default(), durability, body)?;
        self.state.unused_files.extend(effects.removed_files);
        Ok(result)
    }

    fn try_transact<R>(
        &mut self,
        contents: &mut dyn Contents,
        now: Timestamp,
        durability: Durability,
        body: impl FnOnce(&mut Work<'_, S>) -> Result<R, LocalError>,
    ) -> Result<(R, Effects), LocalError> {
        let counters = self.state.counters;
        let txn = Txn::new(&self.store);
        let effects = Effects::default();
        let state = &mut self.state;
        let (accepted, joined) = (Vec::new(), Vec::new());
        let sighting = if state.tells_sights { Sighting::ByRows } else { Sighting::Off };
        let replayed = false;
        let mut work =
            Work { txn, state, effects, now, durability, contents, accepted, joined, sighting, replayed };
        let result = body(&mut work);
        if work.state.counters != counters {
            work.txn.put(keys::meta("counters"), encode(&work.state.counters));
        }
        let Work { txn, effects, durability, joined, .. } = work;
        let batch = txn.into_batch();
        let done = result.and_then(|result| {
            self.commit(batch, durability)?;
            Ok((result, effects))
        });
        if done.is_err() {
            self.state.unused_files.extend(joined);
        }
        done
    }

    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), WriteError> {
        if batch.is_empty() && durability == Durability::Process {
            return Ok(());
        }
        self.state.last_told.replace(None);
        self.store.commit(batch, durability)?;
        if durability == Durability::Power {
            self.state.marks_unsynced.set(false);
            self.state.seal_unsynced.set(false);
        }
        Ok(())
    }

    /// Makes everything committed so far survive the loss of power.
    ///
    /// # Errors
    /// [`WriteError`] where the store cannot be synced.
    pub fn sync(&self) -> Result<(), WriteError> {
        self.commit(Batch::new(), Durability::Power)
    }

    pub fn store(&self) -> &S {
        &self.store
    }

    /// The tree that the mount shows.
    pub fn view(&self) -> RowTree<'_, S> {
        RowTree { kv: &self.store, prefix: self.state.slot.view_prefix() }
    }

    /// Forbids local work, whatever the role allows.
    pub fn set_read_only(&mut self, read_only: bool) {
        self.state.read_only = read_only;
    }

    /// Tells whether local work is refused: by the mount's options or by the member's role.
    pub fn read_only(&self) -> bool {
        let reader = self.state.identity.as_ref().is_some_and(|identity| identity.role == Role::Reader);
        self.state.read_only || reader
    }

    pub fn identity(&self) -> Option<&Identity> {
        self.state.identity.as_ref()
    }

    /// The name this member asks for until the hub has given it one.
    pub fn wished_name(&self) -> &MemberName {
        &self.state.name
    }

    pub fn position(&self) -> Option<Position> {
        self.state.position
    }

    /// How many removals an administrator had this member give up, since this process began.
    pub fn discarded(&self) -> u64 {
        self.state.discarded
    }

    /// Ops the hub refused, with its reasons.
    pub fn parked(&self) -> Vec<Parked> {
        let rows = self.store.scan_prefix(&[keys::PARKED]);
        rows.map(|(_, value)| decode("parked op", &value).expect("records of ours decode")).collect()
    }

    /// The name of a member of this space.
    pub fn member_name(&self, number: MemberNumber) -> Option<MemberName> {
        let value = self.store.get(&keys::member(number))?;
        Some(decode("member name", &value).expect("records of ours decode"))
    }

    /// The node a path leads to.
    pub fn resolve(&self, path: &[Name]) -> Option<NodeId> {
        let view = self.view();
        path.iter().try_fold(NodeId::ROOT, |at, name| crate::ops::Tree::child(&view, at, name))
    }
}

impl<'a, S: Store> Work<'a, S> {
    /// The member number local ops are judged by; 0 until the hub has given one.
    pub fn author(&self) -> MemberNumber {
        self.state.identity.as_ref().map_or(MemberNumber(0), |identity| identity.member)
    }

    pub fn view(&self) -> RowTree<'_, Txn<'a, S>> {
        RowTree { kv: &self.txn, prefix: self.state.slot.view_prefix() }
    }

    pub fn view_mut(&mut self) -> ViewTree<'_, 'a, S> {
        ViewTree { txn: &mut self.txn, slot: self.state.slot }
    }

    /// Reads a record of this member's own.
    pub fn read<T: DeserializeOwned>(&self, key: &[u8]) -> Option<T> {
        self.txn.get(key).map(|value| decode("record", &value).expect("records of ours decode"))
    }

    pub fn new_node(&mut self) -> NodeId {
        self.state.counters.node += 1;
        NodeId { member: self.author(), counter: self.state.counters.node }
    }

    pub fn save_identity(&mut self, identity: Identity) {
        self.txn.put(keys::meta("identity"), encode(&identity));
        self.state.identity = Some(identity);
    }

    pub fn save_position(&mut self, position: Option<Position>) {
        self.txn.set(keys::meta("position"), position.as_ref().map(encode));
        self.state.position = position;
    }

    pub fn parent_mtime(&self, place: &Place) -> Option<Timestamp> {
        crate::ops::Tree::node(&self.view(), place.parent).map(|node| node.mtime)
    }
}
