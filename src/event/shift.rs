//! Moves all dates of an event to another start, in the local time of its venue.
//!
//! Invariant: pure and synchronous.

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;

use super::{
    admission::Admission,
    details::{Details, slug_of},
    recurrence::zone,
};

/// The maximum length of a slug that is derived from a name and a date.
const SLUG_MAX: usize = 80;

/// Returns the details of an event that is created at `now` with the dates of another one, moved so that it starts at
/// `starts_at`. Each date that the vendor set keeps its distance from the start in local time: doors at 19:00 stay at
/// 19:00. The others still follow from the start or the creation.
pub(super) fn moved(details: Details, zone: Tz, starts_at: DateTime<Utc>, now: DateTime<Utc>) -> Details {
    let by = zone::local(zone, starts_at) - zone::local(zone, details.starts_at);
    let moved = |time: DateTime<Utc>| {
        let least = if time < details.starts_at { DateTime::<Utc>::MIN_UTC } else { starts_at };
        // A date at the start stays there, also if the clocks show that time twice.
        if time == details.starts_at { starts_at } else { zone::moved(zone, time, by, least) }
    };
    Details {
        ends_at: moved(details.ends_at),
        sales_start: details.sales_start.map(moved),
        sales_end: details.sales_end.map(moved),
        refund_until: details.refund_until.map(moved),
        admission: Admission {
            doors_at: details.admission.doors_at.map(moved),
            from: details.admission.from.map(moved),
            until: details.admission.until.map(moved),
            ..details.admission
        },
        created_at: now,
        starts_at,
        ..details
    }
}

/// Returns the slug of an event of a series: the vendor's stem or one derived from the name, and the local date. Events
/// that share a day also have the time. A derived slug ends with a number that makes it unique.
pub(super) fn slug(
    stem: Option<&str>,
    name: &str,
    unique: u32,
    local: NaiveDateTime,
    shares_day: bool,
) -> String {
    let date = local.format(if shares_day { "%Y-%m-%d-%H%M" } else { "%Y-%m-%d" });
    if let Some(stem) = stem {
        return format!("{stem}-{date}");
    }
    let derived = slug_of(name, unique);
    let (stem, unique) = derived.rsplit_once('-').unwrap_or(("event", &derived));
    let end = format!("-{date}-{unique}");
    let stem: String = stem.chars().take(SLUG_MAX.saturating_sub(end.len())).collect();
    format!("{}{end}", stem.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use chrono::Duration;
    use chrono_tz::{America::New_York, Europe::Vienna};
    use entity::CategoryId;
    use uuid::Uuid;

    use super::*;
    use crate::event::{details::is_slug, reservation_rules::ReservationRules};

    fn utc(text: &str) -> DateTime<Utc> {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
    }

    /// Returns a show in Vienna on 5 March 2027 from 20:00 to 22:30.
    fn show() -> Details {
        Details {
            category: CategoryId(Uuid::nil()),
            slug: "gala".to_owned(),
            name: "Gala".to_owned(),
            description: "A text".to_owned(),
            starts_at: utc("2027-03-05 19:00"),
            ends_at: utc("2027-03-05 21:30"),
            sales_start: Some(utc("2027-02-01 09:00")),
            sales_end: Some(utc("2027-03-05 18:30")),
            refund_until: Some(utc("2027-02-26 19:00")),
            refund_minutes: None,
            admission: Admission {
                doors_at: Some(utc("2027-03-05 18:00")),
                from: Some(utc("2027-03-05 17:45")),
                until: Some(utc("2027-03-05 20:00")),
                ..Admission::default()
            },
            created_at: utc("2027-01-01 08:00"),
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

    fn now() -> DateTime<Utc> {
        utc("2027-01-10 12:00")
    }

    #[test]
    fn all_dates_keep_their_local_time() {
        // From winter time to summer time: everything is one hour earlier in UTC.
        let to = moved(show(), Vienna, utc("2027-05-07 18:00"), now());
        assert_eq!(to.ends_at, utc("2027-05-07 20:30"));
        assert_eq!(to.sales_end, Some(utc("2027-05-07 17:30")));
        assert_eq!(to.sales_start, Some(utc("2027-04-05 08:00")));
        assert_eq!(to.admission.doors_at, Some(utc("2027-05-07 17:00")));
        assert_eq!(to.admission.from, Some(utc("2027-05-07 16:45")));
        assert_eq!(to.admission.until, Some(utc("2027-05-07 19:00")));
        assert_eq!(to.created_at, now());
        assert_eq!(to.refund_until, Some(utc("2027-04-30 18:00")));
        assert_eq!(Details { slug: String::new(), ..to }.description, "A text");
        // Back in time, and to another time of the day.
        let to = moved(show(), Vienna, utc("2027-02-28 10:00"), now());
        assert_eq!((to.ends_at, to.sales_end), (utc("2027-02-28 12:30"), Some(utc("2027-02-28 09:30"))));
        // Elsewhere the clocks change on another day.
        let to = moved(show(), New_York, utc("2027-03-19 18:00"), now());
        assert_eq!(to.ends_at, utc("2027-03-19 20:30"));
    }

    #[test]
    fn dates_that_the_vendor_did_not_set_follow_from_the_new_start() {
        let details = Details {
            sales_start: None,
            sales_end: None,
            refund_until: None,
            refund_minutes: Some(60),
            admission: Admission::default(),
            ..show()
        };
        let to = moved(details.clone(), Vienna, utc("2027-05-07 18:00"), now());
        assert_eq!(to.sales(), (now(), utc("2027-05-07 18:00")));
        assert_eq!(to.refund_deadline(), Some(utc("2027-05-07 17:00")));
        assert_eq!(to.admission, details.admission);
    }

    #[test]
    fn dates_at_the_start_stay_there_when_its_local_time_comes_twice() {
        let start = utc("2027-10-30 00:30");
        let slot = Details {
            starts_at: start,
            ends_at: start + Duration::minutes(15),
            sales_end: Some(start),
            refund_until: Some(start - Duration::hours(1)),
            ..show()
        };
        for (starts_at, ends_at) in
            [("2027-10-31 00:30", "2027-10-31 00:45"), ("2027-10-31 01:30", "2027-10-31 01:45")]
        {
            let to = moved(slot.clone(), Vienna, utc(starts_at), now());
            assert_eq!((to.ends_at, to.sales_end), (utc(ends_at), Some(utc(starts_at))));
            assert!(to.refund_until < Some(to.starts_at));
        }
    }

    #[test]
    fn slugs_have_the_local_date_and_are_unique() {
        let local = utc("2027-03-05 20:00").naive_utc();
        let name = "Gala ".repeat(30);
        assert_eq!(slug(Some("tour"), "Gala", 1, local, false), "tour-2027-03-05");
        assert_eq!(slug(Some("tour"), "Gala", 1, local, true), "tour-2027-03-05-2000");
        assert_eq!(slug(None, "Gala", 0xab, local, false), "gala-2027-03-05-000000ab");
        assert_eq!(slug(None, "第九", 1, local, true), "di-jiu-2027-03-05-2000-00000001");
        for name in [name.as_str(), "–", "a - b", &"x".repeat(500)] {
            let slug = slug(None, name, u32::MAX, local, true);
            assert!(is_slug(&slug) && slug.ends_with("-2027-03-05-2000-ffffffff"), "{slug}");
        }
    }
}
