//! Stamps: what a backing file tells of itself when it is asked, so that it can be seen later whether it has changed.
//!
//! Every write, cut and store to a mapped page that was clean changes a file's ctime. A store to a page that is dirty
//! already does not, so whoever relies on a stamp while somebody may have the file mapped syncs it after taking one.

use super::attributes::{ctime_of, mtime_of};
use super::clock::TICK_MAX;
use crate::model::Timestamp;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, SystemTime};

/// File systems whose stamps differ whenever somebody has looked in between, on kernels from 6.13 on: ext4, XFS, btrfs,
/// tmpfs.
const EXACT_FILE_SYSTEMS: [u64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994];
const EXACT_SINCE: (u32, u32) = (6, 13);

/// A backing file as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    pub ctime: Timestamp,
    pub mtime: Timestamp,
    pub size: u64,
}

impl Stamp {
    /// A stamp that may be equal to that of a moment later although a change lies in between.
    pub fn hasty(file: &File) -> io::Result<Stamp> {
        let data = file.metadata()?;
        Ok(Stamp { ctime: ctime_of(&data), mtime: mtime_of(&data), size: data.len() })
    }

    /// A stamp that every later change changes; None where that takes a wait.
    pub fn at_once(file: &File) -> io::Result<Option<Stamp>> {
        let stamp = Stamp::hasty(file)?;
        Ok((stamp.age() > TICK_MAX || is_exact(file)).then_some(stamp))
    }

    /// A stamp that every later change changes. Where clocks are coarse this waits for a tick.
    pub fn of(file: &File) -> io::Result<Stamp> {
        loop {
            if let Some(stamp) = Stamp::at_once(file)? {
                return Ok(stamp);
            }
            thread::sleep(TICK_MAX);
        }
    }

    /// How long ago the file changed last; nothing where clocks disagree.
    pub fn age(&self) -> Duration {
        let Ok(seconds) = u64::try_from(self.ctime.seconds) else { return Duration::ZERO };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, self.ctime.nanos);
        changed.elapsed().unwrap_or_default()
    }
}

fn is_exact(file: &File) -> bool {
    static KERNEL_IS: OnceLock<bool> = OnceLock::new();
    let kernel_is = *KERNEL_IS.get_or_init(|| {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        version_of(&release).is_some_and(|version| version >= EXACT_SINCE)
    });
    let of_exact = |kind: u64| EXACT_FILE_SYSTEMS.contains(&kind);
    kernel_is && rustix::fs::fstatfs(file).is_ok_and(|system| of_exact(system.f_type as u64))
}

/// The first two numbers of a kernel's release, as in `6.18.5-amd64`.
fn version_of(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.trim().split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    #[test]
    fn every_change_after_a_stamp_changes_the_next_one() {
        let file = tempfile::tempfile().unwrap();
        for number in 0..50u8 {
            let before = Stamp::of(&file).unwrap();
            assert_eq!(Stamp::hasty(&file).unwrap(), before);
            file.write_all_at(&[number], 0).unwrap();
            assert_ne!(Stamp::hasty(&file).unwrap(), before);
        }
    }

    #[test]
    fn kernels_are_told_apart_by_their_first_two_numbers() {
        assert_eq!(version_of("6.18.5-amd64\n"), Some((6, 18)));
        assert_eq!(version_of("6.9-rc1"), Some((6, 9)));
        assert_eq!(version_of("unknown"), None);
    }
}
