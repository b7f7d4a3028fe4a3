//! Writing an inventory: everything that a batch changed, in set-based statements behind the version guard.

use chrono::{DateTime, Utc};
use entity::{
    InventoryId, Versioned,
    inventory::{self, InventoryKind, SeatStatus, area, buyer, change, seat},
    reservation,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::{change::Change, state::Stock};
use crate::{
    error::{Fault, Faulty},
    store::Tx,
};

/// Rows per statement: well below SQLite's and PostgreSQL's limits of bound values.
const ROWS_PER_STATEMENT: usize = 1_000;

/// Writes what the decisions, applied to `stock`, changed, as the version after the stock's. `false`: another instance
/// was first, and the transaction must be rolled back.
pub(super) async fn write_in_tx(
    tx: &Tx,
    id: InventoryId,
    stock: &Stock,
    change: &Change,
    now: DateTime<Utc>,
) -> Faulty<bool> {
    let guard = inventory::Entity::update_many()
        .col_expr(inventory::Entity::VERSION, Expr::value(stock.version + 1))
        .col_expr(inventory::Column::Available, Expr::value(signed(stock.counts.available)))
        .col_expr(inventory::Column::Reserved, Expr::value(signed(stock.counts.reserved)))
        .col_expr(inventory::Column::Sold, Expr::value(signed(stock.counts.sold)))
        .col_expr(inventory::Column::Blocked, Expr::value(signed(stock.counts.blocked)))
        .col_expr(inventory::Column::UpdatedAt, Expr::value(now))
        .filter(inventory::Column::Id.eq(id))
        .filter(inventory::Column::Version.eq(stock.version))
        .exec(tx)
        .await?;
    if guard.rows_affected != 1 {
        return Ok(false);
    }
    write_seats_in_tx(tx, id, change).await?;
    write_areas_in_tx(tx, id, change).await?;
    write_reservations_in_tx(tx, id, change, now).await?;
    write_buyers_in_tx(tx, id, stock, change).await?;
    append_in_tx(tx, id, stock.version + 1, change, now).await?;
    Ok(true)
}

/// Raises the version of an inventory whose event's terms changed, so that every desk reloads them.
pub(super) async fn touch_in_tx(tx: &Tx, id: InventoryId, now: DateTime<Utc>) -> Faulty<()> {
    let touched = inventory::Entity::update_many()
        .col_expr(inventory::Entity::VERSION, Expr::col(inventory::Column::Version).add(1))
        .filter(inventory::Column::Id.eq(id))
        .exec(tx)
        .await?;
    if touched.rows_affected == 0 {
        return Ok(()); // Not published yet: nothing is sold of it.
    }
    let row = inventory::Entity::find_by_id(id).one(tx).await?.ok_or(Fault::NotFound("event"))?;
    append_in_tx(tx, id, row.version, &Change { terms: true, ..Change::default() }, now).await
}

/// Makes the inventory of an event that is being published: all places available, at version 1.
pub(super) async fn create_in_tx(
    tx: &Tx,
    id: InventoryId,
    seats: usize,
    areas: &[u32],
    now: DateTime<Utc>,
) -> Faulty<()> {
    let seats = i32::try_from(seats).map_err(Fault::internal)?;
    let capacity = seats + signed(areas.iter().sum());
    let row = inventory::ActiveModel {
        id: Set(id),
        kind: Set(InventoryKind::Event),
        version: Set(1),
        capacity: Set(capacity),
        available: Set(capacity),
        reserved: Set(0),
        sold: Set(0),
        blocked: Set(0),
        updated_at: Set(now),
    };
    inventory::Entity::insert(row).exec_without_returning(tx).await?;
    let rows: Vec<seat::ActiveModel> = (0..seats)
        .map(|ordinal| seat::ActiveModel {
            inventory_id: Set(id),
            ordinal: Set(ordinal),
            status: Set(SeatStatus::Available),
            epoch: Set(0),
            reservation_id: Set(None),
        })
        .collect();
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        seat::Entity::insert_many(rows.to_vec()).exec_without_returning(tx).await?;
    }
    let rows = (0..).zip(areas).map(|(ordinal, capacity)| area::ActiveModel {
        inventory_id: Set(id),
        ordinal: Set(ordinal),
        capacity: Set(signed(*capacity)),
        reserved: Set(0),
        sold: Set(0),
    });
    area::Entity::insert_many(rows).exec_without_returning(tx).await?;
    append_in_tx(tx, id, 1, &Change { terms: true, ..Change::default() }, now).await
}

