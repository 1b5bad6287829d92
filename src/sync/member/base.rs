//! The base as seen through the view: the view's rows, but for those the journal touched.

use super::keys::Slot;
use crate::ops::Change;
use crate::ops::TreeMut;
use crate::sync::kv::{Kv, Pair, Txn};
use crate::sync::rows::RowTreeMut;
use crate::wire::{decode, encode};

/// Reads base rows under the view's keys.
pub struct BaseKv<'a, K: Kv + ?Sized> {
    pub kv: &'a K,
    pub slot: Slot,
}

impl<K: Kv + ?Sized> BaseKv<'_, K> {
    /// The key under which the base's row is kept, for a key of the view.
    fn kept_key(&self, key: &[u8]) -> Vec<u8> {
        [&self.slot.base(), &key[2..]].concat()
    }
}

pub(super) fn kept(value: &[u8]) -> Option<Vec<u8>> {
    decode("kept row", value).expect("rows of ours decode")
}

impl<K: Kv + ?Sized> Kv for BaseKv<'_, K> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.kv.get(&self.kept_key(key)) {
            Some(value) => kept(&value),
            None => self.kv.get(key),
        }
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a> {
        let mut above = self.kv.scan(&self.kept_key(from), &self.kept_key(to)).peekable();
        let mut below = self.kv.scan(from, to).peekable();
        Box::new(std::iter::from_fn(move || {
            loop {
                let take_above = match (above.peek(), below.peek()) {
                    (None, _) => return below.next(),
                    (Some(_), None) => true,
                    (Some((key, _)), Some((other, _))) => key[2..] <= other[2..],
                };
                if !take_above {
                    return below.next();
                }
                let (key, value) = above.next()?;
                below.next_if(|(other, _)| other[2..] == key[2..]);
                if let Some(value) = kept(&value) {
                    return Some(([&self.slot.view(), &key[2..]].concat(), value));
                }
            }
        }))
    }
}

/// Writes changes of the journal to the view, keeping what they overwrite as the base's rows.
pub struct ViewTree<'t, 'k, K: Kv + ?Sized> {
    pub txn: &'t mut Txn<'k, K>,
    pub slot: Slot,
}

impl<K: Kv + ?Sized> TreeMut for ViewTree<'_, '_, K> {
    fn write(&mut self, changes: Vec<Change>) {
        let prefix = self.slot.view();
        let mut above = Txn::new(&*self.txn);
        RowTreeMut { txn: &mut above, prefix: &prefix }.write(changes);
        for (key, value) in above.into_batch() {
            let kept_key = [&self.slot.base(), &key[2..]].concat();
            if self.txn.get(&kept_key).is_none() {
                let before = self.txn.get(&key);
                self.txn.put(kept_key, encode(&before));
            }
            self.txn.set(key, value);
        }
    }
}

/// Moves base rows: those the journal touched change where they are kept, others in the view.
/// Returns whether any of them was touched.
pub fn write_base<K: Kv + ?Sized>(
    txn: &mut Txn<'_, K>,
    slot: Slot,
    rows: impl IntoIterator<Item = (Vec<u8>, Option<Vec<u8>>)>,
) -> bool {
    let mut touched = false;
    for (key, value) in rows {
        let kept_key = [&slot.base(), &key[2..]].concat();
        if txn.get(&kept_key).is_none() {
            txn.set(key, value);
            continue;
        }
        touched = true;
        // Kept even where view and base agree again: ops that wait behind these may part them on their way, and
        // what they do to the base must not show in the view. See `agreed` for when they go.
        txn.put(kept_key, encode(&value));
    }
    touched
}

/// Makes the view the base again: every kept row goes back.
pub fn revert<K: Kv + ?Sized>(txn: &mut Txn<'_, K>, slot: Slot) {
    let kept_rows: Vec<Pair> = txn.scan_prefix(&slot.base()).collect();
    for (kept_key, value) in kept_rows {
        txn.set([&slot.view(), &kept_key[2..]].concat(), kept(&value));
        txn.remove(kept_key);
    }
}

crate::sync::rows::read_tree_through!(ViewTree, |tree| crate::sync::rows::RowTree {
    kv: &*tree.txn,
    prefix: &tree.slot.view()
});
