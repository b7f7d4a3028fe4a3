//! The dates of sales and refunds. Dates that the vendor did not set follow from others, so that they move with the
//! event.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, TimeDelta, Utc};

use super::details::{Change, Details};
use crate::{error::Check, input::is_storable};

/// The maximum of [`Details::refund_minutes`]: a year.
const REFUND_MINUTES_MAX: i32 = 525_600;

impl Details {
    /// Returns the start and the end of sales. Dates that the vendor did not set follow from others. If the event was
    /// created after it started, nothing is sold.
    pub fn sales(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        let end = self.sales_end.unwrap_or(self.starts_at);
        // The database requires that sales start before they end.
        let latest = end.checked_sub_signed(TimeDelta::microseconds(1)).unwrap_or(end);
        let start = self.sales_start.unwrap_or(self.created_at.min(latest));
        (start, end)
    }

    /// Returns the end of the time in which buyers may refund by themselves. `None` excludes such refunds.
    pub fn refund_deadline(&self) -> Option<DateTime<Utc>> {
        let before = |minutes: i32| self.starts_at.checked_sub_signed(TimeDelta::minutes(minutes.into()));
        self.refund_until.or_else(|| self.refund_minutes.and_then(before))
    }

    /// Adds an error for each date that contradicts others. Only dates that the vendor set are named.
    pub(super) fn check_times(&self, check: &mut Check) {
        let times = [
            ("startsAt", Some(self.starts_at)),
            ("endsAt", Some(self.ends_at)),
            ("salesStart", self.sales_start),
            ("salesEnd", self.sales_end),
            ("refundUntil", self.refund_until),
        ];
        for (path, time) in times {
            let good = time.is_none_or(is_storable);
            check.that(good, path, "must be between the years 2000 and 2999");
        }
        check
            .that(self.starts_at <= self.ends_at, "endsAt", "must not be before startsAt")
            .that(
                self.sales_end.is_none_or(|end| self.sales_start.unwrap_or(self.created_at) < end),
                "salesEnd",
                "must be after salesStart",
            )
            .that(
                self.sales_end.is_none_or(|end| end <= self.ends_at),
                "salesEnd",
                "must not be after endsAt",
            )
            .that(
                self.sales_end.is_some() || self.sales_start.is_none_or(|start| start < self.starts_at),
                "salesStart",
                "must be before startsAt, when sales end",
            )
            .that(
                self.refund_until.is_none() || self.refund_minutes.is_none(),
                "refundUntil",
                "cannot be combined with refundMinutesBeforeStart",
            )
            .that(
                self.refund_minutes.is_none_or(|minutes| (0..=REFUND_MINUTES_MAX).contains(&minutes)),
                "refundMinutesBeforeStart",
                "must be between 0 and 525600",
            );
        self.admission.check(self.starts_at, self.ends_at, check);
    }

    /// Returns the deadline of refunds after the change: a date, or the minutes before the start. The one replaces the
    /// other.
    pub(super) fn refund_after(&self, change: &Change) -> (Option<DateTime<Utc>>, Option<i32>) {
        match (change.refund_until, change.refund_minutes) {
            (None, None) => (self.refund_until, self.refund_minutes),
            (Some(until), None) => (until, None),
            (None, Some(Some(minutes))) => (None, Some(minutes)),
            (None, Some(None)) => (self.refund_until, None),
            (Some(until), Some(minutes)) => (until, minutes),
        }
    }
}

#[cfg(test)]
mod tests {
    use entity::CategoryId;
    use uuid::Uuid;

