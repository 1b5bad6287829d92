//! What contents are here, how large each is, and which was used longest ago.

use crate::sync::member::Ino;
use std::collections::{BTreeSet, HashMap};

/// One content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    /// What it takes on disk.
    bytes: u64,
    /// When it was used last, in milliseconds since 1970.
    used: u64,
    /// It was found to stay when room was looked for.
    aside: bool,
}

/// Contents by their last use.
///
/// Invariant: an inode is in `order` under its last use exactly while it is in `entries` and not set aside.
#[derive(Debug, Default)]
pub struct Index {
    entries: HashMap<Ino, Entry>,
    order: BTreeSet<(u64, Ino)>,
    bytes: u64,
}

impl Index {
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    pub fn files(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Takes note of a content that is here, used at that time at the latest.
    pub fn insert(&mut self, ino: Ino, bytes: u64, used: u64) {
        let used = self.remove(ino).map_or(used, |before| before.max(used));
        self.entries.insert(ino, Entry { bytes, used, aside: false });
        self.order.insert((used, ino));
        self.bytes += bytes;
    }

    /// Returns when the content that is gone was used last.
    pub fn remove(&mut self, ino: Ino) -> Option<u64> {
        let entry = self.entries.remove(&ino)?;
        self.order.remove(&(entry.used, ino));
        self.bytes -= entry.bytes;
        Some(entry.used)
    }

    /// A content is used. Returns whether it is here and its time another than it was.
    pub fn touch(&mut self, ino: Ino, now: u64) -> bool {
        let Some(entry) = self.entries.get_mut(&ino).filter(|entry| entry.used < now) else { return false };
        if !entry.aside {
            self.order.remove(&(entry.used, ino));
            self.order.insert((now, ino));
        }
        entry.used = now;
        true
    }

    pub fn used(&self, ino: Ino) -> Option<u64> {
        self.entries.get(&ino).map(|entry| entry.used)
    }

    /// The content used longest ago, but for those that were set aside.
    pub fn oldest(&self) -> Option<(Ino, u64)> {
        let (_, ino) = self.order.first()?;
        self.entries.get(ino).map(|entry| (*ino, entry.bytes))
    }

    /// A content stays whatever its age.
    pub fn set_aside(&mut self, ino: Ino) {
        if let Some(entry) = self.entries.get_mut(&ino) {
            self.order.remove(&(entry.used, ino));
            entry.aside = true;
        }
    }

    /// One that was set aside takes its place again.
    pub fn put_back(&mut self, ino: Ino) {
        if let Some(entry) = self.entries.get_mut(&ino) {
            entry.aside = false;
            self.order.insert((entry.used, ino));
        }
    }

    /// All that were set aside take their places again.
    pub fn take_back(&mut self) {
        for (ino, entry) in self.entries.iter_mut().filter(|(_, entry)| entry.aside) {
            entry.aside = false;
            self.order.insert((entry.used, *ino));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_used_longest_ago_comes_first() {
        let mut index = Index::default();
        for number in 1..=4 {
            index.insert(Ino(number), 10, number);
        }
        assert!(index.touch(Ino(1), 9) && !index.touch(Ino(1), 9) && !index.touch(Ino(7), 9));
        index.set_aside(Ino(2));
        assert_eq!(index.oldest(), Some((Ino(3), 10)));
        index.take_back();
        assert_eq!(index.oldest(), Some((Ino(2), 10)));
        assert_eq!((index.remove(Ino(2)), index.remove(Ino(2))), (Some(2), None));
        assert_eq!((index.bytes(), index.files()), (30, 3));
    }

    #[derive(Clone, Copy, Debug)]
    enum Deed {
        Insert(u64, u64),
        Remove(u64),
        Touch(u64, u64),
        Aside(u64),
        Back,
    }

    fn deed() -> impl Strategy<Value = Deed> {
        prop_oneof![
            (0..6u64, 0..100u64).prop_map(|(ino, bytes)| Deed::Insert(ino, bytes)),
            (0..6u64).prop_map(Deed::Remove),
            (0..6u64, 0..20u64).prop_map(|(ino, now)| Deed::Touch(ino, now)),
            (0..6u64).prop_map(Deed::Aside),
            Just(Deed::Back),
        ]
    }

    proptest! {
        #[test]
        fn bytes_are_those_of_what_is_here_and_each_content_has_one_place(
            deeds in proptest::collection::vec(deed(), 0..60)
        ) {
            let mut index = Index::default();
            for deed in deeds {
                match deed {
                    Deed::Insert(ino, bytes) => index.insert(Ino(ino), bytes, 0),
                    Deed::Remove(ino) => _ = index.remove(Ino(ino)),
                    Deed::Touch(ino, now) => _ = index.touch(Ino(ino), now),
                    Deed::Aside(ino) => index.set_aside(Ino(ino)),
                    Deed::Back => index.take_back(),
                }
                prop_assert_eq!(index.bytes, index.entries.values().map(|entry| entry.bytes).sum::<u64>());
                let placed = index.entries.iter().filter(|(_, entry)| !entry.aside);
                let placed: BTreeSet<_> = placed.map(|(ino, entry)| (entry.used, *ino)).collect();
                prop_assert_eq!(&index.order, &placed);
            }
        }
    }
}
