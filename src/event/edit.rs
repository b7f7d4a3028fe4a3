//! Making, changing, publishing and cancelling events.

use chrono::{DateTime, Utc};
use entity::{
    CategoryId, EventId, SeatMapId, ShopId, VenueId, category,
    event::{self, EventState},
    shop, venue,
};
use sea_orm::{ActiveValue::Set, EntityTrait};

use serde_json::json;

use super::{
    details::{Change, Details, slug_of},
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
    inventory, search_text,
    shop::{authorise, rules::Power},
    store::{save_versioned, violated},
    venue::{self as venues, find},
};

/// A new event.
#[derive(Clone, Debug)]
pub struct NewEvent {
    /// Who sells it.
    pub shop: ShopId,
    /// Where it takes place; one of the shop's venues.
    pub venue: VenueId,
    /// The geometry that is sold; none: the venue's newest.
    pub map: Option<SeatMapId>,
    /// What kind of event it is.
    pub category: CategoryId,
    /// Unique name for addresses; none: made of the name.
    pub slug: Option<String>,
    /// Display name.
    pub name: String,
    /// May be empty.
    pub description: String,
    /// Start.
    pub starts_at: DateTime<Utc>,
    /// End.
    pub ends_at: DateTime<Utc>,
    /// Start of sales; none: now.
    pub sales_start: Option<DateTime<Utc>>,
    /// End of sales; none: when the event starts.
    pub sales_end: Option<DateTime<Utc>>,
    /// Until when buyers may refund by themselves; none: never.
    pub refund_until: Option<DateTime<Utc>>,
    /// How long a reservation lasts.
    pub hold_seconds: i32,
    /// How long it may last with all extensions.
    pub hold_seconds_max: i32,
    /// How many places one buyer may have.
    pub limit_per_buyer: i32,
    /// Whether picks that would leave single seats behind are refused.
    pub orphan_rule: bool,
    /// How long a buyer may have reservations that come to nothing; none: as long as they like.
    pub hold_budget_seconds: Option<i32>,
    /// How long a buyer who spent that must wait.
    pub cool_down_seconds: i32,
    /// What is set against hoarding.
    pub reservation_rules: ReservationRules,
}

impl NewEvent {
    fn details(self, id: EventId, now: DateTime<Utc>) -> Details {
        // The id's end is random, its beginning is the time.
        let bytes = id.0.into_bytes();
        let unique = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        Details {
            category: self.category,
            slug: self.slug.unwrap_or_else(|| slug_of(&self.name, unique)),
            name: self.name,
            description: self.description,
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            sales_start: self.sales_start.unwrap_or(now),
            sales_end: self.sales_end.unwrap_or(self.starts_at),
            refund_until: self.refund_until,
            hold_seconds: self.hold_seconds,
            hold_seconds_max: self.hold_seconds_max,
            limit_per_buyer: self.limit_per_buyer,
            orphan_rule: self.orphan_rule,
            hold_budget_seconds: self.hold_budget_seconds,
            cool_down_seconds: self.cool_down_seconds,
            reservation_rules: self.reservation_rules,
        }
    }
}

/// Makes a draft of an event, in the shop's currency.
pub async fn create(app: &App, viewer: &Viewer, input: NewEvent) -> Result<event::Model, Refusal> {
    authorise(app, viewer, input.shop, Power::Manage).await?;
    let (now, id) = (app.clock.now(), EventId(app.clock.new_uuid()));
    let shop = shop::Entity::find_by_id(input.shop).one(app.store.read()).await?;
    let shop = shop.ok_or(Fault::NotFound(Object::Shop))?;
    let map = map_for(app, &input).await?;
    let venue = input.venue;
    let details = input.details(id, now).checked()?;
    check_category(app, details.category).await?;
    let tx = app.store.begin().await?;
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

/// Changes the event, if its version is still `seen`. What buyers reserved before stays as it was promised.
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
    let details = Details::of(event).with(change).checked()?;
    let row = event::ActiveModel { id: Set(id), updated_at: Set(now), ..row_of(details) };
    let event = save_versioned::<event::Entity>(&tx, row, seen, Object::Event).await.map_err(refused)?;
    search_text::refresh_in_tx(&tx, search_text::Source::Event(id)).await?;
    inventory::touch_in_tx(&tx, id, now).await?;
    tx.commit().await?;
    follow(app, id).await;
    Ok(event)
}

/// Publishes the draft: from now on everybody sees it, and its places are sold within its sales window.
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
    inventory::create_in_tx(&tx, id, &map, now).await?;
    tx.commit().await?;
    Ok(event)
}

/// Calls the published event off: nothing is sold of it any more, and it stays visible.
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
    Ok(event)
}

/// The seat map that the new event is sold on: of one of the shop's own venues.
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

/// The row must be at the version that the caller saw. The save checks it again; this tells it before any refusal.
fn at(event: &event::Model, seen: i64) -> FaultResult<()> {
    if event.version == seen { Ok(()) } else { Err(Fault::Stale(Object::Event)) }
}

fn refused(fault: Fault) -> Error<Refusal> {
    if violated(&fault, "event_slug_key", "event.slug") {
        Error::Refused(Refusal::SlugTaken)
    } else {
        Error::Fault(fault)
    }
}

fn row_of(details: Details) -> event::ActiveModel {
    event::ActiveModel {
        category_id: Set(details.category),
        slug: Set(details.slug),
        name: Set(details.name),
        description: Set(details.description),
        starts_at: Set(details.starts_at),
        ends_at: Set(details.ends_at),
        sales_start: Set(details.sales_start),
        sales_end: Set(details.sales_end),
        refund_until: Set(details.refund_until),
        hold_seconds: Set(details.hold_seconds),
        hold_seconds_max: Set(details.hold_seconds_max),
        limit_per_buyer: Set(details.limit_per_buyer),
        orphan_rule: Set(details.orphan_rule),
        hold_budget_seconds: Set(details.hold_budget_seconds),
        cool_down_seconds: Set(details.cool_down_seconds),
        buyer_requirement: Set(details.reservation_rules.requirement),
        unpaid_per_network: Set(details.reservation_rules.unpaid_per_network),
        unpaid_percent: Set(details.reservation_rules.unpaid_percent),
        ..Default::default()
    }
}
