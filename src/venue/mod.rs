//! Venues and their seat maps: immutable revisions of geometry, imported from pretix seating plans.

pub mod edit;
pub mod find;
pub mod hall;
pub mod parts;
pub mod plan;
pub mod rules;
mod seat_map;

use std::sync::Arc;

use entity::{SeatMapId, venue};
use hall::Hall;
use plan::Plan;
use sea_orm::EntityTrait;

pub use self::seat_map::SeatMap;
use crate::{
    app::App,
    error::{Fault, FaultResult, Object},
};

/// The mutations of venues that accept a large text.
pub const LARGE_MUTATIONS: &[&str] = &["importSeatMap"];

/// Returns the seat map with its plan. It is cached in memory.
pub async fn seat_map(app: &App, id: SeatMapId) -> FaultResult<Arc<SeatMap>> {
    app.venue.seat_maps.try_get_with(id, read_seat_map(app, id)).await.map_err(|fault| {
        if let Fault::NotFound(what) = &*fault {
            Fault::NotFound(*what)
        } else {
            Fault::internal(format!("{fault:?}"))
        }
    })
}

async fn read_seat_map(app: &App, id: SeatMapId) -> FaultResult<Arc<SeatMap>> {
    let row = venue::seat_map::Entity::find_by_id(id)
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound(Object::SeatMap))?;
    let arranged = arranged(row.plan).await?;
    let (plan, hall) =
        arranged.map_err(|faults| Fault::internal(format!("a stored plan is bad: {faults:?}")))?;
    Ok(Arc::new(SeatMap { id, venue: row.venue_id, revision: row.revision, plan, hall }))
}

/// Parses a plan and arranges its geometry on a blocking thread, because this can take long.
async fn arranged(text: String) -> FaultResult<Result<(Plan, Arc<Hall>), Vec<plan::Fault>>> {
    let arrange = move || {
        let plan = Plan::parse(&text)?;
        let hall = Arc::new(Hall::new(&plan));
        Ok((plan, hall))
    };
    tokio::task::spawn_blocking(arrange).await.map_err(Fault::internal)
}
