//! SQLite's own reports about the writer's transactions, and the settings of SQLite's pools.

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

/// Counts of commits and rollbacks that SQLite reports by its hooks. There is one writer at a time, so a change of a
/// count during a transaction belongs to it.
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

    /// Returns the number of committed transactions.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(SeqCst)
    }

    /// Returns the number of rollbacks, including those by SQLite after an error.
    pub(super) fn rollbacks(&self) -> u64 {
        self.rollbacks.load(SeqCst)
    }

    /// Records a verified commit.
    pub(super) fn note_success(&self) {
        self.health.note_success();
    }

    /// Records that the database cannot be written.
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

/// Makes the pool close connections that are still in a transaction, and test those idle for `test_idle_for`. The
/// connections report to `signals`.
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
