//! The differences between the SQL of the two databases.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// Replaces a statement's placeholders by the SQL of `backend`.
///
/// `{uuid}`, `{time}` and `{bytes}` are column types. `{serial}` is an auto-incremented primary key. `{binary}`
/// compares text by bytes, so that a prefix is a range of the index. `{transaction}` is a column with the number of the
/// writing transaction. PostgreSQL's readers derive the commit order from it. SQLite has one writer and does not need
/// it.
fn dialect(backend: DbBackend, statement: &str) -> String {
    let postgres = backend == DbBackend::Postgres;
    let pick = |on_postgres, on_sqlite| if postgres { on_postgres } else { on_sqlite };
    statement
        .replace("{uuid}", pick("uuid", "blob"))
        .replace("{time}", pick("timestamptz", "text"))
        .replace("{bytes}", pick("bytea", "blob"))
        .replace(
            "{serial}",
            pick("bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY", "integer PRIMARY KEY AUTOINCREMENT"),
        )
        .replace("{transaction}", pick(",\n    transaction xid8 NOT NULL DEFAULT pg_current_xact_id()", ""))
        .replace("{transaction_key}", pick("transaction, ", ""))
        .replace("{binary}", pick("COLLATE \"C\"", "COLLATE BINARY"))
}

/// Runs the statements in order.
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        let sql = dialect(manager.get_database_backend(), statement);
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// Drops the tables in this order. A table must come before the tables that it refers to.
pub(crate) async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        manager.get_connection().execute_unprepared(&format!("DROP TABLE {table}")).await?;
    }
    Ok(())
}
