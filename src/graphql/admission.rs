//! The admission to an event in the API: its doors, its time, and how often a ticket admits.

use async_graphql::{Enum, InputObject, MaybeUndefined, SimpleObject};
use entity::event;

use super::scalar::{Instant, change};
use crate::event::admission::{self as rules, AdmissionChange, EntryRulesChange};

/// The period in which the entries of a ticket are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "event::EntryPeriod")]
pub enum EntryPeriod {
    /// The whole event.
    Event,
    /// A calendar day in the time zone of the venue, from midnight to midnight.
    Day,
}

/// How often a ticket admits.
#[derive(Debug, SimpleObject)]
pub struct EntryRules {
    /// Maximum number of entries per ticket and period. Null for no limit.
    max_entries: Option<i32>,
    /// The period in which entries are counted.
    entry_period: EntryPeriod,
    /// Whether a guest who was checked out may return within the period. A return does not count as an entry.
    reentry: bool,
}

impl From<rules::EntryRules> for EntryRules {
    fn from(rules: rules::EntryRules) -> Self {
        let rules::EntryRules { max_entries, period, reentry } = rules;
        Self { max_entries, entry_period: period.into(), reentry }
    }
}

/// How often a ticket admits.
#[derive(Debug, InputObject)]
pub struct EntryRulesInput {
    /// Maximum number of entries per ticket and period, 1 to 1,000. Null for no limit.
    #[graphql(default_with = "Some(1)")]
    max_entries: Option<i32>,
    /// The period in which entries are counted. A pass for three days has `maxEntries: 1` and `DAY`.
    #[graphql(default_with = "EntryPeriod::Event")]
    entry_period: EntryPeriod,
    /// Whether a guest who was checked out may return within the period. A return does not count as an entry.
    #[graphql(default)]
    reentry: bool,
}

impl From<EntryRulesInput> for rules::EntryRules {
    fn from(input: EntryRulesInput) -> Self {
        Self { max_entries: input.max_entries, period: input.entry_period.into(), reentry: input.reentry }
    }
}

/// When tickets admit to an event, and how often.
#[derive(Debug, SimpleObject)]
pub struct EventAdmission {
    /// When the doors open. If the vendor has not set it, two hours before the start.
    doors_at: Instant,
    /// When admission begins. Before, `checkIn` refuses with `NOT_YET`. If the vendor has not set it, when the doors
    /// open.
    from: Instant,
    /// When admission ends. From then on, `checkIn` refuses with `OVER`. If the vendor has not set it, at the end of the
    /// event, or six hours after the start if the event ends when it starts.
    until: Instant,
    /// Maximum number of entries per ticket and period. Null for no limit. A tier can have other rules.
    max_entries: Option<i32>,
    /// The period in which entries are counted.
    entry_period: EntryPeriod,
    /// Whether a guest who was checked out may return within the period. A return does not count as an entry.
    reentry: bool,
}

impl EventAdmission {
    /// Reads the admission from the event's row.
    pub(super) fn of(row: &event::Model) -> Self {
        let window = rules::window(row);
        Self {
            doors_at: rules::doors_at(row).into(),
            from: window.from.into(),
            until: window.until.into(),
            max_entries: row.entries_max,
            entry_period: row.entry_period.into(),
            reentry: row.reentry,
        }
    }
}

/// When tickets admit to an event, and how often. In an update, omitted fields stay unchanged. A date that is null follows
/// from other dates, and moves with the event. Buyers keep the entries that the event or tier gave at their checkout.
#[derive(Debug, Default, InputObject)]
pub struct EventAdmissionInput {
    /// When the doors open, at or before the start. Null for two hours before the start.
    doors_at: MaybeUndefined<Instant>,
    /// When admission begins. Null for when the doors open.
    from: MaybeUndefined<Instant>,
    /// When admission ends, after it begins. Null for the end of the event.
    until: MaybeUndefined<Instant>,
    /// Maximum number of entries per ticket and period, 1 to 1,000. Null for no limit. For a new event, defaults to 1.
    max_entries: MaybeUndefined<i32>,
    /// The period in which entries are counted. A pass for three days has `maxEntries: 1` and `DAY`. For a new event,
    /// defaults to `EVENT`.
    entry_period: Option<EntryPeriod>,
    /// Whether a guest who was checked out may return within the period. For a new event, defaults to false.
    reentry: Option<bool>,
}

impl EventAdmissionInput {
    /// Returns what to change.
    pub(super) fn parse(self) -> AdmissionChange {
        AdmissionChange {
            doors_at: change(self.doors_at),
            from: change(self.from),
            until: change(self.until),
            entries: EntryRulesChange {
                max_entries: self.max_entries.into(),
                period: self.entry_period.map(event::EntryPeriod::from),
                reentry: self.reentry,
            },
        }
    }
}

/// A date of an event that can follow from other dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum EventDate {
    /// `Event.salesStart`. It follows from the creation of the event.
    SalesStart,
    /// `Event.salesEnd`. It follows from `startsAt`.
    SalesEnd,
    /// `Event.refundUntil`. It follows from `startsAt` and `refundMinutesBeforeStart`.
    RefundUntil,
    /// `EventAdmission.doorsAt`. It follows from `startsAt`.
    DoorsAt,
    /// `EventAdmission.from`. It follows from `doorsAt`.
    AdmissionFrom,
    /// `EventAdmission.until`. It follows from `endsAt` and `startsAt`.
    AdmissionUntil,
}

/// Returns the dates of the event that follow from others.
pub(super) fn derived_dates(row: &event::Model) -> Vec<EventDate> {
    let dates = [
        (!row.sales_start_given, EventDate::SalesStart),
        (!row.sales_end_given, EventDate::SalesEnd),
        (row.refund_minutes.is_some(), EventDate::RefundUntil),
        (row.doors_at.is_none(), EventDate::DoorsAt),
        (row.admission_from.is_none(), EventDate::AdmissionFrom),
        (row.admission_until.is_none(), EventDate::AdmissionUntil),
    ];
    dates.into_iter().filter_map(|(is_derived, date)| is_derived.then_some(date)).collect()
}
