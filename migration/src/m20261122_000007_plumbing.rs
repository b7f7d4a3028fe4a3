//! The outbox, and the idempotency keys of mutations.

use sea_orm_migration::prelude::*;

use crate::dialect::{drop_tables, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    r"CREATE TABLE outbox (
            position {serial},
            kind text NOT NULL,
            subject {uuid} NOT NULL,
            at {time} NOT NULL{transaction}
        )",
    r"CREATE INDEX outbox_at ON outbox (at)",
    r"CREATE INDEX outbox_order ON outbox ({transaction_key}position)",
    r"CREATE TABLE idempotency (
            account_id {uuid} NOT NULL REFERENCES account (id),
            operation text NOT NULL,
            key text NOT NULL,
            input_digest {bytes} NOT NULL,
            subject {uuid} NOT NULL,
            created_at {time} NOT NULL,
            PRIMARY KEY (account_id, operation, key)
        )",
    r"CREATE INDEX idempotency_created ON idempotency (created_at)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["idempotency", "outbox"]).await
    }
}
