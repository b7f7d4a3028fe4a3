//! The form of an e-mail address in which addresses that look alike are equal.

use sea_orm_migration::prelude::*;

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Addresses of ASCII letters are their own skeleton. Older addresses with other letters keep their spelling as one.
const UP: &[&str] = &[
    "ALTER TABLE account ADD COLUMN email_skeleton text",
    "UPDATE account SET email_skeleton = email",
    "CREATE UNIQUE INDEX account_skeleton_key ON account (email_skeleton)",
];

const DOWN: &[&str] = &["DROP INDEX account_skeleton_key", "ALTER TABLE account DROP COLUMN email_skeleton"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