    use super::*;
    use crate::{
        error::Fault,
        event::{admission::Admission, reservation_rules::ReservationRules},
    };

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hours)
    }

    /// Returns an event from hour 100 to hour 103 that was created at hour 0 and sets no other date.
    fn details() -> Details {
        Details {
            category: CategoryId(Uuid::nil()),
            slug: "gala".to_owned(),
            name: "Gala".to_owned(),
            description: String::new(),
            starts_at: at(100),
            ends_at: at(103),
            sales_start: None,
            sales_end: None,
            refund_until: None,
            refund_minutes: None,
            admission: Admission::default(),
            created_at: at(0),
            reservation_seconds: 600,
            reservation_seconds_max: 1_200,
            limit_per_buyer: 8,
            orphan_rule: true,
            reservation_budget_seconds: None,
            cool_down_seconds: 300,
            reservation_rules: ReservationRules::default(),
        }
    }

    fn moved(hours: i64) -> Change {
        Change { starts_at: Some(at(100 + hours)), ends_at: Some(at(103 + hours)), ..Change::default() }
    }

    #[test]
    fn dates_that_were_not_set_move_with_the_event() {
        let relative = Details { refund_minutes: Some(90), ..details() };
        // To another month, a day, an hour, back, and to a time before the creation.
        for hours in [720, 24, 1, -1, -99, -100, -5_000] {
            let details = relative.clone().with(moved(hours)).checked().unwrap();
            let (start, end) = details.sales();
            assert_eq!(end, at(100 + hours), "{hours}");
            assert!(start == at(0) || start < end && hours <= -100, "{hours}: {start}");
            assert_eq!(details.refund_deadline(), Some(at(100 + hours) - TimeDelta::minutes(90)), "{hours}");
        }
    }

    #[test]
    fn dates_that_were_set_stay_and_are_named_when_they_contradict() {
        let end = Details { sales_end: Some(at(90)), ..details() };
        let start = Details { sales_start: Some(at(50)), ..details() };
        let refund = Details { refund_until: Some(at(80)), ..details() };
        assert_eq!(end.clone().with(moved(720)).checked().unwrap().sales(), (at(0), at(90)));
        assert_eq!(start.clone().with(moved(720)).checked().unwrap().sales(), (at(50), at(820)));
        assert_eq!(refund.with(moved(720)).checked().unwrap().refund_deadline(), Some(at(80)));
        let table = [(end.with(moved(-50)), "salesEnd"), (start.with(moved(-50)), "salesStart")];
        for (details, path) in table {
            let Err(Fault::Invalid(all)) = details.checked() else { panic!("{path} contradicts") };
            let paths: Vec<String> = all.into_iter().map(|one| one.path.join(".")).collect();
            assert_eq!(paths, [path]);
        }
    }

    #[test]
    fn null_lets_a_date_follow_again() {
        let set = Details { sales_start: Some(at(10)), sales_end: Some(at(90)), ..details() };
        let change = Change { sales_start: Some(None), sales_end: Some(None), ..Change::default() };
        assert_eq!(set.with(change).checked().unwrap().sales(), (at(0), at(100)));
    }

    #[test]
    fn deadline_of_refunds_is_a_date_or_follows_from_the_start() {
        let date = Details { refund_until: Some(at(80)), ..details() };
        let relative = Details { refund_minutes: Some(60), ..details() };
        let change =
            |refund_until, refund_minutes| Change { refund_until, refund_minutes, ..Change::default() };
        let table = [
            (&date, change(None, None), Some(at(80))),
            (&date, change(None, Some(Some(120))), Some(at(98))),
            (&date, change(None, Some(None)), Some(at(80))),
            (&date, change(Some(None), None), None),
            (&relative, change(None, None), Some(at(99))),
            (&relative, change(Some(Some(at(70))), None), Some(at(70))),
            (&relative, change(Some(None), None), None),
            (&relative, change(None, Some(None)), None),
            (&relative, change(Some(None), Some(Some(0))), Some(at(100))),
        ];
        for (details, change, expected) in table {
            let after = details.clone().with(change.clone()).checked().unwrap();
            assert_eq!(after.refund_deadline(), expected, "{change:?}");
        }
        for minutes in [-1, 525_601, i32::MIN, i32::MAX] {
            assert!(details().with(change(None, Some(Some(minutes)))).checked().is_err(), "{minutes}");
        }
        assert!(details().with(change(Some(Some(at(70))), Some(Some(1)))).checked().is_err());
    }
}
