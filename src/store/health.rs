//! The results of the last writes, from which `readiness.rs` decides whether the database accepts writes.

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::outage;

/// How long the result of a write stays valid.
pub(super) const BELIEVED: Duration = Duration::from_secs(1);
/// After this time without a commit, a busy writer counts as stuck.
const STUCK: Duration = Duration::from_secs(30);

/// The results of the last writes.
#[derive(Debug)]
pub(super) struct Health {
    state: Mutex<State>,
    /// Locked during a probe. Concurrent callers share its result.
    pub(super) probe: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct State {
    succeeded: Instant,
    /// Whether the last write failed.
    is_failing: bool,
}

/// The result of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProbeResult {
    /// It was committed.
    Written,
    /// It failed.
    Failed,
    /// The writer was not free in time.
    Busy,
}

impl Health {
    pub(super) fn new() -> Self {
        let state = State { succeeded: Instant::now(), is_failing: false };
        Self { state: Mutex::new(state), probe: tokio::sync::Mutex::new(None) }
    }

    /// Records a commit.
    pub(super) fn note_success(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.succeeded = Instant::now();
        state.is_failing = false;
        outage::note_commit();
    }

    /// Records a failed write.
    pub(super) fn note_failure(&self, error: &dyn Display) {
        outage::note_failure(error);
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_failing = true;
    }

    /// Returns the result of the last write.
    pub(super) fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns whether a write succeeded recently and none has failed since.
    pub(super) fn is_fresh(self, now: Instant) -> bool {
        !self.is_failing && now.duration_since(self.succeeded) < BELIEVED
    }

    /// Returns whether the database accepts writes, given the result of a probe.
    pub(super) fn can_write(self, now: Instant, result: ProbeResult) -> bool {
        match result {
            ProbeResult::Written => true,
            ProbeResult::Failed => false,
            ProbeResult::Busy => !self.is_failing && now.duration_since(self.succeeded) < STUCK,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn busy_writer_is_ready_until_it_is_stuck_or_fails() {
        let start = Instant::now();
        let good = State { succeeded: start, is_failing: false };
        let bad = State { succeeded: start, is_failing: true };
        let (soon, late) = (start + Duration::from_secs(29), start + Duration::from_secs(30));
        assert!(good.can_write(soon, ProbeResult::Busy), "busy");
        assert!(!good.can_write(late, ProbeResult::Busy), "stuck");
        assert!(!bad.can_write(start, ProbeResult::Busy), "failing");
        assert!(bad.can_write(late, ProbeResult::Written), "a probe decides");
        assert!(!good.can_write(start, ProbeResult::Failed), "a probe decides");
    }

    #[tokio::test]
    async fn commit_counts_for_a_second_unless_a_write_fails() {
        let health = Health::new();
        let now = Instant::now();
        health.note_success();
        assert!(health.state().is_fresh(now));
        assert!(!health.state().is_fresh(now + Duration::from_millis(1_100)));
        health.note_failure(&"full");
        assert!(!health.state().is_fresh(now));
        health.note_success();
        assert!(health.state().is_fresh(now));
    }
}
