//! What SQLite itself reports about the writer's transactions, and the rules of SQLite's connection pools.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use sea_orm::ConnectOptions;
use sqlx::{Connection, Sqlite, SqliteConnection, pool::PoolOptions};

use super::depth;
use crate::store::health::Health;

/// Commits and rollbacks that SQLite has reported by its hooks. There is one writer at a time, so that what is counted
/// during a transaction belongs to it.
#[derive(Debug)]
pub(in crate::store) struct Signals {
    commits: AtomicU64,
    rollbacks: AtomicU64,
    health: Arc<Health>,
}

impl Signals {
    pub(in crate::store) fn new(health: Arc<Health>) -> Arc<Self> {
        Arc::new(Self { commits: AtomicU64::new(0), rollbacks: AtomicU64::new(0), health })
    }

    /// Returns how many transactions were committed.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(SeqCst)
    }

    /// Returns how many transactions were rolled back, by us or by SQLite after an error.
    pub(super) fn rollbacks(&self) -> u64 {
        self.rollbacks.load(SeqCst)
    }

    /// Notes that a commit was verified.
    pub(super) fn note_success(&self) {
        self.health.note_success();
    }

    /// Notes that the database cannot be written.
    pub(super) fn note_failure(&self, error: &sqlx::Error) {
        self.health.note_failure(error);
    }

    async fn listen(self: Arc<Self>, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        let mut handle = connection.lock_handle().await?;
        let signals = self.clone();
        handle.set_commit_hook(move || {
            signals.commits.fetch_add(1, SeqCst);
            true
        });
        handle.set_rollback_hook(move || {
            self.rollbacks.fetch_add(1, SeqCst);
        });
        Ok(())
    }
}

/// Makes the pool close a connection that is still in a transaction, and tests one that was idle for `test_idle_for`.
/// The connections report to `signals`.
pub(in crate::store) fn guard(
    options: &mut ConnectOptions,
    test_idle_for: Duration,
    signals: Option<Arc<Signals>>,
) {
    options.map_sqlx_sqlite_pool_opts(move |pool: PoolOptions<Sqlite>| {
        let pool = pool.test_before_acquire(false).before_acquire(move |connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for >= test_idle_for {
                    connection.ping().await?;
                }
                Ok(depth(connection) == 0)
            })
        });
        match signals.clone() {
            Some(signals) => {
                pool.after_connect(move |connection, _| Box::pin(signals.clone().listen(connection)))
            }
            None => pool,
        }
    });
}
