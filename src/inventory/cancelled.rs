//! The reservations of cancelled events: they are released at once, so that no buyer pays for nothing and no seat looks
//! reserved.

use entity::{
    EventId, InventoryId,
    event::{self, EventState},
    reservation::{self, ReservationState},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait};

use super::{
    Command,
    transaction::{InventoryTransaction, TransactionError, transact},
};
use crate::{app::App, error::FaultResult, telemetry::log_fault};

/// Events that one round of the worker visits.
const BATCH: u64 = 100;

/// Releases the active reservations of an event that was cancelled. A fault is only logged: the worker repeats it.
pub(crate) async fn release_all(app: &App, id: EventId) {
    let parts = vec![(InventoryId::from(id), vec![Command::ReleaseAll])];
    // The command is never refused.
    if let Err(TransactionError::Fault(fault)) = transact(app, InventoryTransaction::new(parts, None)).await {
        log_fault!(&fault, event.id = %id.0, "cannot release the reservations of a cancelled event yet");
    }
}

/// Releases the active reservations of cancelled events, if the call that cancelled them could not. Returns the number
/// of events visited.
pub async fn release_cancelled(app: &App) -> FaultResult<usize> {
    let reserved = reservation::Entity::find()
        .select_only()
        .column(reservation::Column::InventoryId)
        .filter(reservation::Column::State.eq(ReservationState::Active))
        .into_query();
    let ids: Vec<EventId> = event::Entity::find()
        .select_only()
        .column(event::Column::Id)
        .filter(event::Column::State.eq(EventState::Cancelled))
        .filter(event::Column::EndsAt.gt(app.clock.now()))
        .filter(event::Column::Id.in_subquery(reserved))
        .limit(BATCH)
        .into_tuple()
        .all(app.store.read())
        .await?;
    for id in &ids {
        // A failure of one event must not block the others.
        release_all(app, *id).await;
    }
    Ok(ids.len())
}
