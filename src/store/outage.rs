//! Outages of the database: two log lines per outage, however many statements fail.
//!
//! An outage begins with the first error that says that the database is away, and is logged then. Further errors are
//! counted. It ends with a commit that no such error follows for [`QUIET`]. The delay is needed because after a restart
//! the old connections fail one by one while new ones already work.
//!
//! An error does not know its store, so the state is global to the process.

use std::{
    fmt::{self, Display},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Time without errors after which an outage may end.
const QUIET: Duration = Duration::from_secs(2);

static OUTAGE: Outage = Outage::new();

/// The current outage, if any.
struct Outage {
    /// Whether there is an outage. A cheap check for successful commits.
    is_on: AtomicBool,
    current: Mutex<Option<CurrentOutage>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct CurrentOutage {
    since: Instant,
    failures: u64,
    last_failure: Instant,
    /// The first commit after the last failure.
    committed: Option<Instant>,
}

/// An outage that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct EndedOutage {
    lasted: Duration,
    failures: u64,
}

impl Outage {
    const fn new() -> Self {
        Self { is_on: AtomicBool::new(false), current: Mutex::new(None) }
    }

    /// Counts a failure. Returns whether it is the first one.
    fn fail(&self, now: Instant) -> bool {
        let mut current = self.lock();
        match &mut *current {
            Some(current) => {
                current.failures += 1;
                current.last_failure = now;
                current.committed = None;
                false
            }
            none => {
                *none = Some(CurrentOutage { since: now, failures: 1, last_failure: now, committed: None });
                self.is_on.store(true, Relaxed);
                true
            }
        }
    }

    /// Records a commit.
    fn commit(&self, now: Instant) {
        if let Some(current) = &mut *self.lock() {
            current.committed.get_or_insert(now);
        }
    }

    /// Ends the outage if there was a commit and then no failure for [`QUIET`].
    fn settle(&self, now: Instant) -> Option<EndedOutage> {
        let mut current = self.lock();
        let CurrentOutage { since, failures, last_failure, committed } = (*current)?;
        let committed = committed.filter(|_| now.duration_since(last_failure) >= QUIET)?;
        *current = None;
        self.is_on.store(false, Relaxed);
        Some(EndedOutage { lasted: committed.duration_since(since), failures })
    }

    fn lock(&self) -> MutexGuard<'_, Option<CurrentOutage>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts an error that says that the database is away. Logs the first one of an outage.
pub(super) fn note_failure(error: &dyn Display) {
    if OUTAGE.fail(Instant::now()) {
        tracing::error!(parent: None, error = %OneLine(error), "the database is away");
    } else {
        tracing::debug!(error = %OneLine(error), "the database is still away");
    }
}

/// Records a commit.
pub(super) fn note_commit() {
    if OUTAGE.is_on.load(Relaxed) {
        OUTAGE.commit(Instant::now());
        settle();
    }
}

/// Returns whether an outage is going on.
pub(crate) fn is_on() -> bool {
    OUTAGE.is_on.load(Relaxed)
}

/// Ends and logs an outage that is over.
pub(super) fn settle() {
    if let Some(EndedOutage { lasted, failures }) = OUTAGE.settle(Instant::now()) {
        tracing::warn!(parent: None, seconds = lasted.as_secs_f64(), failures, "the database is back");
    }
}

/// An error's text without line breaks.
struct OneLine<'a>(&'a dyn Display);

impl Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string().replace(['\n', '\r'], " "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(start: Instant, millis: u64) -> Instant {
        start + Duration::from_millis(millis)
    }

    #[test]
    fn many_failures_are_one_outage() {
        let (outage, start) = (Outage::new(), Instant::now());
        assert!(outage.fail(start), "the first is logged");
        for millis in 1..100 {
            assert!(!outage.fail(after(start, millis)));
        }
        assert_eq!(outage.settle(after(start, 60_000)), None, "nothing was committed");
        outage.commit(after(start, 60_000));
        let ended = EndedOutage { lasted: Duration::from_mins(1), failures: 100 };
        assert_eq!(outage.settle(after(start, 60_000)), Some(ended));
        assert_eq!(outage.settle(after(start, 60_001)), None, "reported once");
        assert!(outage.fail(after(start, 60_002)), "another outage");
    }

    #[test]
    fn connections_that_fail_later_prolong_the_outage() {
        let (outage, start) = (Outage::new(), Instant::now());
        outage.fail(start);
        outage.commit(after(start, 400));
        assert_eq!(outage.settle(after(start, 1_999)), None, "too soon");
        outage.fail(after(start, 1_999));
        assert_eq!(outage.settle(after(start, 4_500)), None, "nothing was committed since");
        outage.commit(after(start, 4_500));
        let ended = EndedOutage { lasted: Duration::from_millis(4_500), failures: 2 };
        assert_eq!(outage.settle(after(start, 4_600)), Some(ended));
    }

    #[test]
    fn commits_alone_cause_no_outage() {
        let (outage, start) = (Outage::new(), Instant::now());
        outage.commit(start);
        assert_eq!(outage.settle(after(start, 5_000)), None);
        assert!(!outage.is_on.load(Relaxed));
    }

    #[test]
    fn error_with_several_lines_is_logged_in_one() {
        assert_eq!(OneLine(&"a\nb\r\nc").to_string(), "a b  c");
    }
}
