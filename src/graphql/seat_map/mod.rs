//! Seat maps in the API: the geometry of a house, immutable, with its own revision for every import.

mod geometry;
mod places;

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject, dataloader::Loader};
use chrono::{DateTime, Utc};
use entity::SeatMapId;

pub use self::places::{Area, Row, Seat, Zone};
pub(crate) use self::{
    geometry::{geometry, named},
    places::seat_id,
};
use crate::{
    error::{Fault, Faulty},
    graphql::{
        context::ContextExt,
        error::{ApiResult, found, outcome},
        id::{decode, encode},
        loader::{Batch, Shared, keyed},
        venue::{Venue, VenueError, VenueOf},
    },
    venue::{
        self, edit,
        find::{self, Revision},
        plan,
    },
};

/// One revision of a venue's geometry. It never changes, so clients may keep it for ever under its id; what is free in
/// it is asked of the event (`Event.availability`).
#[derive(Clone, Debug)]
pub struct SeatMap(Revision);

impl From<Revision> for SeatMap {
    fn from(row: Revision) -> Self {
        Self(row)
    }
}

/// One revision of a venue's geometry. It never changes, so clients may keep it for ever under its id; what is free in
/// it is asked of the event (`Event.availability`).
#[Object]
impl SeatMap {
    /// Globally unique.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// The venue that it is the geometry of.
    async fn venue(&self, ctx: &Context<'_>) -> ApiResult<Option<Venue>> {
        Ok(ctx.loaders().one(VenueOf(self.0.venue_id)).await?.map(Venue::from))
    }

    /// 1, 2, 3 … within the venue.
    async fn revision(&self) -> i32 {
        self.0.revision
    }

    /// The plan's own name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// Width in plan units; a seat is drawn with a radius of 10.
    async fn width(&self, ctx: &Context<'_>) -> ApiResult<f64> {
        Ok(self.plan(ctx).await?.plan.width)
    }

    /// Height in plan units.
    async fn height(&self, ctx: &Context<'_>) -> ApiResult<f64> {
        Ok(self.plan(ctx).await?.plan.height)
    }

    /// How many numbered seats it has.
    async fn seat_count(&self) -> i32 {
        self.0.seat_count
    }

    /// How many people its general-admission areas hold together.
    async fn area_capacity(&self) -> i32 {
        self.0.area_capacity
    }

    /// The plan's price categories. A tier prices seats by their category's name.
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

    /// The plan as it was imported, decoration and foreign keys included: pretix seating-plan JSON. For members of the
    /// shop; null for everybody else.
    #[graphql(name = "plan")]
    async fn document(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        export(ctx, self.0.id, SeatMapFormat::Full).await
    }

    /// Where this geometry is found as one JSON text made for drawing: categories, zones with rows and seats, areas, and
    /// what is drawn besides. It is immutable: keep it for ever. Who may see the seat map may fetch it; as long as no
    /// event on it is published that takes your access token. Positions are in plan units; categories, zones and areas
    /// are referred to by their index; rows and areas come in the order of `Event.availability`.
    async fn url(&self, ctx: &Context<'_>) -> String {
        format!("{}{}", ctx.app().config.public_url(), geometry::path(self.0.id))
    }

    /// When it was imported.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

impl SeatMap {
    /// The seat map, if the viewer may see it.
    pub(crate) async fn load(ctx: &Context<'_>, id: SeatMapId) -> Faulty<Self> {
        find::revision(ctx.app(), ctx.viewer(), id).await.map(Self)
    }

    async fn plan(&self, ctx: &Context<'_>) -> Faulty<Arc<venue::SeatMap>> {
        venue::seat_map(ctx.app(), self.0.id).await
    }
}

/// A price category of a plan.
#[derive(Clone, Debug, SimpleObject)]
pub struct SeatCategory {
    /// Unique within the seat map.
    name: String,
    /// The colour to draw its seats in, as `#rrggbb`.
    color: String,
}

impl SeatCategory {
    fn of(category: &plan::Category) -> Self {
        Self { name: category.name.clone(), color: category.color.clone() }
    }
}

/// Seat maps without their plans, for those who see something that takes place on them.
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

/// The forms in which a seat map can be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum SeatMapFormat {
    /// The document as it was imported: every key, Tessera's own and everybody else's.
    Full,
    /// Only what pretix itself knows: it refuses other keys. Capacities and accessibility are left out.
    Pretix,
}

/// Queries.
#[derive(Debug, Default)]
pub struct SeatMapQuery;

#[Object]
impl SeatMapQuery {
    /// The seat map; null if there is none, or if it is not yours to see.
    async fn seat_map(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which seat map.")] id: ID,
    ) -> ApiResult<Option<SeatMap>> {
        found(SeatMap::load(ctx, decode(&id, "id")?).await)
    }

    /// The seat map as pretix seating-plan JSON, as `importSeatMap` reads it. Null if there is none, or if you are not a
    /// member of its shop.
    async fn export_seat_map(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which seat map.")] seat_map_id: ID,
        #[graphql(desc = "In which form.", default_with = "SeatMapFormat::Full")] format: SeatMapFormat,
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

/// A seating plan for a venue.
#[derive(Debug, InputObject)]
pub struct ImportSeatMapInput {
    /// Whose geometry it is; you must be an owner or manager of its shop.
    venue_id: ID,
    /// The plan: the text of a pretix seating-plan JSON document. Besides what pretix knows, `capacity` on an area makes
    /// it general admission, `wheelchair` on a seat makes it accessible, and `companion` or `companion_of` makes it the
    /// place beside one. `focal_point` on the plan, `{"x": …, "y": …}`, is what the best seats are nearest to; without
    /// it that is where a decoration's text says `Stage`, `Screen`, `Pitch` or the like, else the middle of the upper
    /// edge.
    plan: String,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct ImportSeatMapPayload {
    /// The new revision; null if nothing was stored.
    seat_map: Option<SeatMap>,
    /// Why nothing was stored; empty if it was. For a fault of the plan, `path` is `["plan", "<JSON path>"]`, such as
    /// `zones[3].rows[0].seats[12].seat_guid`.
    errors: Vec<VenueError>,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct SeatMapMutation;

#[Object]
impl SeatMapMutation {
    /// Stores a seating plan as the next revision of the venue's seat map. Seat maps never change: events stay on the
    /// revision that they were made with.
    async fn import_seat_map(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The plan, and whose it is.")] input: ImportSeatMapInput,
    ) -> ApiResult<ImportSeatMapPayload> {
        ctx.viewer().user()?;
        let result = match decode(&input.venue_id, "venueId") {
            Ok(venue) => edit::import_seat_map(ctx.app(), ctx.viewer(), venue, input.plan).await,
            Err(fault) => Err(fault.into()),
        };
        let (seat_map, errors) = outcome(result.map(SeatMap))?;
        Ok(ImportSeatMapPayload { seat_map, errors })
    }
}
