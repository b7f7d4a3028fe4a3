//! The few words in which the two databases differ.

use sea_orm_migration::{prelude::*, sea_orm::DbBackend};

/// Writes a statement's placeholders in the words of `backend`.
///
/// `{uuid}`, `{time}` and `{bytes}` are column types; `{serial}` is a primary key that counts up; `{binary}` makes text
/// compare byte by byte, so that a prefix is a range of the index; `{transaction}` is a column with the number of the
/// writing transaction, by which PostgreSQL's readers find commit order (SQLite has one writer and needs none).
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

/// Runs the statements one after the other.
pub(crate) async fn run(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        let sql = dialect(manager.get_database_backend(), statement);
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}

/// Drops the tables, which must be named before those that they refer to.
pub(crate) async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        manager.get_connection().execute_unprepared(&format!("DROP TABLE {table}")).await?;
    }
    Ok(())
}
