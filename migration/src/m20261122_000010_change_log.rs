//! An index to prune the change log by age, and `PostgreSQL`'s storage parameters for frequently changed tables.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &["CREATE INDEX inventory_change_at ON inventory_change (at)"];

/// Payloads are written once, read once and soon deleted, so compression costs more than it saves. Seats are updated in
/// place frequently, which needs free space on their pages.
const UP_POSTGRES: &[&str] = &[
    "ALTER TABLE inventory_change ALTER COLUMN payload SET STORAGE EXTERNAL",
    "ALTER TABLE inventory_seat SET (fillfactor = 70)",
];

const DOWN: &[&str] = &["DROP INDEX inventory_change_at"];

const DOWN_POSTGRES: &[&str] = &[
    "ALTER TABLE inventory_change ALTER COLUMN payload SET STORAGE EXTENDED",
    "ALTER TABLE inventory_seat RESET (fillfactor)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        if manager.get_database_backend() == DbBackend::Postgres {
            run(manager, UP_POSTGRES).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        if manager.get_database_backend() == DbBackend::Postgres {
            run(manager, DOWN_POSTGRES).await?;
        }
        run(manager, DOWN).await
    }
}
