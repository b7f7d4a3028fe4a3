//! A pool of connections to either database.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, Statement};
use sqlx::{PgPool, SqlitePool};

use super::postgres::{Lease, Supervisor};

/// A pool of connections. Each statement takes a connection and returns it.
#[derive(Clone, Debug)]
pub struct Connections {
    pool: DatabaseConnection,
    /// The supervisor of PostgreSQL's connections; `None` on SQLite.
    supervisor: Option<Arc<Supervisor>>,
    /// Counts statements, if enabled.
    count: Option<Arc<AtomicU64>>,
}

impl Connections {
    /// Wraps a SQLite pool.
    pub(super) fn sqlite(pool: DatabaseConnection) -> Self {
        Self { pool, supervisor: None, count: None }
    }

    /// Wraps a PostgreSQL pool with its supervisor.
    pub(super) fn postgres(pool: DatabaseConnection, supervisor: Arc<Supervisor>) -> Self {
        Self { pool, supervisor: Some(supervisor), count: None }
    }

    /// Returns the pool without statement deadlines, for schema changes.
    pub(super) fn unbounded(&self) -> &DatabaseConnection {
        &self.pool
    }

    /// Returns PostgreSQL's pool and its supervisor; `None` on SQLite.
    pub(super) fn as_postgres(&self) -> Option<(&PgPool, &Arc<Supervisor>)> {
        let supervisor = self.supervisor.as_ref()?;
        Some((self.pool.get_postgres_connection_pool(), supervisor))
    }

    /// Returns SQLite's pool. Panics on PostgreSQL.
    pub(super) fn as_sqlite(&self) -> &SqlitePool {
        self.pool.get_sqlite_connection_pool()
    }

    /// Enables counting of statements. Returns the counter.
    pub(super) fn count(&mut self) -> Arc<AtomicU64> {
        self.count.get_or_insert_default().clone()
    }

    /// Checks that the database answers.
    pub(super) async fn ping(&self) -> Result<(), DbErr> {
        match self.lease().await? {
            Some(mut lease) => lease.execute_unprepared("SELECT 1").await.map(|_| ()),
            None => self.pool.ping().await,
        }
    }

    /// Closes the pool after the running statements have ended.
    pub(super) async fn close(self) -> Result<(), DbErr> {
        self.pool.close().await
    }

    /// Takes a PostgreSQL connection; `None` on SQLite.
    async fn lease(&self) -> Result<Option<Lease>, DbErr> {
        match self.as_postgres() {
            Some((pool, supervisor)) => Lease::take(pool, supervisor).await.map(Some),
            None => Ok(None),
        }
    }

    fn note_statement(&self) {
        if let Some(count) = &self.count {
            count.fetch_add(1, Relaxed);
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Connections {
    fn get_database_backend(&self) -> DbBackend {
        self.pool.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.note_statement();
        match self.lease().await? {
            Some(mut lease) => lease.execute(statement).await,
            None => self.pool.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.note_statement();
        match self.lease().await? {
            Some(mut lease) => lease.execute_unprepared(sql).await,
            None => self.pool.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.note_statement();
        match self.lease().await? {
            Some(mut lease) => lease.query_one(statement).await,
            None => self.pool.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.note_statement();
        match self.lease().await? {
            Some(mut lease) => lease.query_all(statement).await,
            None => self.pool.query_all_raw(statement).await,
        }
    }
}
