//! Contents that the policy `hold` keeps here: ops that wait for a person, not for the hub.
//!
//! Invariant: a withheld op is replayed in its place among the pending ones, and is never sealed, nor is anything based on
//! it: what this member does to the file next is withheld in its place at once. Its content is held as that of any
//! pending op. The base has the accepted content; the view, and so the mount, this member's.

use super::base::BaseKv;
use super::keys;
use super::records::content_of;
use super::state::{Effects, LocalError, Replica, Work};
use crate::model::{Body, Conflict, Manifest, Name, Node, NodeId, Place, Timestamp, Xattrs};
use crate::ops::{Attributes, Change, Make, Merged, Op, Origin, Put, Tree, TreeMut, Verb};
use crate::rebase::{Policy, conflict_name};
use crate::sync::kv::{Durability, Kv, Store};
use crate::sync::rows::RowTree;
use crate::wire::{decode, encode};

/// A file whose content is kept here, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Withheld {
    pub node: NodeId,
    pub conflict: Conflict,
    /// This member's content, which the mount shows.
    pub local: Manifest,
    /// What was accepted meanwhile.
    pub remote: Option<Manifest>,
}

/// What is to become of a withheld content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It is the file's next version.
    Local,
    /// The accepted content is; this member's is the version before it, so that it can be had again.
    Remote,
    /// It becomes a file of its own, beside the accepted content.
    Both,
}

impl<S: Store> Replica<S> {
    /// Sets what becomes of contents that meet and cannot be joined. What was withheld under the one policy goes beside
    /// the accepted content under the other.
    ///
    /// # Errors
    /// [`LocalError::Write`].
    pub fn set_policy(&mut self, now: Timestamp, policy: Policy) -> Result<Effects, LocalError> {
        self.state.policy = policy;
        if policy == Policy::Hold || self.withheld().is_empty() {
            return Ok(Effects::default());
        }
        let replayed = self.transact(now, Durability::Process, |work| {
            work.replay_pending()?;
            work.note_changes();
            work.effects.journal_grew = true;
            Ok(())
        });
        replayed.map(|((), effects)| effects)
    }

    /// Files whose content is kept here.
    pub fn withheld(&self) -> Vec<Withheld> {
        let base = BaseKv { kv: &self.store, slot: self.state.slot };
        let base = RowTree { kv: &base, prefix: self.state.slot.view_prefix() };
        let rows = self.store.scan_prefix(&[keys::WITHHELD]);
        let put = |(_, value): (Vec<u8>, Vec<u8>)| match read_op(&value).verb {
            Verb::Put(put) => Some(put),
            _ => None,
        };
        rows.filter_map(put)
            .filter_map(|put| {
                let remote = base.node(put.node).and_then(|row| row.manifest().cloned());
                Some(Withheld { node: put.node, conflict: put.conflict?, local: put.manifest, remote })
            })
            .collect()
    }
}

