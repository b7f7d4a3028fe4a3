//! Seat maps in the API. A seat map is immutable; every import creates a new revision.

mod focal;
mod geometry;
mod places;
pub mod revisions;

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, Enum, ID, Object, SimpleObject, dataloader::Loader};
use entity::SeatMapId;

pub use self::{
    focal::{FocalPoint, FocalPointInput},
    places::{Area, Row, Seat, Zone},
    revisions::{DeleteSeatMapError, ImportSeatMapError, SeatMapMutation},
};
pub(crate) use self::{
    geometry::{geometry, named},
    places::{map_of_event, seat_id},
};
use crate::{
    error::{Fault, FaultResult},
    graphql::{
        context::ContextExt,
        error::{ApiResult, found, not_allowed},
        id::{decode, encode},
        loader::{Batch, Shared, keyed},
        scalar::Instant,
        venue::Venue,
    },
    venue::{
        self,
        find::{self, Revision},
        plan,
    },
};

/// One revision of a venue's seat map. It never changes, so clients can cache it permanently by id. For available
/// places, see `Event.availability`.
#[derive(Clone, Debug)]
pub struct SeatMap(Revision);

impl From<Revision> for SeatMap {
    fn from(row: Revision) -> Self {
        Self(row)
    }
}

/// One revision of a venue's seat map. It never changes, so clients can cache it permanently by id. For available
/// places, see `Event.availability`.
#[Object]
impl SeatMap {
    /// The global id.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// The venue of the seat map.
    async fn venue(&self, ctx: &Context<'_>) -> ApiResult<Venue> {
        Venue::of(ctx, self.0.venue_id).await
    }

    /// The number of the revision: 1, 2, 3 … within the venue.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// The name of the seating plan as plain text.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The width in plan units. A seat has a radius of 10.
    async fn width(&self, ctx: &Context<'_>) -> ApiResult<f64> {
        Ok(self.plan(ctx).await?.plan.width)
    }

    /// The height in plan units.
    async fn height(&self, ctx: &Context<'_>) -> ApiResult<f64> {
        Ok(self.plan(ctx).await?.plan.height)
    }

    /// Number of numbered seats.
    async fn seat_count(&self) -> i32 {
        self.0.seat_count
    }

    /// Total capacity of the general-admission areas in persons.
    async fn area_capacity(&self) -> i32 {
        self.0.area_capacity
    }

    /// The seat categories. A tier prices the seats of a category by the category's name.
    async fn categories(&self, ctx: &Context<'_>) -> ApiResult<Vec<SeatCategory>> {
        let map = self.plan(ctx).await?;
        Ok(map.plan.categories.iter().map(SeatCategory::of).collect())
    }

    /// The zones in map order, with their rows, seats and areas.
    async fn zones(&self, ctx: &Context<'_>) -> ApiResult<Vec<Zone>> {
        let map = self.plan(ctx).await?;
        Ok((0..map.plan.zones.len()).map(|index| Zone { map: map.clone(), index }).collect())
    }

    /// The general-admission areas of all zones, in map order.
    async fn areas(&self, ctx: &Context<'_>) -> ApiResult<Vec<Area>> {
        let map = self.plan(ctx).await?;
        Ok((0..map.plan.areas.len()).map(|index| Area { map: map.clone(), index }).collect())
    }

    /// The imported plan in pretix seating-plan JSON, including decoration and unknown keys. Requires a member of
    /// the shop; otherwise it is null with the error `FORBIDDEN`.
    #[graphql(name = "plan")]
    async fn document(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        let document = export(ctx, self.0.id, SeatMapFormat::Full).await?;
        Ok(Some(document.ok_or_else(|| not_allowed(ctx.viewer()))?))
    }

    /// The URL of the geometry as one JSON document for drawing: categories, zones with rows and seats, areas and
    /// decoration. The document is immutable and can be cached permanently. Everyone who may see the seat map can fetch
    /// it. Until an event with this seat map is published, send your access token. Positions are in plan units.
    /// Categories, zones and areas are referenced by index. Rows and areas are in the order of `Event.availability`.
    async fn url(&self, ctx: &Context<'_>) -> String {
        format!("{}{}", ctx.app().config.public_url(), geometry::path(self.0.id))
    }

