//! Publishing all drafts of a series.

use std::{collections::HashMap, sync::Arc};

use entity::{
    SeatMapId, SeriesId,
    event::{self, Column, EventState},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::{
    locked_in_tx,
    rules::{self, Refusal},
    scopes_in_tx,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Object, Result},
    inventory,
    shop::{authorise_owner, rules::Power},
    slug_owner::{self, Holder},
    store::{Tx, save_versioned},
    venue::{self, SeatMap},
};

/// The maximum number of events that one call publishes.
pub const PUBLISHED_MAX: usize = 100;
/// The maximum number of their places. It limits the time for which the transaction locks SQLite.
const PLACES_MAX: usize = 100_000;

/// The result of a call.
#[derive(Clone, Debug)]
pub struct Published {
    /// The events that the call published, in the order of their starts.
    pub events: Vec<event::Model>,
    /// The number of drafts that are left.
    pub drafts_left: u64,
}

/// The seat maps of events.
type Maps = HashMap<SeatMapId, Arc<SeatMap>>;

/// Publishes the drafts of the series that can be published, up to a limit. Drafts that are over or price nothing stay
/// drafts. If no draft can be published, returns the reason of the first one.
pub async fn publish(app: &App, viewer: &Viewer, series: SeriesId) -> Result<Published, Refusal> {
    viewer.user()?;
    let of_series = event::Entity::find().filter(Column::SeriesId.eq(series));
    let any = of_series.clone().one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Series))?;
    authorise_owner(app, viewer, any.shop_id, Power::Manage, Object::Series).await?;
    let drafts = of_series.filter(Column::State.eq(EventState::Draft));
    let now = app.clock.now();
    let next = drafts
        .clone()
        .filter(Column::EndsAt.gt(now))
        .order_by_asc(Column::StartsAt)
        .order_by_asc(Column::Id)
        .limit(PUBLISHED_MAX as u64)
        .all(app.store.read())
        .await?;
    if next.is_empty() {
        let has_drafts = drafts.one(app.store.read()).await?.is_some();
        return Err(Error::Refused(if has_drafts { Refusal::Over } else { Refusal::NoDrafts }));
    }
    let (mut next, maps) = within_limit(app, next).await?;
    // All transactions lock events in this order.
    next.sort_by_key(|event| event.id);
    let tx = app.store.begin().await?;
    let (mut events, mut refusal) = (Vec::new(), None);
    for draft in next {
        match publish_in_tx(app, &tx, draft, &maps).await {
            Ok(event) => events.push(event),
            Err(Error::Refused(reason)) => refusal = refusal.or(Some(reason)),
            Err(Error::Fault(fault)) => return Err(fault.into()),
        }
    }
    if let (true, Some(refusal)) = (events.is_empty(), refusal) {
        return Err(Error::Refused(refusal));
    }
    tx.commit().await?;
    events.sort_by_key(|event| (event.starts_at, event.id));
    let drafts_left = drafts.count(app.store.read()).await?;
    Ok(Published { events, drafts_left })
}

/// Returns as many events as have at most [`PLACES_MAX`] places together, but at least one, and their seat maps.
async fn within_limit(app: &App, drafts: Vec<event::Model>) -> FaultResult<(Vec<event::Model>, Maps)> {
    let (mut maps, mut places, mut next) = (Maps::new(), 0, Vec::new());
    for draft in drafts {
        let map = if let Some(map) = maps.get(&draft.seat_map_id) {
            Arc::clone(map)
        } else {
            let map = venue::seat_map(app, draft.seat_map_id).await?;
            maps.insert(draft.seat_map_id, Arc::clone(&map));
            map
        };
        places += map.plan.seats.len() + map.plan.areas.len();
        if places > PLACES_MAX && !next.is_empty() {
            break;
        }
        next.push(draft);
    }
    Ok((next, maps))
}

async fn publish_in_tx(
    app: &App,
    tx: &Tx,
    draft: event::Model,
    maps: &Maps,
) -> Result<event::Model, Refusal> {
    let event = locked_in_tx(tx, draft.id).await?;
    // A draft that was just moved to another seat map is left for the next call.
    let map = maps.get(&event.seat_map_id).ok_or(Fault::unavailable())?;
    let scopes = scopes_in_tx(tx, event.id).await?;
    let now = app.clock.now();
    rules::publish(&event, &map.plan, &scopes, now).map_err(Error::Refused)?;
    let row = event::ActiveModel {
        id: Set(event.id),
        state: Set(EventState::Published),
        updated_at: Set(now),
        ..Default::default()
    };
    let event = save_versioned::<event::Entity>(tx, row, event.version, Object::Event).await?;
    let holder = Holder::Event { shop: event.shop_id, event: event.id, is_public: true };
    slug_owner::take_in_tx(tx, &event.slug, holder).await?;
    inventory::create_in_tx(app, tx, event.id, map).await?;
    Ok(event)
}
