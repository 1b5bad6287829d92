//! Random calls of a file system, from a seed.

use std::path::PathBuf;

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "a name with spaces \u{fc}\n"];
pub const OPEN_MAX: usize = 5;

/// A small generator of numbers: the same seed, the same calls.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn path(&mut self) -> PathBuf {
        let depth = 1 + self.below(3);
        (0..depth).map(|_| NAMES[self.below(NAMES.len() as u64) as usize]).collect()
    }

    fn size(&mut self) -> u64 {
        match self.below(4) {
            0 => self.below(200_000),
            1 => 0,
            _ => self.below(9000),
        }
    }

    fn handle(&mut self) -> u64 {
        self.below(OPEN_MAX as u64)
    }

    fn permissions(&mut self) -> u32 {
        self.below(8) as u32
    }

    /// An access control list; now and then one that does not hold together.
    fn list(&mut self) -> Vec<ListEntry> {
        let mut list = vec![(OWNER, self.permissions(), 0)];
        let mut named = false;
        for (tag, others) in [(USER, OWNING_GROUP), (GROUP, OTHERS)] {
            let ids: Vec<u32> = [0, 1000, 1001].into_iter().filter(|_| self.below(4) == 0).collect();
            named |= !ids.is_empty();
            list.extend(ids.into_iter().map(|id| (tag, 0, id)));
            if others == OTHERS && (named || self.below(4) == 0) {
                list.push((MASK, self.permissions(), 0));
            }
            list.push((others, self.permissions(), 0));
        }
        list.iter_mut()
            .filter(|(tag, ..)| matches!(*tag, USER | GROUP))
            .for_each(|it| it.1 = self.permissions());
        if self.below(12) == 0 {
            list.swap_remove(self.below(list.len() as u64) as usize);
        }
        list
    }
}

/// Tag, permissions, id.
pub type ListEntry = (u16, u32, u32);

const OWNER: u16 = 0x01;
pub const USER: u16 = 0x02;
const OWNING_GROUP: u16 = 0x04;
pub const GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHERS: u16 = 0x20;

/// A time to be set.
#[derive(Clone, Copy, Debug)]
pub enum Time {
    At(i64),
    Now,
    Omit,
}

/// One call, to be made on either side.
#[derive(Clone, Debug)]
pub enum Call {
    MakeDirectory(PathBuf, u32),
    RemoveDirectory(PathBuf),
    Unlink(PathBuf),
    Rename(PathBuf, PathBuf, u32),
    Link(PathBuf, PathBuf),
    Symlink(PathBuf, PathBuf),
    /// Mode, and which kind.
    MakeSpecial(PathBuf, u32, u64),
    Chmod(PathBuf, u32),
    /// None leaves it.
    Chown(PathBuf, Option<u32>, Option<u32>),
    SetTimes(PathBuf, Time, Time),
    SetXattr(PathBuf, u64, usize, u64),
    RemoveXattr(PathBuf, u64),
    /// Whether it is the list for what will be made in a directory.
    SetList(PathBuf, bool, Vec<ListEntry>),
    RemoveList(PathBuf, bool),
    TruncatePath(PathBuf, u64),
    Open(PathBuf, u64),
    Close(u64),
    Write(u64, u64, usize),
    Read(u64, u64, usize),
    /// Past the kernel's pages: first block, blocks, whether it writes.
    Direct(PathBuf, u64, usize, bool),
    /// Through a mapping.
    Map(u64, u64, usize),
    Truncate(u64, u64),
    Punch(u64, u64, u64),
    /// And which kind.
    Allocate(u64, u64, u64, u64),
    SeekData(u64, u64),
    SeekHole(u64, u64),
    Copy(u64, u64, u64, usize),
    Sync(u64),
    StatOpen(u64),
    Stat(PathBuf),
    List(PathBuf),
}

impl Call {
    pub fn random(dice: &mut Dice) -> Call {
        match dice.below(4) {
            0 => Call::of_names(dice),
            1 => Call::of_attributes(dice),
            _ => Call::of_content(dice),
        }
    }

    fn of_names(dice: &mut Dice) -> Call {
        match dice.below(16) {
            0..=1 => Call::MakeDirectory(dice.path(), 0o700 + dice.below(0o100) as u32),
            2 => Call::RemoveDirectory(dice.path()),
            3..=4 => Call::Unlink(dice.path()),
            5..=8 => Call::Rename(dice.path(), dice.path(), dice.below(7) as u32),
            9..=10 => Call::Link(dice.path(), dice.path()),
            11 => Call::Symlink(dice.path(), dice.path()),
            12 => Call::MakeSpecial(dice.path(), dice.below(0o1000) as u32, dice.below(4)),
            13..=14 => Call::Stat(dice.path()),
            _ => Call::List(dice.path()),
        }
    }

    fn of_attributes(dice: &mut Dice) -> Call {
        let time = |dice: &mut Dice| match dice.below(4) {
            0 => Time::Omit,
            1 => Time::Now,
            _ => Time::At(dice.below(4_000_000_000) as i64 - 1_000_000_000),
        };
        let owner = |dice: &mut Dice| [None, Some(0), Some(1000), Some(1001)][dice.below(4) as usize];
        match dice.below(12) {
            0..=1 => Call::Chmod(dice.path(), 0o600 + dice.below(0o200) as u32),
            2..=3 => Call::Chmod(dice.path(), dice.below(0o10000) as u32),
            4 => Call::Chown(dice.path(), owner(dice), owner(dice)),
            5 => Call::SetTimes(dice.path(), time(dice), time(dice)),
            6..=7 => Call::SetXattr(dice.path(), dice.below(3), dice.below(300) as usize, dice.below(3)),
            8 => Call::RemoveXattr(dice.path(), dice.below(3)),
            9..=10 => Call::SetList(dice.path(), dice.below(2) == 0, dice.list()),
            _ => Call::RemoveList(dice.path(), dice.below(2) == 0),
        }
    }

    fn of_content(dice: &mut Dice) -> Call {
        match dice.below(26) {
            0 => Call::TruncatePath(dice.path(), dice.size()),
            1..=4 => Call::Open(dice.path(), dice.below(16)),
            5..=6 => Call::Close(dice.handle()),
            7..=10 => Call::Write(dice.handle(), dice.size(), dice.size() as usize),
            11..=12 => Call::Read(dice.handle(), dice.size(), dice.size() as usize),
            13 => Call::Truncate(dice.handle(), dice.size()),
            14 => Call::Punch(dice.handle(), dice.size(), 1 + dice.size()),
            15 => Call::Allocate(dice.handle(), dice.size(), 1 + dice.size(), dice.below(4)),
            16 => Call::SeekData(dice.handle(), dice.size()),
            17 => Call::SeekHole(dice.handle(), dice.size()),
            18 => Call::Copy(dice.handle(), dice.handle(), dice.size(), dice.size() as usize),
            19 => Call::Sync(dice.handle()),
            20..=21 => Call::StatOpen(dice.handle()),
            22..=23 => {
                Call::Direct(dice.path(), dice.below(8), 1 + dice.below(3) as usize, dice.below(2) == 0)
            }
            _ => Call::Map(dice.handle(), dice.size(), 1 + dice.size() as usize),
        }
    }
}
