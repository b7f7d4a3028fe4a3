//! The time when an access code first unlocked places for its holder.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// An access code that unlocked places counts as used, so it cannot be returned.
const UP: &[&str] = &[r"ALTER TABLE claim ADD COLUMN opened_at {time}
        CONSTRAINT claim_opened CHECK (opened_at IS NULL OR state IN ('claimed', 'expired'))"];

const DOWN: &[&str] = &["ALTER TABLE claim DROP COLUMN opened_at"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
