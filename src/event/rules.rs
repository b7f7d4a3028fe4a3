//! What an event and its price levels must be, and where an event stands.
//!
//! Invariant: pure and synchronous.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Duration, SubsecRound, Utc};
use entity::{
    CategoryId, TierId,
    event::{self, EventStatus},
    tier::{ScopeKind, scope},
};

use crate::{
    error::{Check, Fault, Faulty, Invalid},
    venue::plan::Plan,
};

/// Price levels that an event may have.
pub const TIERS_MAX: usize = 100;
/// The highest price and the highest fee, in minor units: sums of many stay far from the limits of 64 bits.
pub const PRICE_MAX: i64 = 1_000_000_000_000;

/// Why an event or a price level was not changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Another event has the slug.
    SlugTaken,
    /// The venue has no seat map.
    NoSeatMap,
    /// No price level prices any seat or area.
    NothingForSale,
    /// Only drafts can do this.
    NotDraft,
    /// Only published events can do this.
    NotPublished,
    /// The event was cancelled.
    Cancelled,
    /// The event has ended.
    Over,
    /// Another price level prices the category or area; where in the input, and its name.
    AlreadyPriced(Vec<String>, String),
    /// Another price level of the event has the name.
    TierNameTaken,
    /// The event has as many price levels as there may be.
    TooManyTiers,
}

/// Where an event stands for buyers, at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// Seen by its shop only.
    Draft,
    /// Published, and sales have not begun.
    Upcoming,
    /// There are places to reserve.
    OnSale,
    /// Within the sales window, and no place is free.
    SoldOut,
    /// The sales window is over, the event is not.
    SalesEnded,
    /// The event is over.
    Past,
    /// Called off.
    Cancelled,
}

/// Where the event stands. `event::find` says the same in SQL, and a test compares them.
pub fn standing(event: &event::Model, available: u32, now: DateTime<Utc>) -> Standing {
    match event.status {
        EventStatus::Draft => Standing::Draft,
        EventStatus::Cancelled => Standing::Cancelled,
        EventStatus::Published if event.ends_at <= now => Standing::Past,
        EventStatus::Published if event.sales_start > now => Standing::Upcoming,
        EventStatus::Published if event.sales_end <= now => Standing::SalesEnded,
        EventStatus::Published if available == 0 => Standing::SoldOut,
        EventStatus::Published => Standing::OnSale,
    }
}

/// Everything about an event that can be changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// What kind of event it is.
    pub category: CategoryId,
    /// Unique name for addresses.
    pub slug: String,
    /// Display name.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Start.
    pub starts_at: DateTime<Utc>,
    /// End.
    pub ends_at: DateTime<Utc>,
    /// Reservations are taken from here …
    pub sales_start: DateTime<Utc>,
    /// … until here.
    pub sales_end: DateTime<Utc>,
    /// Until when buyers may refund by themselves.
    pub refund_until: Option<DateTime<Utc>>,
    /// How long a reservation lasts.
    pub hold_seconds: i32,
    /// How long it may last with all extensions.
    pub hold_seconds_max: i32,
    /// How many places one buyer may have.
    pub limit_per_buyer: i32,
}

/// What to change of it; none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// What kind of event it is.
    pub category: Option<CategoryId>,
    /// Unique name for addresses.
    pub slug: Option<String>,
    /// Display name.
    pub name: Option<String>,
    /// Description.
    pub description: Option<String>,
    /// Start.
    pub starts_at: Option<DateTime<Utc>>,
    /// End.
    pub ends_at: Option<DateTime<Utc>>,
    /// Start of sales.
    pub sales_start: Option<DateTime<Utc>>,
    /// End of sales.
    pub sales_end: Option<DateTime<Utc>>,
    /// Until when buyers may refund by themselves; some none: never.
    pub refund_until: Option<Option<DateTime<Utc>>>,
    /// How long a reservation lasts.
    pub hold_seconds: Option<i32>,
    /// How long it may last with all extensions.
    pub hold_seconds_max: Option<i32>,
    /// How many places one buyer may have.
    pub limit_per_buyer: Option<i32>,
}

