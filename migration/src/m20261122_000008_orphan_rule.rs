//! The switch of the orphan rule: whether picks that would leave single seats behind are refused.
//!
//! Events that are there already keep selling as they were published: without the rule. For new ones the application
//! always says.

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
