//! The places of a seat map: zones, rows, seats and areas. Each is a view of the shared plan.

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, ID, Object, dataloader::Loader};
use entity::{EventId, SeatMapId};
use uuid::Uuid;

use crate::{
    error::{Fault, FaultResult, Object},
    event::find::map_on_sale,
    graphql::{
        context::ContextExt,
        error::ApiResult,
        id,
        loader::{Batch, Shared},
    },
    venue::{
        self, SeatMap, find,
        plan::{self, Access},
    },
};

/// Bytes of a seat's field in a response, including its key.
const VALUE_BYTES: u64 = 24;
/// Microseconds for a seat. Each of its fields takes one more.
const SEAT: usize = 3;

/// A part of the venue, such as stalls, circle or north stand.
#[derive(Clone, Debug)]
pub struct Zone {
    pub(super) map: Arc<SeatMap>,
    pub(super) index: usize,
}

/// A part of the venue, such as stalls, circle or north stand.
#[Object]
impl Zone {
    /// The display name as plain text. It need not be unique.
    async fn name(&self) -> &str {
        &self.map.plan.zones[self.index].name
    }

    /// The rows in map order.
    async fn rows(&self) -> Vec<Row> {
        let rows = self.map.plan.zones[self.index].rows.clone();
        rows.map(|index| Row { map: self.map.clone(), index }).collect()
    }

    /// The general-admission areas in map order.
    async fn areas(&self) -> Vec<Area> {
        let areas = self.map.plan.areas.iter().enumerate().filter(|(_, area)| area.zone == self.index);
        areas.map(|(index, _)| Area { map: self.map.clone(), index }).collect()
    }
}

/// A row of seats, or the seats around one table.
#[derive(Clone, Debug)]
pub struct Row {
    pub(super) map: Arc<SeatMap>,
    pub(super) index: usize,
}

/// A row of seats, or the seats around one table.
#[Object]
impl Row {
    /// The number that is displayed beside the row. May be empty, and need not be unique.
    async fn number(&self) -> &str {
        &self.map.plan.rows[self.index].number
    }

    /// The row's full name, such as `Table 7`. Null if the plan has none.
    async fn label(&self) -> Option<&str> {
        self.map.plan.rows[self.index].label.as_deref()
    }

    /// The seats in map order.
    async fn seats(&self, ctx: &Context<'_>) -> ApiResult<Vec<Seat>> {
        let seats = self.map.plan.rows[self.index].seats.clone();
        let (count, fields) = (seats.len(), ctx.field().selection_set().count());
        let [work, values] =
            [count * (fields + SEAT), count * fields].map(|number| u64::try_from(number).unwrap_or(u64::MAX));
        ctx.budget().charge(work, values.saturating_mul(VALUE_BYTES))?;
        Ok(seats.map(|index| Seat { map: self.map.clone(), index }).collect())
    }
}

/// One numbered seat.
#[derive(Clone, Debug)]
pub struct Seat {
    pub(super) map: Arc<SeatMap>,
    pub(super) index: usize,
}

/// One numbered seat.
#[Object]
impl Seat {
    /// The global id. Use it to reserve the seat. It is the same for every event with this seat map.
    pub async fn id(&self) -> ID {
        seat_id(&self.map, self.index)
    }

    /// The vendor's key of the seat, unique within the seat map.
    async fn guid(&self) -> &str {
        &self.seat().guid
    }

    /// The number that is displayed on the seat. May be empty, and need not be unique.
    async fn number(&self) -> &str {
        &self.seat().number
    }

    /// The full name, as printed on a ticket, such as `Stalls, Row A, Seat 12`.
    async fn label(&self) -> String {
        self.map.plan.seat_name(self.index).unwrap_or_default()
    }

    /// The name of the zone.
    async fn zone(&self) -> &str {
        &self.map.plan.zones[self.seat().zone].name
    }

    /// The number of the row.
    async fn row(&self) -> &str {
        &self.map.plan.rows[self.seat().row].number
    }

    /// The distance of the centre from the left edge of the plan, in plan units.
    async fn x(&self) -> f64 {
        self.seat().x
    }

    /// The distance of the centre from the upper edge of the plan, in plan units.
    async fn y(&self) -> f64 {
        self.seat().y
    }

    /// The name of the price category.
    async fn category(&self) -> &str {
        &self.map.plan.categories[self.seat().category].name
    }

    /// Whether the seat is a wheelchair place.
    async fn wheelchair(&self) -> bool {
        self.seat().access == Access::Wheelchair
    }

    /// Whether the seat is meant for a wheelchair user's companion.
    async fn companion(&self) -> bool {
        matches!(self.seat().access, Access::Companion { .. })
    }

    /// The id of the wheelchair place that this companion seat belongs to. Null if the plan does not say.
    async fn companion_of(&self) -> Option<ID> {
        match self.seat().access {
            Access::Companion { of } => of.map(|index| seat_id(&self.map, index)),
            Access::Standard | Access::Wheelchair => None,
        }
    }
}

impl Seat {
    /// Returns the seat with this ordinal, or `None` if the map has fewer.
    pub(crate) fn new(map: &Arc<SeatMap>, ordinal: u32) -> Option<Self> {
        let index = ordinal as usize;
        (index < map.plan.seats.len()).then(|| Self { map: map.clone(), index })
    }

    /// Returns the seat with this id if the viewer may see its seat map.
    pub(crate) async fn visible(ctx: &Context<'_>, id: Uuid) -> FaultResult<Option<Self>> {
        Ok(place_with(ctx, id).await?.and_then(|(map, ordinal)| Self::new(&map, ordinal)))
    }

