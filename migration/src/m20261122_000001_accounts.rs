//! Accounts, sessions and refresh tokens.

use sea_orm_migration::prelude::*;

use crate::dialect::{drop_tables, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const UP: &[&str] = &[
    r"CREATE TABLE account (
            id {uuid} PRIMARY KEY,
            kind text NOT NULL CONSTRAINT account_kind CHECK (kind IN ('guest', 'user')),
            email text CONSTRAINT account_email_key UNIQUE,
            name text NOT NULL,
            phone text,
            password_hash text,
            is_operator boolean NOT NULL,
            version bigint NOT NULL,
            created_at {time} NOT NULL,
            updated_at {time} NOT NULL,
            CONSTRAINT account_user_signs_in CHECK (kind = 'guest' OR (email IS NOT NULL AND password_hash IS NOT NULL))
        )",
    r"CREATE TABLE session (
            id {uuid} PRIMARY KEY,
            account_id {uuid} NOT NULL REFERENCES account (id),
            created_at {time} NOT NULL,
            expires_at {time} NOT NULL,
            revoked_at {time}
        )",
    r"CREATE INDEX session_account ON session (account_id)",
    r"CREATE INDEX session_expires ON session (expires_at)",
    r"CREATE TABLE refresh_token (
            digest {bytes} PRIMARY KEY,
            session_id {uuid} NOT NULL REFERENCES session (id) ON DELETE CASCADE,
            created_at {time} NOT NULL,
            used_at {time}
        )",
    r"CREATE INDEX refresh_token_session ON refresh_token (session_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &["refresh_token", "session", "account"]).await
    }
}
