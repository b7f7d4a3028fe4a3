//! Which events a viewer sees. The lists of them are in [`list`](super::list).

use std::sync::Arc;

use entity::{
    EventId, SeatMapId,
    event::{self, Column, EventState},
};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select, sea_query::SelectStatement,
};

use super::details::is_slug;
use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, FaultResult, Object},
    shop::shops_seen,
    venue,
};

/// The event, if the viewer may see it.
pub async fn event(app: &App, viewer: &Viewer, id: EventId) -> FaultResult<event::Model> {
    one(app, viewer, event::Entity::find_by_id(id)).await
}

/// The event with this slug, if the viewer may see it.
pub async fn event_by_slug(app: &App, viewer: &Viewer, slug: &str) -> FaultResult<event::Model> {
    if !is_slug(slug) {
        return Err(Fault::NotFound(Object::Event));
    }
    one(app, viewer, event::Entity::find().filter(Column::Slug.eq(slug))).await
}

/// The seat map of the event, if the viewer may see that. Costs nothing for one that all may see.
pub async fn seat_map(app: &App, viewer: &Viewer, id: EventId) -> FaultResult<Arc<venue::SeatMap>> {
    if let Some(map) = app.event.maps_on_sale.get(&id) {
        return venue::seat_map(app, map).await;
    }
    let event = event(app, viewer, id).await?;
    if event.state != EventState::Draft {
        // Neither is ever taken back: the map of an event, and that everybody may see it.
        app.event.maps_on_sale.insert(id, event.seat_map_id);
    }
    venue::seat_map(app, event.seat_map_id).await
}

/// Returns the id of the event's seat map if it is cached. It is not cached for drafts.
pub(crate) fn map_on_sale(app: &App, id: EventId) -> Option<SeatMapId> {
    app.event.maps_on_sale.get(&id)
}

async fn one(app: &App, viewer: &Viewer, select: Select<event::Entity>) -> FaultResult<event::Model> {
    let event = select.one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Event))?;
    let seen = event.state != EventState::Draft || shops_seen(app, viewer).await?.contains(&event.shop_id);
    if seen { Ok(event) } else { Err(Fault::NotFound(Object::Event)) }
}

/// Returns a query for the id of the event with this slug.
pub(crate) fn with_slug(slug: &str) -> SelectStatement {
    event::Entity::find().select_only().column(Column::Id).filter(Column::Slug.eq(slug)).into_query()
}