    /// Returns the seat with this ordinal on the event's seat map. `None` has no seat.
    pub(crate) async fn of(
        ctx: &Context<'_>,
        event: EventId,
        ordinal: Option<i32>,
    ) -> FaultResult<Option<Self>> {
        Ok(place_of(ctx, event, ordinal).await?.and_then(|(map, ordinal)| Self::new(&map, ordinal)))
    }

    fn seat(&self) -> &plan::Seat {
        &self.map.plan.seats[self.index]
    }
}

/// A general-admission area, without numbered seats.
#[derive(Clone, Debug)]
pub struct Area {
    pub(super) map: Arc<SeatMap>,
    pub(super) index: usize,
}

/// A general-admission area, without numbered seats.
#[Object]
impl Area {
    /// The global id. Use it to reserve places in the area. It is the same for every event with this seat map.
    pub async fn id(&self) -> ID {
        area_id(&self.map, self.index)
    }

    /// The vendor's key of the area, unique within the seat map.
    async fn guid(&self) -> &str {
        &self.area().guid
    }

    /// The display name as plain text.
    async fn name(&self) -> &str {
        &self.area().name
    }

    /// The name of the zone.
    async fn zone(&self) -> &str {
        &self.map.plan.zones[self.area().zone].name
    }

    /// The name of the price category. Null if there is none.
    async fn category(&self) -> Option<&str> {
        let category = self.area().category?;
        Some(&self.map.plan.categories[category].name)
    }

    /// The area's capacity in persons.
    async fn capacity(&self) -> u32 {
        self.area().capacity
    }

    /// The distance of the label position from the left edge of the plan, in plan units.
    async fn x(&self) -> f64 {
        self.area().x
    }

    /// The distance of the label position from the upper edge of the plan, in plan units.
    async fn y(&self) -> f64 {
        self.area().y
    }
}

impl Area {
    /// Returns the area with this ordinal, or `None` if the map has fewer.
    pub(crate) fn new(map: &Arc<SeatMap>, ordinal: u32) -> Option<Self> {
        let index = ordinal as usize;
        (index < map.plan.areas.len()).then(|| Self { map: map.clone(), index })
    }

    /// Returns the area with this id if the viewer may see its seat map.
    pub(crate) async fn visible(ctx: &Context<'_>, id: Uuid) -> FaultResult<Option<Self>> {
        Ok(place_with(ctx, id).await?.and_then(|(map, ordinal)| Self::new(&map, ordinal)))
    }

    /// Returns the area with this ordinal on the event's seat map. `None` has no area.
    pub(crate) async fn of(
        ctx: &Context<'_>,
        event: EventId,
        ordinal: Option<i32>,
    ) -> FaultResult<Option<Self>> {
        Ok(place_of(ctx, event, ordinal).await?.and_then(|(map, ordinal)| Self::new(&map, ordinal)))
    }

    fn area(&self) -> &plan::Area {
        &self.map.plan.areas[self.index]
    }
}

/// A place: its seat map, and its ordinal among the seats or areas.
type Place = (Arc<SeatMap>, u32);

/// Returns the place with this id if the viewer may see its seat map.
async fn place_with(ctx: &Context<'_>, id: Uuid) -> FaultResult<Option<Place>> {
    let Some(map) = ctx.loaders().one(MapWith::place(id)).await? else { return Ok(None) };
    let map = venue::seat_map(ctx.app(), map).await?;
    Ok(map.ordinal(id).map(|ordinal| (map, ordinal)))
}

/// Returns the place with this ordinal on the event's seat map. `None` has no place.
async fn place_of(ctx: &Context<'_>, event: EventId, ordinal: Option<i32>) -> FaultResult<Option<Place>> {
    let Some(ordinal) = ordinal.and_then(|ordinal| u32::try_from(ordinal).ok()) else { return Ok(None) };
    Ok(Some((map_of_event(ctx, event).await?, ordinal)))
}

/// Loader key: the seat map that contains a place, if the viewer may see it. All places of a map have the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct MapWith(Uuid);

impl MapWith {
    /// Returns the key for the id of a seat or area.
    fn place(id: Uuid) -> Self {
        Self(SeatMap::first_id_with_place(id).0)
    }
}

impl Loader<MapWith> for Batch {
    type Value = SeatMapId;
    type Error = Shared;

    async fn load(&self, keys: &[MapWith]) -> Result<HashMap<MapWith, SeatMapId>, Shared> {
        let places = keys.iter().map(|key| key.0).collect();
        let maps = find::revisions_with(&self.app, &self.viewer, places).await?;
        Ok(maps.into_iter().map(|map| (MapWith::place(map.id.0), map.id)).collect())
    }
}

/// Returns the seat map of an event, for viewers who see an object that refers to the event.
pub(crate) async fn map_of_event(ctx: &Context<'_>, event: EventId) -> FaultResult<Arc<SeatMap>> {
    let map = match map_on_sale(ctx.app(), event) {
        Some(map) => map,
        None => ctx.loaders().one(event).await?.ok_or(Fault::NotFound(Object::Event))?.seat_map_id,
    };
    venue::seat_map(ctx.app(), map).await
}

/// Returns the id of the seat with this ordinal.
pub(crate) fn seat_id(map: &SeatMap, index: usize) -> ID {
    id::encode_as(id::SEAT, map.place_id(ordinal(index)))
}

/// Returns the id of the area with this ordinal.
pub(super) fn area_id(map: &SeatMap, index: usize) -> ID {
    id::encode_as(id::AREA, map.place_id(ordinal(index)))
}

/// Converts an index to an ordinal. A plan has far fewer than 2^32 places.
fn ordinal(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
