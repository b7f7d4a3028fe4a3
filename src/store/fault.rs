//! What a failed statement means for the callers: a fault, or a write with a known or unknown result.

use sea_orm::{DbErr, SqlErr};

use super::{
    outage,
    sqlstate::{self, Meaning},
};
use crate::{
    call::PastDeadline,
    error::{Error, Fault, Invalid},
};

/// The error of a commit, or of a statement that commits by itself.
#[derive(Debug)]
pub(crate) enum WriteError {
    /// A row with this unique key exists. Nothing was written.
    DuplicateKey,
    /// The database refused the write, or did not receive it. Nothing was written.
    NotWritten(DbErr),
    /// The result is unknown: the write may have been committed.
    Unknown(DbErr),
}

impl WriteError {
    /// Classifies the error of a statement outside of any transaction. Such a statement commits by itself.
    pub(super) fn of(error: DbErr) -> Self {
        if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))) {
            Self::DuplicateKey
        } else if matches!(error, DbErr::Conn(_)) {
            // No connection was opened.
            Self::NotWritten(error)
        } else {
            Self::of_commit(error)
        }
    }

    /// Classifies the error of a commit.
    pub(crate) fn of_commit(error: DbErr) -> Self {
        if sqlstate::may_have_committed(&error) { Self::Unknown(error) } else { Self::NotWritten(error) }
    }
}

impl From<DbErr> for Fault {
    fn from(error: DbErr) -> Self {
        match sqlstate::meaning(&error) {
            Meaning::Busy => {
                tracing::debug!(%error, "conflict with another transaction");
                Self::unavailable()
            }
            Meaning::Away => {
                outage::note_failure(&error);
                Self::unavailable()
            }
            Meaning::TooLate => PastDeadline.into(),
            Meaning::Text => {
                Self::Invalid(vec![Invalid { path: Vec::new(), why: "must not contain U+0000".to_owned() }])
            }
            Meaning::Constraint | Meaning::Bug => Self::internal(error),
        }
    }
}

impl<R> From<DbErr> for Error<R> {
    fn from(error: DbErr) -> Self {
        Self::Fault(error.into())
    }
}

impl From<PastDeadline> for Fault {
    fn from(_: PastDeadline) -> Self {
        Self::timed_out()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use sea_orm::{ConnAcquireErr, RuntimeErr};

    use super::*;

    fn broken() -> RuntimeErr {
        RuntimeErr::SqlxError(sqlx::Error::Io(io::Error::other("reset")).into())
    }

    #[test]
    fn result_is_unknown_after_a_broken_connection_but_not_without_one() {
        assert!(matches!(WriteError::of(DbErr::Query(broken())), WriteError::Unknown(_)));
        assert!(matches!(WriteError::of(DbErr::Conn(broken())), WriteError::NotWritten(_)));
        let starved = DbErr::ConnectionAcquire(ConnAcquireErr::Timeout);
        assert!(matches!(WriteError::of(starved), WriteError::NotWritten(_)));
        assert!(matches!(WriteError::of(PastDeadline.into()), WriteError::NotWritten(_)));
        assert!(matches!(WriteError::of_commit(DbErr::Conn(broken())), WriteError::Unknown(_)));
    }

    #[test]
    fn temporary_states_are_unavailable_and_bugs_are_internal() {
        assert!(matches!(Fault::from(DbErr::Query(broken())), Fault::Unavailable { .. }));
        assert!(matches!(Fault::from(DbErr::from(PastDeadline)), Fault::TimedOut { .. }));
        assert!(matches!(Fault::from(DbErr::Custom("no".to_owned())), Fault::Internal(_)));
    }
}
