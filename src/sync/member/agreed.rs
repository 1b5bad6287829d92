//! Kept rows that have served: view and base agree on them, and no op that waits is about them.
//!
//! All kept rows go once nothing waits. Where work comes without a pause that may be never, and the rows of all that was
//! ever done would be kept: so those of files go with the acceptance of the last op about them.
//!
//! Invariant: a row that a waiting op touches stays kept. A file's own rows are touched by ops that name it alone, and a
//! name's row by ops that name the place.

use super::base::kept;
use super::journal::nodes_of;
use super::keys;
use super::state::Work;
use crate::model::{NodeId, Place};
use crate::ops::{Op, Tree, Verb};
use crate::sync::kv::{Kv, Store};
use crate::wire::{RowKey, decode};
use std::collections::BTreeSet;

/// Where more ops wait than this, what they name is not looked at one by one.
const WAITING_MAX: usize = 256;

impl<S: Store> Work<'_, S> {
    /// Forgets what was kept for the files and names of accepted ops, where nothing that waits needs it.
    pub fn drop_agreed(&mut self, accepted: &[Op]) {
        // What is withheld differs from the base for reasons of its own.
        if self.txn.scan_prefix(&[keys::WITHHELD]).next().is_some() {
            return;
        }
        let nodes: BTreeSet<NodeId> = accepted.iter().flat_map(nodes_of).collect();
        let files: BTreeSet<NodeId> = nodes.into_iter().filter(|node| self.is_settled_file(*node)).collect();
        for file in &files {
            self.drop_agreed_row(&RowKey::node(*file));
            self.drop_agreed_row(&RowKey::tombstone(*file));
            let places = [&self.state.slot.base()[..], &RowKey::places_of(*file)].concat();
            let places: Vec<Vec<u8>> = self.txn.scan_prefix(&places).map(|(key, _)| key).collect();
            places.iter().for_each(|key| self.drop_agreed_row(&key[2..]));
        }
        let mut waiting = None;
        for place in accepted.iter().flat_map(places_of) {
            let row = RowKey::name(place.parent, &place.name);
            let leads_to = self.txn.get(&[&self.state.slot.view()[..], &row].concat());
            let settled = match leads_to.map(|value| decode("name row", &value).expect("rows of ours decode"))
            {
                Some(node) => files.contains(&node),
                None => {
                    let waiting = waiting.get_or_insert_with(|| self.places_waiting());
                    waiting.as_ref().is_some_and(|waiting| !waiting.contains(&place))
                }
            };
            if settled {
                self.drop_agreed_row(&row);
            }
        }
    }

    /// Tells whether no op that waits is about a node that can have nothing in it.
    fn is_settled_file(&self, node: NodeId) -> bool {
        let is_directory = self.view().node(node).is_some_and(|row| row.is_directory());
        !is_directory && self.txn.scan_prefix(&keys::pending_of(node)).next().is_none()
    }

    /// The places that ops name which wait; None where they are too many.
    fn places_waiting(&self) -> Option<BTreeSet<Place>> {
        let rows = self.txn.scan_prefix(&[keys::JOURNAL]).take(WAITING_MAX + 1);
        let ops: Vec<Op> =
            rows.map(|(_, value)| decode("journal op", &value).expect("ops of ours decode")).collect();
        (ops.len() <= WAITING_MAX).then(|| ops.iter().flat_map(places_of).collect())
    }

    fn drop_agreed_row(&mut self, row: &[u8]) {
        let kept_key = [&self.state.slot.base()[..], row].concat();
        let Some(value) = self.txn.get(&kept_key) else { return };
        if kept(&value) == self.txn.get(&[&self.state.slot.view()[..], row].concat()) {
            self.txn.remove(kept_key);
        }
    }
}

/// The places whose names an op may change.
fn places_of(op: &Op) -> impl Iterator<Item = Place> + use<> {
    let (one, other) = match &op.verb {
        Verb::Make(make) => (Some(make.place.clone()), None),
        Verb::Link(link) => (Some(link.place.clone()), None),
        Verb::Move(rename) => (Some(rename.from.clone()), Some(rename.to.clone())),
        Verb::Drop(drop) => (Some(drop.place.clone()), None),
        Verb::Put(_) | Verb::SetMeta(_) | Verb::Settle { .. } | Verb::Record(_) => (None, None),
    };
    one.into_iter().chain(other)
}
