//! Limits against hoarding: the network of a reservation, an event's requirement for its buyers, and verified e-mail
//! addresses.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// The source is a keyed hash of the event and the network. No address is stored.
const UP: &[&str] = &[
    "ALTER TABLE reservation ADD COLUMN source bigint",
    r"ALTER TABLE event ADD COLUMN buyer_requirement text NOT NULL DEFAULT 'none'
        CONSTRAINT event_buyer_requirement
        CHECK (buyer_requirement IN ('none', 'registered', 'verified_email', 'proof_of_work'))",
    r"ALTER TABLE event ADD COLUMN unpaid_per_network integer
        CONSTRAINT event_unpaid_per_network CHECK (unpaid_per_network >= 0)",
    r"ALTER TABLE event ADD COLUMN unpaid_percent integer
        CONSTRAINT event_unpaid_percent CHECK (unpaid_percent BETWEEN 1 AND 100)",
    "ALTER TABLE account ADD COLUMN email_verified_at {time}",
];

const DOWN: &[&str] = &[
    "ALTER TABLE account DROP COLUMN email_verified_at",
    "ALTER TABLE event DROP COLUMN unpaid_percent",
    "ALTER TABLE event DROP COLUMN unpaid_per_network",
    "ALTER TABLE event DROP COLUMN buyer_requirement",
    "ALTER TABLE reservation DROP COLUMN source",
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
