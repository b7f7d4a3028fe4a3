//! The editable details of an event, and their validation.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, SubsecRound, Utc};
use entity::{CategoryId, event};

use super::{
    admission::{Admission, AdmissionChange},
    focal_point::FocalPoint,
    reservation_rules::{ReservationRules, RulesChange},
};
use crate::{
    error::{Check, FaultResult},
    limits::text,
    slug, spelling,
};

/// All editable details of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The category.
    pub category: CategoryId,
    /// The unique name for web addresses.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// The description. May be empty.
    pub description: String,
    /// The start of the event.
    pub starts_at: DateTime<Utc>,
    /// The end of the event.
    pub ends_at: DateTime<Utc>,
    /// The start of sales. `None` is the creation of the event.
    pub sales_start: Option<DateTime<Utc>>,
    /// The end of sales. `None` is the start of the event.
    pub sales_end: Option<DateTime<Utc>>,
    /// The end of the time in which buyers may refund by themselves, if it does not follow from the start.
    pub refund_until: Option<DateTime<Utc>>,
    /// The minutes before the start at which that time ends. If this and `refund_until` are `None`, buyers may not
    /// refund by themselves.
    pub refund_minutes: Option<i32>,
    /// When tickets admit, and how often.
    pub admission: Admission,
    /// When the event was created.
    pub created_at: DateTime<Utc>,
    /// How long a reservation lasts.
    pub reservation_seconds: i32,
    /// How long it may last with all extensions.
    pub reservation_seconds_max: i32,
    /// How many places one buyer may have.
    pub limit_per_buyer: i32,
    /// Whether selections that would leave orphans are refused.
    pub orphan_rule: bool,
    /// How long a buyer may have reservations that come to nothing; none: as long as they like.
    pub reservation_budget_seconds: Option<i32>,
    /// How long a buyer who spent that must wait.
    pub cool_down_seconds: i32,
    /// The rules against hoarding.
    pub reservation_rules: ReservationRules,
    /// The point that the best seats are nearest to. `None` for that of the seat map.
    pub focal_point: Option<FocalPoint>,
}

/// A change of an event's details. `None` leaves a value unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// The category.
    pub category: Option<CategoryId>,
    /// The unique name for web addresses.
    pub slug: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The start of the event.
    pub starts_at: Option<DateTime<Utc>>,
    /// The end of the event.
    pub ends_at: Option<DateTime<Utc>>,
    /// The start of sales. `Some(None)` lets it follow from other dates.
    pub sales_start: Option<Option<DateTime<Utc>>>,
    /// The end of sales. `Some(None)` lets it follow from other dates.
    pub sales_end: Option<Option<DateTime<Utc>>>,
    /// The end of the time in which buyers may refund by themselves. Any value removes `refund_minutes`. `Some(None)`
    /// excludes such refunds.
    pub refund_until: Option<Option<DateTime<Utc>>>,
    /// The minutes before the start at which that time ends. A number removes `refund_until`.
    pub refund_minutes: Option<Option<i32>>,
    /// When tickets admit, and how often.
    pub admission: AdmissionChange,
    /// How long a reservation lasts.
    pub reservation_seconds: Option<i32>,
    /// How long it may last with all extensions.
    pub reservation_seconds_max: Option<i32>,
    /// How many places one buyer may have.
    pub limit_per_buyer: Option<i32>,
    /// Whether selections that would leave orphans are refused.
    pub orphan_rule: Option<bool>,
    /// How long a buyer may have reservations that come to nothing; some none: as long as they like.
    pub reservation_budget_seconds: Option<Option<i32>>,
    /// How long a buyer who spent that must wait.
    pub cool_down_seconds: Option<i32>,
    /// The rules against hoarding.
    pub reservation_rules: RulesChange,
    /// The point that the best seats are nearest to. `Some(None)` for that of the seat map.
    pub focal_point: Option<Option<FocalPoint>>,
}

impl Details {
    /// Returns the details in a row.
    pub fn of(row: event::Model) -> Self {
        Self {
            reservation_rules: ReservationRules::of(&row),
            admission: Admission::of(&row),
            focal_point: FocalPoint::of(&row),
            category: row.category_id,
            slug: row.slug,
            name: row.name,
            description: row.description,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            sales_start: row.sales_start_given.then_some(row.sales_start),
            sales_end: row.sales_end_given.then_some(row.sales_end),
            refund_until: row.refund_until.filter(|_| row.refund_minutes.is_none()),
            refund_minutes: row.refund_minutes,
            created_at: row.created_at,
            reservation_seconds: row.reservation_seconds,
            reservation_seconds_max: row.reservation_seconds_max,
            limit_per_buyer: row.limit_per_buyer,
            orphan_rule: row.orphan_rule,
            reservation_budget_seconds: row.reservation_budget_seconds,
            cool_down_seconds: row.cool_down_seconds,
        }
    }

