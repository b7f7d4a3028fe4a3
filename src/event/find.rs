//! Which events a viewer sees. The lists of them are in [`list`](super::list).

use std::sync::Arc;

use entity::{
    EventId, SeatMapId,
    event::{self, Column, EventState},
    slug_owner::SlugKind,
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
    slug, slug_owner, venue,
};

/// The event, if the viewer may see it.
pub async fn event(app: &App, viewer: &Viewer, id: EventId) -> FaultResult<event::Model> {
    one(app, viewer, event::Entity::find_by_id(id)).await
}

/// The event that has this slug, or had it before, if the viewer may see it.
pub async fn event_by_slug(app: &App, viewer: &Viewer, slug: &str) -> FaultResult<event::Model> {
    let slug = slug::normal(slug);
    if !is_slug(&slug) {
        return Err(Fault::NotFound(Object::Event));
    }
    let mut found =
        event::Entity::find().filter(Column::Id.in_subquery(with_slug(&slug))).all(app.store.read()).await?;
    found.sort_by_key(|event| event.slug != slug);
    // A draft may have taken a former slug of a public event. For viewers who do not see the draft, it leads to that event.
    for event in found {
        match seen(app, viewer, Some(event)).await {
            Err(Fault::NotFound(_)) => {}
            result => return result,
        }
    }
    Err(Fault::NotFound(Object::Event))
}

/// The seat map of the event, if the viewer may see that. Costs nothing for one that all may see.
pub async fn seat_map(app: &App, viewer: &Viewer, id: EventId) -> FaultResult<Arc<venue::SeatMap>> {
    if let Some(map) = app.inventory.maps_on_sale.get(&id) {
        return venue::seat_map(app, map).await;
    }
    let event = event(app, viewer, id).await?;
    if event.state != EventState::Draft {
        // A published event stays visible. If it moves to another map, its desk updates the cache.
        app.inventory.maps_on_sale.insert(id, event.seat_map_id);
    }
    venue::seat_map(app, event.seat_map_id).await
}

/// Returns the id of the event's seat map if it is cached. It is not cached for drafts.
pub(crate) fn map_on_sale(app: &App, id: EventId) -> Option<SeatMapId> {
    app.inventory.maps_on_sale.get(&id)
}

async fn one(app: &App, viewer: &Viewer, select: Select<event::Entity>) -> FaultResult<event::Model> {
    seen(app, viewer, select.one(app.store.read()).await?).await
}

/// Returns the event if there is one and the viewer may see it.
async fn seen(app: &App, viewer: &Viewer, event: Option<event::Model>) -> FaultResult<event::Model> {
    let event = event.ok_or(Fault::NotFound(Object::Event))?;
    let seen = event.state != EventState::Draft || shops_seen(app, viewer).await?.contains(&event.shop_id);
    if seen { Ok(event) } else { Err(Fault::NotFound(Object::Event)) }
}

/// Returns a query for the id of the event that has or had this slug.
pub(crate) fn with_slug(slug: &str) -> SelectStatement {
    let slug = slug::normal(slug);
    let now = event::Entity::find().select_only().column(Column::Id).filter(Column::Slug.eq(&slug));
    slug_owner::or_former(now.into_query(), SlugKind::Event, &slug)
}
