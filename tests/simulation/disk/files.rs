//! Backing files: what each holds, and what of that survives the loss of power.
//!
//! A file that was synced has what it held then. What was written or removed since may be there, or not, or in part; but
//! it does not overtake rows: what was done to a file after rows that are lost is lost with them. A real disk promises
//! less; see [`OVERTAKING`].

use super::super::chance::Chance;
use super::{Disk, State};
use std::rc::Rc;

/// Whether a change of a file can reach the disk before rows that were committed, and not synced, before it. The kernel may
/// write pages in any order, so it can; but then files that are changed where they stand, or removed, can be at odds
/// with rows that know nothing of it.
const OVERTAKING: bool = false;

/// Bytes of a file; shared, because most are never changed.
pub type Bytes = Rc<Vec<u8>>;

/// None is a file that is not there.
type Held = Option<Bytes>;

#[derive(Clone, Default)]
pub struct FileState {
    synced: Held,
    /// What it held since, and how many row commits had been made when that began.
    since: Vec<(u64, Held)>,
}

impl FileState {
    fn now(&self) -> &Held {
        self.since.last().map_or(&self.synced, |(_, held)| held)
    }
}

impl Disk {
    /// What a file holds; None where there is none.
    pub fn file(&self, number: u64) -> Held {
        self.state.borrow().files.get(&number)?.now().clone()
    }

    /// The numbers of all files.
    pub fn files(&self) -> Vec<u64> {
        let state = self.state.borrow();
        state.files.iter().filter(|(_, file)| file.now().is_some()).map(|(number, _)| *number).collect()
    }

    /// Makes a file or changes what it holds; false where there is no room.
    pub fn write_file(&self, number: u64, bytes: Vec<u8>) -> bool {
        if !self.full.get() {
            self.write(|state| state.change_file(number, Some(Rc::new(bytes))));
        }
        !self.full.get()
    }

    pub fn remove_file(&self, number: u64) {
        self.write(|state| state.change_file(number, None));
    }

    /// Makes a file survive the loss of power.
    pub fn sync_file(&self, number: u64) {
        self.write(|state| {
            if let Some(file) = state.files.get_mut(&number) {
                file.synced = file.now().clone();
                file.since.clear();
            }
        });
    }
}

impl State {
    fn change_file(&mut self, number: u64, held: Held) {
        let file = self.files.entry(number).or_default();
        if file.now().is_some() || held.is_some() {
            file.since.push((self.commits, held));
        }
    }

    /// `rows_kept` row commits have survived.
    pub fn lose_files(&mut self, rows_kept: u64, chance: &mut Chance) {
        for file in self.files.values_mut() {
            // A journalling file system has kept that a file was made when it has kept what was written after that.
            let made = file.since.first().is_some_and(|(rows_before, _)| *rows_before < rows_kept);
            if !OVERTAKING {
                file.since.retain(|(rows_before, _)| *rows_before <= rows_kept);
            }
            if let Some((_, now)) = file.since.pop() {
                let removed = now.is_none();
                file.synced = lose(file.synced.take(), now, chance);
                if file.synced.is_none() && made && !removed {
                    file.synced = Some(Bytes::default());
                }
            }
            file.since.clear();
        }
        self.files.retain(|_, file| file.synced.is_some());
    }
}

/// What a file that nobody synced since it changed holds after the loss of power.
fn lose(synced: Held, now: Held, chance: &mut Chance) -> Held {
    match (chance.below(4), synced, now) {
        (0, synced, _) | (2, synced, None) => synced,
        (1, _, now) => now,
        (_, synced, Some(now)) => {
            // The new front part, then the old end, or zeros where that has none.
            let at = chance.below(now.len() + 1);
            let mut torn = now[..at].to_vec();
            torn.extend(synced.iter().flat_map(|synced| synced.iter().skip(at)).take(now.len() - at));
            if chance.one_in(2) {
                torn.resize(now.len(), 0);
            }
            Some(Rc::new(torn))
        }
        (_, _, None) => None,
    }
}
