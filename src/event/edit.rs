//! Creating, changing, publishing and cancelling events.

use chrono::{DateTime, Utc};
use entity::{
    CategoryId, EventId, SeatMapId, ShopId, VenueId, category,
    event::{self, EventState},
    shop, venue,
};
use sea_orm::{ActiveValue::Set, EntityTrait};

use serde::Serialize;
use serde_json::json;

use super::{
    admission::Admission,
    details::{Change, Details, slug_of},
    find::event as find_event,
    focal_point::FocalPoint,
    follow, locked_in_tx, managed,
    reservation_rules::ReservationRules,
    rules::{self, Refusal},
    scopes_in_tx,
};
use crate::{
    app::App,
    audit,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Object, Result},
    idempotency::{Attempt, Key, claim_if_keyed_in_tx, once_if_keyed},
    inventory, search_text,
    shop::{authorise, rules::Power},
    slug_owner::{self, Holder},
    store::{refers_to_missing, save_versioned, violated},
    venue::{self as venues, find},
};

/// A new event.
#[derive(Clone, Debug, Serialize)]
pub struct NewEvent {
    /// The shop that sells it.
    pub shop: ShopId,
    /// The venue. It must belong to the shop.
    pub venue: VenueId,
    /// The seat map. `None` selects the venue's newest.
    pub map: Option<SeatMapId>,
    /// The category.
    pub category: CategoryId,
    /// The unique name for web addresses. `None` derives it from the name.
    pub slug: Option<String>,
    /// Display name.
    pub name: String,
    /// The description. May be empty.
    pub description: String,
    /// The start of the event.
    pub starts_at: DateTime<Utc>,
    /// The end of the event.
    pub ends_at: DateTime<Utc>,
    /// The start of sales. `None` is now.
    pub sales_start: Option<DateTime<Utc>>,
    /// The end of sales. `None` is the start of the event.
    pub sales_end: Option<DateTime<Utc>>,
    /// The end of the time in which buyers may refund by themselves, if it does not follow from the start.
    pub refund_until: Option<DateTime<Utc>>,
    /// The minutes before the start at which that time ends. If this and `refund_until` are `None`, buyers may not
    /// refund by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_minutes: Option<i32>,
    /// When tickets admit, and how often.
    #[serde(skip_serializing_if = "Admission::is_default")]
    pub admission: Admission,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    pub focal_point: Option<FocalPoint>,
}

impl NewEvent {
    fn details(self, id: EventId, now: DateTime<Utc>) -> Details {
        let unique = random_part(id);
        Details {
            category: self.category,
            slug: self.slug.unwrap_or_else(|| slug_of(&self.name, unique)),
            name: self.name,
            description: self.description,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            sales_start: self.sales_start,
            sales_end: self.sales_end,
            refund_until: self.refund_until,
            refund_minutes: self.refund_minutes,
            admission: self.admission,
            created_at: now,
            reservation_seconds: self.reservation_seconds,
            reservation_seconds_max: self.reservation_seconds_max,
            limit_per_buyer: self.limit_per_buyer,
            orphan_rule: self.orphan_rule,
            reservation_budget_seconds: self.reservation_budget_seconds,
            cool_down_seconds: self.cool_down_seconds,
            reservation_rules: self.reservation_rules,
            focal_point: self.focal_point,
        }
    }
}

/// Creates a draft of an event in the shop's currency.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    input: NewEvent,
    key: Option<&str>,
) -> Result<event::Model, Refusal> {
    authorise(app, viewer, input.shop, Power::Manage).await?;
    let key = Key::of_viewer(viewer, "createEvent", key, &input)?;
    let replay = |id| find_event(app, viewer, EventId(id));
    once_if_keyed(app, key.as_ref(), replay, Box::pin(insert(app, input, key.as_ref()))).await
}