impl Details {
    /// What the row says.
    pub fn of(row: event::Model) -> Self {
        Self {
            category: row.category_id,
            slug: row.slug,
            name: row.name,
            description: row.description,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
            sales_start: row.sales_start,
            sales_end: row.sales_end,
            refund_until: row.refund_until,
            hold_seconds: row.hold_seconds,
            hold_seconds_max: row.hold_seconds_max,
            limit_per_buyer: row.limit_per_buyer,
        }
    }

    /// The details with the changes made.
    #[must_use]
    pub fn with(self, change: Change) -> Self {
        Self {
            category: change.category.unwrap_or(self.category),
            slug: change.slug.unwrap_or(self.slug),
            name: change.name.unwrap_or(self.name),
            description: change.description.unwrap_or(self.description),
            starts_at: change.starts_at.unwrap_or(self.starts_at),
            ends_at: change.ends_at.unwrap_or(self.ends_at),
            sales_start: change.sales_start.unwrap_or(self.sales_start),
            sales_end: change.sales_end.unwrap_or(self.sales_end),
            refund_until: change.refund_until.unwrap_or(self.refund_until),
            hold_seconds: change.hold_seconds.unwrap_or(self.hold_seconds),
            hold_seconds_max: change.hold_seconds_max.unwrap_or(self.hold_seconds_max),
            limit_per_buyer: change.limit_per_buyer.unwrap_or(self.limit_per_buyer),
        }
    }

    /// The details as they are stored, or all that is wrong with them.
    pub fn checked(self) -> Faulty<Self> {
        let kept = Self {
            name: self.name.trim().to_owned(),
            description: self.description.trim().to_owned(),
            starts_at: kept(self.starts_at),
            ends_at: kept(self.ends_at),
            sales_start: kept(self.sales_start),
            sales_end: kept(self.sales_end),
            refund_until: self.refund_until.map(kept),
            ..self
        };
        let mut check = Check::default();
        check
            .that(
                is_slug(&kept.slug),
                "slug",
                "must have 1 to 80 of a-z, 0-9, and single hyphens between them",
            )
            .text(&kept.name, "name", 1, 200)
            .text(&kept.description, "description", 0, 10_000);
        kept.check_times(&mut check);
        check
            .that((60..=3_600).contains(&kept.hold_seconds), "holdSeconds", "must be between 60 and 3600")
            .that(
                (60..=3_600).contains(&kept.hold_seconds_max) && kept.hold_seconds <= kept.hold_seconds_max,
                "holdSecondsMax",
                "must be between holdSeconds and 3600",
            )
            .that((1..=100).contains(&kept.limit_per_buyer), "limitPerBuyer", "must be between 1 and 100");
        check.done()?;
        Ok(kept)
    }

    fn check_times(&self, check: &mut Check) {
        let times = [
            ("startsAt", Some(self.starts_at)),
            ("endsAt", Some(self.ends_at)),
            ("salesStart", Some(self.sales_start)),
            ("salesEnd", Some(self.sales_end)),
            ("refundUntil", self.refund_until),
        ];
        for (path, time) in times {
            let good = time.is_none_or(|time| (2000..3000).contains(&time.year()));
            check.that(good, path, "must be between the years 2000 and 2999");
        }
        check
            .that(self.starts_at <= self.ends_at, "endsAt", "must not be before startsAt")
            .that(self.sales_start < self.sales_end, "salesEnd", "must be after salesStart")
            .that(self.sales_end <= self.ends_at, "salesEnd", "must not be after endsAt");
    }
}

