//! The clock that stamps local work.

use crate::model::Timestamp;

/// The wall time as file systems stamp it: the kernel's coarse clock, so that our stamps and those of the
/// backing files are in order.
pub fn now() -> Timestamp {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid place for the result, and the clock exists on every Linux.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME_COARSE, &mut time) };
    Timestamp { seconds: time.tv_sec, nanos: u32::try_from(time.tv_nsec).unwrap_or(0) }
}
