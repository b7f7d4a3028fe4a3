//! Tests whether the database accepts writes, for the readiness probe.
//!
//! Recent commits are proof enough. Without them a probe commits a small write, at most one per second.

use std::{
    fmt::Display,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement};
use tokio::time::{Instant, timeout};

use super::{Store, outage};

/// How long the result of a write stays valid.
const BELIEVED: Duration = Duration::from_secs(1);
/// Deadline of a probe. It waits behind the transactions of a busy writer.
const PATIENCE: Duration = Duration::from_secs(1);
/// After this time without a commit, a busy writer counts as stuck.
const STUCK: Duration = Duration::from_secs(30);

/// The results of the last writes.
#[derive(Debug)]
pub(super) struct Health {
    state: Mutex<State>,
    /// Locked during a probe. Concurrent callers share its result.
    probe: tokio::sync::Mutex<Option<(Instant, bool)>>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    succeeded: Instant,
    /// Whether the last write failed.
    is_failing: bool,
}

/// The result of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProbeResult {
    Written,
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

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns whether a write succeeded recently and none has failed since.
    fn is_fresh(self, now: Instant) -> bool {
        !self.is_failing && now.duration_since(self.succeeded) < BELIEVED
    }

    /// Returns whether the database accepts writes, given the result of a probe.
    fn can_write(self, now: Instant, result: ProbeResult) -> bool {
        match result {
            ProbeResult::Written => true,
            ProbeResult::Failed => false,
            ProbeResult::Busy => !self.is_failing && now.duration_since(self.succeeded) < STUCK,
        }
    }
}

impl Store {
    /// Returns whether the database can be read and written. Takes about a second at most.
    pub async fn is_ready(&self) -> bool {
        matches!(timeout(PATIENCE, self.ping()).await, Ok(Ok(()))) && self.can_write().await
    }

    /// Checks whether an outage is over. Call it periodically.
    pub(crate) async fn settle_outage(&self) {
        if outage::is_on() {
            self.can_write().await;
            outage::settle();
        }
    }

    async fn can_write(&self) -> bool {
        if self.health.state().is_fresh(Instant::now()) {
            return true;
        }
        let mut last = self.health.probe.lock().await;
        if let Some((at, good)) = *last
            && at.elapsed() < BELIEVED
        {
            return good;
        }
        let result = match timeout(PATIENCE, self.write_probe()).await {
            Ok(Ok(())) => {
                self.health.note_success();
                ProbeResult::Written
            }
            Ok(Err(DbErr::ConnectionAcquire(_))) | Err(_) => ProbeResult::Busy,
            Ok(Err(error)) => {
                self.health.note_failure(&error);
                ProbeResult::Failed
            }
        };
        let good = self.health.state().can_write(Instant::now(), result);
        *last = Some((Instant::now(), good));
        good
    }

    /// Commits a small write without meaning.
    async fn write_probe(&self) -> Result<(), DbErr> {
        if self.backend() == DbBackend::Sqlite {
            // SQLite reserves this number in the file header for applications. Tessera does not use it.
            let tx = self.begin().await?;
            tx.execute_unprepared("PRAGMA user_version = 1").await?;
            return tx.commit().await;
        }
        // A record in the write-ahead log that nobody decodes. It is flushed like any commit, and refused on a standby.
        let sql = "SELECT pg_logical_emit_message(true, 'tessera', 'probe')::text, \
                   current_setting('transaction_read_only') = 'on' AS read_only";
        let row = self.write.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await?;
        let row = row.ok_or(DbErr::RecordNotFound("the write probe".to_owned()))?;
        if row.try_get("", "read_only")? {
            return Err(DbErr::Custom("the database does not accept writes".to_owned()));
        }
        Ok(())
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
