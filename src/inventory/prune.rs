//! Pruning of the change log. Clients that resume from before the retained changes get a snapshot, which is smaller
//! anyway.

use chrono::{DateTime, Duration, Utc};
use entity::{InventoryId, inventory, inventory::change};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect, Statement};

use crate::{app::App, error::FaultResult};

/// Retention time of changes: longer than the absence of any connection that wants to resume.
pub const KEPT: Duration = Duration::hours(1);
/// Maximum number of changes retained per inventory, regardless of age.
pub const KEPT_MAX: i64 = 10_000;
/// Changes deleted per transaction, so that other transactions do not wait long.
const AT_ONCE: u64 = 5_000;

/// Deletes the changes that are older than [`KEPT`] or more than [`KEPT_MAX`] versions back. Returns their number. The
/// newest change of each inventory stays.
pub async fn prune(app: &App) -> FaultResult<u64> {
    let before = app.clock.now() - KEPT;
    let mut deleted = 0;
    loop {
        let some = delete_older(app, before).await?;
        deleted += some;
        if some < AT_ONCE {
            break;
        }
    }
    // Other inventories have only their newest change left.
    let busy: Vec<(InventoryId, i64)> = inventory::Entity::find()
        .select_only()
        .columns([inventory::Column::Id, inventory::Column::Version])
        .filter(inventory::Column::UpdatedAt.gte(before))
        .filter(inventory::Column::Version.gt(KEPT_MAX))
        .into_tuple()
        .all(app.store.read())
        .await?;
    for (id, version) in busy {
        let tx = app.store.begin().await?;
        let old = change::Entity::delete_many()
            .filter(change::Column::InventoryId.eq(id))
            .filter(change::Column::Version.lte(version - KEPT_MAX));
        deleted += old.exec(&tx).await?.rows_affected;
        tx.commit().await?;
    }
    Ok(deleted)
}

async fn delete_older(app: &App, before: DateTime<Utc>) -> FaultResult<u64> {
    const DELETE: &str = "DELETE FROM inventory_change WHERE (inventory_id, version) IN \
        (SELECT c.inventory_id, c.version FROM inventory_change AS c JOIN inventory AS i ON i.id = c.inventory_id \
         WHERE c.at < $1 AND c.version < i.version ORDER BY c.at LIMIT $2)";
    let tx = app.store.begin().await?;
    let limit = i64::try_from(AT_ONCE).unwrap_or(i64::MAX);
    let values = [before.into(), limit.into()];
    let statement = Statement::from_sql_and_values(tx.get_database_backend(), DELETE, values);
    let deleted = tx.execute_raw(statement).await?.rows_affected();
    tx.commit().await?;
    Ok(deleted)
}
