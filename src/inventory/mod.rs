//! Inventories: the countable, version-guarded stock of one event or one coupon, and its reservations.
//!
//! All changes of places are [inventory transactions](transaction::transact): commands, decisions by a pure function,
//! one commit behind the version guard, a row in the change log, and a notification of all subscribers.

mod batch;
mod caller;
mod cancelled;
mod change;
mod codes;
mod command;
mod commit;
mod companion;
mod coupon;
mod decide;
mod delta;
mod desk;
pub(crate) mod desks;
mod draft;
mod failure;
mod fairness;
mod fallback_read;
pub mod feed;
pub(crate) mod hoarding;
mod job;
mod multi_inventory;
mod origin;
pub(crate) mod origins;
mod own_reservations;
mod pace;
pub mod parts;
mod pick;
mod place;
pub mod proof;
mod prune;
mod queue;
mod read;
mod rebuild;
mod recount;
mod reserve;
mod restored;
mod state;
mod terms;
#[cfg(test)]
mod tests;
mod totals;
pub(crate) mod transaction;
mod unpaid;
mod watch;
mod write;

use chrono::{DateTime, Utc};
use entity::{
    AccountId, EventId, InventoryId, ReservationId,
    inventory::{self, buyer},
    reservation::{self, ReservationState},
};
use futures_util::StreamExt;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use self::transaction::{Companion, IdempotencyClaim, InventoryTransaction, TransactionError, transact};
pub use self::{
    caller::Caller,
    cancelled::release_cancelled,
    change::{BuyerTally, Change, Decision},
    command::{
        AccessibleParty, BestAvailable, Command, CouponTerms, NewClaim, NewClaimCode, OwnReservations, Pick,
        Refusal,
    },
    decide::decide,
    fairness::{Fairness, IdleTime},
    hoarding::{Excess, Hoarding, Shares, Source},
    pick::best_available,
    prune::{KEPT, KEPT_MAX, prune},
    recount::recount,
    reserve::{Reserve, reserve, reserve_with_proof},
    restored::leap_versions,
    state::{Area, Counts, Item, Place, ReservationSnapshot, Seat, Stock, Tally, Terms, TierTerms},
    totals::{Audience, AudienceTotals, KeptTotals, Totals},
    unpaid::UnpaidPlaces,
    watch::watch,
};
pub(crate) use self::{
    cancelled::release_all,
    coupon::{create_stock_in_tx, resize_stock_in_tx},
    origin::caller,
    reserve::{ReserveOptions, ReserveRefusal, reserve_on_map, reserve_with},
    watch::Changes,
};
use crate::{
    app::App,
    auth::Viewer,
    bus::BusEvent,
    error::{Error, Fault, FaultResult, Never, Object, Result},
    store::Tx,
    telemetry::log_fault,
    venue,
};

/// The mutations of reservations that have priority over new ones under load: they keep or release places.
pub const URGENT_MUTATIONS: &[&str] = &["extendReservation", "releaseReservation"];
/// Maximum number of places in one reservation, regardless of the event's limit.
pub const PLACES_MAX: usize = 100;
/// Inventories with overdue reservations that one round of the worker visits.
const EXPIRE_BATCH: u64 = 200;

/// A buyer's temporary hold on places of one inventory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// The inventory.
    pub inventory: InventoryId,
    /// The state of the reservation.
    pub snapshot: ReservationSnapshot,
}

/// Releases an active reservation of the viewer. Releasing again has no effect.
pub async fn release(app: &App, viewer: &Viewer, id: ReservationId) -> Result<Reservation, Refusal> {
    let buyer = viewer.account()?;
    let reservation = owned(app, viewer, id).await?;
    if reservation.snapshot.state == ReservationState::Released {
        return Ok(reservation);
    }
    let command = Command::Release { id, buyer, order: None };
    Ok(one::<Never>(app, reservation.inventory, command, (None, None)).await?)
}

/// Extends an active reservation of the viewer, at most to the event's maximum.
pub async fn extend(app: &App, viewer: &Viewer, id: ReservationId) -> Result<Reservation, Refusal> {
    let buyer = viewer.account()?;
    let reservation = owned(app, viewer, id).await?;
    Ok(one::<Never>(app, reservation.inventory, Command::Extend { id, buyer }, (None, None)).await?)
}

/// Returns the viewer's reservation. For reservations of others, returns [`Fault::NotFound`].
pub async fn owned(app: &App, viewer: &Viewer, id: ReservationId) -> FaultResult<Reservation> {
    let buyer = viewer.account()?;
    let reservation = by_id(app, id).await?;
    if reservation.snapshot.buyer == buyer {
        Ok(reservation)
    } else {
        Err(Fault::NotFound(Object::Reservation))
    }
}

