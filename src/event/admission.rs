//! The admission to an event: when its doors are open to ticket holders, and how often a ticket admits.
//!
//! Dates that the vendor did not set follow from others, so that they move with the event.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use entity::{
    event::{self, EntryPeriod},
    tier,
};
use serde::{Deserialize, Serialize};

use crate::{error::Check, input::is_storable};

/// How long before the start the doors open by default.
pub const DOORS_BEFORE: TimeDelta = TimeDelta::hours(2);

/// How long after its start an event without a duration admits by default. Vendors who do not know the end set it to the
/// start, and guests come late.
pub const UNKNOWN_DURATION: TimeDelta = TimeDelta::hours(6);

/// The maximum of [`EntryRules::max_entries`].
const ENTRIES_MAX: i32 = 1_000;

/// How often a ticket admits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRules {
    /// The maximum number of entries in a period. `None` for no limit.
    pub max_entries: Option<i32>,
    /// The period.
    pub period: EntryPeriod,
    /// Whether a holder who was checked out may return. A return is no entry.
    pub reentry: bool,
}

impl Default for EntryRules {
    /// Returns the rules of an event that does not set any: one entry, and no return.
    fn default() -> Self {
        Self { max_entries: Some(1), period: EntryPeriod::Event, reentry: false }
    }
}

/// A change of the rules. `None` leaves a value unchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryRulesChange {
    /// The maximum number of entries in a period. `Some(None)` removes the limit.
    pub max_entries: Option<Option<i32>>,
    /// The period.
    pub period: Option<EntryPeriod>,
    /// Whether a holder who was checked out may return.
    pub reentry: Option<bool>,
}

impl EntryRules {
    /// Returns the rules of an event.
    pub fn of(event: &event::Model) -> Self {
        Self { max_entries: event.entries_max, period: event.entry_period, reentry: event.reentry }
    }

    /// Returns the rules of a tier, if it has its own.
    pub fn of_tier(tier: &tier::Model) -> Option<Self> {
        let period = tier.entry_period?;
        Some(Self { max_entries: tier.entries_max, period, reentry: tier.reentry })
    }

    /// Returns the rules with the change applied.
    #[must_use]
    pub fn with(self, change: EntryRulesChange) -> Self {
        Self {
            max_entries: change.max_entries.unwrap_or(self.max_entries),
            period: change.period.unwrap_or(self.period),
            reentry: change.reentry.unwrap_or(self.reentry),
        }
    }

    /// Adds an error for each invalid rule of the input at `path`.
    pub(super) fn check(&self, path: &str, check: &mut Check) {
        check.that(
            self.max_entries.is_none_or(|entries| (1..=ENTRIES_MAX).contains(&entries)),
            &format!("{path}.maxEntries"),
            "must be between 1 and 1000",
        );
    }
}

/// The admission as the vendor set it. `None` follows from other dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Admission {
    /// When the doors open. By default [`DOORS_BEFORE`] the start.
    pub doors_at: Option<DateTime<Utc>>,
    /// The start of admission. By default when the doors open.
    pub from: Option<DateTime<Utc>>,
    /// The end of admission. By default the end of the event, or [`UNKNOWN_DURATION`] after the start if the event ends
    /// when it starts.
    pub until: Option<DateTime<Utc>>,
    /// How often a ticket admits.
    pub entries: EntryRules,
}

/// A change of the admission. `None` leaves a value unchanged, and `Some(None)` lets it follow from other dates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdmissionChange {
    /// When the doors open.
    pub doors_at: Option<Option<DateTime<Utc>>>,
    /// The start of admission.
    pub from: Option<Option<DateTime<Utc>>>,
    /// The end of admission.
    pub until: Option<Option<DateTime<Utc>>>,
    /// How often a ticket admits.
    pub entries: EntryRulesChange,
}

/// The time in which tickets admit: from the first time, until before the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// The start.
    pub from: DateTime<Utc>,
    /// The end. At this time, tickets admit no more.
    pub until: DateTime<Utc>,
}

/// Returns when the doors of an event open.
pub fn doors_at(event: &event::Model) -> DateTime<Utc> {
    Admission::of(event).doors(event.starts_at)
}

/// Returns when the event admits.
pub fn window(event: &event::Model) -> Window {
    Admission::of(event).window(event.starts_at, event.ends_at)
}

impl Admission {
    /// Returns the admission in a row.
    pub fn of(row: &event::Model) -> Self {
        Self {
            doors_at: row.doors_at,
            from: row.admission_from,
            until: row.admission_until,
            entries: EntryRules::of(row),
        }
    }

    /// Returns whether the vendor has set nothing. Such an admission is not part of an idempotency key's input, so that
    /// keys of older versions stay valid.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the admission with the change applied.
    #[must_use]
    pub fn with(self, change: AdmissionChange) -> Self {
        Self {
            doors_at: change.doors_at.unwrap_or(self.doors_at),
            from: change.from.unwrap_or(self.from),
            until: change.until.unwrap_or(self.until),
            entries: self.entries.with(change.entries),
        }
    }