async fn insert(app: &App, input: NewEvent, key: Option<&Key>) -> Attempt<event::Model, Refusal> {
    let (now, id) = (app.clock.now(), EventId(app.clock.new_uuid()));
    let shop = shop::Entity::find_by_id(input.shop).one(app.store.read()).await?;
    let shop = shop.ok_or(Fault::NotFound(Object::Shop))?;
    let map = map_for(app, &input).await?;
    let venue = input.venue;
    let details = input.details(id, now).checked()?;
    check_category(app, details.category).await?;
    let tx = app.store.begin().await?;
    claim_if_keyed_in_tx(key, &tx, id.0, now).await?;
    if !slug_owner::take_in_tx(
        &tx,
        &details.slug,
        Holder::Event { shop: shop.id, event: id, is_public: false },
    )
    .await?
    {
        return Err(Error::Refused(Refusal::SlugTaken).into());
    }
    let row = event::ActiveModel {
        id: Set(id),
        shop_id: Set(shop.id),
        venue_id: Set(venue),
        seat_map_id: Set(map),
        state: Set(EventState::Draft),
        currency: Set(shop.currency),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..row_of(details)
    };
    let event =
        event::Entity::insert(row).exec_with_returning(&tx).await.map_err(|error| refused(error.into()))?;
    search_text::refresh_in_tx(&tx, search_text::Source::Event(id)).await?;
    tx.commit().await?;
    Ok(event)
}

/// Changes the event if its version is still `seen`. Existing reservations keep their terms.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: EventId,
    seen: i64,
    change: Change,
) -> Result<event::Model, Refusal> {
    managed(app, viewer, id).await?;
    if let Some(category) = change.category {
        check_category(app, category).await?;
    }
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let event = locked_in_tx(&tx, id).await?;
    at(&event, seen)?;
    rules::change(&event).map_err(Error::Refused)?;
    let is_public = event.state != EventState::Draft;
    let (holder, slug) = (Holder::Event { shop: event.shop_id, event: id, is_public }, event.slug.clone());
    let details = Details::of(event).changed(change)?;
    if details.slug != slug && !slug_owner::replace_in_tx(&tx, &slug, &details.slug, holder).await? {
        return Err(Error::Refused(Refusal::SlugTaken));
    }
    let row = event::ActiveModel { id: Set(id), updated_at: Set(now), ..row_of(details) };
    let event = save_versioned::<event::Entity>(&tx, row, seen, Object::Event).await.map_err(refused)?;
    search_text::refresh_in_tx(&tx, search_text::Source::Event(id)).await?;
    inventory::touch_in_tx(&tx, id, now).await?;
    tx.commit().await?;
    follow(app, id).await;
    Ok(event)
}

/// Publishes the draft if its version is still `seen`. Then all viewers can see it, and its places are sold in its
/// sales window.
pub async fn publish(app: &App, viewer: &Viewer, id: EventId, seen: i64) -> Result<event::Model, Refusal> {
    let event = managed(app, viewer, id).await?;
    let map = venues::seat_map(app, event.seat_map_id).await?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let event = locked_in_tx(&tx, id).await?;
    at(&event, seen)?;
    let scopes = scopes_in_tx(&tx, id).await?;
    rules::publish(&event, &map.plan, &scopes, now).map_err(Error::Refused)?;
    let row = event::ActiveModel {
        id: Set(id),
        state: Set(EventState::Published),
        updated_at: Set(now),
        ..Default::default()
    };
    let event = save_versioned::<event::Entity>(&tx, row, seen, Object::Event).await?;
    let holder = Holder::Event { shop: event.shop_id, event: id, is_public: true };
    slug_owner::take_in_tx(&tx, &event.slug, holder).await?;
    inventory::create_in_tx(app, &tx, id, &map).await?;
    tx.commit().await?;
    Ok(event)
}

/// Cancels the published event if its version is still `seen`. It stays visible, but nothing more is sold, and its active
/// reservations are released.
pub async fn cancel(app: &App, viewer: &Viewer, id: EventId, seen: i64) -> Result<event::Model, Refusal> {
    managed(app, viewer, id).await?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let event = locked_in_tx(&tx, id).await?;
    at(&event, seen)?;
    rules::cancel(&event).map_err(Error::Refused)?;
    let row = event::ActiveModel {
        id: Set(id),
        state: Set(EventState::Cancelled),
        updated_at: Set(now),
        ..Default::default()
    };
    let event = save_versioned::<event::Entity>(&tx, row, seen, Object::Event).await?;
    inventory::touch_in_tx(&tx, id, now).await?;
    let entry = audit::Entry::new(audit::Action::EventCancelled, id, json!({})).of_shop(event.shop_id);
    audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
    tx.commit().await?;
    follow(app, id).await;
    inventory::release_all(app, id).await;
    Ok(event)
}