/// Returns those of the reservations that are the viewer's.
pub async fn owned_by_ids(
    app: &App,
    viewer: &Viewer,
    ids: Vec<ReservationId>,
) -> FaultResult<Vec<Reservation>> {
    let Ok(buyer) = viewer.account() else { return Ok(Vec::new()) };
    let rows = reservation::Entity::find()
        .filter(reservation::Column::Id.is_in(ids))
        .filter(reservation::Column::AccountId.eq(buyer))
        .all(app.store.read())
        .await?;
    rows.into_iter().map(Reservation::of).collect()
}

/// Returns the reservation without any access check.
pub(crate) async fn by_id(app: &App, id: ReservationId) -> FaultResult<Reservation> {
    let row = reservation::Entity::find_by_id(id)
        .one(app.store.read())
        .await?
        .ok_or(Fault::NotFound(Object::Reservation))?;
    Reservation::of(row)
}

/// Returns the viewer's reservations that are active or being paid, oldest first.
pub async fn live_of(app: &App, viewer: &Viewer) -> FaultResult<Vec<Reservation>> {
    let rows = reservation::Entity::find()
        .filter(reservation::Column::AccountId.eq(viewer.account()?))
        .filter(reservation::Column::State.is_in([ReservationState::Active, ReservationState::Paying]))
        .order_by_asc(reservation::Column::Id)
        .limit(PLACES_MAX as u64)
        .all(app.store.read())
        .await?;
    rows.into_iter().map(Reservation::of).collect()
}

