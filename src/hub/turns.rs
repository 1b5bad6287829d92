//! How many of a kind one peer may have at once.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns, so many to each key. A key that has none out costs nothing.
#[derive(Debug)]
pub struct Turns<K> {
    each: usize,
    taken: Mutex<HashMap<K, Arc<Semaphore>>>,
}

/// A turn of one key, over when dropped.
#[derive(Debug)]
pub struct Turn<K: Eq + Hash> {
    turns: Arc<Turns<K>>,
    key: K,
    permit: Option<OwnedSemaphorePermit>,
}

impl<K: Eq + Hash + Copy> Turns<K> {
    pub fn new(each: usize) -> Turns<K> {
        Turns { each, taken: Mutex::default() }
    }

    /// A turn, where the key has one left.
    pub fn take(self: &Arc<Self>, key: K) -> Option<Turn<K>> {
        let permit = self.of(key).try_acquire_owned().ok()?;
        Some(Turn { turns: self.clone(), key, permit: Some(permit) })
    }

    /// A turn, once the key has one left.
    pub async fn wait(self: &Arc<Self>, key: K) -> Turn<K> {
        // The semaphore is never closed, so this only waits.
        let permit = self.of(key).acquire_owned().await.ok();
        Turn { turns: self.clone(), key, permit }
    }

    fn of(&self, key: K) -> Arc<Semaphore> {
        self.taken.lock().entry(key).or_insert_with(|| Arc::new(Semaphore::new(self.each))).clone()
    }
}

impl<K: Eq + Hash> Drop for Turn<K> {
    fn drop(&mut self) {
        let mut taken = self.turns.taken.lock();
        self.permit.take();
        // Whoever waits, or is about to take one, holds the semaphore too.
        if taken.get(&self.key).is_some_and(|turns| Arc::strong_count(turns) == 1) {
            taken.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_key_has_its_own_turns_and_costs_nothing_when_they_are_over() {
        let turns = Arc::new(Turns::new(2));
        let (first, second) = (turns.take(1), turns.take(1));
        assert!(first.is_some() && second.is_some());
        assert!(turns.take(1).is_none());
        let other = turns.take(2);
        assert!(other.is_some());
        drop(first);
        let third = turns.take(1);
        assert!(third.is_some());
        drop((second, third, other));
        assert!(turns.taken.lock().is_empty());
    }

    #[tokio::test]
    async fn who_waits_gets_the_turn_that_ends() {
        let turns = Arc::new(Turns::new(1));
        let first = turns.wait(1).await;
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.wait(1).await }
        });
        drop(first);
        drop(waiting.await.unwrap());
        assert!(turns.taken.lock().is_empty());
    }
}
