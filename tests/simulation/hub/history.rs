//! What the log has said so far, read as it grows; the checks look things up here. It is no part of the hub.

use super::HubSync;
use crate::checks;
use crate::clock::Stamps;
use crate::disk::Disk;
use crate::failure::{Check, Checked, ensure};
use crate::reference::Reference;
use fl0wfs::model::{Chain, ChunkId, CommitNumber, Digest, MemberNumber, NodeId, Sequence};
use fl0wfs::ops::{Op, Origin, Verb};
use fl0wfs::sync::member::content_of;
use fl0wfs::wire::{LogEntry, Position};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;

/// Whose commit it was, and the nodes that it was about.
#[derive(Clone, Debug)]
pub struct Noted {
    pub member: MemberNumber,
    pub chain: Chain,
    /// It has more than contents and attributes.
    pub changes_names: bool,
    pub nodes: Vec<NodeId>,
}

pub type OpKey = (u32, NodeId, std::mem::Discriminant<Verb>);

#[derive(Clone)]
pub struct History {
    pub stamps: Stamps,
    /// The space as the log tells it.
    pub reference: Reference,
    pub entries: Vec<Noted>,
    /// Contents that some version has, and the chunks of all of them.
    pub logged: BTreeSet<Digest>,
    pub chunks: BTreeSet<ChunkId>,
    /// The commit that each op is in, by its stamp and what it is about.
    pub commits: HashMap<OpKey, (MemberNumber, CommitNumber)>,
    pub numbers: BTreeSet<(MemberNumber, CommitNumber)>,
    /// Copies, and the files that they are or were copies of.
    pub copies: Vec<(NodeId, NodeId)>,
    pub conflicts: u64,
    pub merges: u64,
    /// It was another once.
    pub went_back: bool,
    /// Sums of the tree's rows at each place in any log there ever was, by chain value.
    sums: Rc<RefCell<BTreeMap<Option<[u8; 32]>, u128>>>,
}

fn nodes_of(verb: &Verb) -> impl Iterator<Item = NodeId> + use<> {
    let replaced = match verb {
        Verb::Move(step) => step.replaces.map(|replaced| replaced.node),
        _ => None,
    };
    [verb.node()].into_iter().chain(replaced)
}

impl History {
    pub fn new(stamps: Stamps) -> History {
        History {
            stamps,
            reference: Reference::default(),
            entries: Vec::new(),
            logged: BTreeSet::new(),
            chunks: BTreeSet::new(),
            commits: HashMap::new(),
            numbers: BTreeSet::new(),
            copies: Vec::new(),
            conflicts: 0,
            merges: 0,
            went_back: false,
            sums: Rc::default(),
        }
    }

    /// States the sum of a tree before the first commit.
    pub fn begin(&mut self, sum: u128) {
        self.sums.borrow_mut().insert(None, sum);
    }

    /// The sum of the tree's rows at a place in the log.
    pub fn sum_at(&self, position: Option<Position>) -> Option<u128> {
        self.sums.borrow().get(&position.map(|position| position.chain.0)).copied()
    }

    pub fn head(&self) -> Option<Sequence> {
        self.entries.len().checked_sub(1).map(|last| Sequence(last as u64))
    }

    /// Reads and checks what is new in the log, one commit at most. `sum` is that of the hub's tree now.
    pub fn follow(&mut self, sync: &HubSync, disk: &Disk, sum: u128) -> Checked {
        let head = sync.head(disk);
        ensure(head >= self.head(), Check::Reachable, || {
            format!("the log ends at {head:?}, and had {:?}", self.head())
        })?;
        let new: Vec<LogEntry> = sync.entries(disk, Sequence(self.entries.len() as u64)).collect();
        for entry in new {
            self.sums.borrow_mut().insert(Some(entry.chain.0), sum);
            checks::exactly_once(self, &entry)?;
            checks::conflict_cause(self, &entry, |node| {
                sync.with_tree(disk, |tree| fl0wfs::ops::Tree::node(tree, node))
            })?;
            self.note(&entry);
            sync.with_tree(disk, |tree| checks::log_means_tree(self, &entry, tree))?;
        }
        Ok(())
    }

    fn note(&mut self, entry: &LogEntry) {
        let nodes = entry.ops.iter().flat_map(|op| nodes_of(&op.verb)).collect();
        let names = |op: &Op| !matches!(op.verb, Verb::Put(_) | Verb::SetMeta(_));
        let changes_names = entry.ops.iter().any(names);
        let (member, chain) = (entry.member, entry.chain);
        self.entries.push(Noted { member, chain, changes_names, nodes });
        let commit = (entry.member, entry.number);
        self.numbers.insert(commit);
        for op in &entry.ops {
            if let Some(key) = self.key_of(op) {
                self.commits.insert(key, commit);
            }
            if let Verb::Move(step) = &op.verb
                && let Some(replaced) = step.replaces.filter(|_| !step.exchange)
            {
                self.stamps.join(step.node, replaced.node);
            }
            if let Some(manifest) = op.verb.manifest() {
                self.logged.insert(content_of(manifest));
                self.chunks.extend(manifest.chunk_ids());
            }
            self.copies.extend(checks::copy_in(&op.verb));
            self.conflicts += u64::from(checks::conflict_in(&op.verb).is_some());
            self.merges += u64::from(matches!(op.verb.came_from(), Some(Origin::Merged(_))));
        }
        self.reference.take(entry);
    }

    /// What tells an op from all others: its stamp, its node and its verb. A directory that comes back for the sake of an
    /// op has that one's stamp.
    pub fn key_of(&self, op: &Op) -> Option<OpKey> {
        let (stamp, _) = self.stamps.of(op.time)?;
        Some((stamp, op.verb.node(), std::mem::discriminant(&op.verb)))
    }

    /// The hub has another log from here on: an older state of this one, or a new one.
    pub fn go_back(&mut self, older: History) {
        let sums = std::mem::take(&mut *older.sums.borrow_mut());
        let (conflicts, merges) = (self.conflicts, self.merges);
        self.sums.borrow_mut().extend(sums);
        let known = self.sums.clone();
        *self = History { sums: known, conflicts, merges, went_back: true, ..older };
        self.stamps.excuse_all();
    }
}