/// Returns the inventories' rows with their counts, for lists.
pub async fn counts_of(app: &App, ids: Vec<InventoryId>) -> FaultResult<Vec<inventory::Model>> {
    Ok(inventory::Entity::find().filter(inventory::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// Returns how many places of each inventory the viewer has, reserved or bought. May omit inventories without any.
pub async fn taken_of(
    app: &App,
    viewer: &Viewer,
    ids: Vec<InventoryId>,
) -> FaultResult<Vec<(InventoryId, u32)>> {
    let Ok(account) = viewer.account() else { return Ok(Vec::new()) };
    let rows = buyer::Entity::find()
        .filter(buyer::Column::AccountId.eq(account))
        .filter(buyer::Column::InventoryId.is_in(ids))
        .all(app.store.read())
        .await?;
    Ok(rows.into_iter().map(|row| (row.inventory_id, row.taken.unsigned_abs())).collect())
}

/// Returns how many places or copies the account has, reserved or bought.
pub(crate) async fn taken_by(app: &App, account: AccountId, id: impl Into<InventoryId>) -> FaultResult<u32> {
    let row = buyer::Entity::find_by_id((id.into(), account)).one(app.store.read()).await?;
    Ok(row.map_or(0, |row| row.taken.unsigned_abs()))
}

/// Returns the number of free places that the public can buy. `event::list` has the same in SQL.
pub fn public_available(row: &inventory::Model) -> i32 {
    row.public_available.unwrap_or(row.available)
}

/// Creates the inventory of an event that is being published.
pub(crate) async fn create_in_tx(
    app: &App,
    tx: &Tx,
    event: EventId,
    map: &venue::SeatMap,
) -> FaultResult<()> {
    let areas: Vec<u32> = map.plan.areas.iter().map(|area| area.capacity).collect();
    write::create_in_tx(tx, event.into(), map.plan.seats.len(), &areas, app.clock.now()).await?;
    recount::write_in_tx(app, tx, event, map).await
}

/// Makes every desk reload the terms of an event whose tiers changed, and counts again what the public can buy. Does
/// nothing if it was never published.
pub(crate) async fn retier_in_tx(
    app: &App,
    tx: &Tx,
    event: EventId,
    map: &venue::SeatMap,
) -> FaultResult<()> {
    write::touch_in_tx(tx, event.into(), app.clock.now()).await?;
    recount::write_in_tx(app, tx, event, map).await
}

/// Replaces the places of an event by those of another seat map. Returns `false` and writes nothing if places are
/// reserved, or were ever in an order.
pub(crate) async fn rebuild_in_tx(
    app: &App,
    tx: &Tx,
    event: EventId,
    map: &venue::SeatMap,
) -> FaultResult<bool> {
    let areas: Vec<u32> = map.plan.areas.iter().map(|area| area.capacity).collect();
    let seats = map.plan.seats.len();
    let is_rebuilt = rebuild::rebuild_in_tx(tx, event.into(), seats, &areas, app.clock.now()).await?;
    if is_rebuilt {
        recount::write_in_tx(app, tx, event, map).await?;
    }
    Ok(is_rebuilt)
}

/// Makes every desk reload the terms of the event or coupon. Does nothing if it was never published.
pub(crate) async fn touch_in_tx(tx: &Tx, id: impl Into<InventoryId>, now: DateTime<Utc>) -> FaultResult<()> {
    write::touch_in_tx(tx, id.into(), now).await
}

/// Makes all desks of the inventory, in all instances, follow the log, after a write without the desk.
pub(crate) async fn catch_up(app: &App, id: impl Into<InventoryId>) -> FaultResult<()> {
    let id = id.into();
    let version = match read::version(app, id).await {
        Ok(version) => version,
        Err(Fault::NotFound(_)) => return Ok(()), // Not published yet: nothing is sold of it.
        Err(fault) => return Err(fault),
    };
    app.bus.announce(id, version);
    match app.inventory.desks.find(id) {
        Some(desk) => desk.catch_up(app, version).await,
        None => Ok(()),
    }
}

/// Follows the hints of the bus until its connection breaks.
pub async fn follow_hints(app: &App) -> FaultResult<()> {
    let mut events = app.bus.listen().await?;
    while let Some(event) = events.next().await {
        match event {
            BusEvent::Missed => follow_others(app).await?,
            BusEvent::Hint(hint) => {
                if let Some(desk) = app
                    .inventory
                    .desks
                    .find(hint.inventory)
                    .filter(|desk| desk.published_version() < hint.version)
                    && let Err(fault) = desk.catch_up(app, hint.version).await
                {
                    log_fault!(&fault, inventory = %desk.id().0, "cannot follow a hint");
                }
            }
        }
    }
    Err(Fault::unavailable())
}

/// Expires the overdue reservations. Returns the number of inventories visited.
///
/// Correctness does not depend on this: the places of an overdue reservation can be reserved at once. It informs
/// subscribers.
pub async fn expire_due(app: &App) -> FaultResult<usize> {
    let due: Vec<InventoryId> = reservation::Entity::find()
        .select_only()
        .column(reservation::Column::InventoryId)
        .distinct()
        .filter(reservation::Column::State.eq(ReservationState::Active))
        .filter(reservation::Column::Deadline.lte(app.clock.now()))
        .limit(EXPIRE_BATCH)
        .into_tuple()
        .all(app.store.read())
        .await?;
    for id in &due {
        let transaction = InventoryTransaction::new(vec![(*id, vec![Command::Expire])], None);
        // A failure of one inventory must not block the others.
        if let Err(TransactionError::Fault(fault)) = transact(app, transaction).await {
            log_fault!(&fault, inventory = %id.0, "cannot expire overdue reservations");
        }
    }
    Ok(due.len())
}

/// Asks the database for the versions of the inventories that are open here, and follows the commits of other
/// instances.
pub async fn follow_others(app: &App) -> FaultResult<()> {
    let desks = app.inventory.desks.open();
    let ids = desks.iter().map(|desk| desk.id());
    let versions: Vec<(InventoryId, i64)> = inventory::Entity::find()
        .select_only()
        .columns([inventory::Column::Id, inventory::Column::Version])
        .filter(inventory::Column::Id.is_in(ids))
        .into_tuple()
        .all(app.store.read())
        .await?;
    for desk in desks {
        let current = versions.iter().find(|(id, _)| *id == desk.id()).map(|(_, version)| *version);
        if let Some(version) = current.filter(|version| desk.published_version() < *version)
            && let Err(fault) = desk.catch_up(app, version).await
        {
            log_fault!(&fault, inventory = %desk.id().0, "cannot follow the commits of other instances");
        }
    }
    Ok(())
}

async fn one<R: Send + Sync + 'static>(
    app: &App,
    inventory: InventoryId,
    command: Command,
    (companion, key): (Option<Companion<R>>, Option<IdempotencyClaim>),
) -> std::result::Result<Reservation, TransactionError<R>> {
    let transaction = InventoryTransaction { parts: vec![(inventory, vec![command])], companion, key };
    only(transact(app, transaction).await, inventory)
}

/// Returns the only reservation of a transaction.
fn only<R>(
    result: std::result::Result<Vec<ReservationSnapshot>, TransactionError<R>>,
    inventory: InventoryId,
) -> std::result::Result<Reservation, TransactionError<R>> {
    let snapshot = result?.pop().ok_or_else(|| TransactionError::Fault(Fault::unavailable()))?;
    Ok(Reservation { inventory, snapshot })
}

impl Reservation {
    fn of(row: reservation::Model) -> FaultResult<Self> {
        Ok(Self { inventory: row.inventory_id, snapshot: read::snapshot_of(row)? })
    }
}

impl From<TransactionError> for Error<Refusal> {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Refused(refusal) => Self::Refused(refusal),
            // Only transactions with a key fail like this, and their callers handle it first.
            TransactionError::KeyUsed => Self::Fault(Fault::unavailable()),
            TransactionError::Fault(fault) => Self::Fault(fault),
        }
    }
}
