//! The setting of the orphan rule: whether selections that would leave orphans are refused.
//!
//! Existing events are sold without the rule, as before. For new events, the application always sets the column.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["ALTER TABLE event ADD COLUMN orphan_rule boolean NOT NULL DEFAULT false"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["ALTER TABLE event DROP COLUMN orphan_rule"]).await
    }
}
