//! The result of an attempt under a key.

use sea_orm::DbErr;

use super::key::KeyClaimError;
use crate::error::{Error, Fault};

/// What an attempt under a key returns.
pub(crate) type Attempt<T, R> = Result<T, AttemptError<R>>;

/// Why an attempt under a key has no result.
#[derive(Debug)]
pub(crate) enum AttemptError<R> {
    /// Another call has claimed the key, so this attempt wrote nothing. The other call has the result.
    KeyUsed,
    /// Refused by a desk that has looked the key up: no other call has used it.
    RefusedUnused(R),
    /// Any other refusal or fault. Another call with the key may have caused it.
    Failed(Error<R>),
}

impl<R> AttemptError<R> {
    /// Returns whether the business refused.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::RefusedUnused(_) | Self::Failed(Error::Refused(_)) => true,
            Self::KeyUsed | Self::Failed(Error::Fault(_)) => false,
        }
    }

    /// Returns the error of an attempt that had no key.
    pub(crate) fn without_key(self) -> Error<R> {
        match self {
            Self::KeyUsed => Fault::unavailable().into(),
            Self::RefusedUnused(refusal) => Error::Refused(refusal),
            Self::Failed(error) => error,
        }
    }
}

impl<R> From<Error<R>> for AttemptError<R> {
    fn from(error: Error<R>) -> Self {
        Self::Failed(error)
    }
}

impl<R> From<Fault> for AttemptError<R> {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.into())
    }
}

impl<R> From<DbErr> for AttemptError<R> {
    fn from(error: DbErr) -> Self {
        Self::Failed(error.into())
    }
}

impl<R> From<KeyClaimError> for AttemptError<R> {
    fn from(error: KeyClaimError) -> Self {
        match error {
            KeyClaimError::Used => Self::KeyUsed,
            KeyClaimError::Fault(fault) => Self::Failed(fault.into()),
        }
    }
}
