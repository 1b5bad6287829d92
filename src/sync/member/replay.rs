//! Replaying the journal on a base that moved, and following what that does to inodes.

use super::base::{BaseKv, revert};
use super::keys::{self, Slot};
use super::records::{Ino, Inode};
use super::recover::Recovered;
use super::sights::Sighting;
use super::state::{LocalError, Work};
use crate::model::{NodeId, Timestamp, Version};
use crate::ops::{Make, Op, TreeMut, Verb, apply};
use crate::rebase::{Pending, Replayed, replay, replay_late};
use crate::sync::kv::{Kv, Store, Txn};
use crate::sync::rows::RowTreeMut;
use crate::wire::{SealedCommit, decode, encode};
use std::collections::{BTreeMap, BTreeSet};

/// Tags of replayed ops: what is sealed comes first, then the journal's indexes, then files not captured yet.
const TAG_SEALED: u64 = 0;
const TAG_EMBRYO: u64 = u64::MAX;

impl<S: Store> Work<'_, S> {
    /// Undoes the pending ops, so that the view is the base, and does them again by the rules of `rebase`.
    ///
    /// # Errors
    /// [`LocalError::Away`].
    pub fn replay_pending(&mut self) -> Result<(), LocalError> {
        if matches!(self.sighting, Sighting::ByOps(_)) {
            self.sighting = Sighting::ByRows;
        }
        revert(&mut self.txn, self.state.slot);
        self.replay_on_base(self.state.slot, Recovered::default())
    }

    /// Does the pending ops on a view that is the base, with what was recovered already done in front of them. The
    /// old base is what stood in slot `old` when this transaction began, or this base where they were replayed on it
    /// already.
    ///
    /// # Errors
    /// [`LocalError::Away`].
    pub fn replay_on_base(&mut self, old: Slot, recovered: Recovered) -> Result<(), LocalError> {
        let accepted = std::mem::take(&mut self.accepted);
        if std::mem::replace(&mut self.replayed, true) {
            debug_assert!(accepted.is_empty() && old == self.state.slot, "the base has not moved since");
            let mut same_rows = self.txn.fork();
            let prefix = self.state.slot.view_prefix();
            return self.replay_from(&mut RowTreeMut { txn: &mut same_rows, prefix }, recovered);
        }
        let below = BaseKv { kv: self.txn.below(), slot: old };
        let mut old_rows = Txn::new(&below);
        let mut old_tree = RowTreeMut { txn: &mut old_rows, prefix: old.view_prefix() };
        for (author, op) in accepted {
            let changes = apply(&old_tree, author, &op);
            old_tree.write(changes.expect("what stood in front of the journal applies to its base"));
        }
        self.replay_from(&mut old_tree, recovered)
    }

    fn replay_from(&mut self, old: &mut impl TreeMut, recovered: Recovered) -> Result<(), LocalError> {
        let sealed = self.sealed();
        let embryos = self.embryos();
        let pending = self.pending_in_order(sealed.as_ref(), &embryos);
        let Recovered { ops, stands, .. } = recovered;
        let mut replayed = self.run_replay(|tree, replayer| replay(tree, old, stands, pending, replayer))?;
        replayed.changed |= !ops.is_empty();
        replayed.ops.splice(0..0, ops.into_iter().map(|op| Pending::new(op, TAG_SEALED)));
        self.put_back(sealed, embryos, &replayed);
        self.follow(&replayed);
        if let Some(conflict) = replayed.conflicts.first() {
            self.effects.journal_grew |= conflict.member == self.author();
        }
        Ok(())
    }

    /// Takes a late op by the rules of `rebase`. Returns the nodes that its resulting ops are about.
    ///
    /// # Errors
    /// [`LocalError::Away`].
    pub fn replay_late(&mut self, op: Op) -> Result<Vec<NodeId>, LocalError> {
        // It may meet one of these, and what a conflict is about has to be in the journal before it.
        for embryo in self.embryos().into_keys() {
            self.make_known(embryo)?;
        }
        let own = (op.verb.node(), late_version(&op));
        let late = Pending::new(op, TAG_SEALED);
        let mut replayed = self.run_replay(|tree, replayer| replay_late(tree, late, replayer))?;
        // In the view that version is another content, which stays where it is.
        replayed.versions.remove(&own);
        let nodes = replayed.ops.iter().map(|pending| pending.op.verb.node()).collect();
        for pending in &replayed.ops {
            match pending.withheld {
                true => self.append_withheld(&pending.op),
                false => self.append(pending.op.clone()),
            }
        }
        self.follow(&replayed);
        self.note_changes();
        Ok(nodes)
    }

    fn embryos(&self) -> BTreeMap<NodeId, (Timestamp, Make)> {
        let rows: Vec<_> = self.txn.scan_prefix(&[keys::EMBRYO]).collect();
        rows.into_iter()
            .map(|(key, value)| {
                (keys::node_of(&key), decode("embryo", &value).expect("records of ours decode"))
            })
            .collect()
    }

    fn pending_in_order(
        &self,
        sealed: Option<&SealedCommit>,
        embryos: &BTreeMap<NodeId, (Timestamp, Make)>,
    ) -> Vec<Pending> {
        let sealed = sealed.into_iter().flat_map(|sealed| &sealed.commit.ops);
        let mut pending: Vec<Pending> = sealed.map(|op| Pending::new(op.clone(), TAG_SEALED)).collect();
        let withheld = self.withheld().into_iter();
        pending.extend(withheld.map(|(index, op)| Pending { op, tag: index, withheld: true }));
        pending.extend(self.journal().into_iter().map(|(index, op)| Pending::new(op, index)));
        // What is withheld stands where it was put among the others; what is sealed, before all of them.
        pending.sort_by_key(|pending| pending.tag);
        pending.extend(embryos.values().map(|(made, make)| {
            let op = Op { time: *made, verb: Verb::Make(make.clone()) };
            Pending::new(op, TAG_EMBRYO)
        }));
        pending
    }

    /// Writes journal, sealed commit and embryos as the replay left them.
    fn put_back(
        &mut self,
        sealed: Option<SealedCommit>,
        embryos: BTreeMap<NodeId, (Timestamp, Make)>,
        replayed: &Replayed,
    ) {
        if !replayed.changed {
            return;
        }
        let of = |tag: u64| replayed.ops.iter().filter(move |pending| pending.tag == tag);
        let keeps_sealed = sealed
            .as_ref()
            .is_some_and(|sealed| sealed.commit.ops.iter().eq(of(TAG_SEALED).map(|pending| &pending.op)));
        if !keeps_sealed {
            self.txn.remove(keys::SEALED.to_vec());
        }
        let mut before: Vec<Op> =
            self.journal().into_iter().filter_map(|(index, _)| self.remove_pending(index)).collect();
        for (index, op) in self.withheld() {
            self.remove_withheld(index, &op);
            before.push(op);
        }
        embryos.into_keys().for_each(|node| self.txn.remove(keys::embryo(node)));
        for pending in &replayed.ops {
            match (&pending.op.verb, pending.tag) {
                _ if pending.withheld => self.append_withheld(&pending.op),
                (_, TAG_SEALED) if keeps_sealed => {}
                (Verb::Make(make), TAG_EMBRYO) if make.body.kind() == crate::model::Kind::File => {
                    self.txn.put(keys::embryo(make.node), encode(&(pending.op.time, make)));
                }
                _ => self.append(pending.op.clone()),
            }
        }
        self.release_contents_of(&before);
        self.release_contents_of(sealed.iter().flat_map(|sealed| &sealed.commit.ops));
    }

    /// Brings inodes along where a replay put other nodes or versions in the place of theirs.
    fn follow(&mut self, replayed: &Replayed) {
        self.carry_unshared(&replayed.nodes);
        replayed.nodes.iter().for_each(|(from, to)| self.carry_pin(*from, *to));
        let nodes: BTreeSet<NodeId> =
            replayed.nodes.keys().copied().chain(replayed.versions.keys().map(|(node, _)| *node)).collect();
        let mut moves: Vec<(Ino, Inode, NodeId, Version)> = Vec::new();
        for ino in nodes.iter().filter_map(|node| self.known_ino_of(*node)).chain(self.detached_of(&nodes)) {
            let Some(inode) = self.inode(ino) else { continue };
            let stood = (inode.node, inode.version);
            let substitute = replayed.nodes.get(&inode.node).copied().unwrap_or(inode.node);
            let (node, version) =
                replayed.versions.get(&stood).copied().unwrap_or((substitute, inode.version));
            if (node, version) != stood {
                moves.push((ino, inode, node, version));
            }
        }
        for (ino, inode, node, _) in &moves {
            if *node != inode.node && self.known_ino_of(inode.node) == Some(*ino) {
                self.txn.remove(keys::ino_of(inode.node));
            }
        }
        let concerned: BTreeSet<NodeId> =
            moves.iter().flat_map(|(_, inode, node, _)| [inode.node, *node]).collect();
        for (ino, inode, node, version) in moves {
            // One that another has just taken the place of is gone.
            if self.inode(ino).is_some() {
                self.rebind(ino, inode, node, version);
            }
        }
        // A node that lost its inode to another has its own content to fetch.
        for node in concerned {
            self.empty_if_row_is(node);
            self.want(node);
        }
    }

    fn rebind(&mut self, ino: Ino, inode: Inode, node: NodeId, version: Version) {
        if inode.detached {
            self.save_inode(ino, &Inode { node, version, ..inode });
            return;
        }
        match self.known_ino_of(node) {
            Some(other) if other != ino && self.is_held(other) => {
                // The other stays the node's; this one goes on for its handles, if it has any.
                self.save_inode(ino, &Inode { node, version, ..inode });
                match self.is_held(ino) {
                    true => self.detach(ino),
                    false => self.remove_inode(ino),
                }
                return;
            }
            Some(other) if other != ino => self.remove_inode(other),
            _ => {}
        }
        self.bind(ino, Inode { node, version, ..inode });
    }

    fn detached_of(&self, nodes: &BTreeSet<NodeId>) -> Vec<Ino> {
        let rows = self.txn.scan_prefix(&[keys::DETACHED]);
        let inos = rows.map(|(key, _)| Ino(keys::number_of(&key)));
        inos.filter(|ino| self.inode(*ino).is_some_and(|inode| nodes.contains(&inode.node))).collect()
    }
}

/// The version that a late content would have been, had it come in time.
fn late_version(op: &Op) -> Version {
    match &op.verb {
        Verb::Put(put) => put.base.next(),
        _ => Version::default(),
    }
}
