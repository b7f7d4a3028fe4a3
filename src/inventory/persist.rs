//! The inventory in the database: reading a stock, following the log, and writing a batch behind the version guard.

use chrono::{DateTime, Utc};
use entity::{
    InventoryId, TierId, Versioned,
    event::EventStatus,
    inventory::{self, InventoryKind, SeatStatus, area, buyer, change, seat},
    reservation::{self, ReservationState},
    tier::ScopeKind,
};
use iso_currency::Currency;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::state::{Area, Buyer, Change, Held, Seat, Stock, Terms, TierTerms};
use crate::{
    app::App,
    error::{Fault, Faulty},
    event,
    money::{self, Money},
    store::Tx,
    venue,
};

/// Rows per statement: well below SQLite's and PostgreSQL's limits of bound values.
const ROWS_PER_STATEMENT: usize = 1_000;
/// How often a stock is read again because it changed while it was read.
const READ_ATTEMPTS: usize = 20;

/// Reads the whole stock at one version.
pub(super) async fn load(app: &App, id: InventoryId) -> Faulty<Stock> {
    for _ in 0..READ_ATTEMPTS {
        let stock = read(app, id).await?;
        // Every write raises the version, so an unchanged version means that all parts belong together.
        if version(app, id).await? == stock.version {
            return Ok(stock);
        }
    }
    Err(Fault::Unavailable)
}

/// The current version in the database.
pub(super) async fn version(app: &App, id: InventoryId) -> Faulty<i64> {
    inventory::Entity::find_by_id(id)
        .select_only()
        .column(inventory::Column::Version)
        .into_tuple()
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound("event"))
}

async fn read(app: &App, id: InventoryId) -> Faulty<Stock> {
    let db = app.store.read();
    let row = inventory::Entity::find_by_id(id).one(db).await?.ok_or(Fault::NotFound("event"))?;
    let terms = terms(app, id).await?;
    let seats: Vec<(i32, SeatStatus, i32, Option<entity::ReservationId>)> = seat::Entity::find()
        .filter(seat::Column::InventoryId.eq(id))
        .order_by_asc(seat::Column::Ordinal)
        .select_only()
        .columns([
            seat::Column::Ordinal,
            seat::Column::Status,
            seat::Column::Epoch,
            seat::Column::ReservationId,
        ])
        .into_tuple()
        .all(db)
        .await?;
    let areas = area::Entity::find()
        .filter(area::Column::InventoryId.eq(id))
        .order_by_asc(area::Column::Ordinal)
        .all(db)
        .await?;
    let live = reservation::Entity::find()
        .filter(reservation::Column::InventoryId.eq(id))
        .filter(reservation::Column::State.is_in([ReservationState::Active, ReservationState::Paying]))
        .all(db)
        .await?;
    let buyers = buyer::Entity::find()
        .filter(buyer::Column::InventoryId.eq(id))
        .filter(buyer::Column::Taken.gt(0))
        .all(db)
        .await?;
    let mut stock = Stock {
        version: row.version,
        terms,
        seats: seats
            .into_iter()
            .map(|(_, status, epoch, reservation)| Seat { status, epoch: unsigned(epoch), reservation })
            .collect(),
        areas: areas
            .into_iter()
            .map(|area| Area {
                capacity: unsigned(area.capacity),
                reserved: unsigned(area.reserved),
                sold: unsigned(area.sold),
            })
            .collect(),
        reservations: live.into_iter().map(|row| Ok((row.id, held(row)?))).collect::<Faulty<_>>()?,
        buyers: buyers
            .into_iter()
            .map(|row| (row.account_id, Buyer { taken: unsigned(row.taken), ..Buyer::default() }))
            .collect(),
        counts: super::state::Counts::default(),
    };
    stock.counts = stock.recount();
    for held in stock.reservations.values() {
        stock.buyers.entry(held.buyer).or_default().reservations.insert(held.id);
    }
    Ok(stock)
}

