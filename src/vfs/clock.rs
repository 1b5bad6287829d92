//! The clock that stamps local work.
//!
//! Invariant: it is never behind a stamp of the kernel's on a backing file that anybody here has looked at, whose times
//! are told as the inode's. A kernel that stamps a change exactly, because somebody looked since the last one, is ahead
//! of its own coarse clock then, up to a tick.

use crate::model::Timestamp;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Clocks that stamp files tick at least so often.
pub(super) const TICK_MAX: Duration = Duration::from_millis(20);

/// The latest stamp that was looked at, in nanoseconds since 1970.
static LATEST: AtomicI64 = AtomicI64::new(i64::MIN);

/// The wall time as file systems stamp it, so that our stamps and those of the backing files are in order.
pub fn now() -> Timestamp {
    let coarse = coarse_nanos();
    let latest = LATEST.load(Ordering::SeqCst);
    let now = if is_ahead_by_a_tick(latest, coarse) { latest } else { coarse };
    Timestamp {
        seconds: now.div_euclid(NANOS_OF_ONE),
        nanos: u32::try_from(now.rem_euclid(NANOS_OF_ONE)).unwrap_or(0),
    }
}

/// The kernel has stamped a file so.
pub(super) fn note_stamp(stamp: Timestamp) {
    let Some(whole) = stamp.seconds.checked_mul(NANOS_OF_ONE) else { return };
    let stamp = whole.saturating_add(stamp.nanos.into());
    let latest = LATEST.load(Ordering::SeqCst);
    if stamp == latest {
        return;
    }
    let coarse = coarse_nanos();
    // One that is further ahead is from before somebody set the clock back.
    let counts = |it: i64| is_ahead_by_a_tick(it, coarse);
    if counts(stamp) && (stamp > latest || !counts(latest)) {
        // Where others note one at the same time the latest of them stays.
        let _ = LATEST.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |there| {
            (!counts(there) || there < stamp).then_some(stamp)
        });
    }
}

const NANOS_OF_ONE: i64 = 1_000_000_000;

fn is_ahead_by_a_tick(stamp: i64, coarse: i64) -> bool {
    stamp > coarse && stamp - coarse <= TICK_MAX.as_nanos() as i64
}

fn coarse_nanos() -> i64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result, and the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &mut time) };
    time.tv_sec.saturating_mul(NANOS_OF_ONE).saturating_add(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vfs::attributes::ctime_of;
    use std::os::unix::fs::FileExt;

    #[test]
    fn the_clock_is_never_behind_a_stamp_that_was_looked_at() {
        let file = tempfile::tempfile().unwrap();
        for number in 0..200u8 {
            file.write_all_at(&[number], 0).unwrap();
            let stamped = ctime_of(&file.metadata().unwrap());
            assert!(now() >= stamped, "{:?} is before {stamped:?}", now());
        }
    }

    #[test]
    fn a_stamp_of_a_clock_that_has_been_set_back_does_not_count() {
        let before = now();
        note_stamp(Timestamp { seconds: before.seconds + 3600, nanos: 0 });
        note_stamp(Timestamp { seconds: i64::MAX, nanos: 0 });
        assert!(now().seconds < before.seconds + 3600);
    }
}
