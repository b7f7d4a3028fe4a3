//! A seat map in memory, and the ids of its seats and areas.

use std::sync::Arc;

use entity::{SeatMapId, VenueId};
use uuid::Uuid;

use super::{hall::Hall, plan::Plan};

/// A seat map with its plan parsed.
#[derive(Debug)]
pub struct SeatMap {
    /// The id of the seat map.
    pub id: SeatMapId,
    /// The venue of the seat map.
    pub venue: VenueId,
    /// The revision number within the venue, from 1.
    pub revision: i32,
    /// The geometry.
    pub plan: Plan,
    /// The geometry, arranged for selecting seats.
    pub hall: Arc<Hall>,
}

impl SeatMap {
    /// Returns the API's id of a seat or area: the map's id with the last four bytes replaced by the ordinal. It is the
    /// same in all events on this map.
    pub fn place_id(&self, ordinal: u32) -> Uuid {
        let mut bytes = self.id.0.into_bytes();
        bytes[12..].copy_from_slice(&ordinal.to_be_bytes());
        Uuid::from_bytes(bytes)
    }

    /// Returns the lowest id of a seat map that can contain the seat or area with this id.
    pub fn first_id_with_place(place: Uuid) -> SeatMapId {
        id_like(place, 0)
    }

    /// Returns the highest id of a seat map that can contain the seat or area with this id.
    pub fn last_id_with_place(place: Uuid) -> SeatMapId {
        id_like(place, u32::MAX)
    }

    /// Returns the ordinal in a place's id, or `None` if the id belongs to another map.
    pub fn ordinal(&self, id: Uuid) -> Option<u32> {
        let (bytes, own) = (id.into_bytes(), self.id.0.into_bytes());
        let ordinal = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        (bytes[..12] == own[..12]).then_some(ordinal)
    }
}

/// Replaces the ordinal in a place's id.
fn id_like(place: Uuid, ordinal: u32) -> SeatMapId {
    let mut bytes = place.into_bytes();
    bytes[12..].copy_from_slice(&ordinal.to_be_bytes());
    SeatMapId(Uuid::from_bytes(bytes))
}
