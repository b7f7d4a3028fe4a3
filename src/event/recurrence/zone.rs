//! Local times of a venue and instants.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, Duration, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;

/// Returns the local time of an instant.
pub fn local(zone: Tz, instant: DateTime<Utc>) -> NaiveDateTime {
    instant.with_timezone(&zone).naive_local()
}

/// Returns the instant of a local time. The first one, if the clocks show the time twice. `None`, if they skip it.
pub fn instant(zone: Tz, local: NaiveDateTime) -> Option<DateTime<Utc>> {
    zone.from_local_datetime(&local).earliest().map(|time| time.to_utc())
}

/// Returns the instant of a local time, also if the clocks skip it: then the offset before the change applies, so that
/// 02:30 becomes 03:30 (RFC 5545, section 3.3.5).
pub fn instant_or_later(zone: Tz, local: NaiveDateTime) -> DateTime<Utc> {
    instant(zone, local).unwrap_or_else(|| {
        // No zone skips more than a day.
        let before = zone.offset_from_utc_datetime(&(local - Duration::hours(36)));
        (local - Duration::seconds(before.fix().local_minus_utc().into())).and_utc()
    })
}

/// Moves an instant by a difference of local times, so that a show at 20:00 stays at 20:00. The result is not before
/// `least`: if the clocks show its local time twice, it can be the second time.
pub fn moved(zone: Tz, from: DateTime<Utc>, by: Duration, least: DateTime<Utc>) -> DateTime<Utc> {
    let local = local(zone, from) + by;
    let first = instant_or_later(zone, local);
    let second = zone.from_local_datetime(&local).latest().map_or(first, |time| time.to_utc());
    if first < least { second } else { first }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use chrono_tz::{
        Africa::Casablanca,
        America::{New_York, Sao_Paulo},
        Asia::Kathmandu,
        Australia::Lord_Howe,
        Europe::Vienna,
        Pacific::Apia,
    };

    use super::*;

    fn at(text: &str) -> NaiveDateTime {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a time")
    }

    fn utc(text: &str) -> DateTime<Utc> {
        at(text).and_utc()
    }

    #[test]
    fn local_times_have_their_first_instant_or_none() {
        for (zone, time, expected) in [
            (Vienna, "2027-01-15 20:00", Some("2027-01-15 19:00")),
            (Vienna, "2027-07-15 20:00", Some("2027-07-15 18:00")),
            // Clocks go forward on 28 March at 02:00, and back on 31 October at 03:00.
            (Vienna, "2027-03-28 01:59", Some("2027-03-28 00:59")),
            (Vienna, "2027-03-28 02:00", None),
            (Vienna, "2027-03-28 02:59", None),
            (Vienna, "2027-03-28 03:00", Some("2027-03-28 01:00")),
            (Vienna, "2027-10-31 02:30", Some("2027-10-31 00:30")),
            (Vienna, "2027-10-31 03:00", Some("2027-10-31 02:00")),
            (New_York, "2027-03-14 02:30", None),
            (New_York, "2027-11-07 01:30", Some("2027-11-07 05:30")),
            (Kathmandu, "2027-05-01 20:00", Some("2027-05-01 14:15")),
            // Half an hour.
            (Lord_Howe, "2027-10-03 02:15", None),
            (Lord_Howe, "2027-04-04 01:45", Some("2027-04-03 14:45")),
            // Midnight, and a whole day.
            (Sao_Paulo, "2018-11-04 00:30", None),
            (Apia, "2011-12-30 20:00", None),
        ] {
            assert_eq!(instant(zone, at(time)), expected.map(utc), "{time} in {zone}");
        }
    }

    #[test]
    fn skipped_local_times_use_the_offset_before_the_change() {
        for (zone, time, expected) in [
            (Vienna, "2027-03-28 02:30", "2027-03-28 03:30"),
            (New_York, "2027-03-14 02:00", "2027-03-14 03:00"),
            (Lord_Howe, "2027-10-03 02:15", "2027-10-03 02:45"),
            (Sao_Paulo, "2018-11-04 00:30", "2018-11-04 01:30"),
            (Apia, "2011-12-30 20:00", "2011-12-31 20:00"),
        ] {
            let instant = instant_or_later(zone, at(time));
            assert_eq!(local(zone, instant), at(expected), "{time} in {zone}");
        }
    }

    #[test]
    fn moved_instants_keep_their_local_time() {
        for (zone, from, days, expected) in [
            (Vienna, "2027-03-26 19:00", 2, "2027-03-28 18:00"),
            (Vienna, "2027-10-30 18:00", 1, "2027-10-31 19:00"),
            (Vienna, "2027-10-31 19:00", -1, "2027-10-30 18:00"),
            (Vienna, "2027-03-27 01:30", 1, "2027-03-28 01:30"),
            (New_York, "2027-03-13 01:00", 7, "2027-03-20 00:00"),
            (Casablanca, "2027-02-01 19:00", 14, "2027-02-15 20:00"),
            (Kathmandu, "2027-03-26 14:15", 365, "2028-03-25 14:15"),
        ] {
            let to = moved(zone, utc(from), Duration::days(days), DateTime::UNIX_EPOCH);
            assert_eq!(to, utc(expected), "{from} in {zone}, {days} days later: {}", local(zone, to));
        }
        // 02:45 comes twice; a show that starts at the second 02:30 does not end at the first 02:45.
        let day = NaiveDate::from_ymd_opt(2027, 10, 30).unwrap().and_hms_opt(0, 45, 0).unwrap().and_utc();
        let (by, starts) = (Duration::days(1), utc("2027-10-31 01:30"));
        assert_eq!(moved(Vienna, day, by, DateTime::UNIX_EPOCH), utc("2027-10-31 00:45"));
        assert_eq!(moved(Vienna, day, by, starts), utc("2027-10-31 01:45"));
    }
}
