//! Taking the hub's tree as the new base: for a newcomer, after a long absence, or after a change of identity.
//!
//! Rows are staged in the slot that is not in use and the switch is one transaction, so half a snapshot is
//! never shown.

use super::keys::{self, Slot};
use super::session::{Arriving, Phase, SameSpace};
use super::state::{LocalError, Work};
use crate::model::{Node, NodeId};
use crate::ops::{Change, TreeMut};
use crate::sync::kv::{Kv, Pair, Store};
use crate::sync::rows::RowTreeMut;
use crate::wire::{Row, decode, decode_row_key};

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
        let (rows, nodes) = self.differences(before, self.state.slot);
        self.effects.changed.extend(rows);
        self.follow_content(nodes);
        self.note_places();
        self.give_up_ready();
        self.clear(before);
        self.effects.journal_grew = true;
        Ok(())
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
