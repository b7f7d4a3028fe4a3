//! The meaning of database errors: one table for all classes of PostgreSQL's codes, and the driver's own errors.
//!
//! The codes are listed in PostgreSQL's manual, appendix A. SQLite has its own table (`store/sqlite/errors.rs`).

use std::borrow::Cow;

use sea_orm::{DbErr, RuntimeErr};

use super::sqlite;
use crate::call::PastDeadline;

/// What an error means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A conflict with another transaction. Nothing was written, and the same may be tried again at once.
    Busy,
    /// The database is starting, stopping, full, too slow or out of reach, or refuses writes. It passes by itself or by
    /// its operator's action.
    Away,
    /// A constraint is violated.
    Constraint,
    /// A text contains U+0000, which PostgreSQL cannot store. The text comes from the caller.
    Text,
    /// The call was abandoned at its deadline, and the statement was not sent.
    TooLate,
    /// A bug in Tessera, or a wrong setting.
    Bug,
}

/// The classes: the first two characters of a code.
const CLASSES: &[(&str, Meaning, &str)] = &[
    ("00", Meaning::Bug, "successful completion: no error"),
    ("01", Meaning::Bug, "warning: no error"),
    ("02", Meaning::Bug, "no data: no error"),
    ("03", Meaning::Bug, "SQL statement not yet complete"),
    ("08", Meaning::Away, "connection exception"),
    ("09", Meaning::Bug, "triggered action exception"),
    ("0A", Meaning::Bug, "feature not supported"),
    ("0B", Meaning::Bug, "invalid transaction initiation"),
    ("0F", Meaning::Bug, "locator exception"),
    ("0L", Meaning::Bug, "invalid grantor"),
    ("0P", Meaning::Bug, "invalid role specification"),
    ("0Z", Meaning::Bug, "diagnostics exception"),
    ("10", Meaning::Bug, "XQuery error"),
    ("20", Meaning::Bug, "case not found"),
    ("21", Meaning::Bug, "cardinality violation"),
    ("22", Meaning::Bug, "data exception"),
    ("23", Meaning::Constraint, "integrity constraint violation"),
    ("24", Meaning::Bug, "invalid cursor state"),
    ("25", Meaning::Bug, "invalid transaction state"),
    ("26", Meaning::Bug, "invalid SQL statement name"),
    ("27", Meaning::Bug, "triggered data change violation"),
    // The settings worked at the start, so the operator is changing something.
    ("28", Meaning::Away, "invalid authorization specification"),
    ("2B", Meaning::Bug, "dependent privilege descriptors still exist"),
    ("2D", Meaning::Bug, "invalid transaction termination"),
    ("2F", Meaning::Bug, "SQL routine exception"),
    ("34", Meaning::Bug, "invalid cursor name"),
    ("38", Meaning::Bug, "external routine exception"),
    ("39", Meaning::Bug, "external routine invocation exception"),
    ("3B", Meaning::Bug, "savepoint exception"),
    // The same: the database may be being restored.
    ("3D", Meaning::Away, "invalid catalog name"),
    ("3F", Meaning::Bug, "invalid schema name"),
    ("40", Meaning::Busy, "transaction rollback"),
    ("42", Meaning::Bug, "syntax error or access rule violation"),
    ("44", Meaning::Bug, "WITH CHECK OPTION violation"),
    ("53", Meaning::Away, "insufficient resources: disk full, out of memory, too many connections"),
    ("54", Meaning::Bug, "program limit exceeded"),
    ("55", Meaning::Bug, "object not in prerequisite state"),
    ("57", Meaning::Away, "operator intervention: shutdown, cancelled statement, not yet started"),
    ("58", Meaning::Away, "system error: I/O"),
    ("72", Meaning::Busy, "snapshot too old"),
    ("F0", Meaning::Bug, "configuration file error"),
    ("HV", Meaning::Bug, "foreign data wrapper error"),
    ("P0", Meaning::Bug, "PL/pgSQL error"),
    ("XX", Meaning::Bug, "internal error of PostgreSQL, or corrupted data"),
];

