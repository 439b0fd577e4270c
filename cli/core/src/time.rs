//! Moments: how they are written, and how those that people write are read.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// No clock anywhere is this many seconds away from UTC: fifteen hours.
const FARTHEST: u32 = 15 * 60 * 60;

/// The moment.
#[must_use]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// This long ago; nothing if that is before all times that can be written.
#[must_use]
pub fn before_now(ago: Duration) -> Option<Timestamp> {
    let ago = SignedDuration::try_from(ago).ok()?;
    now().checked_sub(ago).ok()
}

/// This many seconds after 1970-01-01 UTC; nothing if that is not a time that can be written.
#[must_use]
pub fn from_seconds(seconds: i64) -> Option<Timestamp> {
    Timestamp::from_second(seconds).ok()
}

/// Reads what a person wrote: a day such as `2026-11-25`, or a time as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) has it, with
/// a space in place of the `T`, without the seconds or without the offset if one likes. Nothing if it is neither.
#[must_use]
pub fn parse(text: &str) -> Option<Timestamp> {
    let text = text.trim_end();
    let parts = strtime::parse(form(text)?, text).ok()?;
    let time = DateTime::from_parts(parts.to_date().ok()?, parts.to_time().unwrap_or_default());
    let offset = parts.offset().unwrap_or(Offset::UTC);
    let is_one = offset.seconds().unsigned_abs() < FARTHEST;
    offset.to_timestamp(time).ok().filter(|_| is_one)
}

/// The form that a text has, with as many digits at each place as belong there, which the library would not ask for.
fn form(text: &str) -> Option<String> {
    let shape = text.replace(|c: char| c.is_ascii_digit(), "0");
    let after_day = shape.strip_prefix("0000-00-00")?;
    let mut separated = after_day.chars();
    let separator = match separated.next() {
        None => return Some("%Y-%m-%d".to_owned()),
        Some(separator @ ('T' | ' ')) => separator,
        Some(_) => return None,
    };
    let time = separated.as_str();
    let at_offset = ["+00:00", "-00:00"]
        .iter()
        .find_map(|offset| time.strip_suffix(offset));
    let (clock, zone) = match (at_offset, time.strip_suffix(['Z', 'z'])) {
        (Some(clock), _) => (clock, " %:z"),
        (None, Some(clock)) => (clock, if time.ends_with('Z') { " Z" } else { " z" }),
        (None, None) => (time, ""),
    };
    let is_fraction = |digits: &str| !digits.is_empty() && digits.bytes().all(|b| b == b'0');
    let clock = match clock.trim_end() {
        "00:00" => "%H:%M",
        "00:00:00" => "%H:%M:%S",
        longer if longer.strip_prefix("00:00:00.").is_some_and(is_fraction) => "%H:%M:%S%.f",
        _ => return None,
    };
    Some(format!("%Y-%m-%d{separator}{clock}{zone}"))
}

/// As entries of the ledger have it: RFC 3339 in UTC, to the millisecond.
#[must_use]
pub fn in_milliseconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

/// As reports have it: RFC 3339 in UTC, to the second.
#[must_use]
pub fn in_seconds(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_or_a_time_of_a_day_is_read_and_nothing_else() {
        for (text, moment) in [
            ("2026-11-25", "2026-11-25T00:00:00.000Z"),
            ("2024-02-29", "2024-02-29T00:00:00.000Z"),
            ("2026-11-25T10:00", "2026-11-25T10:00:00.000Z"),
            ("2026-11-25 10:00", "2026-11-25T10:00:00.000Z"),
            ("2026-11-25T10:00:07", "2026-11-25T10:00:07.000Z"),
            ("2026-11-25T10:00:07.25", "2026-11-25T10:00:07.250Z"),
            ("2026-11-25T10:00:00Z", "2026-11-25T10:00:00.000Z"),
            ("2026-11-25T10:00:00z", "2026-11-25T10:00:00.000Z"),
            ("2026-11-25T10:00Z", "2026-11-25T10:00:00.000Z"),
            ("2026-11-25T10:00:00.5+02:00", "2026-11-25T08:00:00.500Z"),
            ("2026-11-25T01:00-05:30", "2026-11-25T06:30:00.000Z"),
            ("2026-11-25 10:00:00 +02:00", "2026-11-25T08:00:00.000Z"),
            // A leap second, which no clock of ours counts.
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.000Z"),
            ("2026-11-25 ", "2026-11-25T00:00:00.000Z"),
        ] {
            let read = parse(text).map(in_milliseconds);
            assert_eq!(read.as_deref(), Some(moment), "{text}");
        }
        for text in [
            "",
            "now",
            "12:00",
            "2451545",
            "2026",
            "20261125",
            "2026-11",
            "2026-1-2",
            "2026-13-01",
            "2026-02-31",
            "2025-02-29",
            "+2026-11-25",
            " 2026-11-25",
            "2026-11-25x",
            "2026-11-25Z",
            "2026-11-25T10",
            "2026-11-25T1:00",
            "2026-11-25T99:00:00Z",
            "2026-11-25T10:60",
            "2026-11-25T10:00+2",
            "2026-11-25T10:00+0200",
            "2026-11-25T10:00+02:00:00",
            "2026-11-25T10:00+15:00",
            "2026-11-25T10:00:00Z[UTC]",
            "2026-11-25T10:00:00Zx",
            "2026-11-25 +1 day",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_moment_is_written_as_people_and_entries_have_it() {
        let time = parse("2026-11-25T10:00:07.25+02:00").unwrap();
        assert_eq!(in_seconds(time), "2026-11-25T08:00:07Z");
        assert_eq!(in_milliseconds(time), "2026-11-25T08:00:07.250Z");
        assert_eq!(
            from_seconds(0).map(in_seconds).unwrap(),
            "1970-01-01T00:00:00Z"
        );
        assert_eq!(from_seconds(i64::MAX), None);
    }

    #[test]
    fn so_long_ago_is_before_now_or_before_all_times() {
        let hour = before_now(Duration::from_secs(3600)).unwrap();
        assert!(hour < now());
        assert_eq!(before_now(Duration::from_secs(u64::MAX / 2)), None);
        assert_eq!(before_now(Duration::MAX), None);
    }
}