    /// The point that the best seats are closest to, such as the stage. If the plan does not give it, it is inferred.
    async fn focal_point(&self, ctx: &Context<'_>) -> ApiResult<FocalPoint> {
        Ok(FocalPoint::of_map(ctx, self.0.id).await?)
    }

    /// When the seat map was imported.
    async fn created_at(&self) -> Instant {
        self.0.created_at.into()
    }
}

impl SeatMap {
    /// Loads the seat map if the viewer may see it.
    pub(crate) async fn load(ctx: &Context<'_>, id: SeatMapId) -> FaultResult<Self> {
        find::revision(ctx.app(), ctx.viewer(), id).await.map(Self)
    }

    async fn plan(&self, ctx: &Context<'_>) -> FaultResult<Arc<venue::SeatMap>> {
        venue::seat_map(ctx.app(), self.0.id).await
    }
}

/// A price category of a seat map.
#[derive(Clone, Debug, SimpleObject)]
pub struct SeatCategory {
    /// The name as plain text, unique within the seat map.
    name: String,
    /// The colour for drawing its seats, as `#rrggbb`.
    color: String,
}

impl SeatCategory {
    fn of(category: &plan::Category) -> Self {
        Self { name: category.name.clone(), color: category.color.clone() }
    }
}

/// Loader key: a seat map without its plan, for viewers who see an object that refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MapOf(pub(crate) SeatMapId);

impl Loader<MapOf> for Batch {
    type Value = Revision;
    type Error = Shared;

    async fn load(&self, keys: &[MapOf]) -> Result<HashMap<MapOf, Revision>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        Ok(keyed(find::revisions_by_ids(&self.app, ids).await?, |row| MapOf(row.id)))
    }
}

/// Loader key: a seat map without its plan, if the viewer may see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct KnownMap(pub(crate) SeatMapId);

impl Loader<KnownMap> for Batch {
    type Value = Revision;
    type Error = Shared;

    async fn load(&self, keys: &[KnownMap]) -> Result<HashMap<KnownMap, Revision>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        Ok(keyed(find::revisions(&self.app, &self.viewer, ids).await?, |row| KnownMap(row.id)))
    }
}

/// The export formats of a seat map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SeatMapFormat {
    /// The document as it was imported, with all keys.
    Full,
    /// Only the keys that pretix accepts. Capacities and accessibility are removed.
    Pretix,
}

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct SeatMapQuery;

#[Object]
impl SeatMapQuery {
    /// Returns the seat map. Null if there is none, or if you may not see it.
    async fn seat_map(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the seat map.")] id: ID,
    ) -> ApiResult<Option<SeatMap>> {
        found(SeatMap::load(ctx, decode(&id, "id")?).await)
    }

    /// Exports the seat map as pretix seating-plan JSON, in the format that `importSeatMap` reads. Null if there is
    /// none, or if you are not a member of its shop.
    async fn seat_map_export(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the seat map.")] seat_map_id: ID,
        #[graphql(desc = "The export format.", default_with = "SeatMapFormat::Full")] format: SeatMapFormat,
    ) -> ApiResult<Option<String>> {
        export(ctx, decode(&seat_map_id, "seatMapId")?, format).await
    }
}

async fn export(ctx: &Context<'_>, id: SeatMapId, format: SeatMapFormat) -> ApiResult<Option<String>> {
    let map = match find::own_seat_map(ctx.app(), ctx.viewer(), id).await {
        Ok(map) => map,
        Err(Fault::NotFound(_) | Fault::Unauthenticated | Fault::Forbidden(_)) => return Ok(None),
        Err(fault) => return Err(fault.into()),
    };
    ctx.budget().check()?;
    let plan = match format {
        SeatMapFormat::Full => map.plan.document.clone(),
        SeatMapFormat::Pretix => map.plan.for_pretix(),
    };
    Ok(Some(ctx.budget().text(plan)?))
}