/// The time in whole microseconds, as both databases keep it.
fn kept(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

/// The time in whole microseconds and within what both databases can compare.
pub fn comparable(time: DateTime<Utc>) -> DateTime<Utc> {
    let least = DateTime::UNIX_EPOCH;
    kept(time.clamp(least, least + Duration::days(1_000 * 365)))
}

/// An address for an event that was given none: its name, and something of its id that others do not have.
pub fn slug_of(name: &str, unique: u32) -> String {
    let mut slug = String::new();
    for c in name.to_lowercase().chars() {
        if c.is_ascii_alphanumeric() {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(60);
    let slug = slug.trim_end_matches('-');
    format!("{}-{unique:08x}", if slug.is_empty() { "event" } else { slug })
}

/// Whether it can stand in an address.
pub fn is_slug(slug: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    slug.len() <= 80 && slug.split('-').all(part)
}

/// Whether the event can be published with what its price levels price.
pub fn publish(
    event: &event::Model,
    plan: &Plan,
    scopes: &[scope::Model],
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    match event.status {
        EventStatus::Cancelled => Err(Refusal::Cancelled),
        EventStatus::Published => Err(Refusal::NotDraft),
        EventStatus::Draft if event.ends_at <= now => Err(Refusal::Over),
        EventStatus::Draft if !sells_something(plan, scopes) => Err(Refusal::NothingForSale),
        EventStatus::Draft => Ok(()),
    }
}

/// Whether any seat or area of the plan has a price.
fn sells_something(plan: &Plan, scopes: &[scope::Model]) -> bool {
    let priced =
        |kind: ScopeKind, key: &str| scopes.iter().any(|scope| scope.kind == kind && scope.key == key);
    let by_category: Vec<bool> =
        plan.categories.iter().map(|category| priced(ScopeKind::Category, &category.name)).collect();
    let priced_category = |index: usize| by_category.get(index).copied().unwrap_or_default();
    plan.seats.iter().any(|seat| priced_category(seat.category))
        || plan
            .areas
            .iter()
            .any(|area| priced(ScopeKind::Area, &area.guid) || area.category.is_some_and(priced_category))
}

/// Whether the event can be cancelled.
pub fn cancel(event: &event::Model) -> Result<(), Refusal> {
    match event.status {
        EventStatus::Draft => Err(Refusal::NotPublished),
        EventStatus::Cancelled => Err(Refusal::Cancelled),
        EventStatus::Published => Ok(()),
    }
}

/// Whether the event's terms and price levels can be changed.
pub fn change(event: &event::Model) -> Result<(), Refusal> {
    match event.status {
        EventStatus::Draft | EventStatus::Published => Ok(()),
        EventStatus::Cancelled => Err(Refusal::Cancelled),
    }
}

/// Whether price levels of the event can be deleted: nobody can have reserved at their prices.
pub fn delete_tier(event: &event::Model) -> Result<(), Refusal> {
    match event.status {
        EventStatus::Draft => Ok(()),
        EventStatus::Published | EventStatus::Cancelled => Err(Refusal::NotDraft),
    }
}

/// Everything about a price level that can be changed, but what it prices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TierDetails {
    /// Display name.
    pub name: String,
    /// Price in minor units, tax included.
    pub price: i64,
    /// Fee per place in minor units, tax included.
    pub fee: i64,
    /// Tax rate contained in price and fee, in hundredths of a percent.
    pub tax_basis_points: i32,
    /// Order within the event.
    pub position: i32,
}

impl TierDetails {
    /// The details as they are stored, or all that is wrong with them.
    pub fn checked(self) -> Faulty<Self> {
        let kept = Self { name: self.name.trim().to_owned(), ..self };
        let mut check = Check::default();
        let good = |amount: i64| (0..=PRICE_MAX).contains(&amount);
        check
            .text(&kept.name, "name", 1, 200)
            .that(good(kept.price), "price.amount", "is too large")
            .that(good(kept.fee), "fee.amount", "is too large")
            .that(
                (0..=10_000).contains(&kept.tax_basis_points),
                "taxBasisPoints",
                "must be between 0 and 10000",
            )
            .that((0..=10_000).contains(&kept.position), "position", "must be between 0 and 10000");
        check.done()?;
        Ok(kept)
    }
}

/// A category or area that a price level prices, and where in the input it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Category or area.
    pub kind: ScopeKind,
    /// The category's name, or the area's guid.
    pub key: String,
    /// Where in the input.
    pub path: Vec<String>,
    /// As people know it.
    pub name: String,
}

/// What a price level shall price: categories by their names, areas by their ordinals (none: not of this map).
pub fn wanted(plan: &Plan, categories: &[String], areas: &[Option<u32>]) -> Faulty<Vec<Wanted>> {
    let mut wanted = Vec::new();
    let mut faults = Vec::new();
    let path = |list: &str, index: usize| vec![list.to_owned(), index.to_string()];
    for (index, name) in categories.iter().enumerate() {
        let path = path("categories", index);
        if plan.categories.iter().any(|category| category.name == *name) {
            wanted.push(Wanted { kind: ScopeKind::Category, key: name.clone(), path, name: name.clone() });
        } else {
            faults.push(Invalid { path, why: format!("must be one of {}", names(plan)) });
        }
    }
    for (index, ordinal) in areas.iter().enumerate() {
        let path = path("areas", index);
        match ordinal.and_then(|ordinal| plan.areas.get(ordinal as usize)) {
            Some(area) => wanted.push(Wanted {
                kind: ScopeKind::Area,
                key: area.guid.clone(),
                path,
                name: area.name.clone(),
            }),
            None => faults.push(Invalid { path, why: "must be an area of the event's seat map".to_owned() }),
        }
    }
    let mut seen = BTreeSet::new();
    for Wanted { kind, key, path, .. } in &wanted {
        if !seen.insert((*kind == ScopeKind::Area, key)) {
            faults.push(Invalid { path: path.clone(), why: "is named twice".to_owned() });
        }
    }
    if categories.is_empty() && areas.is_empty() {
        let why = format!("name a category ({}) or an area that this tier prices", names(plan));
        faults.push(Invalid { path: vec!["categories".to_owned()], why });
    }
    if faults.is_empty() { Ok(wanted) } else { Err(Fault::Invalid(faults)) }
}

fn names(plan: &Plan) -> String {
    const TOLD: usize = 20;
    let mut names: Vec<&str> = plan.categories.iter().map(|category| category.name.as_str()).collect();
    if names.len() > TOLD {
        names.truncate(TOLD);
        names.push("…");
    }
    if names.is_empty() { "no category: the seat map has none".to_owned() } else { names.join(", ") }
}

/// Whether the tier can price what is wanted, beside what the other tiers of the event price.
pub fn price(wanted: &[Wanted], scopes: &[scope::Model], tier: TierId) -> Result<(), Refusal> {
    let taken = |wanted: &&Wanted| {
        scopes
            .iter()
            .any(|scope| scope.tier_id != tier && scope.kind == wanted.kind && scope.key == wanted.key)
    };
    match wanted.iter().find(taken) {
        Some(wanted) => Err(Refusal::AlreadyPriced(wanted.path.clone(), wanted.name.clone())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use entity::{EventId, SeatMapId, ShopId, VenueId};
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + Duration::days(20_000) + Duration::minutes(minutes)
    }

    /// Sold from minute 10 to 20, held from minute 20 to 30.
    fn event(status: EventStatus) -> event::Model {
        event::Model {
            id: EventId(Uuid::from_u128(1)),
            shop_id: ShopId(Uuid::nil()),
            venue_id: VenueId(Uuid::nil()),
            seat_map_id: SeatMapId(Uuid::nil()),
            category_id: CategoryId(Uuid::nil()),
            slug: "gala".to_owned(),
            name: "Gala".to_owned(),
            description: String::new(),
            starts_at: at(20),
            ends_at: at(30),
            sales_start: at(10),
            sales_end: at(20),
            refund_until: None,
            status,
            currency: "EUR".to_owned(),
            hold_seconds: 600,
            hold_seconds_max: 1_200,
            limit_per_buyer: 8,
            version: 1,
            created_at: at(0),
            updated_at: at(0),
        }
    }

    fn plan() -> Plan {
        let seat = |guid, category| json!({"seat_guid": guid, "seat_number": guid, "category": category, "position": {"x": 1, "y": 1}});
        let document = json!({
            "name": "Hall", "size": {"width": 10, "height": 10},
            "categories": [{"name": "Front"}, {"name": "Back"}, {"name": "Empty"}],
            "zones": [{
                "name": "Stalls", "position": {"x": 0, "y": 0},
                "rows": [{"row_number": "1", "position": {"x": 0, "y": 0},
                    "seats": [seat("s1", "Front"), seat("s2", "Back")]}],
                "areas": [{"shape": "circle", "circle": {"radius": 5}, "position": {"x": 1, "y": 1},
                    "capacity": 50, "area_guid": "a1", "name": "Floor"}],
            }],
        });
        Plan::parse(&document.to_string()).unwrap()
    }

    fn scope(tier: u128, kind: ScopeKind, key: &str) -> scope::Model {
        let (event_id, tier_id) = (EventId(Uuid::from_u128(1)), TierId(Uuid::from_u128(tier)));
        scope::Model { event_id, kind, key: key.to_owned(), tier_id }
    }

    fn paths(fault: Fault) -> Vec<String> {
        let Fault::Invalid(all) = fault else { panic!("{fault:?} is not about the input") };
        all.into_iter().map(|invalid| invalid.path.join(".")).collect()
    }

    #[test]
    fn an_event_stands_where_its_times_and_places_say() {
        let event = event(EventStatus::Published);
        let table = [
            (9, 1, Standing::Upcoming),
            (10, 1, Standing::OnSale),
            (10, 0, Standing::SoldOut),
            (19, 0, Standing::SoldOut),
            (20, 1, Standing::SalesEnded),
            (29, 0, Standing::SalesEnded),
            (30, 1, Standing::Past),
        ];
        for (minute, available, expected) in table {
            assert_eq!(standing(&event, available, at(minute)), expected, "at {minute}");
        }
    }

    #[test]
    fn good_details_are_kept_in_whole_microseconds() {
        let details = Details::of(event(EventStatus::Draft));
        let change = Change { starts_at: Some(at(19) + Duration::nanoseconds(1_999)), ..Change::default() };
        let kept = details.with(change).checked().unwrap();
        assert_eq!(kept.starts_at, at(19) + Duration::microseconds(1));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let change = Change {
            slug: Some("Gala!".to_owned()),
            name: Some(" ".to_owned()),
            ends_at: Some(at(19)),
            sales_start: Some(at(20)),
            hold_seconds: Some(59),
            hold_seconds_max: Some(3_601),
            limit_per_buyer: Some(0),
            refund_until: Some(Some(DateTime::UNIX_EPOCH)),
            ..Change::default()
        };
        let fault = Details::of(event(EventStatus::Draft)).with(change).checked().unwrap_err();
        let expected = [
            "slug",
            "name",
            "refundUntil",
            "endsAt",
            "salesEnd",
            "salesEnd",
            "holdSeconds",
            "holdSecondsMax",
            "limitPerBuyer",
        ];
        assert_eq!(paths(fault), expected);
    }

    #[test]
    fn slugs_are_made_of_names() {
        assert_eq!(slug_of("Die Zauberflöte (KV 620)", 0xab), "die-zauberfl-te-kv-620-000000ab");
        assert_eq!(slug_of("第九", 1), "event-00000001");
        for name in ["Gala", "–", "a".repeat(300).as_str(), "a - b"] {
            assert!(is_slug(&slug_of(name, u32::MAX)), "{name}");
        }
        for bad in ["", "-", "a-", "-a", "a--b", "A", "ä", "a b", "a\0"] {
            assert!(!is_slug(bad), "{bad}");
        }
    }

    #[test]
    fn only_a_draft_with_something_for_sale_is_published() {
        let good = [scope(1, ScopeKind::Category, "Front")];
        let area = [scope(1, ScopeKind::Area, "a1")];
        let empty = [scope(1, ScopeKind::Category, "Empty")];
        let publish = |status, scopes: &[scope::Model], minute| {
            super::publish(&event(status), &plan(), scopes, at(minute))
        };
        assert_eq!(publish(EventStatus::Draft, &good, 0), Ok(()));
        assert_eq!(publish(EventStatus::Draft, &area, 0), Ok(()));
        assert_eq!(publish(EventStatus::Draft, &empty, 0), Err(Refusal::NothingForSale));
        assert_eq!(publish(EventStatus::Draft, &[], 0), Err(Refusal::NothingForSale));
        assert_eq!(publish(EventStatus::Draft, &good, 30), Err(Refusal::Over));
        assert_eq!(publish(EventStatus::Published, &good, 0), Err(Refusal::NotDraft));
        assert_eq!(publish(EventStatus::Cancelled, &good, 0), Err(Refusal::Cancelled));
    }

    #[test]
    fn each_status_allows_its_own_changes() {
        let table = [
            (EventStatus::Draft, Ok(()), Err(Refusal::NotPublished), Ok(())),
            (EventStatus::Published, Ok(()), Ok(()), Err(Refusal::NotDraft)),
            (
                EventStatus::Cancelled,
                Err(Refusal::Cancelled),
                Err(Refusal::Cancelled),
                Err(Refusal::NotDraft),
            ),
        ];
        for (status, changed, cancelled, tier_deleted) in table {
            let event = event(status);
            assert_eq!(change(&event), changed);
            assert_eq!(cancel(&event), cancelled);
            assert_eq!(delete_tier(&event), tier_deleted);
        }
    }

    #[test]
    fn a_tier_prices_what_the_plan_has_and_no_other_tier_prices() {
        let plan = plan();
        let wanted = wanted(&plan, &["Front".to_owned()], &[Some(0)]).unwrap();
        assert_eq!(wanted[1].key, "a1");
        let scopes = [scope(1, ScopeKind::Category, "Front"), scope(2, ScopeKind::Category, "a1")];
        assert_eq!(price(&wanted, &scopes, TierId(Uuid::from_u128(1))), Ok(()));
        assert_eq!(
            price(&wanted, &scopes, TierId(Uuid::from_u128(3))),
            Err(Refusal::AlreadyPriced(vec!["categories".to_owned(), "0".to_owned()], "Front".to_owned()))
        );
        let fault = super::wanted(&plan, &["Front".into(), "front".into(), "Front".into()], &[Some(1), None]);
        assert_eq!(paths(fault.unwrap_err()), ["categories.1", "areas.0", "areas.1", "categories.2"]);
        assert_eq!(paths(super::wanted(&plan, &[], &[]).unwrap_err()), ["categories"]);
    }

    #[test]
    fn prices_stay_far_from_overflow() {
        let tier = |price, fee, tax| {
            TierDetails { name: "A".to_owned(), price, fee, tax_basis_points: tax, position: 0 }.checked()
        };
        assert!(tier(PRICE_MAX, PRICE_MAX, 10_000).is_ok());
        let fault = tier(PRICE_MAX + 1, -1, 10_001).unwrap_err();
        assert_eq!(paths(fault), ["price.amount", "fee.amount", "taxBasisPoints"]);
    }

    #[test]
    fn any_time_can_be_compared_in_both_databases() {
        for time in [DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC, at(0)] {
            assert!((1970..3000).contains(&comparable(time).year()));
        }
    }
}