async fn write_seats_in_tx(tx: &Tx, id: InventoryId, change: &Change) -> Faulty<()> {
    let rows: Vec<seat::ActiveModel> = change
        .seats
        .iter()
        .map(|&(ordinal, status, epoch, reservation)| seat::ActiveModel {
            inventory_id: Set(id),
            ordinal: Set(signed(ordinal)),
            status: Set(status),
            epoch: Set(signed(epoch)),
            reservation_id: Set(reservation),
        })
        .collect();
    let replace = OnConflict::columns([seat::Column::InventoryId, seat::Column::Ordinal])
        .update_columns([seat::Column::Status, seat::Column::Epoch, seat::Column::ReservationId])
        .to_owned();
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        seat::Entity::insert_many(rows.to_vec())
            .on_conflict(replace.clone())
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

async fn write_areas_in_tx(tx: &Tx, id: InventoryId, change: &Change) -> Faulty<()> {
    let rows = change.areas.iter().map(|&(ordinal, available, reserved, sold)| area::ActiveModel {
        inventory_id: Set(id),
        ordinal: Set(signed(ordinal)),
        capacity: Set(signed(available + reserved + sold)),
        reserved: Set(signed(reserved)),
        sold: Set(signed(sold)),
    });
    let replace = OnConflict::columns([area::Column::InventoryId, area::Column::Ordinal])
        .update_columns([area::Column::Reserved, area::Column::Sold])
        .to_owned();
    area::Entity::insert_many(rows).on_conflict(replace).exec_without_returning(tx).await?;
    Ok(())
}

async fn write_reservations_in_tx(
    tx: &Tx,
    id: InventoryId,
    change: &Change,
    now: DateTime<Utc>,
) -> Faulty<()> {
    let rows: Vec<reservation::ActiveModel> = change
        .reservations
        .iter()
        .map(|held| {
            Ok(reservation::ActiveModel {
                id: Set(held.id),
                inventory_id: Set(id),
                account_id: Set(held.buyer),
                state: Set(held.state),
                items: Set(serde_json::to_string(&held.items).map_err(Fault::internal)?),
                quantity: Set(signed(held.quantity())),
                total_minor: Set(held.total()),
                currency: Set(held.currency.clone()),
                deadline: Set(held.deadline),
                deadline_max: Set(held.deadline_max),
                order_id: Set(held.order),
                version: Set(held.version),
                created_at: Set(held.created_at),
                updated_at: Set(now),
            })
        })
        .collect::<Faulty<_>>()?;
    let replace = OnConflict::column(reservation::Column::Id)
        .update_columns([
            reservation::Column::State,
            reservation::Column::Deadline,
            reservation::Column::OrderId,
            reservation::Column::Version,
            reservation::Column::UpdatedAt,
        ])
        .to_owned();
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        reservation::Entity::insert_many(rows.to_vec())
            .on_conflict(replace.clone())
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

async fn write_buyers_in_tx(tx: &Tx, id: InventoryId, stock: &Stock, change: &Change) -> Faulty<()> {
    let rows: Vec<buyer::ActiveModel> = change
        .buyers
        .iter()
        .map(|&(account, taken)| buyer::ActiveModel {
            inventory_id: Set(id),
            account_id: Set(account),
            taken: Set(signed(taken)),
            // A limit lowered since must not make what the buyer already has unwritable.
            allowed: Set(signed(Ord::max(taken, stock.terms.limit_per_buyer))),
        })
        .collect();
    let replace = OnConflict::columns([buyer::Column::InventoryId, buyer::Column::AccountId])
        .update_columns([buyer::Column::Taken, buyer::Column::Allowed])
        .to_owned();
    for rows in rows.chunks(ROWS_PER_STATEMENT) {
        buyer::Entity::insert_many(rows.to_vec())
            .on_conflict(replace.clone())
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

async fn append_in_tx(
    tx: &Tx,
    id: InventoryId,
    version: i64,
    change: &Change,
    now: DateTime<Utc>,
) -> Faulty<()> {
    let row = change::ActiveModel {
        inventory_id: Set(id),
        version: Set(version),
        payload: Set(serde_json::to_string(change).map_err(Fault::internal)?),
        at: Set(now),
    };
    change::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(())
}

fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
