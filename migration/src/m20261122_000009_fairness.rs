//! The limit of the time for which a buyer may hold places without buying them.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Each CHECK belongs to the last added of its columns, because SQLite drops the CHECK only with that column.
const UP: &[&str] = &[
    r"ALTER TABLE event ADD COLUMN hold_budget_seconds integer DEFAULT 2700
        CONSTRAINT event_hold_budget CHECK (hold_budget_seconds >= 60)",
    r"ALTER TABLE event ADD COLUMN cool_down_seconds integer NOT NULL DEFAULT 300
        CONSTRAINT event_cool_down CHECK (cool_down_seconds > 0)",
    r"ALTER TABLE inventory_buyer ADD COLUMN held_ms bigint NOT NULL DEFAULT 0
        CONSTRAINT inventory_buyer_held CHECK (held_ms >= 0)",
    r"ALTER TABLE inventory_buyer ADD COLUMN held_since {time}",
    r"ALTER TABLE inventory_buyer ADD COLUMN cools_until {time}
        CONSTRAINT inventory_buyer_cools CHECK (cools_until IS NULL OR held_since IS NULL)",
];

const DOWN: &[&str] = &[
    "ALTER TABLE inventory_buyer DROP COLUMN cools_until",
    "ALTER TABLE inventory_buyer DROP COLUMN held_since",
    "ALTER TABLE inventory_buyer DROP COLUMN held_ms",
    "ALTER TABLE event DROP COLUMN cool_down_seconds",
    "ALTER TABLE event DROP COLUMN hold_budget_seconds",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
