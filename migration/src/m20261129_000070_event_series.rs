//! Series: events that were created together.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE event ADD COLUMN series_id {uuid}",
    "CREATE INDEX event_series ON event (series_id, starts_at, id) WHERE series_id IS NOT NULL",
];

const DOWN: &[&str] = &["DROP INDEX event_series", "ALTER TABLE event DROP COLUMN series_id"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
