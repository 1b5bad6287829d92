//! The ordered key-value space that holds all persistent state, and its seam: RocksDB in production, a map in
//! tests and in the simulation.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Bound;

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// An ordered key-value space, to read.
pub trait Kv {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>>;

    /// Pairs with `from <= key < to`, in order.
    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a>;

    /// Pairs whose key begins with `prefix`, in order.
    fn scan_prefix<'a>(&'a self, prefix: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a> {
        self.scan(prefix, &prefix_end(prefix))
    }
}

/// The smallest key after all that begin with `prefix`, which must not be all 0xff.
pub fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while end.pop_if(|byte| *byte == u8::MAX).is_some() {}
    *end.last_mut().expect("a prefix that has an end") += 1;
    end
}

/// Writes to be made together: key to new value, None to remove.
pub type Batch = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Why a key-value space could not be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    #[error("no room left on the device that holds the state")]
    Full,
    #[error("the state could not be written: {0}")]
    Failed(String),
}

/// How much a commit must survive before it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The death of this process.
    Process,
    /// The loss of power.
    Power,
}

/// An ordered key-value space, to read and write.
pub trait Store: Kv {
    /// Makes all writes of a batch or none.
    ///
    /// # Errors
    /// [`WriteError`]; nothing is written then.
    fn commit(&self, batch: Batch, durability: Durability) -> Result<(), WriteError>;
}

/// Writes gathered on top of a space that is not changed until they are committed; reads see them.
pub struct Txn<'a, K: Kv + ?Sized> {
    below: &'a K,
    writes: Batch,
}

impl<'a, K: Kv + ?Sized> Txn<'a, K> {
    pub fn new(below: &'a K) -> Txn<'a, K> {
        Txn { below, writes: Batch::new() }
    }

    /// The space without the gathered writes.
    pub fn below(&self) -> &'a K {
        self.below
    }

    /// The same space with the same writes, to be gone on with apart from this one.
    pub fn fork(&self) -> Txn<'a, K> {
        Txn { below: self.below, writes: self.writes.clone() }
    }

    /// What the key holds without the gathered writes.
    pub fn get_below(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.below.get(key)
    }

    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.writes.insert(key, Some(value));
    }

    pub fn remove(&mut self, key: Vec<u8>) {
        self.writes.insert(key, None);
    }

    pub fn set(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.writes.insert(key, value);
    }

    /// The gathered writes, to be committed by whoever owns the space.
    pub fn into_batch(self) -> Batch {
        self.writes
    }

    pub fn batch(&self) -> &Batch {
        &self.writes
    }
}

impl<K: Kv + ?Sized> Kv for Txn<'_, K> {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        match self.writes.get(key) {
            Some(value) => value.clone(),
            None => self.below.get(key),
        }
    }

    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a> {
        let bounds = (Bound::Included(from.to_vec()), Bound::Excluded(to.to_vec()));
        let mut above = self.writes.range::<Vec<u8>, _>(bounds).peekable();
        let mut below = self.below.scan(from, to).peekable();
        Box::new(std::iter::from_fn(move || {
            loop {
                let take_above = match (above.peek(), below.peek()) {
                    (None, _) => return below.next(),
                    (Some(_), None) => true,
                    (Some((key, _)), Some((other, _))) => **key <= *other,
                };
                if !take_above {
                    return below.next();
                }
                let (key, value) = above.next()?;
                below.next_if(|(other, _)| other == key);
                if let Some(value) = value {
                    return Some((key.clone(), value.clone()));
                }
            }
        }))
    }
}

/// A key-value space in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryKv {
    pairs: RefCell<BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Store for MemoryKv {
    fn commit(&self, batch: Batch, _: Durability) -> Result<(), WriteError> {
        let mut pairs = self.pairs.borrow_mut();
        for (key, value) in batch {
            match value {
                Some(value) => pairs.insert(key, value),
                None => pairs.remove(&key),
            };
        }
        Ok(())
    }
}

impl Kv for MemoryKv {
    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.pairs.borrow().get(key).cloned()
    }

    /// Takes the next pair anew at each step, so a scan outlives writes made meanwhile.
    fn scan<'a>(&'a self, from: &[u8], to: &[u8]) -> Box<dyn Iterator<Item = Pair> + 'a> {
        let (mut from, to) = (Bound::Included(from.to_vec()), to.to_vec());
        Box::new(std::iter::from_fn(move || {
            let pairs = self.pairs.borrow();
            let bounds = (from.clone(), Bound::Excluded(to.clone()));
            let (key, value) = pairs.range::<Vec<u8>, _>(bounds).next()?;
            from = Bound::Excluded(key.clone());
            Some((key.clone(), value.clone()))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_reads_its_own_writes_in_order() {
        let kv = MemoryKv::default();
        let keys = |kv: &dyn Kv| kv.scan(b"a", b"z").map(|(key, _)| key).collect::<Vec<_>>();
        for key in [b"b", b"d", b"f"] {
            kv.commit(Batch::from([(key.to_vec(), Some(vec![1]))]), Durability::Process).unwrap();
        }
        let mut txn = Txn::new(&kv);
        txn.put(b"a".to_vec(), vec![2]);
        txn.remove(b"b".to_vec());
        txn.put(b"d".to_vec(), vec![3]);
        txn.put(b"g".to_vec(), vec![4]);
        assert_eq!(keys(&txn), [b"a", b"d", b"f", b"g"]);
        assert_eq!(txn.get(b"d"), Some(vec![3]));
        assert_eq!(keys(&kv), [b"b", b"d", b"f"]);
        let batch = txn.into_batch();
        kv.commit(batch, Durability::Process).unwrap();
        assert_eq!(keys(&kv), [b"a", b"d", b"f", b"g"]);
    }

    #[test]
    fn a_prefix_ends_before_the_next_one() {
        assert_eq!(prefix_end(b"a"), b"b");
        assert_eq!(prefix_end(&[1, 255]), [2]);
    }
}
