//! How many wrong codes an account may type: a window of failures per account, wherever the codes are typed.
//!
//! A code is 80 random bits, so this is against codes that vendors chose, and against who makes noise. Kept in memory,
//! per instance: losing it costs a guesser's delay, nothing else.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use entity::AccountId;
use moka::sync::Cache;

use crate::error::Error;

/// Wrong codes that are borne within [`WINDOW`].
const FAILURES_MAX: usize = 10;
/// How long a wrong code counts.
const WINDOW: TimeDelta = TimeDelta::hours(1);
/// Accounts remembered at a time.
const BUCKETS_MAX: u64 = 100_000;

/// When codes were tried: the wrong ones, and those whose verdict is awaited.
type Bucket = Arc<Mutex<Vec<DateTime<Utc>>>>;

/// The wrong codes of all accounts.
pub(crate) struct Guesses(Cache<AccountId, Bucket>);

impl Default for Guesses {
    fn default() -> Self {
        let idle = Duration::from_secs(WINDOW.num_seconds().unsigned_abs());
        Self(Cache::builder().max_capacity(BUCKETS_MAX).time_to_idle(idle).build())
    }
}

impl fmt::Debug for Guesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guesses").finish_non_exhaustive()
    }
}

impl Guesses {
    /// Begins to try a code, or says after how many seconds the account may try one again.
    ///
    /// Race: a guess counts from here on and not from its verdict, so that many at once are not more than ten.
    pub(super) fn begin(&self, account: AccountId, now: DateTime<Utc>) -> Result<Guess, u32> {
        let bucket = self.0.get_with(account, Bucket::default);
        let mut failures = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|at| now - *at < WINDOW);
        if let Some(oldest) = failures.first().filter(|_| failures.len() >= FAILURES_MAX) {
            return Err(u32::try_from((WINDOW - (now - *oldest)).num_seconds() + 1).unwrap_or(1));
        }
        failures.push(now);
        drop(failures);
        Ok(Guess { bucket, at: now })
    }
}

/// A code being tried. It counts as wrong until it is said to be right.
#[must_use]
pub(super) struct Guess {
    bucket: Bucket,
    at: DateTime<Utc>,
}

impl Guess {
    /// The try has come to its end: a code that was refused counts on; one that was right does not, nor one of which
    /// nothing was found out.
    pub(super) fn judge<T, R>(self, outcome: &Result<T, Error<R>>) {
        match outcome {
            Err(Error::Refused(_)) => {}
            Ok(_) | Err(Error::Fault(_)) => self.forgive(),
        }
    }

    /// Only this guess is taken back.
    fn forgive(self) {
        let mut failures = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = failures.iter().position(|at| *at == self.at) {
            failures.remove(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::error::{Fault, Never};

    #[test]
    fn the_eleventh_wrong_code_waits_and_right_ones_do_not_count() {
        let guesses = Guesses::default();
        let (somebody, other) = (AccountId(Uuid::nil()), AccountId(Uuid::max()));
        let at = |second| DateTime::UNIX_EPOCH + TimeDelta::seconds(second);
        for second in 0..10 {
            assert!(guesses.begin(somebody, at(second)).is_ok());
            guesses.begin(other, at(second)).unwrap().judge::<_, Never>(&Ok(()));
        }
        assert_eq!(guesses.begin(somebody, at(10)).err(), Some(3_591));
        assert_eq!(guesses.begin(somebody, at(3_600)).err(), None);
        assert!((0..10).all(|_| guesses.begin(other, at(11)).is_ok()));
        assert!(guesses.begin(other, at(11)).is_err());
    }

    #[test]
    fn what_failed_is_no_wrong_code() {
        let guesses = Guesses::default();
        let (somebody, at) = (AccountId(Uuid::nil()), DateTime::UNIX_EPOCH);
        for _ in 0..20 {
            guesses.begin(somebody, at).unwrap().judge::<(), Never>(&Err(Fault::Unavailable.into()));
        }
        for _ in 0..10 {
            guesses.begin(somebody, at).unwrap().judge::<(), _>(&Err(Error::Refused(())));
        }
        assert!(guesses.begin(somebody, at).is_err());
    }
}
