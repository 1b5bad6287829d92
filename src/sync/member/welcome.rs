//! The hub's welcome: who this member is from now on, and where it goes on from.

use super::records::{Identity, Inode};
use super::recover::Recovered;
use super::session::{Arriving, Phase, SameSpace, SessionOutput, name_of};
use super::state::{LocalError, Work};
use super::{base, keys};
use crate::model::{CommitNumber, MemberNumber, NodeId};
use crate::ops::{Op, Tree, Verb};
use crate::sync::kv::{Kv, Store};
use crate::wire::{RowKey, Start, Welcome, encode};

impl<S: Store> Work<'_, S> {
    ///
    /// # Errors
    /// [`LocalError::Away`].
    pub fn welcomed(&mut self, welcome: Welcome) -> Result<(), LocalError> {
        let before = self.state.identity.as_ref().map_or(MemberNumber(0), |identity| identity.member);
        let role_before = self.state.identity.as_ref().map(|identity| identity.role);
        let same_space = self.state.identity.as_ref().is_none_or(|identity| identity.space == welcome.space);
        // The state went back in time where its numbers have been used.
        let forked = before == welcome.member && welcome.accepted > self.state.counters.commit;
        // A hub that has lost even what it said it had took it with it: this base departs from its tree.
        let lost = self.txn.get(&keys::meta("early")).is_some() && !welcome.has_sealed;
        if !forked && welcome.has_sealed && matches!(welcome.start, Start::Snapshot { .. }) {
            self.count_sealed_early();
        }
        self.save_identity(Identity {
            space: welcome.space,
            member: welcome.member,
            name: welcome.name,
            incarnation: welcome.incarnation,
            role: welcome.role,
        });
        if forked {
            self.forked();
            return Ok(());
        }
        if role_before != Some(welcome.role) {
            self.effects.outputs.push(SessionOutput::Role(welcome.role));
        }
        if before != welcome.member {
            self.renumber(before, welcome.member)?;
        }
        (self.state.session.head, self.state.session.welcomed) = (welcome.head, welcome.head);
        match welcome.start {
            Start::Tail => self.state.session.phase = Phase::Live,
            Start::Snapshot { position, departs } => {
                self.begin_snapshot();
                let departs = (departs || lost).then_some(SameSpace(same_space));
                self.state.session.snapshot = Some(Arriving { position, departs });
            }
        }
        Ok(())
    }

    /// Counts the sealed commit as accepted: the snapshot that is to come has it, so it is forgotten before the rest is
    /// replayed on that. Until then the base has more than its position says, and no tail fits it.
    fn count_sealed_early(&mut self) {
        let named = self.sealed().map(|sealed| name_of(self.author(), &sealed));
        if let Some(name) = named.filter(|_| named == self.state.session.named) {
            self.move_base_by_sealed();
            self.forget_accepted();
            self.txn.put(keys::meta("early"), encode(&name));
            self.state.doubts_position = true;
        }
    }

    /// Gives pending work made under another member number this one's.
    fn renumber(&mut self, from: MemberNumber, to: MemberNumber) -> Result<(), LocalError> {
        if let Some(sealed) = self.sealed() {
            self.unseal(sealed);
        }
        self.state.counters.commit = CommitNumber::default();
        base::revert(&mut self.txn, self.state.slot);
        let made = self.made_by(from);
        // The number may have been another member's in a space before this one: its nodes are still in the base.
        let taken = self.last_counter_of(to);
        self.state.counters.node += taken;
        let rename = |node: NodeId| match made.contains(&node) {
            true => NodeId { member: to, counter: node.counter + taken },
            false => node,
        };
        self.rename_pending(&rename);
        for node in &made {
            self.carry_names(*node, rename(*node));
            self.carry_pin(*node, rename(*node));
            if let Some(ino) = self.known_ino_of(*node)
                && let Some(inode) = self.inode(ino)
            {
                self.txn.remove(keys::ino_of(*node));
                self.bind(ino, Inode { node: rename(*node), ..inode });
            }
        }
        self.replay_on_base(self.state.slot, Recovered::default())?;
        self.note_changes();
        Ok(())
    }

    /// Nodes that pending work makes under a member number and that nobody else has seen.
    fn made_by(&self, member: MemberNumber) -> Vec<NodeId> {
        let embryos = self.txn.scan_prefix(&[keys::EMBRYO]).map(|(key, _)| keys::node_of(&key));
        let makes = self.journal().into_iter().filter_map(|(_, op)| match op.verb {
            Verb::Make(make) => Some(make.node),
            _ => None,
        });
        let mut made: Vec<NodeId> = makes.chain(embryos).collect();
        made.retain(|node| node.member == member && *node != NodeId::ROOT && !self.is_known(*node));
        made
    }

    /// The highest counter among a member's nodes, removed ones included; 0 where it has none.
    fn last_counter_of(&self, member: MemberNumber) -> u64 {
        let prefix = self.state.slot.view();
        let last = |key: fn(NodeId) -> Vec<u8>| {
            let [from, to] =
                [0, u64::MAX].map(|counter| [&prefix[..], &key(NodeId { member, counter })].concat());
            self.txn.scan(&from, &to).last().map_or(0, |(key, _)| keys::node_of(&key).counter)
        };
        last(RowKey::node).max(last(RowKey::tombstone))
    }

    fn rename_pending(&mut self, rename: &impl Fn(NodeId) -> NodeId) {
        for (index, op) in self.journal() {
            self.remove_pending(index);
            self.put_pending(index, &op.map_nodes(rename));
        }
        let embryos: Vec<_> =
            self.txn.scan_prefix(&[keys::EMBRYO]).map(|(key, _)| keys::node_of(&key)).collect();
        for node in embryos {
            let Some((time, make)) = self.embryo(node) else { continue };
            self.txn.remove(keys::embryo(node));
            if let Verb::Make(make) = (Op { time, verb: Verb::Make(make) }).map_nodes(rename).verb {
                self.txn.put(keys::embryo(make.node), encode(&(time, make)));
            }
        }
    }

    fn is_known(&self, node: NodeId) -> bool {
        let tombstone = [&self.state.slot.view()[..], &RowKey::tombstone(node)].concat();
        self.view().node(node).is_some() || self.txn.get(&tombstone).is_some()
    }
}
