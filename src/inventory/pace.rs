//! How long an attempt of a desk is expected to take, so that none is begun that cannot end in time.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long an attempt is expected to take at the most: as long as one lock is waited for. One that takes longer because
/// others wait for the same lock is worth a try, since it may be given up until it commits.
const EXPECTED_MAX: Duration = Duration::from_secs(3);

/// The last attempt, if it failed because the database gave up.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<Failed>>);

#[derive(Clone, Copy, Debug)]
struct Failed {
    at: Instant,
    took: Duration,
}

impl Pace {
    /// Notes an attempt that failed.
    pub(super) fn fail(&self, begun: Instant, at: Instant) {
        self.set(Some(Failed { at, took: at.duration_since(begun) }));
    }

    /// Notes an attempt that succeeded.
    pub(super) fn succeed(&self) {
        self.set(None);
    }

    /// Returns how long the next attempt is expected to take: as long as the last one, if that failed a moment ago. Later
    /// the reason may have passed, so a job with little time gets its try.
    pub(super) fn expected(&self, now: Instant) -> Duration {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.filter(|last| now.duration_since(last.at) <= last.took);
        last.map_or(Duration::ZERO, |last| last.took.min(EXPECTED_MAX))
    }

    fn set(&self, last: Option<Failed>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = last;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::Call;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn attempt_is_expected_to_take_as_long_as_one_that_failed_a_moment_ago() {
        let (pace, start) = (Pace::default(), Instant::now());
        assert_eq!(pace.expected(start), Duration::ZERO);
        pace.fail(start, start + 3 * SECOND);
        assert_eq!(pace.expected(start + 3 * SECOND), 3 * SECOND);
        assert_eq!(pace.expected(start + 6 * SECOND), 3 * SECOND);
        assert_eq!(pace.expected(start + 7 * SECOND), Duration::ZERO, "it may have passed");
        pace.fail(start, start + 3 * SECOND);
        assert_eq!(pace.expected(start + 3 * SECOND), 3 * SECOND);
        pace.succeed();
        assert_eq!(pace.expected(start + 3 * SECOND), Duration::ZERO);
    }

    #[tokio::test]
    async fn attempt_that_took_half_of_the_time_is_tried_again() {
        let (pace, call) = (Pace::default(), Call::new("abc", 10 * SECOND));
        let start = Instant::now();
        let now = start + 5 * SECOND + Duration::from_millis(20);
        pace.fail(start, now);
        assert!(call.has_time_for(pace.expected(now), now));
    }

    /// With a lock that is never free, each attempt takes three seconds.
    #[tokio::test]
    async fn job_of_ten_seconds_is_answered_after_three_attempts() {
        let (pace, call) = (Pace::default(), Call::new("abc", 10 * SECOND));
        let (mut now, mut attempts) = (Instant::now(), 0);
        while call.has_time_for(pace.expected(now), now) {
            pace.fail(now, now + 3 * SECOND);
            now += 3 * SECOND;
            attempts += 1;
        }
        assert_eq!(attempts, 3);
    }
}
