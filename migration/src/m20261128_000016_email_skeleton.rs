//! The form of an e-mail address in which similar-looking addresses are equal, and indexes for deleting guests.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// An address of ASCII letters is its own skeleton. Existing addresses with other letters also get themselves as their
/// skeleton.
const UP: &[&str] = &[
    "ALTER TABLE account ADD COLUMN email_skeleton text",
    "UPDATE account SET email_skeleton = email",
    "CREATE UNIQUE INDEX account_skeleton_key ON account (email_skeleton)",
];

const DOWN: &[&str] = &["DROP INDEX account_skeleton_key", "ALTER TABLE account DROP COLUMN email_skeleton"];

/// An index of guests by age, and indexes of references to accounts. Before an account is deleted, the database checks
/// each reference.
const GUESTS: &[&str] = &[
    "CREATE INDEX account_guest ON account (created_at) WHERE kind = 'guest'",
    "CREATE INDEX seat_map_creator ON seat_map (created_by)",
    "CREATE INDEX inventory_buyer_account ON inventory_buyer (account_id)",
    "CREATE INDEX refund_requester ON refund (requested_by)",
    "CREATE INDEX ticket_scanner ON ticket (checked_in_by) WHERE checked_in_by IS NOT NULL",
    "CREATE INDEX check_in_account ON check_in (account_id)",
    "CREATE INDEX claim_buyer ON claim (buyer_id)",
    "CREATE INDEX redemption_account ON redemption (account_id)",
];

const GUESTS_DOWN: &[&str] = &[
    "DROP INDEX redemption_account",
    "DROP INDEX claim_buyer",
    "DROP INDEX check_in_account",
    "DROP INDEX ticket_scanner",
    "DROP INDEX refund_requester",
    "DROP INDEX inventory_buyer_account",
    "DROP INDEX seat_map_creator",
    "DROP INDEX account_guest",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        run(manager, GUESTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, GUESTS_DOWN).await?;
        run(manager, DOWN).await
    }
}