/// Codes whose meaning differs from their class.
const CODES: &[(&str, Meaning, &str)] = &[
    ("22021", Meaning::Text, "character not in repertoire: U+0000"),
    // During a failover.
    ("25006", Meaning::Away, "read-only SQL transaction"),
    // The process was suspended during a transaction, and the server ended the session.
    ("25P03", Meaning::Away, "idle-in-transaction session timeout"),
    ("25P04", Meaning::Away, "transaction timeout"),
    ("40002", Meaning::Constraint, "transaction integrity constraint violation"),
    ("40003", Meaning::Away, "statement completion unknown"),
    ("55P03", Meaning::Busy, "lock not available"),
];

/// Codes, or prefixes of codes, after which a running commit may have happened.
///
/// A server that is shutting down may end a session between its commit and its answer. With any other code it reports a
/// rollback. A cancelled wait for a synchronous standby is a warning, after which the commit is reported as done.
const UNKNOWN: &[&str] = &["08", "40003", "57P01", "57P02", "57P04", "57P05", "58"];

/// Returns the meaning of a code. A code that PostgreSQL's manual does not list is a bug.
fn meaning_of_code(code: &str) -> Meaning {
    let listed = |table: &[(&str, Meaning, &str)], key: &str| {
        table.iter().find(|(listed, ..)| *listed == key).map(|(_, meaning, _)| *meaning)
    };
    let class = code.get(..2).unwrap_or_default();
    listed(CODES, code).or_else(|| listed(CLASSES, class)).unwrap_or(Meaning::Bug)
}

/// Returns the meaning of an error of either database.
pub(super) fn meaning(error: &DbErr) -> Meaning {
    if let Some(meaning) = sqlite::meaning_of(error) {
        return match meaning {
            sqlite::Meaning::Busy => Meaning::Busy,
            sqlite::Meaning::Broken => Meaning::Away,
            sqlite::Meaning::Statement => Meaning::Bug,
        };
    }
    match source(error) {
        Some(error) => meaning_of_driver(error),
        None if matches!(error, DbErr::ConnectionAcquire(_)) => Meaning::Away,
        None => Meaning::Bug,
    }
}

/// Returns the meaning of a driver error that does not come from SQLite itself.
fn meaning_of_driver(error: &sqlx::Error) -> Meaning {
    use sqlx::Error::{
        AnyDriverError, BeginFailed, Database, Io, PoolClosed, PoolTimedOut, Protocol, Tls, WorkerCrashed,
    };
    if let Database(error) = error {
        return error.code().map_or(Meaning::Bug, |code| meaning_of_code(&code));
    }
    if matches!(error, AnyDriverError(source) if source.is::<PastDeadline>()) {
        return Meaning::TooLate;
    }
    // A truncated or unexpected message: the connection broke off.
    let is_away = matches!(
        error,
        Io(_) | Tls(_) | Protocol(_) | PoolTimedOut | PoolClosed | WorkerCrashed | BeginFailed
    );
    if is_away { Meaning::Away } else { Meaning::Bug }
}

/// Returns whether a commit that failed with this error may still have happened.
pub(super) fn may_have_committed(error: &DbErr) -> bool {
    if matches!(error, DbErr::ConnectionAcquire(_)) {
        return false;
    }
    match code(error) {
        Some(_) if sqlite::meaning_of(error).is_some() => true,
        Some(code) => UNKNOWN.iter().any(|unknown| code.starts_with(unknown)),
        None => meaning(error) != Meaning::TooLate,
    }
}

/// Returns the database's own code.
fn code(error: &DbErr) -> Option<Cow<'_, str>> {
    source(error)?.as_database_error()?.code()
}

/// Returns the driver's error.
fn source(error: &DbErr) -> Option<&sqlx::Error> {
    if let DbErr::Exec(source) | DbErr::Query(source) | DbErr::Conn(source) = error
        && let RuntimeErr::SqlxError(error) = source
    {
        Some(error)
    } else {
        None
    }
}

impl From<PastDeadline> for DbErr {
    fn from(past: PastDeadline) -> Self {
        Self::Exec(RuntimeErr::SqlxError(sqlx::Error::AnyDriverError(Box::new(past)).into()))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, error::Error, fmt, io};

