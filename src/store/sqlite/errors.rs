//! The meaning of SQLite's result codes for a connection and for a caller.
//!
//! After some errors SQLite ends the transaction by itself. The driver does not notice, so the connection must not be
//! used again: later transactions on it would be parts of one that never ends. Codes:
//! <https://sqlite.org/rescode.html>.

use sea_orm::{DbErr, RuntimeErr};
use sqlx::sqlite::SqliteError;

/// The meaning of a result code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Meaning {
    /// Another connection holds a lock, or the statement was interrupted. The connection stays open.
    Busy,
    /// The disk is full, an I/O call or an allocation failed, or the file is unusable. The connection is closed.
    Broken,
    /// The database rejects the statement: a violated constraint, or a bug. The connection stays open.
    Statement,
}

/// Returns the meaning of an extended result code.
pub(super) fn meaning(code: i32) -> Meaning {
    // The low byte is the primary code.
    match code & 0xff {
        // BUSY, LOCKED, INTERRUPT, PROTOCOL, SCHEMA.
        5 | 6 | 9 | 15 | 17 => Meaning::Busy,
        // PERM, NOMEM, READONLY, IOERR, CORRUPT, FULL, CANTOPEN, NOTADB.
        3 | 7 | 8 | 10 | 11 | 13 | 14 | 26 => Meaning::Broken,
        _ => Meaning::Statement,
    }
}

/// Returns the meaning of an error from SQLite; `None` for an error from elsewhere.
pub(in crate::store) fn meaning_of(error: &DbErr) -> Option<Meaning> {
    if let DbErr::Exec(source) | DbErr::Query(source) | DbErr::Conn(source) = error
        && let RuntimeErr::SqlxError(error) = source
    {
        meaning_of_driver(error)
    } else {
        None
    }
}

/// Returns the meaning of the driver's error; `None` if it is not one of SQLite's.
pub(super) fn meaning_of_driver(error: &sqlx::Error) -> Option<Meaning> {
    let error = error.as_database_error()?;
    error.try_downcast_ref::<SqliteError>()?;
    error.code()?.parse().ok().map(meaning)
}

/// Returns whether the connection must not be used again after the error. This includes errors of the driver itself:
/// its thread ended, or an answer was lost.
pub(super) fn breaks_connection(error: &sqlx::Error) -> bool {
    match meaning_of_driver(error) {
        Some(meaning) => meaning == Meaning::Broken,
        None => matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::WorkerCrashed
                | sqlx::Error::BeginFailed
                | sqlx::Error::InvalidSavePointStatement
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_result_code_has_its_meaning() {
        let table: &[(i32, Meaning, &str)] = &[
            (1, Meaning::Statement, "ERROR"),
            (2, Meaning::Statement, "INTERNAL"),
            (3, Meaning::Broken, "PERM"),
            (4, Meaning::Statement, "ABORT"),
            (5, Meaning::Busy, "BUSY"),
            (6, Meaning::Busy, "LOCKED"),
            (7, Meaning::Broken, "NOMEM"),
            (8, Meaning::Broken, "READONLY"),
            (9, Meaning::Busy, "INTERRUPT"),
            (10, Meaning::Broken, "IOERR"),
            (11, Meaning::Broken, "CORRUPT"),
            (13, Meaning::Broken, "FULL"),
            (14, Meaning::Broken, "CANTOPEN"),
            (15, Meaning::Busy, "PROTOCOL"),
            (17, Meaning::Busy, "SCHEMA"),
            (18, Meaning::Statement, "TOOBIG"),
            (19, Meaning::Statement, "CONSTRAINT"),
            (20, Meaning::Statement, "MISMATCH"),
            (21, Meaning::Statement, "MISUSE"),
            (25, Meaning::Statement, "RANGE"),
            (26, Meaning::Broken, "NOTADB"),
            (261, Meaning::Busy, "BUSY_RECOVERY"),
            (262, Meaning::Busy, "LOCKED_SHAREDCACHE"),
            (266, Meaning::Broken, "IOERR_READ"),
            (517, Meaning::Busy, "BUSY_SNAPSHOT"),
            (522, Meaning::Broken, "IOERR_SHORT_READ"),
            (778, Meaning::Broken, "IOERR_WRITE"),
            (787, Meaning::Statement, "CONSTRAINT_FOREIGNKEY"),
            (1034, Meaning::Broken, "IOERR_FSYNC"),
            (1546, Meaning::Broken, "IOERR_TRUNCATE"),
            (2067, Meaning::Statement, "CONSTRAINT_UNIQUE"),
            (3082, Meaning::Broken, "IOERR_NOMEM"),
            (4874, Meaning::Broken, "IOERR_SHMSIZE"),
        ];
        for (code, expected, name) in table {
            assert_eq!(meaning(*code), *expected, "{name} ({code})");
        }
    }
}
