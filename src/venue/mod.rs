//! Venues and their seat maps: immutable revisions of geometry, read from pretix seating plans.

pub mod edit;
pub mod find;
pub mod hall;
pub mod plan;
pub mod rules;

use std::sync::Arc;

use entity::{SeatMapId, VenueId, venue::seat_map};
use hall::Hall;
use plan::Plan;
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
    /// Which.
    pub id: SeatMapId,
    /// Whose geometry it is.
    pub venue: VenueId,
    /// 1, 2, 3 … within the venue.
    pub revision: i32,
    /// The geometry.
    pub plan: Plan,
    /// The geometry arranged for choosing seats.
    pub hall: Arc<Hall>,
}

impl SeatMap {
    /// The id of a seat or area as the API shows it: the map's id with the last four bytes replaced by the ordinal. The
    /// same for every event that is held on this map.
    pub fn place_id(&self, ordinal: u32) -> Uuid {
        let mut bytes = self.id.0.into_bytes();
        bytes[12..].copy_from_slice(&ordinal.to_be_bytes());
        Uuid::from_bytes(bytes)
    }

    /// The ordinal in a place's id; none when the id belongs to another map.
    pub fn ordinal(&self, id: Uuid) -> Option<u32> {
        let (bytes, own) = (id.into_bytes(), self.id.0.into_bytes());
        let ordinal = u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]);
        (bytes[..12] == own[..12]).then_some(ordinal)
    }
}

/// The seat map with its plan, from memory if it was asked for before.
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
    let arranged = arranged(row.plan).await?;
    let (plan, hall) =
        arranged.map_err(|faults| Fault::internal(format!("a stored plan is bad: {faults:?}")))?;
    Ok(Arc::new(SeatMap { id, venue: row.venue_id, revision: row.revision, plan, hall }))
}

/// Reads a document and arranges its geometry, off the threads that answer.
async fn arranged(text: String) -> FaultResult<Result<(Plan, Arc<Hall>), Vec<plan::Fault>>> {
    let arrange = move || {
        let plan = Plan::parse(&text)?;
        let hall = Arc::new(Hall::new(&plan));
        Ok((plan, hall))
    };
    tokio::task::spawn_blocking(arrange).await.map_err(Fault::internal)
}