    /// Returns the details with the change applied.
    #[must_use]
    pub fn with(self, change: Change) -> Self {
        let (refund_until, refund_minutes) = self.refund_after(&change);
        Self {
            category: change.category.unwrap_or(self.category),
            slug: change.slug.unwrap_or(self.slug),
            name: change.name.unwrap_or(self.name),
            description: change.description.unwrap_or(self.description),
            starts_at: change.starts_at.unwrap_or(self.starts_at),
            ends_at: change.ends_at.unwrap_or(self.ends_at),
            sales_start: change.sales_start.unwrap_or(self.sales_start),
            sales_end: change.sales_end.unwrap_or(self.sales_end),
            refund_until,
            refund_minutes,
            admission: self.admission.with(change.admission),
            created_at: self.created_at,
            reservation_seconds: change.reservation_seconds.unwrap_or(self.reservation_seconds),
            reservation_seconds_max: change.reservation_seconds_max.unwrap_or(self.reservation_seconds_max),
            limit_per_buyer: change.limit_per_buyer.unwrap_or(self.limit_per_buyer),
            orphan_rule: change.orphan_rule.unwrap_or(self.orphan_rule),
            reservation_budget_seconds: change
                .reservation_budget_seconds
                .unwrap_or(self.reservation_budget_seconds),
            cool_down_seconds: change.cool_down_seconds.unwrap_or(self.cool_down_seconds),
            reservation_rules: self.reservation_rules.with(change.reservation_rules),
            focal_point: change.focal_point.unwrap_or(self.focal_point),
        }
    }

    /// Returns the details in their stored form. If any are invalid, returns all errors.
    pub fn checked(self) -> FaultResult<Self> {
        let mut check = Check::default();
        let (name, description) =
            (check_name(&mut check, &self.name), check_description(&mut check, &self.description));
        Self { name, description, ..self }.checked_with(check)
    }

    /// Returns the details with the change applied, in their stored form. If any are invalid, returns all errors. Texts
    /// that stay are not checked, so an event from an older version can be changed.
    pub fn changed(self, change: Change) -> FaultResult<Self> {
        let mut check = Check::default();
        let name = change.name.map(|name| check_name(&mut check, &name));
        let description = change.description.map(|text| check_description(&mut check, &text));
        self.with(Change { name, description, ..change }).checked_with(check)
    }

    /// Checks everything except the texts.
    fn checked_with(self, mut check: Check) -> FaultResult<Self> {
        let kept = Self {
            starts_at: kept(self.starts_at),
            ends_at: kept(self.ends_at),
            sales_start: self.sales_start.map(kept),
            sales_end: self.sales_end.map(kept),
            refund_until: self.refund_until.map(kept),
            admission: self.admission.kept(),
            ..self
        };
        check.that(
            is_slug(&kept.slug),
            "slug",
            "must have 1 to 80 of a-z, 0-9, and single hyphens between them",
        );
        kept.check_times(&mut check);
        check
            .that(
                (60..=1_200).contains(&kept.reservation_seconds),
                "reservationSeconds",
                "must be between 60 and 1200",
            )
            .that(
                (60..=1_200).contains(&kept.reservation_seconds_max)
                    && kept.reservation_seconds <= kept.reservation_seconds_max,
                "reservationSecondsMax",
                "must be between reservationSeconds and 1200",
            )
            .that((1..=100).contains(&kept.limit_per_buyer), "limitPerBuyer", "must be between 1 and 100")
            .that(
                kept.reservation_budget_seconds
                    .is_none_or(|budget| (kept.reservation_seconds..=86_400).contains(&budget)),
                "reservationBudgetSeconds",
                "must be between reservationSeconds and 86400",
            )
            .that(
                (60..=86_400).contains(&kept.cool_down_seconds),
                "coolDownSeconds",
                "must be between 60 and 86400",
            );
        kept.reservation_rules.check(&mut check);
        check.done()?;
        Ok(kept)
    }
}

fn check_name(check: &mut Check, name: &str) -> String {
    check.line(name, "name", 1..=text::NAME)
}

fn check_description(check: &mut Check, description: &str) -> String {
    check.paragraphs(description, "description", 0..=text::DESCRIPTION)
}