    use sea_orm::ConnAcquireErr;
    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// All classes of appendix A in versions 9.6 to 18: `72` was removed in version 17, `10` was added in 18.
    const APPENDIX_A: &str = "00 01 02 03 08 09 0A 0B 0F 0L 0P 0Z 10 20 21 22 23 24 25 26 27 28 2B 2D 2F 34 38 39 3B \
        3D 3F 40 42 44 53 54 55 57 58 72 F0 HV P0 XX";

    /// An error report without a server.
    #[derive(Debug)]
    struct Reported(&'static str);

    impl fmt::Display for Reported {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Reported {}

    impl DatabaseError for Reported {
        fn message(&self) -> &str {
            self.0
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.into())
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    fn reported(code: &'static str) -> DbErr {
        exec(sqlx::Error::Database(Box::new(Reported(code))))
    }

    fn exec(error: sqlx::Error) -> DbErr {
        DbErr::Exec(RuntimeErr::SqlxError(error.into()))
    }

    #[test]
    fn every_class_of_the_manual_is_listed_once() {
        let listed: Vec<&str> = CLASSES.iter().map(|(class, ..)| *class).collect();
        let manual: Vec<&str> = APPENDIX_A.split_whitespace().collect();
        assert_eq!(listed, manual);
        assert_eq!(listed.iter().collect::<BTreeSet<_>>().len(), listed.len());
        for (code, meaning, _) in CODES {
            let class = CLASSES.iter().find(|(class, ..)| code.starts_with(class)).expect("a class");
            assert_ne!(*meaning, class.1, "{code} means the same as its class");
        }
    }

    #[test]
    fn unlisted_codes_have_the_meaning_of_their_class() {
        let cases = [
            ("40001", Meaning::Busy),
            ("40P01", Meaning::Busy),
            ("55P03", Meaning::Busy),
            ("08006", Meaning::Away),
            ("08P01", Meaning::Away),
            ("25006", Meaning::Away),
            ("53100", Meaning::Away),
            ("53300", Meaning::Away),
            ("57014", Meaning::Away),
            ("57P03", Meaning::Away),
            ("58030", Meaning::Away),
            ("23505", Meaning::Constraint),
            ("22021", Meaning::Text),
            ("22003", Meaning::Bug),
            ("25P02", Meaning::Bug),
            ("42P01", Meaning::Bug),
            ("55000", Meaning::Bug),
            ("XX000", Meaning::Bug),
            ("ZZ999", Meaning::Bug),
            ("", Meaning::Bug),
        ];
        for (code, expected) in cases {
            assert_eq!(meaning(&reported(code)), expected, "{code}");
        }
    }

    #[test]
    fn errors_without_a_code_say_whether_the_database_is_away() {
        let away = [
            sqlx::Error::Io(io::Error::other("reset")),
            sqlx::Error::Tls("no".into()),
            sqlx::Error::Protocol("expecting 5 bytes, got 0".to_owned()),
            sqlx::Error::PoolTimedOut,
            sqlx::Error::PoolClosed,
            sqlx::Error::WorkerCrashed,
            sqlx::Error::BeginFailed,
        ];
        for error in away {
            assert_eq!(meaning(&exec(error)), Meaning::Away);
        }
        assert_eq!(meaning(&DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)), Meaning::Away);
        assert_eq!(meaning(&exec(sqlx::Error::RowNotFound)), Meaning::Bug);
        assert_eq!(meaning(&DbErr::Custom("no".to_owned())), Meaning::Bug);
        assert_eq!(meaning(&PastDeadline.into()), Meaning::TooLate);
    }

    #[test]
    fn commit_is_unknown_after_a_broken_connection_and_refused_after_a_plain_error() {
        let unknown = ["08006", "08007", "40003", "57P01", "57P02", "58030"];
        for code in unknown {
            assert!(may_have_committed(&reported(code)), "{code}");
        }
        let refused =
            ["40001", "40P01", "23505", "25006", "53100", "53300", "55P03", "57014", "57P03", "42P01"];
        for code in refused {
            assert!(!may_have_committed(&reported(code)), "{code}");
        }
        assert!(may_have_committed(&exec(sqlx::Error::Io(io::Error::other("reset")))));
        assert!(may_have_committed(&DbErr::Custom("no".to_owned())), "who knows");
        assert!(!may_have_committed(&DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)), "never asked");
        assert!(!may_have_committed(&PastDeadline.into()), "never sent");
    }
}
