//! The number of free places that the public can buy: in a tier, and not in a hidden one. The list of events filters by
//! it. It depends on the seat map, so the server counts it for the rows in which it is null, at its start.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    r"ALTER TABLE inventory ADD COLUMN public_available integer
        CONSTRAINT inventory_public_available CHECK (public_available >= 0)",
    r"CREATE INDEX inventory_uncounted ON inventory (id) WHERE public_available IS NULL AND kind = 'event'",
];

const DOWN: &[&str] =
    &["DROP INDEX inventory_uncounted", "ALTER TABLE inventory DROP COLUMN public_available"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
