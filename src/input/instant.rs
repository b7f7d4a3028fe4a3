//! Dates with times.

use std::fmt::{self, Display};

use chrono::{DateTime, Datelike, SubsecRound, Utc};

/// The years of a time that is stored.
const STORED_YEARS: std::ops::Range<i32> = 2000..3000;
/// The length of `2026-06-01T20:00:00`.
const SECONDS_END: usize = 19;
/// The longest text: with nine digits of a second, and an offset.
const LENGTH_MAX: usize = 35;

/// A text that is no instant. `Display` writes a sentence for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstantFault {
    /// It has another form than RFC 3339, or no such day or time exists.
    Form,
    /// It is a leap second.
    LeapSecond,
    /// Its year in UTC is not between 1 and 9999.
    Year,
}

/// Returns the instant of an RFC 3339 text, in UTC and truncated to microseconds, the precision of both databases.
///
/// An offset is required. Leap seconds are refused, because neither database can store them. The year in UTC is between
/// 1 and 9999.
pub fn instant(text: &str) -> Result<DateTime<Utc>, InstantFault> {
    let bytes = text.as_bytes();
    let is_form = bytes.len() <= LENGTH_MAX
        && bytes.iter().all(|byte| byte.is_ascii_digit() || b"-:.+TZtz".contains(byte))
        && bytes.get(10).is_some_and(|byte| byte.eq_ignore_ascii_case(&b'T'));
    if !is_form {
        return Err(InstantFault::Form);
    }
    let instant = DateTime::parse_from_rfc3339(text).map_err(|_| InstantFault::Form)?.to_utc();
    if text.get(SECONDS_END - 2..SECONDS_END) == Some("60") {
        return Err(InstantFault::LeapSecond);
    }
    let instant = instant.trunc_subsecs(6);
    if (1..=9999).contains(&instant.year()) { Ok(instant) } else { Err(InstantFault::Year) }
}

/// Returns whether the year is one that a stored time may have: 2000 to 2999.
pub fn is_storable(instant: DateTime<Utc>) -> bool {
    STORED_YEARS.contains(&instant.year())
}

impl Display for InstantFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => {
                "must be an RFC 3339 date and time with an offset, such as 2026-06-01T20:00:00+02:00"
            }
            Self::LeapSecond => "must not be a leap second: use second 59",
            Self::Year => "must be between the years 1 and 9999 in UTC",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_converted_to_utc_and_microseconds() {
        for (text, stored) in [
            ("2026-06-01T20:00:00Z", "2026-06-01T20:00:00+00:00"),
            ("2026-06-01t20:00:00z", "2026-06-01T20:00:00+00:00"),
            ("2026-06-01T20:00:00+02:00", "2026-06-01T18:00:00+00:00"),
            ("2026-06-01T20:00:00-00:00", "2026-06-01T20:00:00+00:00"),
            ("2026-06-01T20:00:00.1234567Z", "2026-06-01T20:00:00.123456+00:00"),
            ("2026-06-01T20:00:00.999999999+05:45", "2026-06-01T14:15:00.999999+00:00"),
            ("2028-02-29T00:00:00+14:00", "2028-02-28T10:00:00+00:00"),
            ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00+00:00"),
            ("9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999+00:00"),
            ("1969-12-31T23:59:59.9999999Z", "1969-12-31T23:59:59.999999+00:00"),
        ] {
            assert_eq!(instant(text).map(|at| at.to_rfc3339()), Ok(stored.to_owned()), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        use InstantFault::{Form, LeapSecond, Year};
        for (text, fault) in [
            ("2026-06-30T23:59:60Z", LeapSecond),
            ("2016-12-31T23:59:60.5Z", LeapSecond),
            ("2017-01-01T01:59:60+02:00", LeapSecond),
            ("2026-06-30T23:59:61Z", Form),
            ("2026-06-30T24:00:00Z", Form),
            ("2026-02-29T00:00:00Z", Form),
            ("2026-13-01T00:00:00Z", Form),
            ("2026-06-01T20:00:00", Form),
            ("2026-06-01 20:00:00Z", Form),
            ("2026-06-01", Form),
            ("20260601T200000Z", Form),
            ("2026-06-01T20:00Z", Form),
            ("2026-06-01T20:00:00 +02:00", Form),
            ("2026-06-01T20:00:00+0200", Form),
            ("2026-06-01T20:00:00+24:00", Form),
            ("2026-06-01T20:00:00+02:60", Form),
            ("2026-06-01T20:00:00CEST", Form),
            ("2026-06-01T20:00:00.Z", Form),
            ("2026-06-01T20:00:00,5Z", Form),
            ("2026-6-1T20:00:00Z", Form),
            ("+12026-06-01T20:00:00Z", Form),
            ("-0001-06-01T20:00:00Z", Form),
            ("10000-01-01T00:00:00Z", Form),
            ("tomorrow", Form),
            ("1780336800", Form),
            ("", Form),
            (" 2026-06-01T20:00:00Z", Form),
            ("２０２６-06-01T20:00:00Z", Form),
            ("0000-01-01T00:00:00Z", Year),
            ("0001-01-01T00:00:00+00:01", Year),
            ("9999-12-31T23:59:59-00:01", Year),
        ] {
            assert_eq!(instant(text), Err(fault), "{text}");
        }
    }

    #[test]
    fn stored_times_are_of_this_millennium() {
        for (text, good) in [
            ("1999-12-31T23:59:59Z", false),
            ("2000-01-01T00:00:00Z", true),
            ("2999-12-31T23:59:59Z", true),
            ("3000-01-01T00:00:00Z", false),
            ("2000-01-01T00:00:00+01:00", false),
        ] {
            assert_eq!(instant(text).map(is_storable), Ok(good), "{text}");
        }
    }
}
