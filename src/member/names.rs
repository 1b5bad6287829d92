//! Small directories whose names are all known.
//!
//! A name is looked for before it is made, and that it is nowhere RocksDB finds out in every one of its files. So for
//! directories of few names at first the hashes in their names' keys are remembered, and what is not among them need not
//! be looked for.
//!
//! Invariant: a directory that stands here has no row of a name whose hash does not. The replica's lock orders reads and
//! commits.

use crate::sync::kv::{Batch, Pair};
use foldhash::{HashMap, HashSet};
use parking_lot::Mutex;

/// What a key begins with that belongs to a name: table, tree, tag, directory; and where in it the name's hash ends.
const DIRECTORY_BYTES: usize = 15;
const HASH_END: usize = DIRECTORY_BYTES + 8;
/// A directory of more names is not read for one that is looked for.
const NAMES_READ_MAX: usize = 16;
/// Directories, and hashes of all of them together, before all are forgotten. The hashes take some 2 MiB then.
const DIRECTORIES_MAX: usize = 4096;
const HASHES_MAX: usize = 64 * 1024;

#[derive(Default)]
pub struct Names {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// None for a directory of too many names.
    directories: HashMap<Vec<u8>, Option<HashSet<u64>>>,
    hashes: usize,
}

/// The directory and the hash in a name's key.
fn parts(key: &[u8]) -> Option<(&[u8], u64)> {
    let hash = key.get(DIRECTORY_BYTES..HASH_END).filter(|_| matches!(key, [b'V', _, b'e', ..]))?;
    Some((&key[..DIRECTORY_BYTES], u64::from_be_bytes(hash.try_into().ok()?)))
}

impl Names {
    /// Tells whether a key is a name's, and known to be nowhere.
    pub fn is_nowhere(&self, key: &[u8]) -> bool {
        let Some((directory, hash)) = parts(key) else { return false };
        let known = self.known.lock();
        matches!(known.directories.get(directory), Some(Some(hashes)) if !hashes.contains(&hash))
    }

    /// Notes that a key was looked for and found nowhere: where it is a name's, others of its directory may follow.
    /// `names` asks the store for all rows that begin with a directory's.
    pub fn missed<I: Iterator<Item = Pair>>(&self, key: &[u8], names: impl FnOnce(&[u8]) -> I) {
        let Some((directory, _)) = parts(key) else { return };
        let mut known = self.known.lock();
        if !known.directories.contains_key(directory) {
            known.learn(directory, names(directory));
        }
    }

    /// Notes rows that are about to be written. Where they are not, a name is looked for that need not be; so is one
    /// that was removed.
    pub fn written(&self, batch: &Batch) {
        let mut known = self.known.lock();
        for (key, _) in batch.iter().filter(|(_, value)| value.is_some()) {
            if let Some((directory, hash)) = parts(key) {
                known.add(directory, hash);
            }
        }
    }
}

impl Known {
    fn learn(&mut self, directory: &[u8], names: impl Iterator<Item = Pair>) {
        // Names are counted, not hashes: two of them may have the same.
        let read: Vec<Pair> = names.take(NAMES_READ_MAX + 1).collect();
        let hashes = (read.len() <= NAMES_READ_MAX)
            .then(|| read.iter().filter_map(|(key, _)| Some(parts(key)?.1)).collect::<HashSet<u64>>());
        self.make_room();
        self.hashes += hashes.as_ref().map_or(0, HashSet::len);
        self.directories.insert(directory.to_vec(), hashes);
    }

    fn add(&mut self, directory: &[u8], hash: u64) {
        if let Some(Some(hashes)) = self.directories.get_mut(directory)
            && hashes.insert(hash)
        {
            self.hashes += 1;
            self.make_room();
        }
    }

    fn make_room(&mut self) {
        if self.directories.len() >= DIRECTORIES_MAX || self.hashes >= HASHES_MAX {
            *self = Known::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{MemberNumber, Name, NodeId};
    use crate::wire::RowKey;

    fn key(directory: u64, name: &str) -> Vec<u8> {
        let directory = NodeId { member: MemberNumber(1), counter: directory };
        [&b"V\x00"[..], &RowKey::name(directory, &Name::new(name).unwrap())].concat()
    }

    fn rows(directory: u64, count: usize) -> Vec<Pair> {
        (0..count).map(|number| (key(directory, &number.to_string()), Vec::new())).collect()
    }

    fn write(names: &Names, key: Vec<u8>, value: Option<&[u8]>) {
        names.written(&Batch::from([(key, value.map(<[u8]>::to_vec))]));
    }

    fn learned(directory: u64, stored: Vec<Pair>) -> Names {
        let names = Names::default();
        assert!(!names.is_nowhere(&key(directory, "new")));
        names.missed(&key(directory, "new"), |asked| {
            assert!(key(directory, "new").starts_with(asked));
            stored.into_iter()
        });
        names
    }

    #[test]
    fn what_is_in_a_directory_of_few_names_is_known_and_follows_what_is_written() {
        let names = learned(7, rows(7, NAMES_READ_MAX));
        assert!(names.is_nowhere(&key(7, "new")) && !names.is_nowhere(&key(7, "0")));
        names.missed(&key(7, "new"), |_| -> std::iter::Empty<Pair> { panic!("the store is asked once") });
        write(&names, key(7, "new"), Some(b""));
        assert!(!names.is_nowhere(&key(7, "new")));
        // Another name may have the same hash: one that was removed is looked for.
        write(&names, key(7, "new"), None);
        assert!(!names.is_nowhere(&key(7, "new")) && names.is_nowhere(&key(7, "newer")));
        // Of a directory in which nothing was missed nothing is known.
        write(&names, key(8, "a"), Some(b""));
        assert!(!names.is_nowhere(&key(8, "a")) && !names.is_nowhere(&key(8, "b")));
    }

    #[test]
    fn of_a_directory_of_many_names_and_of_other_rows_nothing_is_known() {
        assert!(!learned(7, rows(7, NAMES_READ_MAX + 1)).is_nowhere(&key(7, "newer")));
        // As many names, two of them with one hash.
        let mut alike = rows(7, NAMES_READ_MAX);
        alike.push(([&alike[0].0[..], b"x"].concat(), Vec::new()));
        let names = learned(7, alike);
        assert!(!names.is_nowhere(&key(7, "newer")));
        for other in [&b"J\x00"[..], b"V\x00e", &[b"B", &key(7, "a")[1..]].concat()] {
            names.missed(other, |_| -> std::iter::Empty<Pair> { panic!("it is no name's") });
            assert!(!names.is_nowhere(other));
        }
    }

    #[test]
    fn what_is_kept_stays_below_the_limits() {
        let names = Names::default();
        for number in 0..2 * DIRECTORIES_MAX as u64 {
            names.missed(&key(number, "a"), |_| std::iter::empty());
            (0..40).for_each(|name| write(&names, key(number, &name.to_string()), Some(b"")));
            let known = names.known.lock();
            assert!(known.directories.len() <= DIRECTORIES_MAX && known.hashes <= HASHES_MAX);
            let counted = known.directories.values().flatten().map(HashSet::len);
            assert!(!number.is_multiple_of(1000) || known.hashes == counted.sum::<usize>());
        }
    }
}
