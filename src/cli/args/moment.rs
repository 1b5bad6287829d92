//! Moments as people write them: a sequence, or a time.

use super::duration;
use crate::cli::text;
use crate::member::control::Moment;
use crate::model::{Sequence, Timestamp};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Reads a sequence (17), a time with its zone (2026-01-31T14:00:00Z), one of this machine's zone (2026-01-31 14:00, or
/// the date alone for its beginning), or how long ago it was (2h ago, or 2h).
pub fn parse(written: &str) -> Result<Moment, String> {
    parse_at(written, text::now(), &TimeZone::system())
}

fn parse_at(written: &str, now: Timestamp, zone: &TimeZone) -> Result<Moment, String> {
    let written = written.trim();
    if !written.is_empty() && written.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = written.parse().map_err(|_| format!("{written} is larger than any sequence"))?;
        return Ok(Moment::Sequence(Sequence(number)));
    }
    let bad = || {
        format!(
            "{written:?} is no sequence and no time; write it as in 17, 2026-01-31T14:00:00Z, '2026-01-31 14:00' or '2h ago'"
        )
    };
    let ago = written.strip_suffix("ago").unwrap_or(written).replace(' ', "");
    if let Ok(ago) = duration(&ago) {
        let seconds = now.seconds.saturating_sub_unsigned(ago.as_secs());
        return Ok(Moment::Time(Timestamp { seconds, ..now }));
    }
    let zoned = written.parse::<jiff::Timestamp>().ok();
    let local = || written.parse::<DateTime>().ok()?.to_zoned(zone.clone()).ok().map(|time| time.timestamp());
    let time = zoned.or_else(local).ok_or_else(bad)?;
    // A fraction of a negative second counts forwards here.
    let (seconds, nanos) = (time.as_second(), time.subsec_nanosecond());
    Ok(Moment::Time(match u32::try_from(nanos) {
        Ok(nanos) => Timestamp { seconds, nanos },
        Err(_) => Timestamp { seconds: seconds - 1, nanos: 1_000_000_000 - nanos.unsigned_abs() },
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(seconds: i64, nanos: u32) -> Result<Moment, String> {
        Ok(Moment::Time(Timestamp { seconds, nanos }))
    }

    #[test]
    fn moments_are_sequences_times_or_how_long_ago() {
        let now = Timestamp { seconds: 100_000, nanos: 7 };
        let zone = TimeZone::fixed(jiff::tz::offset(1));
        let read = |written: &str| parse_at(written, now, &zone);
        assert_eq!(read("17"), Ok(Moment::Sequence(Sequence(17))));
        assert_eq!(read("0"), Ok(Moment::Sequence(Sequence(0))));
        assert_eq!(read("1970-01-02T00:00:00Z"), time(86_400, 0));
        assert_eq!(read("1970-01-02T00:00:00.5Z"), time(86_400, 500_000_000));
        assert_eq!(read("1970-01-02T02:00:00+02:00"), time(86_400, 0));
        assert_eq!(read("1970-01-02 01:00"), time(86_400, 0));
        assert_eq!(read("1970-01-02T01:00:05"), time(86_405, 0));
        assert_eq!(read("1970-01-02"), time(82_800, 0));
        assert_eq!(read("1969-12-31T23:59:59.25Z"), time(-1, 250_000_000));
        assert_eq!(read("2h ago"), time(92_800, 7));
        assert_eq!(read("2 h ago"), time(92_800, 7));
        assert_eq!(read("2h"), time(92_800, 7));
        for bad in
            ["", "-1", "soon", "2 hours", "ago", "1970-13-01", "99999999999999999999", "1970-01-02 25:00"]
        {
            assert!(read(bad).is_err(), "{bad}: {:?}", read(bad));
        }
    }
}
