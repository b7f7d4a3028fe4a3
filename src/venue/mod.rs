//! Venues and their seat maps: immutable revisions of geometry, imported from pretix seating plans.

pub mod edit;
pub mod find;
pub mod hall;
pub mod parts;
pub mod plan;
pub mod revisions;
pub mod rules;
mod seat_map;

use std::sync::Arc;

use entity::{SeatMapId, venue};
use hall::Hall;
use plan::{ImportOptions, Plan, Warning};
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
