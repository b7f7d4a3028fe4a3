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
