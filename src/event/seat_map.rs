//! Moving an event to another revision of its venue's seat map.

use entity::{
    EventId, SeatMapId,
    event::{self, EventState},
};
use sea_orm::ActiveValue::Set;

use super::{
    edit::{at, refused},
    follow, locked_in_tx, managed,
    rules::{self, Refusal},
    scopes_in_tx,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, Object, Result},
    inventory,
    store::save_versioned,
    venue::{self, find},
};

/// Moves the event to the seat map if its version is still `seen`. No place may be reserved, and none may ever have been
/// in an order: orders and tickets name places by their position in the seat map. Tiers keep their categories and areas
/// by name and guid.
pub async fn change(
    app: &App,
    viewer: &Viewer,
    id: EventId,
    seen: i64,
    map: SeatMapId,
) -> Result<event::Model, Refusal> {
    let event = managed(app, viewer, id).await?;
    let maps = find::revisions_by_ids(app, vec![map]).await?;
    if !maps.iter().any(|map| map.venue_id == event.venue_id) {
        return Err(Fault::NotFound(Object::SeatMap).into());
    }
    let map = venue::seat_map(app, map).await?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let event = locked_in_tx(&tx, id).await?;
    at(&event, seen)?;
    let scopes = scopes_in_tx(&tx, id).await?;
    rules::change_seat_map(&event, &map.plan, &scopes).map_err(Error::Refused)?;
    if event.seat_map_id == map.id {
        return Ok(event);
    }
    let is_published = event.state == EventState::Published;
    let row = event::ActiveModel {
        id: Set(id),
        seat_map_id: Set(map.id),
        updated_at: Set(now),
        ..Default::default()
    };
    let event = save_versioned::<event::Entity>(&tx, row, seen, Object::Event).await.map_err(refused)?;
    if is_published && !inventory::rebuild_in_tx(app, &tx, id, &map).await? {
        return Err(Error::Refused(Refusal::PlacesTaken));
    }
    tx.commit().await?;
    app.inventory.maps_on_sale.invalidate(&id);
    follow(app, id).await;
    Ok(event)
}
