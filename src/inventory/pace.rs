//! The expected duration of a desk's attempts. It prevents attempts that cannot end in time.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Maximum expected duration: the time that one lock is waited for. A longer attempt, slowed down by other waiters for
/// the same lock, is worth repeating, because it can be abandoned until it commits.
const EXPECTED_MAX: Duration = Duration::from_secs(3);

/// The last attempt, if the database made it fail.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Option<Failed>>);

#[derive(Clone, Copy, Debug)]
struct Failed {
    at: Instant,
    took: Duration,
}

impl Pace {
    /// Records a failed attempt.
    pub(super) fn fail(&self, begun: Instant, at: Instant) {
        self.set(Some(Failed { at, took: at.duration_since(begun) }));
    }

    /// Records a successful attempt.
    pub(super) fn succeed(&self) {
        self.set(None);
    }

    /// Returns the expected duration of the next attempt: that of the last one, if it failed recently. Later the cause
    /// may have passed, so that a job with little time left still gets an attempt.
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
    async fn attempt_is_expected_to_take_as_long_as_a_recent_failed_one() {
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
    async fn attempt_that_took_half_of_the_time_is_repeated() {
        let (pace, call) = (Pace::default(), Call::new("abc", 10 * SECOND));
        let start = Instant::now();
        let now = start + 5 * SECOND + Duration::from_millis(20);
        pace.fail(start, now);
        assert!(call.has_time_for(pace.expected(now), now));
    }

    /// If a lock is never free, each attempt takes three seconds.
    #[tokio::test]
    async fn job_with_ten_seconds_is_answered_after_three_attempts() {
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
