//! What the slice keeps in memory, and the queries that it gets from higher slices.

use std::sync::Arc;

use entity::SeatMapId;
use moka::future::Cache;
use sea_orm::sea_query::SelectStatement;

use super::seat_map::SeatMap;

/// Seats of all cached seat maps. The map of a stadium has about 20,000.
const SEATS_IN_MEMORY_MAX: u64 = 2_000_000;

/// The venues' part of the application.
pub struct VenueParts {
    /// Seat maps by id. They are immutable.
    pub seat_maps: Cache<SeatMapId, Arc<SeatMap>>,
    /// The queries for public events.
    pub(crate) public_events: PublicEvents,
}

/// Queries for events, which the event slice provides. A venue and a seat map are public if they have one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PublicEvents {
    /// Selects those at the venue of the outer query.
    pub(crate) at_venue: fn() -> SelectStatement,
    /// Selects those on the seat map of the outer query.
    pub(crate) on_map: fn() -> SelectStatement,
    /// Selects all events on this seat map, also those that are not public.
    pub(crate) all_on_map: fn(SeatMapId) -> SelectStatement,
}

impl VenueParts {
    /// Creates the part.
    pub(crate) fn new(public_events: PublicEvents) -> Self {
        let seats = |_: &SeatMapId, map: &Arc<SeatMap>| {
            u32::try_from(map.plan.seats.len()).unwrap_or(u32::MAX).max(1)
        };
        Self {
            seat_maps: Cache::builder().max_capacity(SEATS_IN_MEMORY_MAX).weigher(seats).build(),
            public_events,
        }
    }
}
