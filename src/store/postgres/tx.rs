//! A transaction on PostgreSQL.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
};

use sea_orm::{DbErr, ExecResult, QueryResult, Statement};
use sqlx::PgPool;
use tokio::sync::{Mutex, MutexGuard};

use super::{Lease, Supervisor};
use crate::store::driver::{exec_error, lost};

/// A transaction, or a savepoint in one.
#[derive(Debug)]
pub(in crate::store) struct PostgresTx {
    transaction: Arc<OpenTransaction>,
    /// The savepoint's number; `None` for the transaction itself.
    savepoint: Option<u32>,
    open: bool,
}

/// A connection with an open transaction. Dropping it rolls back.
#[derive(Debug)]
struct OpenTransaction {
    lease: Mutex<Lease>,
    /// Whether the transaction must still be rolled back.
    open: AtomicBool,
    /// Whether a savepoint was dropped without release or rollback. The transaction accepts no more statements.
    abandoned: AtomicBool,
    savepoints: AtomicU32,
}

impl PostgresTx {
    /// Begins a writing transaction.
    pub(in crate::store) async fn begin(pool: &PgPool, supervisor: &Arc<Supervisor>) -> Result<Self, DbErr> {
        Self::begin_with(pool, supervisor, "BEGIN").await
    }

    /// Begins a read-only transaction that sees one state of the database.
    pub(in crate::store) async fn begin_read(
        pool: &PgPool,
        supervisor: &Arc<Supervisor>,
    ) -> Result<Self, DbErr> {
        Self::begin_with(pool, supervisor, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    async fn begin_with(
        pool: &PgPool,
        supervisor: &Arc<Supervisor>,
        statement: &'static str,
    ) -> Result<Self, DbErr> {
        let mut lease = Lease::take(pool, supervisor).await?;
        in_task(async move {
            lease.begin(statement).await?;
            let transaction = OpenTransaction {
                lease: Mutex::new(lease),
                open: AtomicBool::new(true),
                abandoned: AtomicBool::new(false),
                savepoints: AtomicU32::new(0),
            };
            Ok(Self { transaction: Arc::new(transaction), savepoint: None, open: true })
        })
        .await
    }

    pub(in crate::store) async fn execute(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.lease().await?.execute(statement).await
    }

    pub(in crate::store) async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.lease().await?.execute_unprepared(sql).await
    }

    pub(in crate::store) async fn query_one(
        &self,
        statement: Statement,
    ) -> Result<Option<QueryResult>, DbErr> {
        self.lease().await?.query_one(statement).await
    }

    pub(in crate::store) async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.lease().await?.query_all(statement).await
    }

    async fn lease(&self) -> Result<MutexGuard<'_, Lease>, DbErr> {
        let lease = self.transaction.lease.lock().await;
        if self.transaction.abandoned.load(SeqCst) {
            return Err(exec_error(lost("a savepoint of the transaction was dropped")));
        }
        Ok(lease)
    }

    pub(in crate::store) async fn savepoint(&self) -> Result<Self, DbErr> {
        let number = self.transaction.savepoints.fetch_add(1, SeqCst);
        self.execute_unprepared(&format!("SAVEPOINT part_{number}")).await?;
        Ok(Self { transaction: self.transaction.clone(), savepoint: Some(number), open: true })
    }

    /// Commits. If this fails, the commit may still have happened.
    pub(in crate::store) async fn commit(mut self) -> Result<(), DbErr> {
        if let Some(number) = self.savepoint {
            self.execute_unprepared(&format!("RELEASE SAVEPOINT part_{number}")).await?;
            self.open = false;
            return Ok(());
        }
        in_task(async move {
            self.lease().await?.commit().await?;
            self.transaction.open.store(false, SeqCst);
            Ok(())
        })
        .await
    }

    /// Rolls back.
    pub(in crate::store) async fn rollback(mut self) -> Result<(), DbErr> {
        if let Some(number) = self.savepoint {
            let back = format!("ROLLBACK TO SAVEPOINT part_{number}; RELEASE SAVEPOINT part_{number}");
            self.execute_unprepared(&back).await?;
            self.open = false;
            return Ok(());
        }
        in_task(async move {
            self.transaction.lease.lock().await.roll_back().await?;
            self.transaction.open.store(false, SeqCst);
            Ok(())
        })
        .await
    }
}

impl Drop for PostgresTx {
    /// A savepoint that was neither released nor rolled back invalidates its transaction.
    fn drop(&mut self) {
        if self.open && self.savepoint.is_some() {
            self.transaction.abandoned.store(true, SeqCst);
        }
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        if *self.open.get_mut() {
            self.lease.get_mut().start_rollback();
        }
    }
}

/// Runs `work` to its end, even if the caller is dropped.
#[expect(
    clippy::disallowed_methods,
    reason = "shutdown waits for it: the pool closes only when it has its connections back"
)]
async fn in_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, DbErr>> + Send + 'static,
) -> Result<T, DbErr> {
    tokio::spawn(work)
        .await
        .unwrap_or_else(|_| Err(exec_error(lost("the task of a transaction ended without a result"))))
}
