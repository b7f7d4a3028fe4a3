//! Which connections of a pool must be tested before they are used, and what every new one is given.

use std::{
    fmt::Debug,
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sea_orm::ConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::time::{Instant, timeout};

use super::{STATEMENT, keepalive};
use crate::store::{TEST_IDLE_FOR, hosts::Hosts};

/// How long a connection may take to answer a test.
const TEST: Duration = Duration::from_secs(1);

/// Attends to the connections of all pools of one database.
#[derive(Debug)]
pub(in crate::store) struct Supervisor {
    hosts: Arc<Hosts>,
    /// When a connection last gave no answer.
    suspected_at: Mutex<Option<Instant>>,
    /// How long a statement may take.
    patience: Duration,
}

impl Supervisor {
    pub(in crate::store) fn new(hosts: Arc<Hosts>) -> Arc<Self> {
        Self::with_patience(hosts, STATEMENT)
    }

    fn with_patience(hosts: Arc<Hosts>, patience: Duration) -> Arc<Self> {
        Arc::new(Self { hosts, suspected_at: Mutex::default(), patience })
    }

    /// Has a pool's connections attended to: new ones get what they need, and idle ones are tested where that is called
    /// for.
    pub(in crate::store) fn attend(self: &Arc<Self>, options: &mut ConnectOptions) {
        options.test_before_acquire(false);
        let supervisor = self.clone();
        options.map_sqlx_postgres_before_acquire(move |connection, meta| {
            let is_current = supervisor.hosts.is_current(meta.age);
            let must_test = must_test(meta.idle_for, supervisor.suspected_for());
            Box::pin(async move {
                if !is_current {
                    return Ok(false);
                }
                Ok(!must_test || answers(connection).await)
            })
        });
        let supervisor = self.clone();
        options.map_sqlx_postgres_pool_opts(move |pool| {
            let supervisor = supervisor.clone();
            pool.after_connect(move |connection, _| {
                let supervisor = supervisor.clone();
                Box::pin(async move {
                    keepalive::set(supervisor.hosts.port()).await;
                    supervisor.hosts.admit(connection).await
                })
            })
        });
    }

    /// Waits for a statement. If it is not answered in time, its connection must not be used again, and the others are
    /// tested before they are.
    pub(super) async fn bound<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        timeout(self.patience, statement).await.unwrap_or_else(|_| {
            self.suspect();
            Err(io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time").into())
        })
    }

    /// Says that a connection gave no answer. What happened to it may have happened to all.
    fn suspect(&self) {
        *self.suspected_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// How long ago a connection last gave no answer.
    fn suspected_for(&self) -> Option<Duration> {
        let suspected_at = *self.suspected_at.lock().unwrap_or_else(PoisonError::into_inner);
        suspected_at.map(|at| at.elapsed())
    }
}

/// Whether a connection that was idle for so long must be tested: it was idle for long, or since before another gave no
/// answer. The test costs as much as a read.
fn must_test(idle_for: Duration, suspected_for: Option<Duration>) -> bool {
    idle_for >= TEST_IDLE_FOR || suspected_for.is_some_and(|suspected_for| suspected_for <= idle_for)
}

/// Whether the connection answers.
async fn answers(connection: &mut PgConnection) -> bool {
    matches!(timeout(TEST, connection.ping()).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_were_not_used_since_one_gave_no_answer_are_tested() {
        let seconds = Duration::from_secs;
        assert!(!must_test(seconds(29), None));
        assert!(must_test(seconds(30), None), "idle for long");
        assert!(must_test(seconds(2), Some(seconds(2))), "idle since before");
        assert!(!must_test(seconds(1), Some(seconds(2))), "used since");
    }

    #[tokio::test]
    async fn a_statement_without_an_answer_ends_and_raises_suspicion() {
        let hosts = Hosts::parse("postgres://localhost/tessera").unwrap();
        let supervisor = Supervisor::with_patience(hosts, Duration::from_millis(1));
        assert!(supervisor.bound(async { Ok(1) }).await.is_ok());
        assert!(supervisor.suspected_for().is_none());
        let result = supervisor.bound(std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(result, Err(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut));
        assert!(supervisor.suspected_for().is_some());
    }
}
