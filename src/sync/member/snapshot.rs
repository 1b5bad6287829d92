//! Taking the hub's tree as the new base: for a newcomer, after a long absence, or after a change of identity.
//!
//! Rows are staged in the slot that is not in use and the switch is one transaction, so half a snapshot is
//! never shown.

use super::keys::{self, Slot};
use super::records::Inode;
use super::session::Phase;
use super::state::Work;
use crate::model::{MemberNumber, Node, NodeId};
use crate::ops::{Change, Tree, TreeMut, Verb};
use crate::sync::kv::{Kv, Pair, Store};
use crate::sync::rows::RowTreeMut;
use crate::wire::{Row, RowKey, decode, decode_row_key, encode};

impl<S: Store> Work<'_, S> {
    pub fn begin_snapshot(&mut self) {
        let staged = self.state.slot.other();
        self.clear(staged);
        let prefix = staged.view();
        let root = Change::Node(NodeId::ROOT, Some(Node::root()));
        RowTreeMut { txn: &mut self.txn, prefix: &prefix }.write(vec![root]);
    }

    pub fn stage(&mut self, rows: Vec<Pair>) {
        let prefix = self.state.slot.other().view();
        for (key, value) in rows {
            if decode_row_key(&key).is_ok() {
                self.txn.put([&prefix[..], &key].concat(), value);
            }
        }
    }

    /// Makes the staged rows the base, replays the journal on them and follows what changed.
    pub fn switch_to_snapshot(&mut self) {
        let Some(position) = self.take_snapshot_position() else { return };
        let before = self.state.slot;
        self.state.slot = before.other();
        self.txn.put(keys::meta("slot"), vec![self.state.slot.0]);
        self.save_position(position);
        self.state.session.phase = Phase::Live;
        self.replay_on_base(before);
        let (rows, nodes) = self.differences(before, self.state.slot);
        self.effects.changed.extend(rows);
        self.follow_content(nodes);
        self.clear(before);
        self.effects.journal_grew = true;
    }

    /// Rows that differ between two slots, and the nodes among them with both their rows.
    #[allow(clippy::type_complexity, reason = "a pair used once, named where it is taken apart")]
    fn differences(&self, old: Slot, new: Slot) -> (Vec<Row>, Vec<(NodeId, Option<Node>, Option<Node>)>) {
        let (mut rows, mut nodes) = (Vec::new(), Vec::new());
        let mut note = |key: &[u8], before: Option<Vec<u8>>, now: Option<Vec<u8>>| {
            let row = decode_row_key(&key[2..]).expect("keys of ours decode");
            if let Row::Node(id) = row {
                nodes.push((id, before.as_deref().map(read_node), now.as_deref().map(read_node)));
            }
            rows.push(row);
        };
        for (key, before) in self.txn.scan_prefix(&old.view()) {
            let now = self.txn.get(&[&new.view(), &key[2..]].concat());
            if now.as_ref() != Some(&before) {
                note(&key, Some(before), now);
            }
        }
        for (key, now) in self.txn.scan_prefix(&new.view()) {
            if self.txn.get(&[&old.view(), &key[2..]].concat()).is_none() {
                note(&key, None, Some(now));
            }
        }
        (rows, nodes)
    }

    fn clear(&mut self, slot: Slot) {
        for prefix in [slot.view(), slot.base()] {
            let rows: Vec<Vec<u8>> = self.txn.scan_prefix(&prefix).map(|(key, _)| key).collect();
            rows.into_iter().for_each(|key| self.txn.remove(key));
        }
    }
}

fn read_node(value: &[u8]) -> Node {
    decode("node row", value).expect("rows of ours decode")
}

/// Gives nodes that pending ops make under one member number the same numbers of another member.
pub(super) fn renumber_pending<S: Store>(work: &mut Work<'_, S>, from: MemberNumber, to: MemberNumber) {
    super::base::revert(&mut work.txn, work.state.slot);
    let journal = work.journal();
    let embryos: Vec<_> = work.txn.scan_prefix(&[keys::EMBRYO]).map(|(key, _)| keys::node_of(&key)).collect();
    let mut made: Vec<NodeId> = journal
        .iter()
        .filter_map(|(_, op)| if let Verb::Make(make) = &op.verb { Some(make.node) } else { None })
        .chain(embryos.iter().copied())
        .collect();
    made.retain(|node| node.member == from && *node != NodeId::ROOT && !is_known(work, *node));
    let rename = |node: NodeId| if made.contains(&node) { NodeId { member: to, ..node } } else { node };
    for (index, op) in journal {
        work.remove_pending(index);
        let op = op.map_nodes(&rename);
        work.put_pending(index, &op);
    }
    for node in embryos {
        let Some((time, make)) = work.embryo(node) else { continue };
        work.txn.remove(keys::embryo(node));
        if let Verb::Make(make) = (crate::ops::Op { time, verb: Verb::Make(make) }).map_nodes(&rename).verb {
            work.txn.put(keys::embryo(make.node), encode(&(time, make)));
        }
    }
    for node in &made {
        if let Some(ino) = work.known_ino_of(*node)
            && let Some(inode) = work.inode(ino)
        {
            work.txn.remove(keys::ino_of(*node));
            work.bind(ino, Inode { node: rename(*node), ..inode });
        }
    }
    work.replay_on_base(work.state.slot);
    work.note_changes();
}

fn is_known<S: Store>(work: &Work<'_, S>, node: NodeId) -> bool {
    work.view().node(node).is_some()
        || work.txn.get(&[&work.state.slot.view()[..], &RowKey::tombstone(node)].concat()).is_some()
}
