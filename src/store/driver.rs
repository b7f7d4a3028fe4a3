//! Conversions between sea-orm and the driver: statements and errors.

use std::io;

use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr, Statement, sea_query::Values};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Database, IntoArguments, query::Query};

/// Returns the statement as a driver query.
pub(super) fn query<DB>(statement: Statement) -> Query<'static, DB, SqlxValues>
where
    DB: Database,
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.unwrap_or_else(|| Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

/// Returns an error for a connection that must not be used again, for a reason that the driver does not know.
pub(super) fn lost(why: &'static str) -> sqlx::Error {
    sqlx::Error::Io(io::Error::other(why))
}

/// Converts the error of a statement that returns no rows.
pub(super) fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

/// Converts the error of a statement that returns rows.
pub(super) fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(error.into()))
}

/// Converts the error of a pool that returned no connection.
pub(super) fn acquire_error(error: sqlx::Error) -> DbErr {
    if matches!(error, sqlx::Error::PoolTimedOut) {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)
    } else if matches!(error, sqlx::Error::PoolClosed) {
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
    } else {
        DbErr::Conn(RuntimeErr::SqlxError(error.into()))
    }
}
