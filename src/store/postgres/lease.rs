//! A connection taken from a pool.

use std::sync::Arc;

use sea_orm::{DbErr, ExecResult, QueryResult, Statement};
use sqlx::{
    AssertSqlSafe, Executor, PgConnection, PgPool, Postgres, SqlSafeStr, pool::PoolConnection,
    postgres::PgTransactionManager,
};
use sqlx_core::transaction::TransactionManager;
use tokio::{runtime::Handle, time::timeout};

use super::{STATEMENT, Supervisor};
use crate::store::driver::{acquire_error, exec_error, query, query_error};

/// A connection taken from a pool. Dropping it returns it, or closes it if it must not be used again.
#[derive(Debug)]
pub(in crate::store) struct Lease {
    /// `None` only while it is dropped.
    connection: Option<PoolConnection<Postgres>>,
    supervisor: Arc<Supervisor>,
    /// Whether the connection must not be used again.
    is_broken: bool,
}

impl Lease {
    /// Takes a connection from the pool, or opens one.
    pub(in crate::store) async fn take(pool: &PgPool, supervisor: &Arc<Supervisor>) -> Result<Self, DbErr> {
        let connection = supervisor.acquire(pool).await.map_err(acquire_error)?;
        Ok(Self { connection: Some(connection), supervisor: supervisor.clone(), is_broken: false })
    }

    pub(in crate::store) async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        let result = self.run(async |connection| query(statement).execute(connection).await).await;
        result.map(Into::into).map_err(exec_error)
    }

    pub(in crate::store) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let sql = AssertSqlSafe(sql.to_owned());
        let result = self.run(async |connection| connection.execute(sql).await).await;
        result.map(Into::into).map_err(exec_error)
    }

    pub(in crate::store) async fn query_one(
        &mut self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        let result = self.run(async |connection| query(statement).fetch_optional(connection).await).await;
        result.map(|row| row.map(Into::into)).map_err(query_error)
    }

    pub(in crate::store) async fn query_all(
        &mut self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let result = self.run(async |connection| query(statement).fetch_all(connection).await).await;
        Ok(result.map_err(query_error)?.into_iter().map(Into::into).collect())
    }

    /// Begins a transaction. Do not drop this future: the driver would forget the transaction.
    pub(super) async fn begin(&mut self, statement: &'static str) -> Result<(), DbErr> {
        let begin = Some(statement.into_sql_str());
        self.run(async |connection| PgTransactionManager::begin(connection, begin).await)
            .await
            .map_err(exec_error)
    }

    /// Commits the transaction. If this fails, the commit may still have happened.
    pub(super) async fn commit(&mut self) -> Result<(), DbErr> {
        self.run(PgTransactionManager::commit).await.map_err(exec_error)
    }

    /// Rolls the transaction back.
    pub(super) async fn roll_back(&mut self) -> Result<(), DbErr> {
        self.run(PgTransactionManager::rollback).await.map_err(exec_error)
    }

    /// Queues a rollback that runs before the next use of the connection.
    pub(super) fn start_rollback(&mut self) {
        if let Some(connection) = &mut self.connection {
            PgTransactionManager::start_rollback(connection);
        }
    }

    /// Runs a statement with a deadline. Marks the connection as broken if the error requires it.
    async fn run<T>(
        &mut self,
        statement: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, sqlx::Error> {
        let connection = self.connection.as_mut().ok_or(sqlx::Error::PoolClosed)?;
        let result = self.supervisor.bound(statement(connection)).await;
        self.is_broken |= result.as_ref().is_err_and(breaks_connection);
        result
    }
}

/// Returns whether the connection must not be used again after the error.
fn breaks_connection(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::BeginFailed
    )
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        let Ok(runtime) = Handle::try_current() else {
            drop(connection.detach());
            return;
        };
        if self.is_broken {
            connection.close_on_drop();
        } else {
            // Before the return, the driver tests the connection without a deadline. It would keep the connection's
            // slot forever.
            runtime.spawn(timeout(STATEMENT, connection.return_to_pool()));
        }
    }
}
