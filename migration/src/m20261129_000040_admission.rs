//! The admission to an event, the dates that follow from others, and the entries of tickets.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// `sales_start` and `sales_end` stay filled, so that the previous version can read them. `…_given` says whether the
/// vendor set the date or it follows from others. For older events, a date that is equal to its default follows.
const UP: &[&str] = &[
    "ALTER TABLE event ADD COLUMN doors_at {time}",
    "ALTER TABLE event ADD COLUMN admission_from {time}",
    "ALTER TABLE event ADD COLUMN admission_until {time}",
    r"ALTER TABLE event ADD COLUMN entries_max integer DEFAULT 1
        CONSTRAINT event_entries_max CHECK (entries_max > 0)",
    r"ALTER TABLE event ADD COLUMN entry_period text NOT NULL DEFAULT 'event'
        CONSTRAINT event_entry_period CHECK (entry_period IN ('event', 'day'))",
    "ALTER TABLE event ADD COLUMN reentry boolean NOT NULL DEFAULT false",
    "ALTER TABLE event ADD COLUMN sales_start_given boolean NOT NULL DEFAULT true",
    "ALTER TABLE event ADD COLUMN sales_end_given boolean NOT NULL DEFAULT true",
    r"ALTER TABLE event ADD COLUMN refund_minutes integer
        CONSTRAINT event_refund_minutes CHECK (refund_minutes >= 0)",
    "UPDATE event SET sales_start_given = (sales_start <> created_at), sales_end_given = (sales_end <> starts_at)",
    r"ALTER TABLE tier ADD COLUMN entry_period text
        CONSTRAINT tier_entry_period CHECK (entry_period IN ('event', 'day'))",
    "ALTER TABLE tier ADD COLUMN entries_max integer CONSTRAINT tier_entries_max CHECK (entries_max > 0)",
    "ALTER TABLE tier ADD COLUMN reentry boolean NOT NULL DEFAULT false",
    "ALTER TABLE ticket ADD COLUMN checked_out_at {time}",
    r"ALTER TABLE ticket ADD COLUMN entries integer NOT NULL DEFAULT 0
        CONSTRAINT ticket_entries CHECK (entries >= 0)",
    "UPDATE ticket SET entries = 1 WHERE state = 'checked_in'",
    "ALTER TABLE order_line ADD COLUMN rights text",
];

const DOWN: &[&str] = &[
    "ALTER TABLE order_line DROP COLUMN rights",
    "ALTER TABLE ticket DROP COLUMN entries",
    "ALTER TABLE ticket DROP COLUMN checked_out_at",
    "ALTER TABLE tier DROP COLUMN reentry",
    "ALTER TABLE tier DROP COLUMN entries_max",
    "ALTER TABLE tier DROP COLUMN entry_period",
    "ALTER TABLE event DROP COLUMN refund_minutes",
    "ALTER TABLE event DROP COLUMN sales_end_given",
    "ALTER TABLE event DROP COLUMN sales_start_given",
    "ALTER TABLE event DROP COLUMN reentry",
    "ALTER TABLE event DROP COLUMN entry_period",
    "ALTER TABLE event DROP COLUMN entries_max",
    "ALTER TABLE event DROP COLUMN admission_until",
    "ALTER TABLE event DROP COLUMN admission_from",
    "ALTER TABLE event DROP COLUMN doors_at",
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