impl<S: Store> Work<'_, S> {
    /// The withheld ops, with their indexes in the journal's order.
    pub fn withheld(&self) -> Vec<(u64, Op)> {
        let rows = self.txn.scan_prefix(&[keys::WITHHELD]);
        rows.map(|(key, value)| (keys::number_of(&key), read_op(&value))).collect()
    }

    /// Puts an op behind all others, to be kept.
    pub fn append_withheld(&mut self, op: &Op) {
        self.state.counters.journal += 1;
        let index = self.state.counters.journal;
        self.note_user(op, index);
        self.txn.put(keys::withheld(index), encode(op));
    }

    pub fn remove_withheld(&mut self, index: u64, op: &Op) {
        if let Some(manifest) = op.verb.manifest() {
            self.txn.remove(keys::user(content_of(manifest), index));
        }
        self.txn.remove(keys::withheld(index));
    }

    /// Has what was just done to this node's content withheld too, where that is. A hub that has gone on to the version
    /// it was based on here would take it for an edit of that.
    pub fn withhold_further(&mut self, node: NodeId) -> Result<(), LocalError> {
        if self.state.policy == Policy::Copy {
            return Ok(());
        }
        let withheld = self.withheld().iter().filter(|(_, op)| op.verb.node() == node).count();
        let fresh = || {
            let mut of_node = self.txn.scan_prefix(&keys::pending_of(node));
            of_node.any(|(key, _)| self.changes_content(keys::number_of(&key), node))
        };
        if withheld > 1 || (withheld == 1 && fresh()) {
            self.replay_pending()?;
            self.note_changes();
        }
        Ok(())
    }

    fn changes_content(&self, index: u64, node: NodeId) -> bool {
        let op: Option<Op> = self.read(&keys::journal(index));
        op.is_some_and(|op| match op.verb {
            Verb::Put(_) | Verb::Drop(_) => true,
            Verb::Move(rename) => {
                rename.replaces.is_some_and(|replaced| replaced.node == node || rename.node == node)
            }
            _ => false,
        })
    }

    pub fn withheld_at(&self, index: u64) -> Option<Op> {
        self.read(&keys::withheld(index))
    }

    pub fn withheld_of(&self, node: NodeId) -> Option<(u64, Op)> {
        self.withheld().into_iter().find(|(_, op)| op.verb.node() == node)
    }

    /// Takes a withheld op out and puts in what was decided. Tells the file that was made beside, if one was.
    pub fn settle_withheld(
        &mut self,
        index: u64,
        op: Op,
        decision: Decision,
    ) -> Result<Option<NodeId>, LocalError> {
        let Verb::Put(put) = &op.verb else { return Ok(None) };
        let Some(accepted) = self.accepted(put.node) else { return Ok(None) };
        let mut beside = None;
        let base = put.conflict.as_ref().and_then(|conflict| conflict.base).unwrap_or_default();
        let merged = Merged { base, local: base.next(), remote: accepted.version };
        let local = Put { came_from: Some(Origin::Merged(merged)), conflict: None, ..put.clone() };
        self.remove_withheld(index, &op);
        let shown = self.view().node(put.node);
        self.view_mut().write(vec![Change::Node(put.node, Some(before(&accepted, shown)))]);
        match decision {
            Decision::Local => self.submit(Verb::Put(Put { base: accepted.version, ..local }))?,
            Decision::Remote => {
                self.submit(Verb::Put(Put { base: accepted.version, came_from: None, ..local }))?;
                let again = put_again(put.node, &accepted, merged);
                again.map_or(Ok(()), |again| self.submit(Verb::Put(again)))?;
            }
            Decision::Both => beside = self.make_beside(local, &accepted)?,
        }
        self.release_contents_of([&op]);
        Ok(beside)
    }

    /// A file as it was accepted.
    pub fn accepted(&self, node: NodeId) -> Option<Node> {
        let base = BaseKv { kv: &self.txn, slot: self.state.slot };
        RowTree { kv: &base, prefix: self.state.slot.view_prefix() }.node(node)
    }

    fn make_beside(&mut self, local: Put, accepted: &Node) -> Result<Option<NodeId>, LocalError> {
        let Some(at) = self.view().places(local.node).into_iter().next() else { return Ok(None) };
        let name = self.state.identity.as_ref().map_or(&self.state.name, |identity| &identity.name).clone();
        let taken = |name: &Name| self.view().child(at.parent, name).is_some();
        let place = Place { parent: at.parent, name: conflict_name(&at.name, &name, taken) };
        let same = || Attributes { mode: accepted.mode, owner: None, xattrs: Xattrs::new() };
        let Attributes { mode, owner, xattrs } = local.attributes.unwrap_or_else(same);
        let node = self.new_node();
        let make = Make {
            node,
            place,
            body: Body::File(local.manifest),
            mode,
            owner,
            mtime: local.mtime,
            xattrs,
            came_from: None,
            conflict: None,
        };
        self.submit(Verb::Make(make))?;
        Ok(Some(node))
    }
}

/// The file as it was accepted, with the attributes that it has here.
fn before(accepted: &Node, shown: Option<Node>) -> Node {
    let shown = shown.unwrap_or_else(|| accepted.clone());
    Node { body: accepted.body.clone(), version: accepted.version, mtime: accepted.mtime, ..shown }
}

fn put_again(node: NodeId, accepted: &Node, merged: Merged) -> Option<Put> {
    let Body::File(manifest) = accepted.body.clone() else { return None };
    let Node { mtime, version, .. } = *accepted;
    let attributes = Some(Attributes::of(accepted));
    let came_from = Some(Origin::Merged(merged));
    Some(Put { node, base: version.next(), manifest, mtime, attributes, came_from, conflict: None })
}

fn read_op(value: &[u8]) -> Op {
    decode("withheld op", value).expect("ops of ours decode")
}
