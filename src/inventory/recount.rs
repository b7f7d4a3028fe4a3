//! The stored number of free places that the public can buy, when it does not follow from a command to a desk: an event is
//! published, its tiers change, or an earlier program version did not store it.

use entity::{EventId, InventoryId, event, inventory};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use super::read;
use crate::{
    app::App,
    error::{Fault, FaultResult},
    store::Tx,
    telemetry::log_fault,
    venue,
};

/// Inventories that one round of the worker counts.
const BATCH: u64 = 50;

/// Counts and writes the number for an event with this seat map. Does nothing if the event was never published.
pub(super) async fn write_in_tx(app: &App, tx: &Tx, id: EventId, map: &venue::SeatMap) -> FaultResult<()> {
    let Some(stock) = read::stock_in_tx(app, tx, id, map).await? else { return Ok(()) };
    let available = i32::try_from(stock.public_available()).map_err(Fault::internal)?;
    inventory::Entity::update_many()
        .col_expr(inventory::Column::PublicAvailable, Expr::value(available))
        .filter(inventory::Column::Id.eq(InventoryId::from(id)))
        .exec(tx)
        .await?;
    Ok(())
}

/// Counts events whose number is not stored, because an earlier program version published them. Returns how many.
pub async fn recount(app: &App) -> FaultResult<usize> {
    let missing: Vec<InventoryId> = inventory::Entity::find()
        .select_only()
        .column(inventory::Column::Id)
        .filter(inventory::Column::PublicAvailable.is_null())
        .filter(inventory::Column::Kind.eq(inventory::InventoryKind::Event))
        .limit(BATCH)
        .into_tuple()
        .all(app.store.read())
        .await?;
    for id in &missing {
        // A failure of one event must not block the others.
        if let Err(fault) = one(app, EventId::from(*id)).await {
            log_fault!(&fault, inventory = %id.0, "cannot count the places for sale");
        }
    }
    Ok(missing.len())
}

async fn one(app: &App, id: EventId) -> FaultResult<()> {
    let Some(event) = event::Entity::find_by_id(id).one(app.store.read()).await? else { return Ok(()) };
    let map = venue::seat_map(app, event.seat_map_id).await?;
    let tx = app.store.begin().await?;
    super::write::lock_in_tx(&tx, id.into()).await?;
    write_in_tx(app, &tx, id, &map).await?;
    Ok(tx.commit().await?)
}