/// What the event says about its sale.
pub(super) async fn terms(app: &App, id: InventoryId) -> Faulty<Terms> {
    let event = event::by_id(app, id.into()).await?;
    let map = venue::seat_map(app, event.seat_map_id).await?;
    let tiers = event::tiers_of(app, event.id).await?;
    let scopes = event::scopes_of(app, event.id).await?;
    let index =
        |id: TierId| tiers.iter().position(|tier| tier.id == id).and_then(|index| u16::try_from(index).ok());
    let priced = |kind: ScopeKind, key: &str| {
        scopes
            .iter()
            .find(|scope| scope.kind == kind && scope.key == key)
            .and_then(|scope| index(scope.tier_id))
    };
    let by_category: Vec<Option<u16>> =
        map.plan.categories.iter().map(|category| priced(ScopeKind::Category, &category.name)).collect();
    let currency = money::currency(&event.currency).ok_or_else(|| Fault::internal("unknown currency"))?;
    Ok(Terms {
        open: event.status == EventStatus::Published,
        sales_start: event.sales_start,
        sales_end: event.sales_end,
        hold_seconds: event.hold_seconds.into(),
        hold_seconds_max: event.hold_seconds_max.into(),
        limit_per_buyer: unsigned(event.limit_per_buyer),
        currency: event.currency,
        tiers: tiers.iter().map(|tier| tier_terms(tier, currency)).collect::<Faulty<_>>()?,
        seat_tiers: map.plan.seats.iter().map(|seat| by_category[seat.category]).collect(),
        area_tiers: map
            .plan
            .areas
            .iter()
            .map(|area| {
                priced(ScopeKind::Area, &area.guid)
                    .or_else(|| area.category.and_then(|category| by_category[category]))
            })
            .collect(),
    })
}

fn tier_terms(tier: &entity::tier::Model, currency: Currency) -> Faulty<TierTerms> {
    let gross = Money::new(tier.price_minor + tier.fee_minor, currency);
    let tax = gross.included_tax(unsigned(tier.tax_basis_points)).map_err(Fault::internal)?;
    Ok(TierTerms { id: tier.id, price: tier.price_minor, fee: tier.fee_minor, tax: tax.minor })
}

/// The versions after `after`, in order and without a gap, at most `limit` of them. Empty when there are none; `None`
/// when the log no longer reaches back that far.
pub(super) async fn changes_after(
    app: &App,
    id: InventoryId,
    after: i64,
    limit: u64,
) -> Faulty<Option<Vec<(i64, Change)>>> {
    let rows = change::Entity::find()
        .filter(change::Column::InventoryId.eq(id))
        .filter(change::Column::Version.gt(after))
        .order_by_asc(change::Column::Version)
        .limit(limit)
        .all(app.store.read())
        .await?;
    let mut changes = Vec::with_capacity(rows.len());
    for (expected, row) in (after + 1..).zip(rows) {
        if row.version != expected {
            return Ok(None);
        }
        changes.push((row.version, serde_json::from_str(&row.payload).map_err(Fault::internal)?));
    }
    if changes.is_empty() && version(app, id).await? > after {
        return Ok(None);
    }
    Ok(Some(changes))
}

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

pub(super) fn held(row: reservation::Model) -> Faulty<Held> {
    Ok(Held {
        id: row.id,
        buyer: row.account_id,
        state: row.state,
        items: super::items(&row)?,
        currency: row.currency,
        deadline: row.deadline,
        deadline_max: row.deadline_max,
        order: row.order_id,
        created_at: row.created_at,
        version: row.version,
    })
}

/// The database's integers are signed; CHECKs keep these from being negative.
fn unsigned(value: i32) -> u32 {
    u32::try_from(value).unwrap_or_default()
}

fn signed(value: u32) -> i32 {
    i32::try_from(value).unwrap_or(i32::MAX)
}
