//! Writing an inventory: all changes of a batch in set-based statements behind the version guard.

use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use entity::{
    InventoryId, Versioned,
    inventory::{self, InventoryKind, area},
};
use sea_orm::{
    ActiveEnum,
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, Statement, Value,
    sea_query::{Expr, ExprTrait},
};

use super::{
    change::Change,
    state::{Counts, Stock},
};
use crate::{
    error::{Fault, FaultResult, Object},
    store::{self, Rows, Script, Tx},
};

/// New seats per statement, so that no statement takes long.
const ROWS_PER_STATEMENT: usize = 10_000;

/// The result of the version guard.
pub(super) enum GuardOutcome {
    /// The version was raised. Contains the database's time, if it has a clock of its own.
    Passed(Option<DateTime<Utc>>),
    /// Another instance was first: the transaction must be rolled back.
    Lost,
}

/// Raises the stock's version by one and writes its counts, unless another writer was first. The id and the time are
/// `$1` and `$2`; the other parameters come from [`raised`].
const RAISE: &str = "UPDATE inventory SET version = version + 1, available = $4, reserved = $5, sold = $6, \
    blocked = $7, public_available = $8, updated_at = $2 WHERE id = $1 AND version = $3";

fn raised(stock: &Stock) -> Vec<Value> {
    let Counts { available, reserved, sold, blocked } = stock.counts;
    vec![
        stock.version.into(),
        signed(available).into(),
        signed(reserved).into(),
        signed(sold).into(),
        signed(blocked).into(),
        signed(stock.public_available()).into(),
    ]
}

/// Runs the version guard as a statement of its own.
pub(super) async fn guard_in_tx(
    tx: &Tx,
    id: InventoryId,
    stock: &Stock,
    now: DateTime<Utc>,
) -> FaultResult<GuardOutcome> {
    let backend = tx.get_database_backend();
    let clock = if backend == DbBackend::Postgres { "clock_timestamp()" } else { "NULL" };
    let sql = format!("{RAISE} RETURNING {clock} AS now");
    let values = [id.0.into(), now.into()].into_iter().chain(raised(stock));
    match tx.query_one_raw(Statement::from_sql_and_values(backend, sql, values)).await? {
        Some(row) => Ok(GuardOutcome::Passed(row.try_get("", "now")?)),
        None => Ok(GuardOutcome::Lost),
    }
}

/// Returns the version guard as a part of one statement. It also fails if the database's time is not in `valid_times`.
pub(super) fn guard(stock: &Stock, valid_times: &RangeInclusive<DateTime<Utc>>) -> store::Guard {
    let mut values = raised(stock);
    values.extend([(*valid_times.start()).into(), (*valid_times.end()).into()]);
    store::Guard { sql: format!("{RAISE} AND clock_timestamp() BETWEEN $9 AND $10"), values }
}

