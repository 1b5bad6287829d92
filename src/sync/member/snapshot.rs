//! Taking the hub's tree as the new base: for a newcomer, after a long absence, or after a change of identity.
//!
//! Rows are staged in the slot that is not in use and the switch is one transaction, so half a snapshot is
//! never shown.

use super::keys::{self, Slot};
use super::presence::Fetching;
use super::session::{Arriving, Phase, SameSpace};
use super::state::{LocalError, Work};
use crate::model::{Node, NodeId};
use crate::ops::{Change, TreeMut};
use crate::sync::kv::{Kv, Pair, Store};
use crate::sync::rows::RowTreeMut;
use crate::wire::{Row, decode, decode_row_key};
use std::cmp::Ordering;
use std::collections::BTreeSet;

impl<S: Store> Work<'_, S> {
    pub fn begin_snapshot(&mut self) {
        let staged = self.state.slot.other();
        self.clear(staged);
        let prefix = staged.view();
        let root = Change::Node(NodeId::ROOT, Some(Node::root()));
        RowTreeMut { txn: &mut self.txn, prefix: &prefix }.write(vec![root]);
    }

    pub fn stage(&mut self, rows: Vec<Pair>) -> Result<(), LocalError> {
        let prefix = self.state.slot.other().view();
        for (key, value) in rows {
            crate::wire::check_row(&key, &value).map_err(|error| LocalError::History(error.to_string()))?;
            self.txn.put([&prefix[..], &key].concat(), value);
        }
        Ok(())
    }

    /// Makes the staged rows the base, replays the journal on them and follows what changed.
    ///
    /// # Errors
    /// [`LocalError::Away`]: the snapshot has not ended yet, then.
    pub fn switch_to_snapshot(&mut self) -> Result<(), LocalError> {
        let Some(Arriving { position, departs }) = self.state.session.snapshot else { return Ok(()) };
        let before = self.state.slot;
        self.state.slot = before.other();
        self.txn.put(keys::meta("slot"), vec![self.state.slot.0]);
        self.save_position(position);
        let recovered = departs.map(|SameSpace(same)| {
            // Its number means nothing to this hub.
            if let Some(sealed) = self.sealed() {
                self.unseal(sealed);
            }
            self.recover(before, same)
        });
        self.replay_on_base(before, recovered.unwrap_or_default())?;
        (self.state.session.snapshot, self.state.session.phase) = (None, Phase::Live);
        self.state.doubts_position = false;
        self.txn.remove(keys::meta("early"));
        let Differences { rows, nodes, fresh } = self.differences(before, self.state.slot);
        self.effects.changed.extend(rows);
        self.follow_content(nodes);
        fresh.into_iter().for_each(|node| self.want(node));
        self.look_below_pins();
        self.give_up_ready();
        self.clear(before);
        self.effects.journal_grew = true;
        Ok(())
    }

    /// What differs between two slots. A newcomer's whole tree does: of what nobody here has been told only the ids
    /// are kept, and those only where their contents are to be fetched.
    fn differences(&self, old: Slot, new: Slot) -> Differences {
        let mut known: BTreeSet<NodeId> = self.known_nodes();
        // Unshared names give way to new ones beside them, whoever has been told of their directory.
        known.extend(self.directories_of_unshared());
        let fetches_all = self.state.presence.fetching == Fetching::All;
        let mut found = Differences::default();
        let (old, new) = (old.view(), new.view());
        let mut before = self.txn.scan_prefix(&old).peekable();
        let mut now = self.txn.scan_prefix(&new).peekable();
        loop {
            let order = match (before.peek(), now.peek()) {
                (None, None) => return found,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((before, _)), Some((now, _))) => before[2..].cmp(&now[2..]),
            };
            let old_row = if order.is_le() { before.next() } else { None };
            let new_row = if order.is_ge() { now.next() } else { None };
            let key = old_row.as_ref().or(new_row.as_ref()).map(|(key, _)| key[2..].to_vec());
            let row = decode_row_key(&key.unwrap_or_default()).expect("keys of ours decode");
            let (old_row, new_row) = (old_row.map(|(_, value)| value), new_row.map(|(_, value)| value));
            if old_row == new_row {
                continue;
            }
            let is_known = concerned(&row).is_none_or(|node| known.contains(&node));
            match row {
                Row::Node(id) if old_row.is_some() || is_known => {
                    found.nodes.push((
                        id,
                        old_row.as_deref().map(read_node),
                        new_row.as_deref().map(read_node),
                    ));
                }
                Row::Node(id) if fetches_all => found.fresh.push(id),
                _ => {}
            }
            if is_known {
                found.rows.push(row);
            }
        }
    }

    fn clear(&mut self, slot: Slot) {
        for prefix in [slot.view(), slot.base()] {
            let rows: Vec<Vec<u8>> = self.txn.scan_prefix(&prefix).map(|(key, _)| key).collect();
            rows.into_iter().for_each(|key| self.txn.remove(key));
        }
    }
}

/// What differs between two trees.
#[derive(Default)]
struct Differences {
    /// Rows that somebody here may have been told of.
    rows: Vec<Row>,
    /// Nodes with both their rows.
    nodes: Vec<(NodeId, Option<Node>, Option<Node>)>,
    /// Nodes that are new and that nobody here has been told of.
    fresh: Vec<NodeId>,
}

/// The node whose inode tells of a row.
fn concerned(row: &Row) -> Option<NodeId> {
    match row {
        Row::Node(node) | Row::Place(node, _) | Row::Subdirectories(node) => Some(*node),
        Row::Name(place) => Some(place.parent),
        Row::Tombstone(_) | Row::Conflict(..) | Row::Copy(_) => None,
    }
}

fn read_node(value: &[u8]) -> Node {
    decode("node row", value).expect("rows of ours decode")
}
