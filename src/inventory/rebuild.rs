//! Replacing all places of an inventory, when its event moves to another seat map.
//!
//! The places of a version before and after the move have nothing in common but their numbers. So the log starts anew,
//! after a gap of one version: every desk reads the whole stock again, and every subscriber gets a snapshot.

use chrono::{DateTime, Utc};
use entity::{
    InventoryId, Versioned,
    inventory::{self, area, change, seat},
    reservation::{self, ReservationState},
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};

use super::write;
use crate::{
    error::{Fault, FaultResult},
    store::Tx,
};

/// Replaces the places. Returns `false` and writes nothing if places are reserved, or were ever in an order.
///
/// Reservations that ended without an order are deleted, because they name places of the other seat map.
pub(super) async fn rebuild_in_tx(
    tx: &Tx,
    id: InventoryId,
    seats: usize,
    areas: &[u32],
    now: DateTime<Utc>,
) -> FaultResult<bool> {
    // From here on no desk can commit: its version guard waits for this transaction, and then fails.
    write::lock_in_tx(tx, id).await?;
    let own = || reservation::Entity::find().filter(reservation::Column::InventoryId.eq(id));
    let states = [ReservationState::Active, ReservationState::Paying, ReservationState::Converted];
    let matters = Condition::any()
        .add(reservation::Column::State.is_in(states))
        .add(reservation::Column::OrderId.is_not_null());
    let taken: Option<entity::ReservationId> =
        own().select_only().column(reservation::Column::Id).filter(matters).into_tuple().one(tx).await?;
    if taken.is_some() {
        return Ok(false);
    }
    let ended = reservation::Column::InventoryId.eq(id);
    reservation::Entity::delete_many().filter(ended).exec(tx).await?;
    seat::Entity::delete_many().filter(seat::Column::InventoryId.eq(id)).exec(tx).await?;
    area::Entity::delete_many().filter(area::Column::InventoryId.eq(id)).exec(tx).await?;
    change::Entity::delete_many().filter(change::Column::InventoryId.eq(id)).exec(tx).await?;
    let seats = u32::try_from(seats).map_err(Fault::internal)?;
    let capacity = write::signed(seats + areas.iter().sum::<u32>());
    inventory::Entity::update_many()
        .col_expr(inventory::Entity::VERSION, Expr::col(inventory::Column::Version).add(1))
        .col_expr(inventory::Column::Capacity, Expr::value(capacity))
        .col_expr(inventory::Column::Available, Expr::value(capacity))
        .col_expr(inventory::Column::Reserved, Expr::value(0))
        .col_expr(inventory::Column::Sold, Expr::value(0))
        .col_expr(inventory::Column::Blocked, Expr::value(0))
        .col_expr(inventory::Column::UpdatedAt, Expr::value(now))
        .filter(inventory::Column::Id.eq(id))
        .exec(tx)
        .await?;
    write::insert_places_in_tx(tx, id, seats, areas).await?;
    write::touch_in_tx(tx, id, now).await?;
    Ok(true)
}