/// Writes the stock's counts again, because they changed after the guard in this transaction.
pub(super) async fn recount_in_tx(tx: &Tx, id: InventoryId, stock: &Stock) -> FaultResult<()> {
    let counts = stock.counts;
    inventory::Entity::update_many()
        .col_expr(inventory::Column::Available, Expr::value(signed(counts.available)))
        .col_expr(inventory::Column::Reserved, Expr::value(signed(counts.reserved)))
        .col_expr(inventory::Column::Sold, Expr::value(signed(counts.sold)))
        .col_expr(inventory::Column::Blocked, Expr::value(signed(counts.blocked)))
        .col_expr(inventory::Column::PublicAvailable, Expr::value(signed(stock.public_available())))
        .filter(inventory::Column::Id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Locks the inventory's row before the decision, so that no other instance can be first. Returns its version.
pub(super) async fn lock_in_tx(tx: &Tx, id: InventoryId) -> FaultResult<i64> {
    let backend = tx.get_database_backend();
    // A SQLite transaction has the single write lock from its start.
    let lock = if backend == DbBackend::Postgres { " FOR UPDATE" } else { "" };
    let sql = format!("SELECT version FROM inventory WHERE id = $1{lock}");
    let row = tx.query_one_raw(Statement::from_sql_and_values(backend, sql, [id.0.into()])).await?;
    Ok(row.ok_or(Fault::NotFound(Object::Inventory))?.try_get("", "version")?)
}

/// Writes the change of the applied decisions as the version after the stock's. The guard must have passed.
pub(super) async fn write_in_tx(
    tx: &Tx,
    id: InventoryId,
    stock: &Stock,
    change: &Change,
    now: DateTime<Utc>,
) -> FaultResult<()> {
    Ok(script(id, stock, change, now)?.run_in_tx(tx).await?)
}

/// Raises the version of an inventory whose terms changed, so that every desk reloads them.
pub(super) async fn touch_in_tx(tx: &Tx, id: InventoryId, now: DateTime<Utc>) -> FaultResult<()> {
    let touched = inventory::Entity::update_many()
        .col_expr(inventory::Entity::VERSION, Expr::col(inventory::Column::Version).add(1))
        .filter(inventory::Column::Id.eq(id))
        .exec(tx)
        .await?;
    if touched.rows_affected == 0 {
        return Ok(()); // Not published yet: nothing is on sale.
    }
    let row = inventory::Entity::find_by_id(id).one(tx).await?.ok_or(Fault::NotFound(Object::Inventory))?;
    append_in_tx(tx, id, row.version, &Change { terms: true, ..Change::default() }, now).await
}

/// Creates the inventory of an event that is being published: all places available, at version 1.
pub(super) async fn create_in_tx(
    tx: &Tx,
    id: InventoryId,
    seats: usize,
    areas: &[u32],
    now: DateTime<Utc>,
) -> FaultResult<()> {
    let seats = u32::try_from(seats).map_err(Fault::internal)?;
    let capacity = signed(seats + areas.iter().sum::<u32>());
    let row = inventory::ActiveModel {
        id: Set(id),
        kind: Set(InventoryKind::Event),
        version: Set(1),
        capacity: Set(capacity),
        available: Set(capacity),
        reserved: Set(0),
        sold: Set(0),
        blocked: Set(0),
        public_available: Set(None),
        updated_at: Set(now),
    };
    inventory::Entity::insert(row).exec_without_returning(tx).await?;
    insert_places_in_tx(tx, id, seats, areas).await?;
    append_in_tx(tx, id, 1, &Change { terms: true, ..Change::default() }, now).await
}

/// Inserts the seats and areas of an inventory, all available.
pub(super) async fn insert_places_in_tx(
    tx: &Tx,
    id: InventoryId,
    seats: u32,
    areas: &[u32],
) -> FaultResult<()> {
    for first in (0..seats).step_by(ROWS_PER_STATEMENT) {
        let chunk = first..Ord::min(seats, first + u32::try_from(ROWS_PER_STATEMENT).unwrap_or(u32::MAX));
        let insert = "INSERT INTO inventory_seat (inventory_id, ordinal, status, epoch) \
                      SELECT $1, ordinal, 0, 0 FROM {rows} AS r";
        Rows::default().int("ordinal", chunk).execute(tx, insert, vec![id.0.into()]).await?;
    }
    let rows = (0..).zip(areas).map(|(ordinal, capacity)| area::ActiveModel {
        inventory_id: Set(id),
        ordinal: Set(ordinal),
        capacity: Set(signed(*capacity)),
        reserved: Set(0),
        sold: Set(0),
    });
    area::Entity::insert_many(rows).exec_without_returning(tx).await?;
    Ok(())
}

/// Appends the change of a version to the log.
pub(super) async fn append_in_tx(
    tx: &Tx,
    id: InventoryId,
    version: i64,
    change: &Change,
    now: DateTime<Utc>,
) -> FaultResult<()> {
    appended(version, change)?.execute(tx, APPEND, vec![id.0.into(), now.into()]).await?;
    Ok(())
}

/// Returns all writes of the change. They share the inventory's id and the time.
pub(super) fn script(
    id: InventoryId,
    stock: &Stock,
    change: &Change,
    now: DateTime<Utc>,
) -> FaultResult<Script> {
    Ok(Script::new(vec![id.0.into(), now.into()])
        .with("inventory_seat", UPSERT_SEATS, seats(change))
        .with("inventory_area", UPSERT_AREAS, areas(change))
        .with("reservation", UPSERT_RESERVATIONS, reservations(change)?)
        .with("inventory_buyer", UPSERT_BUYERS, buyers(stock, change))
        .with("inventory_change", APPEND, appended(stock.version + 1, change)?))
}

// Seats and areas exist, so these are updates. They are written as upserts because an upsert has one plan, by the
// primary key. A joined `UPDATE` makes SQLite compare every seat of the hall with every row.
const UPSERT_SEATS: &str = "INSERT INTO inventory_seat (inventory_id, ordinal, status, epoch, reservation_id) \
    SELECT $1, ordinal, status, epoch, reservation_id FROM {rows} AS r WHERE true \
    ON CONFLICT (inventory_id, ordinal) DO UPDATE SET status = excluded.status, epoch = excluded.epoch, \
    reservation_id = excluded.reservation_id";

fn seats(change: &Change) -> Rows {
    Rows::default()
        .int("ordinal", change.seats.iter().map(|seat| seat.0))
        .int("status", change.seats.iter().map(|seat| u32::from(seat.1.to_value().unsigned_abs())))
        .int("epoch", change.seats.iter().map(|seat| seat.2))
        .optional_uuid("reservation_id", change.seats.iter().map(|seat| seat.3.map(|id| id.0)))
}

const UPSERT_AREAS: &str = "INSERT INTO inventory_area (inventory_id, ordinal, capacity, reserved, sold) \
    SELECT $1, ordinal, capacity, reserved, sold FROM {rows} AS r WHERE true \
    ON CONFLICT (inventory_id, ordinal) DO UPDATE SET reserved = excluded.reserved, sold = excluded.sold";

fn areas(change: &Change) -> Rows {
    Rows::default()
        .int("ordinal", change.areas.iter().map(|area| area.0))
        .int("capacity", change.areas.iter().map(|area| area.1 + area.2 + area.3))
        .int("reserved", change.areas.iter().map(|area| area.2))
        .int("sold", change.areas.iter().map(|area| area.3))
}

const UPSERT_RESERVATIONS: &str = "INSERT INTO reservation (id, inventory_id, account_id, state, items, quantity, \
    total_minor, currency, deadline, deadline_max, order_id, source, version, created_at, updated_at) \
    SELECT id, $1, account_id, state, items, quantity, total_minor, currency, deadline, deadline_max, \
    order_id, NULLIF(source, 0), version, created_at, $2 FROM {rows} AS r WHERE true \
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, deadline = excluded.deadline, \
    order_id = excluded.order_id, version = excluded.version, updated_at = excluded.updated_at";

fn reservations(change: &Change) -> FaultResult<Rows> {
    let reservations = &change.reservations;
    let items = reservations
        .iter()
        .map(|row| serde_json::to_string(&row.items).map_err(Fault::internal))
        .collect::<FaultResult<Vec<_>>>()?;
    Ok(Rows::default()
        .uuid("id", reservations.iter().map(|row| row.id.0))
        .uuid("account_id", reservations.iter().map(|row| row.buyer.0))
        .text("state", reservations.iter().map(|row| row.state.to_value()))
        .text("items", items)
        .int("quantity", reservations.iter().map(super::state::ReservationSnapshot::quantity))
        .long("total_minor", reservations.iter().map(super::state::ReservationSnapshot::total))
        .text("currency", reservations.iter().map(|row| row.currency.clone()))
        .time("deadline", reservations.iter().map(|row| row.deadline))
        .time("deadline_max", reservations.iter().map(|row| row.deadline_max))
        .optional_uuid("order_id", reservations.iter().map(|row| row.order.map(|id| id.0)))
        .long("source", reservations.iter().map(|row| row.source.map_or(0, |source| source.0)))
        .long("version", reservations.iter().map(|row| row.version))
        .time("created_at", reservations.iter().map(|row| row.created_at)))
}

const UPSERT_BUYERS: &str = "INSERT INTO inventory_buyer (inventory_id, account_id, taken, allowed, held_ms, \
    held_since, cools_until) \
    SELECT $1, account_id, taken, allowed, held_ms, held_since, cools_until FROM {rows} AS r WHERE true \
    ON CONFLICT (inventory_id, account_id) DO UPDATE SET taken = excluded.taken, allowed = excluded.allowed, \
    held_ms = excluded.held_ms, held_since = excluded.held_since, cools_until = excluded.cools_until";

fn buyers(stock: &Stock, change: &Change) -> Rows {
    // A limit that was lowered later must not make the buyer's existing places unwritable.
    let allowed = |taken: u32| Ord::max(taken, stock.terms.limit_per_buyer);
    Rows::default()
        .uuid("account_id", change.buyers.iter().map(|buyer| buyer.0.0))
        .int("taken", change.buyers.iter().map(|buyer| buyer.1))
        .int("allowed", change.buyers.iter().map(|buyer| allowed(buyer.1)))
        .long("held_ms", change.buyers.iter().map(|buyer| buyer.2.counted_ms))
        .optional_time("held_since", change.buyers.iter().map(|buyer| buyer.2.since))
        .optional_time("cools_until", change.buyers.iter().map(|buyer| buyer.2.cools_until))
}

const APPEND: &str = "INSERT INTO inventory_change (inventory_id, version, payload, at) \
    SELECT $1, version, payload, $2 FROM {rows} AS r";

fn appended(version: i64, change: &Change) -> FaultResult<Rows> {
    let payload = serde_json::to_string(change).map_err(Fault::internal)?;
    Ok(Rows::default().long("version", [version]).text("payload", [payload]))
}

pub(super) fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
