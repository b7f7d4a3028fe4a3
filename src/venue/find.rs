//! Which venues and seat maps a viewer may know: those of public events, and all of the shops they work for.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use entity::{
    SeatMapId, ShopId, VenueId, event,
    event::EventState,
    shop::member,
    venue::{self, seat_map},
};
use sea_orm::{
    ColumnTrait, Condition, DerivePartialModel, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait,
    sea_query::{Expr, ExprTrait},
};

use super::{SeatMap, rules::REVISIONS_MAX};
use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, FaultResult, Object},
    page::{self, Page, Window},
    shop::{
        self,
        rules::{Power, has},
    },
};

/// One revision of a venue's seat map, without its plan.
#[derive(Clone, Debug, PartialEq, Eq, DerivePartialModel)]
#[sea_orm(entity = "seat_map::Entity")]
pub struct Revision {
    /// Primary key.
    pub id: SeatMapId,
    /// The venue.
    pub venue_id: VenueId,
    /// 1, 2, 3 … within the venue.
    pub revision: i32,
    /// The plan's own name.
    pub name: String,
    /// Numbered seats.
    pub seat_count: i32,
    /// Places in general-admission areas, summed.
    pub area_capacity: i32,
    /// When it was imported.
    pub created_at: DateTime<Utc>,
}

/// The shops whose unpublished things the viewer may see.
pub(crate) async fn shops_seen(app: &App, viewer: &Viewer) -> FaultResult<Vec<ShopId>> {
    let Ok(account) = viewer.account() else { return Ok(Vec::new()) };
    let rows =
        member::Entity::find().filter(member::Column::AccountId.eq(account)).all(app.store.read()).await?;
    Ok(rows.into_iter().filter(|row| has(row.role, Power::Look)).map(|row| row.shop_id).collect())
}

/// Makes sure that the viewer has the power in the shop whose `what` it is; to those who do not work there, there is no
/// such thing.
pub(crate) async fn authorise(
    app: &App,
    viewer: &Viewer,
    shop: ShopId,
    power: Power,
    what: Object,
) -> FaultResult<()> {
    viewer.user()?;
    if !shops_seen(app, viewer).await?.contains(&shop) {
        return Err(Fault::NotFound(what));
    }
    shop::authorise(app, viewer, shop, power).await
}

/// The venue, if the viewer may know it.
pub async fn venue(app: &App, viewer: &Viewer, id: VenueId) -> FaultResult<venue::Model> {
    let seen = shops_seen(app, viewer).await?;
    venue::Entity::find_by_id(id)
        .filter(known_venues(&seen))
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound(Object::Venue))
}

/// The venues, for those who know something that takes place there.
pub async fn venues_by_ids(app: &App, ids: Vec<VenueId>) -> FaultResult<Vec<venue::Model>> {
    Ok(venue::Entity::find().filter(venue::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// The shop's venues that the viewer may know, oldest first.
pub async fn venues_of_shop(
    app: &App,
    viewer: &Viewer,
    shop: ShopId,
    window: Window<VenueId>,
) -> FaultResult<Page<venue::Model>> {
    let seen = shops_seen(app, viewer).await?;
    let select = venue::Entity::find().filter(venue::Column::ShopId.eq(shop)).filter(known_venues(&seen));
    page::read(app.store.read(), select, venue::Column::Id, false, window).await
}

/// The seat map without its plan, if the viewer may know it.
pub async fn revision(app: &App, viewer: &Viewer, id: SeatMapId) -> FaultResult<Revision> {
    let seen = shops_seen(app, viewer).await?;
    seat_map::Entity::find_by_id(id)
        .filter(known_maps(&seen))
        .into_partial_model()
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound(Object::SeatMap))
}

/// The seat maps without their plans, for those who know something that takes place on them.
pub async fn revisions_by_ids(app: &App, ids: Vec<SeatMapId>) -> FaultResult<Vec<Revision>> {
    Ok(seat_map::Entity::find()
        .filter(seat_map::Column::Id.is_in(ids))
        .into_partial_model()
        .all(app.store.read())
        .await?)
}

/// The revisions of the venues' seat maps that the viewer may know, newest first; at most [`REVISIONS_MAX`] of each.
pub async fn revisions_of(app: &App, viewer: &Viewer, venues: Vec<VenueId>) -> FaultResult<Vec<Revision>> {
    let seen = shops_seen(app, viewer).await?;
    let limit = u64::try_from(REVISIONS_MAX).unwrap_or_default() * venues.len() as u64;
    Ok(seat_map::Entity::find()
        .filter(seat_map::Column::VenueId.is_in(venues))
        .filter(known_maps(&seen))
        .order_by_desc(seat_map::Column::Revision)
        .limit(limit)
        .into_partial_model()
        .all(app.store.read())
        .await?)
}

/// The newest revision of the venue's seat map, if it has one.
pub(crate) async fn latest_revision(app: &App, venue: VenueId) -> FaultResult<Option<Revision>> {
    Ok(seat_map::Entity::find()
        .filter(seat_map::Column::VenueId.eq(venue))
        .order_by_desc(seat_map::Column::Revision)
        .into_partial_model()
        .one(app.store.read())
        .await?)
}

/// The seat map with its plan as its vendor gave it; nobody's but the shop's.
pub async fn own_seat_map(app: &App, viewer: &Viewer, id: SeatMapId) -> FaultResult<Arc<SeatMap>> {
    let map = revision(app, viewer, id).await?;
    let row = venue::Entity::find_by_id(map.venue_id).one(app.store.read()).await?;
    let shop = row.ok_or(Fault::NotFound(Object::SeatMap))?.shop_id;
    authorise(app, viewer, shop, Power::Look, Object::SeatMap).await?;
    super::seat_map(app, id).await
}

fn known_venues(seen: &[ShopId]) -> Condition {
    let here = (event::Entity, event::Column::VenueId);
    let public =
        public_events().filter(Expr::col(here).equals((venue::Entity, venue::Column::Id))).into_query();
    Condition::any().add(venue::Column::ShopId.is_in(seen.iter().copied())).add(Expr::exists(public))
}

fn known_maps(seen: &[ShopId]) -> Condition {
    let venue_of_event = (event::Entity, event::Column::VenueId);
    let map_of_event = (event::Entity, event::Column::SeatMapId);
    let public = public_events()
        .filter(Expr::col(venue_of_event).equals((seat_map::Entity, seat_map::Column::VenueId)))
        .filter(Expr::col(map_of_event).equals((seat_map::Entity, seat_map::Column::Id)))
        .into_query();
    let own = venue::Entity::find()
        .select_only()
        .column(venue::Column::Id)
        .filter(venue::Column::ShopId.is_in(seen.iter().copied()))
        .into_query();
    Condition::any().add(seat_map::Column::VenueId.in_subquery(own)).add(Expr::exists(public))
}

fn public_events() -> sea_orm::Select<event::Entity> {
    event::Entity::find()
        .select_only()
        .column(event::Column::Id)
        .filter(event::Column::State.ne(EventState::Draft))
}
