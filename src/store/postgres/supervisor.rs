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
}

impl Supervisor {
    pub(in crate::store) fn new(hosts: Arc<Hosts>) -> Arc<Self> {
        Arc::new(Self { hosts, suspected_at: Mutex::default() })
    }

    /// Has a pool's connections attended to: new ones get what they need, and idle ones are tested where that is called
    /// for.
    pub(in crate::store) fn attend(self: &Arc<Self>, options: &mut ConnectOptions) {
        options.test_before_acquire(false);
        let supervisor = self.clone();
        options.map_sqlx_postgres_before_acquire(move |connection, meta| {
            let is_current = supervisor.hosts.is_current(meta.age);
            let must_test = supervisor.must_test(meta.idle_for);
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
        timeout(STATEMENT, statement).await.unwrap_or_else(|_| {
            self.suspect();
            Err(io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time").into())
        })
    }

    /// Says that a connection gave no answer. What happened to it may have happened to all.
    fn suspect(&self) {
        *self.suspected_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a connection that was idle for so long must be tested. The test costs as much as a read.
    fn must_test(&self, idle_for: Duration) -> bool {
        let suspected_at = *self.suspected_at.lock().unwrap_or_else(PoisonError::into_inner);
        idle_for >= TEST_IDLE_FOR || suspected_at.is_some_and(|at| at.elapsed() <= idle_for)
    }
}

/// Whether the connection answers.
async fn answers(connection: &mut PgConnection) -> bool {
    matches!(timeout(TEST, connection.ping()).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supervisor() -> Arc<Supervisor> {
        Supervisor::new(Hosts::parse("postgres://localhost/tessera").unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn connections_that_were_not_used_since_one_gave_no_answer_are_tested() {
        let supervisor = supervisor();
        assert!(!supervisor.must_test(Duration::from_secs(29)));
        assert!(supervisor.must_test(Duration::from_secs(30)), "idle for long");
        supervisor.suspect();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(supervisor.must_test(Duration::from_secs(2)), "idle since before");
        assert!(!supervisor.must_test(Duration::from_secs(1)), "used since");
    }

    #[tokio::test(start_paused = true)]
    async fn a_statement_without_an_answer_ends_and_raises_suspicion() {
        let supervisor = supervisor();
        let result = supervisor.bound(std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(result, Err(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut));
        assert!(supervisor.must_test(Duration::from_millis(1)));
    }
}
