//! Decides which connections must be tested before use, and prepares new connections.

use std::{
    fmt::Debug,
    future::Future,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sea_orm::ConnectOptions;
use sqlx::{Connection, PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::{
    runtime::Handle,
    time::{Instant, timeout},
};
use tokio_util::task::AbortOnDropHandle;

use super::{STATEMENT, keepalive};
use crate::store::{hosts::Hosts, timeouts::TEST_IDLE_FOR};

/// Deadline of a connection test.
const TEST: Duration = Duration::from_secs(1);

/// Supervises the connections of all pools of one database.
#[derive(Debug)]
pub(in crate::store) struct Supervisor {
    hosts: Arc<Hosts>,
    /// The last time a connection gave no answer.
    suspected_at: Mutex<Option<Instant>>,
    /// Deadline of a statement.
    patience: Duration,
    /// The runtime that opens connections.
    home: Handle,
}

impl Supervisor {
    pub(in crate::store) fn new(hosts: Arc<Hosts>) -> Arc<Self> {
        Self::with_patience(hosts, STATEMENT)
    }

    fn with_patience(hosts: Arc<Hosts>, patience: Duration) -> Arc<Self> {
        Arc::new(Self { hosts, suspected_at: Mutex::default(), patience, home: Handle::current() })
    }

    /// Installs the supervision of a pool: new connections are prepared, and idle ones are tested if necessary.
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

    /// Takes a connection from a pool, or opens one.
    ///
    /// The runtime in which a connection is opened drives it for as long as it exists. A connection opened by a
    /// low-priority runtime would slow down all later users, so it is always opened in the same runtime.
    pub(super) async fn acquire(&self, pool: &PgPool) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        if Handle::current().id() == self.home.id() {
            return pool.acquire().await;
        }
        let pool = pool.clone();
        let acquired = AbortOnDropHandle::new(self.home.spawn(async move { pool.acquire().await }));
        acquired.await.unwrap_or(Err(sqlx::Error::PoolClosed))
    }

    /// Waits for a statement until its deadline. After a timeout, its connection must not be used again, and the other
    /// connections are tested before their next use.
    pub(super) async fn bound<T>(
        &self,
        statement: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Result<T, sqlx::Error> {
        timeout(self.patience, statement).await.unwrap_or_else(|_| {
            self.suspect();
            Err(io::Error::new(io::ErrorKind::TimedOut, "the database did not answer in time").into())
        })
    }

    /// Notes that a connection gave no answer. The same may have happened to all others.
    fn suspect(&self) {
        *self.suspected_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Returns the time since a connection last gave no answer.
    fn suspected_for(&self) -> Option<Duration> {
        let suspected_at = *self.suspected_at.lock().unwrap_or_else(PoisonError::into_inner);
        suspected_at.map(|at| at.elapsed())
    }
}

/// Returns whether an idle connection must be tested: it was idle for long, or since before another one gave no answer.
/// The test costs as much as a read.
fn must_test(idle_for: Duration, suspected_for: Option<Duration>) -> bool {
    idle_for >= TEST_IDLE_FOR || suspected_for.is_some_and(|suspected_for| suspected_for <= idle_for)
}

/// Returns whether the connection answers in time.
async fn answers(connection: &mut PgConnection) -> bool {
    matches!(timeout(TEST, connection.ping()).await, Ok(Ok(())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_unused_since_an_unanswered_statement_are_tested() {
        let seconds = Duration::from_secs;
        assert!(!must_test(seconds(29), None));
        assert!(must_test(seconds(30), None), "idle for long");
        assert!(must_test(seconds(2), Some(seconds(2))), "idle since before");
        assert!(!must_test(seconds(1), Some(seconds(2))), "used since");
    }

    #[tokio::test]
    async fn unanswered_statement_ends_and_raises_suspicion() {
        let hosts = Hosts::parse("postgres://localhost/tessera").unwrap();
        let supervisor = Supervisor::with_patience(hosts, Duration::from_millis(1));
        assert!(supervisor.bound(async { Ok(1) }).await.is_ok());
        assert!(supervisor.suspected_for().is_none());
        let result = supervisor.bound(std::future::pending::<Result<(), _>>()).await;
        assert!(matches!(result, Err(sqlx::Error::Io(error)) if error.kind() == io::ErrorKind::TimedOut));
        assert!(supervisor.suspected_for().is_some());
    }
}
