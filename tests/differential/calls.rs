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
    MakeFifo(PathBuf),
    Chmod(PathBuf, u32),
    SetMtime(PathBuf, i64, i64),
    SetXattr(PathBuf, u64, usize, u64),
    RemoveXattr(PathBuf, u64),
    TruncatePath(PathBuf, u64),
    Open(PathBuf, u64),
    Close(u64),
    Write(u64, u64, usize),
    Read(u64, u64, usize),
    Truncate(u64, u64),
    Punch(u64, u64, u64),
    Allocate(u64, u64, u64),
    SeekData(u64, u64),
    Copy(u64, u64, u64, usize),
    Sync(u64),
    StatOpen(u64),
    Stat(PathBuf),
    List(PathBuf),
}

impl Call {
    pub fn random(dice: &mut Dice) -> Call {
        let size = |dice: &mut Dice| match dice.below(4) {
            0 => dice.below(200_000),
            1 => 0,
            _ => dice.below(9000),
        };
        let handle = dice.below(OPEN_MAX as u64);
        match dice.below(40) {
            0..=1 => Call::MakeDirectory(dice.path(), 0o700 + dice.below(0o100) as u32),
            2 => Call::RemoveDirectory(dice.path()),
            3..=4 => Call::Unlink(dice.path()),
            5..=8 => Call::Rename(dice.path(), dice.path(), dice.below(6) as u32),
            9..=10 => Call::Link(dice.path(), dice.path()),
            11 => Call::Symlink(dice.path(), dice.path()),
            12 => Call::MakeFifo(dice.path()),
            13 => Call::Chmod(dice.path(), 0o600 + dice.below(0o200) as u32),
            14 => Call::SetMtime(dice.path(), dice.below(4_000_000_000) as i64 - 1_000_000_000, 123),
            15 => Call::SetXattr(dice.path(), dice.below(3), dice.below(300) as usize, dice.below(3)),
            16 => Call::RemoveXattr(dice.path(), dice.below(3)),
            17 => Call::TruncatePath(dice.path(), size(dice)),
            18..=21 => Call::Open(dice.path(), dice.below(16)),
            22..=23 => Call::Close(handle),
            24..=27 => Call::Write(handle, size(dice), size(dice) as usize),
            28..=29 => Call::Read(handle, size(dice), size(dice) as usize),
            30 => Call::Truncate(handle, size(dice)),
            31 => Call::Punch(handle, size(dice), 1 + size(dice)),
            32 => Call::Allocate(handle, size(dice), 1 + size(dice)),
            33 => Call::SeekData(handle, size(dice)),
            34 => Call::Copy(handle, dice.below(OPEN_MAX as u64), size(dice), size(dice) as usize),
            35 => Call::Sync(handle),
            36..=37 => Call::StatOpen(handle),
            38 => Call::Stat(dice.path()),
            _ => Call::List(dice.path()),
        }
    }
}
