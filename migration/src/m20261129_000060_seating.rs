//! Seat maps keep the warnings of their import, and events can have a focal point of their own.
//!
//! The focal point is in thousandths of a plan unit. The index finds the events on a seat map, also for the foreign key
//! when a seat map is deleted.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE seat_map ADD COLUMN warnings text",
    "ALTER TABLE event ADD COLUMN focal_x integer",
    "ALTER TABLE event ADD COLUMN focal_y integer",
    "CREATE INDEX event_seat_map ON event (seat_map_id)",
];

const DOWN: &[&str] = &[
    "DROP INDEX event_seat_map",
    "ALTER TABLE event DROP COLUMN focal_y",
    "ALTER TABLE event DROP COLUMN focal_x",
    "ALTER TABLE seat_map DROP COLUMN warnings",
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
