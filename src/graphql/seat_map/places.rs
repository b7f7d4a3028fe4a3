//! The places of a seat map: zones, rows, seats and areas, each a look at the shared plan.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use crate::{
    graphql::{context::ContextExt, error::ApiResult, id},
    venue::{
        SeatMap,
        plan::{self, Access},
    },
};

/// Bytes that a value of a seat takes in a response, its key included.
const VALUE_BYTES: u64 = 24;
/// Microseconds for a seat; each of its fields takes one more.
const SEAT: usize = 3;

/// A part of the house: stalls, circle, north stand.
#[derive(Clone, Debug)]
pub struct Zone {
    pub(super) map: Arc<SeatMap>,
    pub(super) index: usize,
}

/// A part of the house: stalls, circle, north stand.
#[Object]
impl Zone {
    /// Display name; two zones may bear the same.
    async fn name(&self) -> &str {
        &self.map.plan.zones[self.index].name
    }

    /// Its rows in map order.
    async fn rows(&self) -> Vec<Row> {
        let rows = self.map.plan.zones[self.index].rows.clone();
        rows.map(|index| Row { map: self.map.clone(), index }).collect()
    }

    /// Its general-admission areas in map order.
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
    /// What is written beside the row; may be empty, and need not be unique.
    async fn number(&self) -> &str {
        &self.map.plan.rows[self.index].number
    }

    /// The row's name in words, such as `Table 7`, when the plan has its own.
    async fn label(&self) -> Option<&str> {
        self.map.plan.rows[self.index].label.as_deref()
    }

    /// Its seats in map order.
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
    /// The seat's id, by which it is reserved; the same for every event on this seat map.
    async fn id(&self) -> ID {
        seat_id(&self.map, self.index)
    }

    /// The vendor's own key of the seat, unique within the seat map.
    async fn guid(&self) -> &str {
        &self.seat().guid
    }

    /// What is written on the seat; may be empty, and need not be unique.
    async fn number(&self) -> &str {
        &self.seat().number
    }

    /// The seat's full name as printed on a ticket, such as `Stalls, Row A, Seat 12`.
    async fn label(&self) -> String {
        self.map.plan.seat_name(self.index).unwrap_or_default()
    }

    /// The name of its zone.
    async fn zone(&self) -> &str {
        &self.map.plan.zones[self.seat().zone].name
    }

    /// The number of its row.
    async fn row(&self) -> &str {
        &self.map.plan.rows[self.seat().row].number
    }

    /// Distance of its centre from the plan's left edge, in plan units.
    async fn x(&self) -> f64 {
        self.seat().x
    }

    /// Distance of its centre from the plan's upper edge, in plan units.
    async fn y(&self) -> f64 {
        self.seat().y
    }

    /// The name of its price category.
    async fn category(&self) -> &str {
        &self.map.plan.categories[self.seat().category].name
    }

    /// Whether it is a place for a wheelchair.
    async fn wheelchair(&self) -> bool {
        self.seat().access == Access::Wheelchair
    }

    /// Whether it is meant for someone who accompanies a wheelchair user.
    async fn companion(&self) -> bool {
        matches!(self.seat().access, Access::Companion { .. })
    }

    /// The wheelchair place that this companion's seat belongs to, when the plan names it.
    async fn companion_of(&self) -> Option<ID> {
        match self.seat().access {
            Access::Companion { of } => of.map(|index| seat_id(&self.map, index)),
            Access::Standard | Access::Wheelchair => None,
        }
    }
}

impl Seat {
    fn seat(&self) -> &plan::Seat {
        &self.map.plan.seats[self.index]
    }
}

/// A general-admission area: people, but no numbered seats.
#[derive(Clone, Debug)]
pub struct Area {
    pub(super) map: Arc<SeatMap>,
    pub(super) index: usize,
}

/// A general-admission area: people, but no numbered seats.
#[Object]
impl Area {
    /// The area's id, by which places in it are reserved; the same for every event on this seat map.
    async fn id(&self) -> ID {
        area_id(&self.map, self.index)
    }

    /// The vendor's own key of the area, unique within the seat map.
    async fn guid(&self) -> &str {
        &self.area().guid
    }

    /// Display name.
    async fn name(&self) -> &str {
        &self.area().name
    }

    /// The name of its zone.
    async fn zone(&self) -> &str {
        &self.map.plan.zones[self.area().zone].name
    }

    /// The name of its price category, if it has one.
    async fn category(&self) -> Option<&str> {
        let category = self.area().category?;
        Some(&self.map.plan.categories[category].name)
    }

    /// How many people it holds.
    async fn capacity(&self) -> u32 {
        self.area().capacity
    }

    /// Distance of its anchor from the plan's left edge, in plan units.
    async fn x(&self) -> f64 {
        self.area().x
    }

    /// Distance of its anchor from the plan's upper edge, in plan units.
    async fn y(&self) -> f64 {
        self.area().y
    }
}

impl Area {
    /// The area with this ordinal; none if the map has fewer.
    pub(crate) fn new(map: &Arc<SeatMap>, ordinal: u32) -> Option<Self> {
        let index = ordinal as usize;
        (index < map.plan.areas.len()).then(|| Self { map: map.clone(), index })
    }

    fn area(&self) -> &plan::Area {
        &self.map.plan.areas[self.index]
    }
}

/// The id of the map's seat with this ordinal.
pub(crate) fn seat_id(map: &SeatMap, index: usize) -> ID {
    id::encode_as(id::SEAT, map.place_id(ordinal(index)))
}

/// The id of the map's area with this ordinal.
pub(super) fn area_id(map: &SeatMap, index: usize) -> ID {
    id::encode_as(id::AREA, map.place_id(ordinal(index)))
}

/// A plan has far fewer places than 32 bits can count.
fn ordinal(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}
