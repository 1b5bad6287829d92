//! Programs that run: whether a file of the mount is one.
//!
//! The kernel refuses to write to a program that runs. But one that is opened to be read and truncated at once has been
//! truncated by us before the kernel looks, so that we must look first. Few programs ever do that.

use crate::sync::member::Ino;
use rustix::fs::{AtFlags, CWD, StatxFlags};

/// Tells whether a process that can be seen runs an inode of a mount like ours.
pub(super) fn is_executed(ino: Ino) -> bool {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.into_iter().any(|number| runs(number, ino))
}

/// The kernel's own copy of the attributes is read: asking for new ones would be to ask ourselves.
fn runs(process: u32, ino: Ino) -> bool {
    let program = format!("/proc/{process}/exe");
    let found = rustix::fs::statx(CWD, program, AtFlags::STATX_DONT_SYNC, StatxFlags::INO);
    // What is on no device has no major number, as all mounts of this kind.
    found.is_ok_and(|found| found.stx_ino == ino.0 && found.stx_dev_major == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_runs_what_is_not_there() {
        assert!(!is_executed(Ino(u64::MAX)));
    }
}
