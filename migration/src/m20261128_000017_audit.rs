//! The audit log: changes of permissions and money. The table is append-only: triggers refuse updates and deletions.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

use crate::dialect::run;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Has no foreign keys, because a row remains after its object is deleted.
const UP: &[&str] = &[
    r"CREATE TABLE audit (
            position {serial},
            id {uuid} NOT NULL CONSTRAINT audit_id UNIQUE,
            at {time} NOT NULL,
            actor text NOT NULL CONSTRAINT audit_actor CHECK (actor IN ('account', 'server', 'command_line')),
            account_id {uuid},
            action text NOT NULL,
            object_kind text NOT NULL,
            object_id {uuid} NOT NULL,
            shop_id {uuid},
            request_id text,
            network text,
            details text NOT NULL,
            CONSTRAINT audit_account CHECK ((actor = 'account') = (account_id IS NOT NULL))
        )",
    "CREATE INDEX audit_shop ON audit (shop_id, position)",
    "CREATE INDEX audit_object ON audit (object_id, position)",
];

const GUARD_POSTGRES: &[&str] = &[
    r"CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN RAISE EXCEPTION ''the audit log is append-only''; END'",
    r"CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit
        FOR EACH STATEMENT EXECUTE FUNCTION audit_is_append_only()",
];

const GUARD_SQLITE: &[&str] = &[
    r"CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
    r"CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
        BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await?;
        run(manager, if is_postgres(manager) { GUARD_POSTGRES } else { GUARD_SQLITE }).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, &["DROP TABLE audit"]).await?;
        let function: &[&str] =
            if is_postgres(manager) { &["DROP FUNCTION audit_is_append_only()"] } else { &[] };
        run(manager, function).await
    }
}

fn is_postgres(manager: &SchemaManager<'_>) -> bool {
    manager.get_database_backend() == DbBackend::Postgres
}
