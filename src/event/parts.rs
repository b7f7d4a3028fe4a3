//! What the slice keeps in memory: the seat maps of published events.

use entity::{EventId, SeatMapId};
use moka::sync::Cache;

/// Events whose seat map's id is cached.
const EVENTS_KNOWN_MAX: u64 = 100_000;

/// The events' part of the application.
pub struct EventParts {
    /// The seat map's id of each published event.
    pub maps_on_sale: Cache<EventId, SeatMapId>,
}

impl Default for EventParts {
    fn default() -> Self {
        Self { maps_on_sale: Cache::new(EVENTS_KNOWN_MAX) }
    }
}