/// Returns the seat map of the new event. The venue must belong to the shop, and the seat map to the venue.
async fn map_for(app: &App, input: &NewEvent) -> Result<SeatMapId, Refusal> {
    let venue = venue::Entity::find_by_id(input.venue).one(app.store.read()).await?;
    venue.filter(|venue| venue.shop_id == input.shop).ok_or(Fault::NotFound(Object::Venue))?;
    let Some(id) = input.map else {
        let latest = find::latest_revision(app, input.venue).await?;
        return latest.map(|map| map.id).ok_or(Error::Refused(Refusal::NoSeatMap));
    };
    let maps = find::revisions_by_ids(app, vec![id]).await?;
    if maps.iter().any(|map| map.venue_id == input.venue) {
        Ok(id)
    } else {
        Err(Fault::NotFound(Object::SeatMap).into())
    }
}

async fn check_category(app: &App, id: CategoryId) -> FaultResult<()> {
    match category::Entity::find_by_id(id).one(app.store.read()).await? {
        Some(_) => Ok(()),
        None => Err(Fault::invalid("categoryId", "there is no such category")),
    }
}

/// Returns `Stale` unless the row has the version that the caller saw. The save checks it again, but this check comes
/// before all refusals.
pub(super) fn at(event: &event::Model, seen: i64) -> FaultResult<()> {
    if event.version == seen { Ok(()) } else { Err(Fault::Stale(Object::Event)) }
}

/// Returns a number that makes a slug unique. The first bytes of an id are the time, the last ones are random.
pub(super) fn random_part(id: EventId) -> u32 {
    let bytes = id.0.into_bytes();
    u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]])
}

pub(super) fn refused(fault: Fault) -> Error<Refusal> {
    if violated(&fault, "event_slug_key", "event.slug") {
        Error::Refused(Refusal::SlugTaken)
    } else if refers_to_missing(&fault) {
        // Race: the seat map was deleted after it was found. All other references are never deleted.
        Error::Fault(Fault::NotFound(Object::SeatMap))
    } else {
        Error::Fault(fault)
    }
}

pub(super) fn row_of(details: Details) -> event::ActiveModel {
    let ((sales_start, sales_end), refund_until) = (details.sales(), details.refund_deadline());
    let Admission { doors_at, from, until, entries } = details.admission;
    event::ActiveModel {
        category_id: Set(details.category),
        slug: Set(details.slug),
        name: Set(details.name),
        description: Set(details.description),
        starts_at: Set(details.starts_at),
        ends_at: Set(details.ends_at),
        sales_start: Set(sales_start),
        sales_start_given: Set(details.sales_start.is_some()),
        sales_end: Set(sales_end),
        sales_end_given: Set(details.sales_end.is_some()),
        refund_until: Set(refund_until),
        refund_minutes: Set(details.refund_minutes),
        doors_at: Set(doors_at),
        admission_from: Set(from),
        admission_until: Set(until),
        entries_max: Set(entries.max_entries),
        entry_period: Set(entries.period),
        reentry: Set(entries.reentry),
        reservation_seconds: Set(details.reservation_seconds),
        reservation_seconds_max: Set(details.reservation_seconds_max),
        limit_per_buyer: Set(details.limit_per_buyer),
        orphan_rule: Set(details.orphan_rule),
        reservation_budget_seconds: Set(details.reservation_budget_seconds),
        cool_down_seconds: Set(details.cool_down_seconds),
        buyer_requirement: Set(details.reservation_rules.requirement),
        unpaid_per_network: Set(details.reservation_rules.unpaid_per_network),
        unpaid_percent: Set(details.reservation_rules.unpaid_percent),
        focal_x: Set(details.focal_point.map(|point| point.x)),
        focal_y: Set(details.focal_point.map(|point| point.y)),
        ..Default::default()
    }
}
