//! Rows as a store with a log keeps them: what nobody synced can go, from the end, commit by commit.

use super::super::chance::Chance;
use super::Disk;
use fl0wfs::sync::{Batch, Pair};
use std::collections::BTreeMap;
use std::ops::Bound;

/// What a commit overwrote.
type Undo = Vec<(Vec<u8>, Option<Vec<u8>>)>;

#[derive(Clone, Default)]
pub struct Rows {
    pairs: BTreeMap<Vec<u8>, Vec<u8>>,
    unsynced: Vec<Undo>,
    sums: Vec<(Vec<u8>, u128)>,
}

/// One row's part of a sum.
pub fn row_sum(key: &[u8], value: &[u8]) -> u128 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes()).update(key).update(value);
    u128::from_le_bytes(*hasher.finalize().as_bytes().first_chunk().expect("a hash has 32 bytes"))
}

impl Rows {
    pub fn watching(prefixes: &[&[u8]]) -> Rows {
        let sums = prefixes.iter().map(|prefix| (prefix.to_vec(), 0)).collect();
        Rows { sums, ..Rows::default() }
    }

    pub fn watch(&mut self, prefix: &[u8]) {
        let rows = self.pairs.iter().filter(|(key, _)| key.starts_with(prefix));
        let sum =
            rows.fold(0u128, |sum, (key, value)| sum.wrapping_add(row_sum(&key[prefix.len()..], value)));
        self.sums.push((prefix.to_vec(), sum));
    }

    pub fn sum(&self, prefix: &[u8]) -> u128 {
        self.sums.iter().find(|(watched, _)| watched == prefix).expect("a watched prefix").1
    }

    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.pairs.get(key).cloned()
    }

    pub fn first_between(&self, from: &Bound<Vec<u8>>, to: &[u8]) -> Option<Pair> {
        if let Bound::Included(key) | Bound::Excluded(key) = from
            && key.as_slice() >= to
        {
            return None;
        }
        let bounds = (from.as_ref().map(Vec::as_slice), Bound::Excluded(to));
        let (key, value) = self.pairs.range::<[u8], _>(bounds).next()?;
        Some((key.clone(), value.clone()))
    }

    pub fn commit(&mut self, batch: Batch) {
        let undo = batch.into_iter().map(|(key, value)| {
            let before = self.set(&key, value);
            (key, before)
        });
        let undo = undo.collect();
        self.unsynced.push(undo);
    }

    pub fn synced(&mut self) {
        self.unsynced.clear();
    }

    fn set(&mut self, key: &[u8], value: Option<Vec<u8>>) -> Option<Vec<u8>> {
        let watched = self.sums.iter_mut().find(|(prefix, _)| key.starts_with(prefix));
        let after = value.clone();
        let before = match value {
            Some(value) => self.pairs.insert(key.to_vec(), value),
            None => self.pairs.remove(key),
        };
        if let Some((prefix, sum)) = watched {
            let row = &key[prefix.len()..];
            let part = |value: &Option<Vec<u8>>| value.as_ref().map_or(0, |value| row_sum(row, value));
            *sum = sum.wrapping_sub(part(&before)).wrapping_add(part(&after));
        }
        before
    }

    /// Returns how many commits are lost.
    fn lose_power(&mut self, chance: &mut Chance) -> u64 {
        let kept = chance.below(self.unsynced.len() + 1);
        let lost = (self.unsynced.len() - kept) as u64;
        for undo in self.unsynced.split_off(kept).into_iter().rev() {
            for (key, before) in undo {
                self.set(&key, before);
            }
        }
        self.unsynced.clear();
        lost
    }
}

impl Disk {
    /// The machine loses power: what nobody synced may be gone.
    pub fn lose_power(&self, chance: &mut Chance) {
        let mut state = self.state.borrow_mut();
        let lost = state.rows.lose_power(chance);
        let kept = state.commits - lost;
        state.lose_files(kept, chance);
    }
}
