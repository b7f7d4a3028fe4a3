//! The decision at the gate: whether a ticket admits its holder.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use entity::event::EntryPeriod;

use crate::event::admission::EntryRules;

/// An admission of a ticket's holder. A better one for the holder comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Admittance {
    /// The holder returns after an exit. It does not count as an entry.
    Return,
    /// An entry.
    Entry,
}

/// The past entries of a ticket, without those that were undone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entries {
    /// In the whole event.
    pub(super) total: u64,
    /// In the current day.
    pub(super) today: u64,
    /// Whether the holder has left after the last admission.
    pub(super) is_outside: bool,
}

/// Returns how the ticket admits its holder by one of the rules: those of the purchase, or the current ones. `None` if
/// neither admits.
pub(super) fn admit(rules: &[EntryRules], entries: Entries) -> Option<Admittance> {
    rules.iter().filter_map(|rules| admit_by(*rules, entries)).min()
}

fn admit_by(rules: EntryRules, entries: Entries) -> Option<Admittance> {
    let used = match rules.period {
        EntryPeriod::Event => entries.total,
        EntryPeriod::Day => entries.today,
    };
    if rules.reentry && entries.is_outside && used > 0 {
        return Some(Admittance::Return);
    }
    let max = rules.max_entries.map(i32::unsigned_abs);
    max.is_none_or(|max| used < u64::from(max)).then_some(Admittance::Entry)
}

/// A day in a time zone, from its first moment to the first moment of the next day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Day {
    /// The first moment.
    pub(super) from: DateTime<Utc>,
    /// The first moment of the next day.
    pub(super) until: DateTime<Utc>,
}

impl Day {
    /// Returns the day in which `now` is. Because of daylight saving time, it can have 23 or 25 hours.
    pub(super) fn of(now: DateTime<Utc>, zone: Tz) -> Self {
        let date = now.with_timezone(&zone).date_naive();
        let next = next(date);
        let end = beginning(next, zone);
        // Where clocks go back at midnight, the end of the day happens twice. The first time counts.
        if now < end {
            Self { from: beginning(date, zone), until: end }
        } else {
            Self { from: end, until: beginning(self::next(next), zone) }
        }
    }
}

fn next(date: NaiveDate) -> NaiveDate {
    date.checked_add_days(Days::new(1)).unwrap_or(date)
}

