//! Numbers, times and paths as people read them.

use crate::member::control::{ControlPath, Pending};
use crate::model::Timestamp;
use jiff::tz::TimeZone;

/// A size in the largest unit that leaves at least 1: `1.2 MiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    // What would be rounded to 1024.0 is 1.0 of the next unit.
    while value >= 1023.95 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// A count and its noun: `1 file`, `3 files`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// An amount of work: `3 files, 1.2 MiB`; ops that concern no content are changes.
pub fn amount(pending: &Pending) -> String {
    let files = count(pending.files, "file", "files");
    match (pending.files, pending.bytes) {
        (0, _) => count(pending.ops, "change", "changes"),
        (_, 0) => files,
        (_, bytes) => format!("{files}, {}", size(bytes)),
    }
}

/// A time for JSON: RFC 3339 in UTC, with nanoseconds where there are any.
pub fn rfc3339(time: Timestamp) -> String {
    let nanos = i32::try_from(time.nanos).unwrap_or(0);
    jiff::Timestamp::new(time.seconds, nanos).map_or_else(|_| time.seconds.to_string(), |t| t.to_string())
}

/// A time for people, in their time zone: `14:02` today, else with the date.
pub fn clock(time: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let zoned = |time: Timestamp| {
        jiff::Timestamp::from_second(time.seconds).ok().map(|time| time.to_zoned(zone.clone()))
    };
    match (zoned(time), zoned(now)) {
        (Some(time), Some(now)) if time.date() == now.date() => time.strftime("%H:%M").to_string(),
        (Some(time), _) => time.strftime("%Y-%m-%d %H:%M").to_string(),
        (None, _) => time.seconds.to_string(),
    }
}

/// How long ago something was, in the largest unit that fits: `5 min ago`. Clocks of members differ: what lies ahead
/// is now.
pub fn age(time: Timestamp, now: Timestamp) -> String {
    let seconds = now.seconds.saturating_sub(time.seconds).max(0);
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} ago", count(seconds.unsigned_abs() / 86_400, "day", "days")),
    }
}

/// The present.
pub fn now() -> Timestamp {
    let now = jiff::Timestamp::now();
    Timestamp { seconds: now.as_second(), nanos: now.subsec_nanosecond().unsigned_abs() }
}

/// A path in one line that cannot steer a terminal: what is no printable text is escaped.
pub fn path(path: &ControlPath) -> String {
    let mut shown = String::new();
    for chunk in path.0.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    shown
}

/// A path as a key in JSON: itself where it is text, else with `\xNN` for the bytes that are none.
pub fn json_key(path: &ControlPath) -> String {
    let mut key = String::new();
    for chunk in path.0.utf8_chunks() {
        key.push_str(chunk.valid());
        chunk.invalid().iter().for_each(|byte| key.push_str(&format!("\\x{byte:02x}")));
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_unit_people_think_in() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1_258_291, "1.2 MiB"),
            (1_048_575, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16777216.0 TiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn work_is_told_in_files_and_bytes_or_else_in_changes() {
        let amount_of = |ops, files, bytes| amount(&Pending { ops, files, bytes });
        assert_eq!(amount_of(3, 3, 1_258_291), "3 files, 1.2 MiB");
        assert_eq!(amount_of(2, 1, 0), "1 file");
        assert_eq!(amount_of(1, 0, 0), "1 change");
        assert_eq!(amount_of(7, 0, 0), "7 changes");
    }

    #[test]
    fn times_of_today_need_no_date() {
        let zone = TimeZone::UTC;
        let at = |seconds| Timestamp { seconds, nanos: 5 };
        assert_eq!(clock(at(50_520), at(50_600), &zone), "14:02");
        assert_eq!(clock(at(50_520), at(86_400), &zone), "1970-01-01 14:02");
        assert_eq!(rfc3339(at(50_520)), "1970-01-01T14:02:00.000000005Z");
    }

    #[test]
    fn ages_are_in_the_unit_people_think_in() {
        let cases = [
            (-5, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (7_199, "1 h ago"),
            (86_400, "1 day ago"),
        ];
        for (seconds, text) in cases.into_iter().chain([(3 * 86_400, "3 days ago")]) {
            let at = |seconds| Timestamp { seconds, nanos: 0 };
            assert_eq!(age(at(1_000), at(1_000 + seconds)), text);
        }
    }

    #[test]
    fn paths_stay_on_one_line_and_lose_nothing() {
        let odd = ControlPath(b"a b\n\x1b[2J\xff\xc3\xa9".to_vec());
        assert_eq!(path(&odd), "a b\\n\\u{1b}[2J\\xffé");
        assert_eq!(json_key(&odd), "a b\n\x1b[2J\\xffé");
    }
}
