//! Version numbers after a restore from a backup. Clients may have versions of a history that the restored database
//! does not contain.
//!
//! Suppose that a database at version 150 is set back to 100. A client that resumes after 150 gets a snapshot only
//! until the database reaches another version 150. So a restore moves all versions to numbers that no client has seen.

use entity::{InventoryId, Versioned, inventory, inventory::change};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};

use super::write;
use crate::{app::App, error::FaultResult};

/// More than the versions of any inventory between a backup and its restore.
const LEAP: i64 = 1_000_000;

/// Raises the versions of all inventories by a million and deletes their change logs, so that every client gets a
/// snapshot. Returns the number of inventories. No server may be running.
pub async fn leap_versions(app: &App) -> FaultResult<usize> {
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    if app.store.backend() == DbBackend::Postgres {
        tx.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
    }
    let ids: Vec<InventoryId> =
        inventory::Entity::find().select_only().column(inventory::Column::Id).into_tuple().all(&tx).await?;
    change::Entity::delete_many().exec(&tx).await?;
    inventory::Entity::update_many()
        .col_expr(inventory::Entity::VERSION, Expr::col(inventory::Column::Version).add(LEAP))
        .filter(inventory::Column::Version.gt(0))
        .exec(&tx)
        .await?;
    for id in &ids {
        write::touch_in_tx(&tx, *id, now).await?;
    }
    tx.commit().await?;
    Ok(ids.len())
}