/// Returns the first moment of the date. Where clocks skip midnight, it is the moment after the gap.
fn beginning(date: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = date.and_time(NaiveTime::MIN);
    // A gap lasts at most a day: Samoa skipped 30 December 2011.
    let mut quarters = (0..=100).filter_map(|quarter| {
        let local = midnight.checked_add_signed(TimeDelta::minutes(15 * quarter))?;
        local.and_local_timezone(zone).earliest()
    });
    quarters.next().map_or_else(|| midnight.and_utc(), |time| time.with_timezone(&Utc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(max_entries: Option<i32>, period: EntryPeriod, reentry: bool) -> EntryRules {
        EntryRules { max_entries, period, reentry }
    }

    #[test]
    fn entries_are_counted_by_period() {
        use Admittance::{Entry, Return};
        use EntryPeriod::{Day, Event};
        let once = rules(Some(1), Event, false);
        let daily = rules(Some(1), Day, false);
        let table = [
            // Rules, entries in total, today, outside, expected.
            (once, 0, 0, false, Some(Entry)),
            (once, 1, 1, false, None),
            (once, 1, 0, true, None),
            (rules(Some(1), Event, true), 1, 0, true, Some(Return)),
            (rules(Some(1), Event, true), 1, 1, false, None),
            (rules(Some(4), Event, false), 3, 3, false, Some(Entry)),
            (rules(Some(4), Event, false), 4, 0, false, None),
            (daily, 2, 0, false, Some(Entry)),
            (daily, 1, 1, false, None),
            (daily, 1, 1, true, None),
            (rules(Some(1), Day, true), 1, 1, true, Some(Return)),
            (rules(Some(1), Day, true), 1, 0, true, Some(Entry)),
            (rules(Some(2), Day, false), 9, 1, false, Some(Entry)),
            (rules(None, Event, false), 99, 99, false, Some(Entry)),
            (rules(None, Event, true), 99, 99, true, Some(Return)),
        ];
        for (rules, total, today, is_outside, expected) in table {
            let entries = Entries { total, today, is_outside };
            assert_eq!(admit(&[rules], entries), expected, "{rules:?} {entries:?}");
        }
    }

    #[test]
    fn better_rules_of_purchase_and_event_apply() {
        use EntryPeriod::{Day, Event};
        let (once, daily) = (rules(Some(1), Event, false), rules(Some(1), Day, false));
        let second_day = Entries { total: 1, today: 0, is_outside: false };
        assert_eq!(admit(&[once, daily], second_day), Some(Admittance::Entry));
        assert_eq!(admit(&[daily, once], second_day), Some(Admittance::Entry));
        assert_eq!(admit(&[once, once], second_day), None);
        let outside = Entries { is_outside: true, ..second_day };
        assert_eq!(admit(&[daily, rules(Some(1), Event, true)], outside), Some(Admittance::Return));
    }

    fn utc(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn day_begins_and_ends_in_the_venues_zone() {
        let table = [
            // A plain day, in Vienna and on both sides of the date line.
            ("2026-06-05T21:59:59Z", Tz::Europe__Vienna, "2026-06-04T22:00:00Z", "2026-06-05T22:00:00Z"),
            ("2026-06-05T22:00:00Z", Tz::Europe__Vienna, "2026-06-05T22:00:00Z", "2026-06-06T22:00:00Z"),
            ("2026-06-05T12:00:00Z", Tz::Pacific__Kiritimati, "2026-06-05T10:00:00Z", "2026-06-06T10:00:00Z"),
            ("2026-06-05T12:00:00Z", Tz::Pacific__Pago_Pago, "2026-06-05T11:00:00Z", "2026-06-06T11:00:00Z"),
            // 23 and 25 hours.
            ("2026-03-29T12:00:00Z", Tz::Europe__Vienna, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z"),
            ("2026-10-25T12:00:00Z", Tz::Europe__Vienna, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("2026-03-08T12:00:00Z", Tz::America__Chicago, "2026-03-08T06:00:00Z", "2026-03-09T05:00:00Z"),
            // Beirut skips midnight; the day begins at 01:00.
            ("2026-03-29T00:00:00Z", Tz::Asia__Beirut, "2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z"),
            // Havana has the hour after midnight twice.
            ("2026-11-01T05:30:00Z", Tz::America__Havana, "2026-11-01T04:00:00Z", "2026-11-02T05:00:00Z"),
            // In Newfoundland, clocks went from 00:01 back to 23:01 of the day before.
            ("2009-11-01T02:35:00Z", Tz::America__St_Johns, "2009-11-01T02:30:00Z", "2009-11-02T03:30:00Z"),
            // Samoa had no 30 December 2011.
            ("2011-12-30T09:59:59Z", Tz::Pacific__Apia, "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
            ("2011-12-30T10:00:00Z", Tz::Pacific__Apia, "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
        ];
        for (now, zone, from, until) in table {
            assert_eq!(Day::of(utc(now), zone), Day { from: utc(from), until: utc(until) }, "{now} {zone}");
        }
    }

    #[test]
    fn every_moment_is_in_exactly_one_day() {
        for zone in
            [Tz::Europe__Vienna, Tz::America__Havana, Tz::Asia__Beirut, Tz::America__St_Johns, Tz::UTC]
        {
            let mut now = utc("2009-01-01T00:00:00Z");
            let mut day = Day::of(now, zone);
            while now < utc("2009-12-31T00:00:00Z") {
                now += TimeDelta::minutes(13);
                let other = Day::of(now, zone);
                assert!(other.from <= now && now < other.until, "{now} {zone}");
                assert!(other == day || other.from == day.until, "{now} {zone}: {day:?} {other:?}");
                day = other;
            }
        }
    }
}
