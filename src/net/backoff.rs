//! How long to wait before the next attempt.

use std::time::Duration;

/// No wait is shorter.
pub const RETRY_DELAY_MIN: Duration = Duration::from_millis(100);
/// No wait is longer.
pub const RETRY_DELAY_MAX: Duration = Duration::from_secs(10);

/// Waits that double from attempt to attempt, each with jitter, so that the members of a hub that comes back
/// do not all knock at once.
#[derive(Clone, Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    pub fn new() -> Backoff {
        Backoff::default()
    }

    /// Notes one more failure and returns how long to wait after it.
    pub fn next_delay(&mut self) -> Duration {
        // Without randomness all wait the longer half; that is a nuisance, not an error.
        let random = getrandom::u32().unwrap_or(u32::MAX);
        let delay = delay(self.failures, random);
        self.failures = self.failures.saturating_add(1);
        delay
    }

    /// Notes a success, or a reason to hope for one: the next wait is a short one again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Between half and all of a ceiling that doubles with each failure.
fn delay(failures: u32, random: u32) -> Duration {
    let doubled = RETRY_DELAY_MIN.saturating_mul(2u32.saturating_pow(failures.saturating_add(1)));
    let half = doubled.min(RETRY_DELAY_MAX) / 2;
    half + half.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_the_least_to_the_longest_and_never_leave_them() {
        assert_eq!(delay(0, 0), RETRY_DELAY_MIN);
        assert_eq!(delay(1, 0), RETRY_DELAY_MIN * 2);
        assert_eq!(delay(u32::MAX, u32::MAX), RETRY_DELAY_MAX);
        for failures in 0..100 {
            for random in [0, 1, u32::MAX / 2, u32::MAX] {
                assert!((RETRY_DELAY_MIN..=RETRY_DELAY_MAX).contains(&delay(failures, random)));
            }
        }
    }

    #[test]
    fn a_success_makes_the_next_wait_short_again() {
        let mut backoff = Backoff::new();
        (0..20).for_each(|_| assert!(backoff.next_delay() <= RETRY_DELAY_MAX));
        assert!(backoff.next_delay() >= RETRY_DELAY_MAX / 2);
        backoff.reset();
        assert!(backoff.next_delay() <= RETRY_DELAY_MIN * 2);
    }
}