    /// Returns the admission with each date that the vendor set changed by `change`.
    #[must_use]
    pub fn map_dates(self, change: impl Fn(DateTime<Utc>) -> DateTime<Utc>) -> Self {
        Self {
            doors_at: self.doors_at.map(&change),
            from: self.from.map(&change),
            until: self.until.map(&change),
            ..self
        }
    }

    /// Returns the admission with times in microseconds, the precision of both databases.
    pub(super) fn kept(self) -> Self {
        self.map_dates(|time| time.trunc_subsecs(6))
    }

    fn doors(&self, starts_at: DateTime<Utc>) -> DateTime<Utc> {
        self.doors_at.or_else(|| starts_at.checked_sub_signed(DOORS_BEFORE)).unwrap_or(starts_at)
    }

    fn window(&self, starts_at: DateTime<Utc>, ends_at: DateTime<Utc>) -> Window {
        let default_end = if starts_at < ends_at {
            ends_at
        } else {
            starts_at.checked_add_signed(UNKNOWN_DURATION).unwrap_or(starts_at)
        };
        Window {
            from: self.from.unwrap_or_else(|| self.doors(starts_at)),
            until: self.until.unwrap_or(default_end),
        }
    }

    /// Adds an error for each date that contradicts others. Only dates that the vendor set are named.
    pub(super) fn check(&self, starts_at: DateTime<Utc>, ends_at: DateTime<Utc>, check: &mut Check) {
        let times = [
            ("admission.doorsAt", self.doors_at),
            ("admission.from", self.from),
            ("admission.until", self.until),
        ];
        for (path, time) in times {
            let good = time.is_none_or(is_storable);
            check.that(good, path, "must be between the years 2000 and 2999");
        }
        check.that(
            self.doors_at.is_none_or(|doors| doors <= starts_at),
            "admission.doorsAt",
            "must not be after startsAt",
        );
        let window = self.window(starts_at, ends_at);
        let (path, why) = match (self.until, self.from) {
            (Some(_), _) => ("admission.until", "must be after the start of admission"),
            (None, Some(_)) => ("admission.from", "must be before endsAt, when admission ends"),
            (None, None) => ("admission.doorsAt", "must be before endsAt, when admission ends"),
        };
        let is_derived = self.until.is_none() && self.from.is_none() && self.doors_at.is_none();
        check.that(is_derived || window.from < window.until, path, why);
        self.entries.check("admission", check);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    fn at(hours: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::hours(hours)
    }

    /// Returns the paths of the errors for an event from hour 20 to hour 23.
    fn faults(admission: Admission) -> Vec<String> {
        let mut check = Check::default();
        admission.check(at(20), at(23), &mut check);
        match check.done() {
            Ok(()) => Vec::new(),
            Err(Fault::Invalid(all)) => all.into_iter().map(|one| one.path.join(".")).collect(),
            Err(fault) => panic!("{fault:?}"),
        }
    }

    #[test]
    fn admission_follows_from_the_doors_and_the_end() {
        let none = Admission::default();
        let doors = Admission { doors_at: Some(at(19)), ..none };
        let table = [
            (none, at(18), at(23)),
            (doors, at(19), at(23)),
            (Admission { from: Some(at(17)), ..doors }, at(17), at(23)),
            (Admission { until: Some(at(21)), ..doors }, at(19), at(21)),
            (Admission { from: Some(at(1)), until: Some(at(40)), ..none }, at(1), at(40)),
        ];
        assert_eq!(none.window(at(20), at(20)), Window { from: at(18), until: at(26) });
        for (admission, from, until) in table {
            assert_eq!(admission.window(at(20), at(23)), Window { from, until }, "{admission:?}");
            assert_eq!(faults(admission), [""; 0], "{admission:?}");
        }
    }

    #[test]
    fn contradiction_names_a_date_that_the_vendor_set() {
        let none = Admission::default();
        let rules =
            |max_entries| Admission { entries: EntryRules { max_entries, ..EntryRules::default() }, ..none };
        let table = [
            (Admission { doors_at: Some(at(21)), ..none }, "admission.doorsAt"),
            (Admission { from: Some(at(23)), ..none }, "admission.from"),
            (Admission { from: Some(at(30)), ..none }, "admission.from"),
            (Admission { until: Some(at(18)), ..none }, "admission.until"),
            (Admission { from: Some(at(9)), until: Some(at(9)), ..none }, "admission.until"),
            (Admission { doors_at: Some(at(19)), until: Some(at(18)), ..none }, "admission.until"),
            (rules(Some(0)), "admission.maxEntries"),
            (rules(Some(1_001)), "admission.maxEntries"),
            (rules(Some(-1)), "admission.maxEntries"),
        ];
        for (admission, path) in table {
            assert_eq!(faults(admission), [path], "{admission:?}");
        }
        assert_eq!(faults(rules(None)), [""; 0]);
    }

    #[test]
    fn event_without_duration_has_no_error_that_the_vendor_cannot_see() {
        for time in [DateTime::<Utc>::MIN_UTC, at(0), DateTime::<Utc>::MAX_UTC] {
            let mut check = Check::default();
            Admission::default().check(time, time, &mut check);
            assert!(check.done().is_ok(), "{time}");
        }
    }
}
