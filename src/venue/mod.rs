//! Venues and their seat maps: immutable revisions of geometry, imported from pretix seating plans.

pub mod edit;
pub mod find;
pub mod hall;
pub mod plan;
pub mod revisions;
pub mod rules;

use std::sync::Arc;

use entity::{SeatMapId, VenueId, venue::seat_map};
use hall::Hall;
use plan::{ImportOptions, Plan, Warning};
use sea_orm::EntityTrait;
use uuid::Uuid;

use crate::{
    app::App,
    error::{Fault, FaultResult, Object},
};

/// The mutations of venues that accept a large text.
pub const LARGE_MUTATIONS: &[&str] = &["importSeatMap"];

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

/// Returns the seat map with its plan. It is cached in memory.
pub async fn seat_map(app: &App, id: SeatMapId) -> FaultResult<Arc<SeatMap>> {
    app.seat_maps.try_get_with(id, read_seat_map(app, id)).await.map_err(|fault| {
        if let Fault::NotFound(what) = &*fault {
            Fault::NotFound(*what)
        } else {
            Fault::internal(format!("{fault:?}"))
        }
    })
}

async fn read_seat_map(app: &App, id: SeatMapId) -> FaultResult<Arc<SeatMap>> {
    let row = seat_map::Entity::find_by_id(id)
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound(Object::SeatMap))?;
    let arranged = arranged(row.plan, ImportOptions::default()).await?;
    let (plan, hall, _) =
        arranged.map_err(|faults| Fault::internal(format!("a stored plan is bad: {faults:?}")))?;
    Ok(Arc::new(SeatMap { id, venue: row.venue_id, revision: row.revision, plan, hall }))
}

/// Returns the map's geometry around another focal point, in thousandths of a plan unit, or its own geometry.
pub(crate) async fn hall_around(map: &Arc<SeatMap>, focal: Option<(i32, i32)>) -> FaultResult<Arc<Hall>> {
    let Some((x, y)) = focal else { return Ok(map.hall.clone()) };
    let (map, focal) = (map.clone(), hall::Point { x: x.into(), y: y.into() });
    let arrange = move || Arc::new(Hall::around(&map.plan, focal));
    tokio::task::spawn_blocking(arrange).await.map_err(Fault::internal)
}

/// A parsed plan, its geometry, and what was repaired or guessed.
type Arranged = (Plan, Arc<Hall>, Vec<Warning>);

/// Parses a plan and arranges its geometry on a blocking thread, because this can take long.
async fn arranged(text: String, options: ImportOptions) -> FaultResult<Result<Arranged, Vec<plan::Fault>>> {
    let arrange = move || {
        let (plan, warnings) = Plan::import(&text, options)?;
        let hall = Arc::new(Hall::new(&plan));
        Ok((plan, hall, warnings))
    };
    tokio::task::spawn_blocking(arrange).await.map_err(Fault::internal)
}
