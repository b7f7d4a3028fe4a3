//! How many wrong passwords an account bears: a window of failures per e-mail address, whoever tries and from wherever.
//!
//! Kept in memory, per instance: losing it costs an attacker's delay, nothing else. E-mail addresses nobody has are
//! counted alike, so that being throttled tells nothing.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, TimeDelta, Utc};
use moka::sync::Cache;

use super::Refusal;
use crate::error::{Error, Faulty, Result};

/// Failures that are borne within [`WINDOW`].
const FAILURES_MAX: usize = 10;
/// How long a failure counts.
const WINDOW: TimeDelta = TimeDelta::minutes(15);
/// E-mail addresses remembered at a time.
const BUCKETS_MAX: u64 = 100_000;

/// When passwords were tried for one e-mail address: the failures, and those whose verdict is awaited.
type Bucket = Arc<Mutex<Vec<DateTime<Utc>>>>;

/// The failures of all e-mail addresses.
pub(crate) struct Attempts(Cache<[u8; 32], Bucket>);

impl Default for Attempts {
    fn default() -> Self {
        let idle = Duration::from_secs(WINDOW.num_seconds().unsigned_abs());
        Self(Cache::builder().max_capacity(BUCKETS_MAX).time_to_idle(idle).build())
    }
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").finish_non_exhaustive()
    }
}

impl Attempts {
    /// Begins to try a password for `email`, if one more may be tried.
    ///
    /// Race: an attempt counts from here on and not from its verdict, so that many at once are not more than ten.
    pub(super) fn begin(&self, email: &str, now: DateTime<Utc>) -> Result<Attempt, Refusal> {
        let mut key = [0; 32];
        key.copy_from_slice(digest(&SHA256, email.trim().to_lowercase().as_bytes()).as_ref());
        let bucket = self.0.get_with(key, Bucket::default);
        let admitted = admit(&mut bucket.lock().unwrap_or_else(PoisonError::into_inner), now);
        match admitted {
            Ok(()) => Ok(Attempt { bucket, at: now }),
            Err(wait) => {
                let retry_after_seconds = u32::try_from(wait.num_seconds() + 1).unwrap_or(1);
                Err(Refusal::TooManyAttempts { retry_after_seconds }.into())
            }
        }
    }
}

/// A password being tried. It counts as a failure until it is settled otherwise.
pub(super) struct Attempt {
    bucket: Bucket,
    at: DateTime<Utc>,
}

impl Attempt {
    /// What the verdict means: nothing found is a failure that counts, everything else does not.
    ///
    /// Only this attempt is taken back: the owner's success gives an attacker no further guesses.
    pub(super) fn settle<T>(self, verdict: Faulty<Option<T>>) -> Result<T, Refusal> {
        let forgiven = match verdict {
            Ok(None) => return Err(Refusal::WrongCredentials.into()),
            Ok(Some(found)) => Ok(found),
            Err(fault) => Err(Error::Fault(fault)),
        };
        let mut failures = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(index) = failures.iter().position(|at| *at == self.at) {
            failures.remove(index);
        }
        forgiven
    }
}

/// Counts one more attempt, or says how long to wait.
fn admit(failures: &mut Vec<DateTime<Utc>>, now: DateTime<Utc>) -> std::result::Result<(), TimeDelta> {
    failures.retain(|at| now - *at < WINDOW);
    match failures.first() {
        Some(oldest) if failures.len() >= FAILURES_MAX => Err(WINDOW - (now - *oldest)),
        Some(_) | None => {
            failures.push(now);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Fault;

    fn start() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn refused<T>(result: &Result<T, Refusal>) -> Option<Refusal> {
        match result {
            Err(Error::Refused(refusal)) => Some(*refusal),
            Ok(_) | Err(Error::Fault(_)) => None,
        }
    }

    #[test]
    fn the_eleventh_failure_waits_until_the_first_is_forgotten() {
        let attempts = Attempts::default();
        let at = |second| start() + TimeDelta::seconds(second);
        for second in 0..10 {
            let attempt = attempts.begin("ada@example.org", at(second)).unwrap();
            assert_eq!(refused(&attempt.settle::<()>(Ok(None))), Some(Refusal::WrongCredentials));
        }
        let wait = |second| refused(&attempts.begin(" ADA@example.org", at(second)));
        assert_eq!(wait(10), Some(Refusal::TooManyAttempts { retry_after_seconds: 891 }));
        assert_eq!(wait(899), Some(Refusal::TooManyAttempts { retry_after_seconds: 2 }));
        assert_eq!(wait(900), None);
        assert!(attempts.begin("bob@example.org", at(10)).is_ok(), "others are not concerned");
    }

    #[test]
    fn only_failures_count_but_all_that_are_under_way() {
        let attempts = Attempts::default();
        for _ in 0..100 {
            let attempt = attempts.begin("ada@example.org", start()).unwrap();
            assert!(attempt.settle(Ok(Some(()))).is_ok());
            let attempt = attempts.begin("ada@example.org", start()).unwrap();
            assert!(attempt.settle::<()>(Err(Fault::Unavailable)).is_err());
        }
        let under_way: Vec<_> =
            (0..50).filter_map(|_| attempts.begin("ada@example.org", start()).ok()).collect();
        assert_eq!(under_way.len(), 10);
    }
}
