//! Reading venues and seat maps. A viewer can see those of public events, and all those of the shops they work for.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{
    SeatMapId, ShopId, VenueId,
    venue::{self, seat_map},
};
use sea_orm::{
    ColumnTrait, Condition, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Expr, IntoCondition},
};
use uuid::Uuid;

use super::{SeatMap, rules::REVISIONS_MAX};
use crate::{
    app::App,
    auth::Viewer,
    clock::comparable,
    error::{Fault, FaultResult, Object},
    page::{self, Direction, Page, Window},
    shop::{authorise_owner, rules::Power, shops_seen},
};

/// One revision of a venue's seat map, without its plan.
#[derive(Clone, Debug, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "seat_map::Entity")]
pub struct Revision {
    /// The id of the seat map.
    pub id: SeatMapId,
    /// The venue.
    pub venue_id: VenueId,
    /// The revision number within the venue, from 1.
    pub revision: i32,
    /// The name in the plan.
    pub name: String,
    /// The number of numbered seats.
    pub seat_count: i32,
    /// The total capacity of the general-admission areas.
    pub area_capacity: i32,
    /// When the revision was imported.
    pub created_at: DateTime<Utc>,
}

/// Returns the venue if the viewer may see it. Otherwise returns `NotFound`.
pub async fn venue(app: &App, viewer: &Viewer, id: VenueId) -> FaultResult<venue::Model> {
    let seen = shops_seen(app, viewer).await?;
    venue::Entity::find_by_id(id)
        .filter(known_venues(app, &seen))
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound(Object::Venue))
}

/// Returns the venues that the viewer may see.
pub async fn venues(app: &App, viewer: &Viewer, ids: Vec<VenueId>) -> FaultResult<Vec<venue::Model>> {
    let seen = shops_seen(app, viewer).await?;
    let select = venue::Entity::find().filter(venue::Column::Id.is_in(ids)).filter(known_venues(app, &seen));
    Ok(select.all(app.store.read()).await?)
}

/// Returns the venues with these ids. The caller has checked that the viewer may see an event at each venue.
pub async fn venues_by_ids(app: &App, ids: Vec<VenueId>) -> FaultResult<Vec<venue::Model>> {
    Ok(venue::Entity::find().filter(venue::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// Returns a page of the shop's venues that the viewer may see, oldest first.
pub async fn venues_of_shop(
    app: &App,
    viewer: &Viewer,
    shop: ShopId,
    updated_after: Option<DateTime<Utc>>,
    window: Window<VenueId>,
) -> FaultResult<Page<venue::Model>> {
    let seen = shops_seen(app, viewer).await?;
    let mut select =
        venue::Entity::find().filter(venue::Column::ShopId.eq(shop)).filter(known_venues(app, &seen));
    if let Some(time) = updated_after {
        select = select.filter(venue::Column::UpdatedAt.gt(comparable(time)));
    }
    page::read(app.store.read(), select, venue::Column::Id, Direction::Ascending, window).await
}

/// Returns the seat map without its plan if the viewer may see it. Otherwise returns `NotFound`.
pub async fn revision(app: &App, viewer: &Viewer, id: SeatMapId) -> FaultResult<Revision> {
    let seen = shops_seen(app, viewer).await?;
    seat_map::Entity::find_by_id(id)
        .filter(known_maps(app, &seen))
        .into_partial_model()
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound(Object::SeatMap))
}

/// Returns the seat maps without their plans, if the viewer may see them.
pub async fn revisions(app: &App, viewer: &Viewer, ids: Vec<SeatMapId>) -> FaultResult<Vec<Revision>> {
    known_revisions(app, viewer, seat_map::Column::Id.is_in(ids).into_condition()).await
}

/// Returns the seat maps that contain the seats or areas with these ids, if the viewer may see them.
pub async fn revisions_with(app: &App, viewer: &Viewer, places: Vec<Uuid>) -> FaultResult<Vec<Revision>> {
    let ranges = places.into_iter().map(|place| {
        seat_map::Column::Id.between(SeatMap::first_id_with_place(place), SeatMap::last_id_with_place(place))
    });
    known_revisions(app, viewer, ranges.fold(Condition::any(), Condition::add)).await
}

async fn known_revisions(app: &App, viewer: &Viewer, which: Condition) -> FaultResult<Vec<Revision>> {
    let seen = shops_seen(app, viewer).await?;
    Ok(seat_map::Entity::find()
        .filter(which)
        .filter(known_maps(app, &seen))
        .into_partial_model()
        .all(app.store.read())
        .await?)
}

/// Returns the seat maps without their plans. The caller has checked that the viewer may see an event on each seat map.
pub async fn revisions_by_ids(app: &App, ids: Vec<SeatMapId>) -> FaultResult<Vec<Revision>> {
    Ok(seat_map::Entity::find()
        .filter(seat_map::Column::Id.is_in(ids))
        .into_partial_model()
        .all(app.store.read())
        .await?)
}

/// Returns the revisions of the venues' seat maps that the viewer may see, newest first. At most [`REVISIONS_MAX`] per
/// venue.
pub async fn revisions_of(app: &App, viewer: &Viewer, venues: Vec<VenueId>) -> FaultResult<Vec<Revision>> {
    let seen = shops_seen(app, viewer).await?;
    let limit = u64::try_from(REVISIONS_MAX).unwrap_or_default() * venues.len() as u64;
    Ok(seat_map::Entity::find()
        .filter(seat_map::Column::VenueId.is_in(venues))
        .filter(known_maps(app, &seen))
        .order_by_desc(seat_map::Column::Revision)
        .limit(limit)
        .into_partial_model()
        .all(app.store.read())
        .await?)
}

/// Returns the newest revision of the venue's seat map, or `None` if the venue has no seat map.
pub(crate) async fn latest_revision(app: &App, venue: VenueId) -> FaultResult<Option<Revision>> {
    Ok(seat_map::Entity::find()
        .filter(seat_map::Column::VenueId.eq(venue))
        .order_by_desc(seat_map::Column::Revision)
        .into_partial_model()
        .one(app.store.read())
        .await?)
}

/// Returns the seat map with its original plan. Only members of the venue's shop may read it.
pub async fn own_seat_map(app: &App, viewer: &Viewer, id: SeatMapId) -> FaultResult<Arc<SeatMap>> {
    let map = revision(app, viewer, id).await?;
    let row = venue::Entity::find_by_id(map.venue_id).one(app.store.read()).await?;
    let shop = row.ok_or(Fault::NotFound(Object::SeatMap))?.shop_id;
    authorise_owner(app, viewer, shop, Power::Look, Object::SeatMap).await?;
    super::seat_map(app, id).await
}

fn known_venues(app: &App, seen: &[ShopId]) -> Condition {
    let public = (app.venue.public_events.at_venue)();
    Condition::any().add(venue::Column::ShopId.is_in(seen.iter().copied())).add(Expr::exists(public))
}

fn known_maps(app: &App, seen: &[ShopId]) -> Condition {
    let public = (app.venue.public_events.on_map)();
    let own = venue::Entity::find()
        .select_only()
        .column(venue::Column::Id)
        .filter(venue::Column::ShopId.is_in(seen.iter().copied()))
        .into_query();
    Condition::any().add(seat_map::Column::VenueId.in_subquery(own)).add(Expr::exists(public))
}