/// Truncates a time to microseconds, the precision of both databases.
fn kept(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

/// An address for an event that was given none: its name, and something of its id that others do not have.
pub fn slug_of(name: &str, unique: u32) -> String {
    let slug = slug::beginning(&spelling::ascii(name), 60);
    format!("{}-{unique:08x}", if slug.is_empty() { "event" } else { &slug })
}

/// Returns whether the text is a valid slug.
pub fn is_slug(slug: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    slug.len() <= 80 && slug.split('-').all(part)
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use uuid::Uuid;

    use super::*;
    use crate::error::Fault;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::minutes(minutes)
    }

    /// Returns details with sales from minute 10 to 20. The event lasts from minute 20 to 30.
    fn details() -> Details {
        Details {
            category: CategoryId(Uuid::nil()),
            slug: "gala".to_owned(),
            name: "Gala".to_owned(),
            description: String::new(),
            starts_at: at(20),
            ends_at: at(30),
            sales_start: Some(at(10)),
            sales_end: Some(at(20)),
            refund_until: None,
            refund_minutes: None,
            admission: Admission::default(),
            created_at: at(0),
            reservation_seconds: 600,
            reservation_seconds_max: 1_200,
            limit_per_buyer: 8,
            orphan_rule: true,
            reservation_budget_seconds: Some(2_700),
            cool_down_seconds: 300,
            reservation_rules: ReservationRules::default(),
            focal_point: None,
        }
    }

    fn paths(fault: Fault) -> Vec<String> {
        let Fault::Invalid(all) = fault else { panic!("{fault:?} is not about the input") };
        all.into_iter().map(|invalid| invalid.path.join(".")).collect()
    }

    #[test]
    fn good_details_are_kept_in_whole_microseconds() {
        let change = Change { starts_at: Some(at(19) + Duration::nanoseconds(1_999)), ..Change::default() };
        let kept = details().changed(change).unwrap();
        assert_eq!(kept.starts_at, at(19) + Duration::microseconds(1));
    }

    #[test]
    fn texts_that_stay_are_not_checked() {
        let old = Details { name: "Ga\u{202e}la".to_owned(), ..details() };
        let change = Change { limit_per_buyer: Some(4), ..Change::default() };
        assert_eq!(old.clone().changed(change).unwrap().name, old.name);
        assert_eq!(paths(old.clone().checked().unwrap_err()), ["name"]);
        let change = Change { name: Some(old.name.clone()), ..Change::default() };
        assert_eq!(paths(old.changed(change).unwrap_err()), ["name"]);
    }

    #[test]
    fn all_faults_are_reported_together() {
        let change = Change {
            slug: Some("Gala!".to_owned()),
            name: Some(" ".to_owned()),
            ends_at: Some(at(19)),
            sales_start: Some(Some(at(20))),
            reservation_seconds: Some(59),
            reservation_seconds_max: Some(3_601),
            limit_per_buyer: Some(0),
            reservation_budget_seconds: Some(Some(58)),
            cool_down_seconds: Some(86_401),
            refund_until: Some(Some(DateTime::UNIX_EPOCH)),
            reservation_rules: RulesChange {
                unpaid_per_network: Some(Some(-1)),
                unpaid_percent: Some(Some(0)),
                ..RulesChange::default()
            },
            ..Change::default()
        };
        let fault = details().changed(change).unwrap_err();
        let expected = [
            "name",
            "slug",
            "refundUntil",
            "endsAt",
            "salesEnd",
            "salesEnd",
            "reservationSeconds",
            "reservationSecondsMax",
            "limitPerBuyer",
            "reservationBudgetSeconds",
            "coolDownSeconds",
            "reservationRules.maxUnpaidPerNetwork",
            "reservationRules.maxUnpaidPercent",
        ];
        assert_eq!(paths(fault), expected);
    }

    #[test]
    fn slugs_are_made_of_names() {
        assert_eq!(slug_of("Die Zauberflöte (KV 620)", 0xab), "die-zauberfloete-kv-620-000000ab");
        assert_eq!(slug_of("Zürich Konzert", 1), "zuerich-konzert-00000001");
        assert_eq!(slug_of("U\u{308}ber den Wolken", 1), "ueber-den-wolken-00000001");
        assert_eq!(slug_of("第九", 1), "di-jiu-00000001");
        assert_eq!(slug_of("🎉", 1), "event-00000001");
        for name in ["Gala", "–", "a".repeat(300).as_str(), "a - b"] {
            assert!(is_slug(&slug_of(name, u32::MAX)), "{name}");
        }
        for bad in ["", "-", "a-", "-a", "a--b", "A", "ä", "a b", "a\0"] {
            assert!(!is_slug(bad), "{bad}");
        }
    }
}
