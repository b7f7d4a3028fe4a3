//! Transactions on SQLite. They begin and end only here.
//!
//! SQLite ends a transaction by itself if the disk is full, an I/O call fails or memory runs out. The driver does not
//! notice: its `ROLLBACK` fails, and it still counts one open transaction. From then on it runs every `BEGIN` as a
//! savepoint and every `COMMIT` as its release, which stores nothing. Therefore:
//!
//! - A transaction begins only on a connection without an open one, and always with an explicit `BEGIN`.
//! - After an error that may have ended it, a transaction accepts no more statements and cannot be committed. Otherwise
//!   each later statement would be a transaction of its own. Its connection is closed.
//! - A commit succeeds only if SQLite itself reports a commit ([`Signals`]) and the driver counts no open transaction.

mod errors;
mod signals;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

use sea_orm::{DbErr, ExecResult, QueryResult, Statement};
use sqlx::{
    AssertSqlSafe, Database, Executor, SqlSafeStr, Sqlite, SqliteConnection, SqlitePool, pool::PoolConnection,
};
use sqlx_core::transaction::TransactionManager;
use tokio::sync::Mutex;

pub(super) use self::{
    errors::{Meaning, meaning_of},
    signals::{Signals, guard},
};
use super::driver::{acquire_error, exec_error, lost, query, query_error};

type Manager = <Sqlite as Database>::TransactionManager;

/// A transaction, or a savepoint in one.
#[derive(Debug)]
pub(super) struct SqliteTx {
    transaction: Arc<OpenTransaction>,
    /// The savepoint's number; `None` for the transaction itself.
    savepoint: Option<u32>,
    open: bool,
}

/// A connection with a transaction. Dropping it rolls back, or closes the connection.
#[derive(Debug)]
struct OpenTransaction {
    connection: Mutex<PoolConnection<Sqlite>>,
    /// Whether the transaction must still be rolled back.
    open: AtomicBool,
    /// Whether an error may have ended the transaction. The connection is not used again.
    broken: AtomicBool,
    savepoints: AtomicU32,
    /// SQLite's reports about the writer; `None` for a reader.
    signals: Option<Arc<Signals>>,
    /// SQLite's count of rollbacks at the start of the transaction.
    rollbacks: u64,
}

/// Begins a writing transaction on the writer's pool.
pub(super) async fn begin(writer: &SqlitePool, signals: &Arc<Signals>) -> Result<SqliteTx, DbErr> {
    begin_with(writer, "BEGIN IMMEDIATE", Some(signals)).await
}

/// Begins a read-only transaction that sees one state of the database.
pub(super) async fn begin_read(readers: &SqlitePool) -> Result<SqliteTx, DbErr> {
    begin_with(readers, "BEGIN DEFERRED", None).await
}

async fn begin_with(
    pool: &SqlitePool,
    statement: &'static str,
    signals: Option<&Arc<Signals>>,
) -> Result<SqliteTx, DbErr> {
    let mut is_last = false;
    loop {
        let connection = pool.acquire().await.map_err(|error| {
            note_failure(signals, &error);
            acquire_error(error)
        })?;
        let transaction = OpenTransaction::new(connection, signals.cloned());
        match transaction.begin(statement).await {
            Ok(()) => {
                return Ok(SqliteTx { transaction: Arc::new(transaction), savepoint: None, open: true });
            }
            Err(error) => {
                let is_busy = errors::meaning_of_driver(&error) == Some(Meaning::Busy);
                if !is_busy {
                    note_failure(signals, &error);
                    transaction.close();
                }
                // The connection was the cause: retry once with a new one.
                if is_busy || is_last {
                    return Err(exec_error(error));
                }
                is_last = true;
            }
        }
    }
}

impl SqliteTx {
    pub(super) async fn execute(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut connection = self.transaction.connection.lock().await;
        self.transaction.check()?;
        let result = query(statement).execute(&mut **connection).await;
        result.map(Into::into).map_err(|error| exec_error(self.transaction.note(error)))
    }

    pub(super) async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut connection = self.transaction.connection.lock().await;
        self.transaction.check()?;
        let result = connection.execute(AssertSqlSafe(sql.to_owned())).await;
        result.map(Into::into).map_err(|error| exec_error(self.transaction.note(error)))
    }

    pub(super) async fn query_one(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut connection = self.transaction.connection.lock().await;
        self.transaction.check()?;
        let result = query(statement).fetch_optional(&mut **connection).await;
        result.map(|row| row.map(Into::into)).map_err(|error| query_error(self.transaction.note(error)))
    }

    pub(super) async fn query_all(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut connection = self.transaction.connection.lock().await;
        self.transaction.check()?;
        let result = query(statement).fetch_all(&mut **connection).await;
        let rows = result.map_err(|error| query_error(self.transaction.note(error)))?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    pub(super) async fn savepoint(&self) -> Result<Self, DbErr> {
        let number = self.transaction.savepoints.fetch_add(1, SeqCst);
        self.execute_unprepared(&format!("SAVEPOINT part_{number}")).await?;
        Ok(Self { transaction: self.transaction.clone(), savepoint: Some(number), open: true })
    }

    pub(super) async fn commit(mut self) -> Result<(), DbErr> {
        if let Some(number) = self.savepoint {
            self.execute_unprepared(&format!("RELEASE part_{number}")).await?;
        } else {
            self.transaction.commit().await?;
        }
        self.open = false;
        Ok(())
    }

    pub(super) async fn rollback(mut self) -> Result<(), DbErr> {
        if let Some(number) = self.savepoint {
            let back = format!("ROLLBACK TO part_{number}; RELEASE part_{number}");
            self.execute_unprepared(&back).await?;
        } else {
            self.transaction.rollback().await?;
        }
        self.open = false;
        Ok(())
    }
}

impl Drop for SqliteTx {
    /// A savepoint that was neither released nor rolled back invalidates its transaction.
    fn drop(&mut self) {
        if self.open && self.savepoint.is_some() {
            self.transaction.broken.store(true, SeqCst);
        }
    }
}

impl OpenTransaction {
    fn new(connection: PoolConnection<Sqlite>, signals: Option<Arc<Signals>>) -> Self {
        Self {
            connection: Mutex::new(connection),
            open: AtomicBool::new(false),
            broken: AtomicBool::new(false),
            savepoints: AtomicU32::new(0),
            rollbacks: signals.as_ref().map_or(0, |signals| signals.rollbacks()),
            signals,
        }
    }

    async fn begin(&self, statement: &'static str) -> Result<(), sqlx::Error> {
        let mut connection = self.connection.lock().await;
        if depth(&connection) > 0 {
            return Err(lost("the connection is in a transaction already"));
        }
        // If the caller is dropped now, the transaction must be rolled back.
        self.open.store(true, SeqCst);
        // With an explicit statement, the driver asks SQLite whether a transaction has begun.
        Manager::begin(&mut connection, Some(statement.into_sql_str())).await
    }

    async fn commit(&self) -> Result<(), DbErr> {
        let mut connection = self.connection.lock().await;
        self.check()?;
        if depth(&connection) != 1 {
            return Err(self.fail(lost("the transaction to be committed is not open")));
        }
        let commits = self.signals.as_ref().map(|signals| signals.commits());
        if let Err(error) = Manager::commit(&mut connection).await {
            return Err(self.fail(error));
        }
        let committed = self.signals.as_ref().map(|signals| signals.commits());
        let is_verified = committed == commits.map(|commits| commits + 1) && self.is_whole();
        if !is_verified || depth(&connection) != 0 {
            return Err(self.fail(lost("SQLite did not report the commit")));
        }
        self.open.store(false, SeqCst);
        if let Some(signals) = &self.signals {
            signals.note_success();
        }
        Ok(())
    }

    async fn rollback(&self) -> Result<(), DbErr> {
        let mut connection = self.connection.lock().await;
        if self.broken.load(SeqCst) {
            // Closing the connection rolls back anything that SQLite left open.
            return Ok(());
        }
        if let Err(error) = Manager::rollback(&mut connection).await {
            return Err(self.fail(error));
        }
        self.open.store(false, SeqCst);
        Ok(())
    }

    /// Closes the connection, so that the next caller gets a new one.
    fn close(self) {
        self.broken.store(true, SeqCst);
    }

    /// Fails if SQLite may have ended the transaction.
    fn check(&self) -> Result<(), DbErr> {
        if self.broken.load(SeqCst) || !self.is_whole() {
            self.broken.store(true, SeqCst);
            return Err(exec_error(lost("SQLite ended the transaction after an error")));
        }
        Ok(())
    }

    /// Returns whether SQLite has reported no rollback since the transaction began.
    fn is_whole(&self) -> bool {
        self.signals.as_ref().is_none_or(|signals| signals.rollbacks() == self.rollbacks)
    }

    /// Marks the connection as broken if the error requires it.
    fn note(&self, error: sqlx::Error) -> sqlx::Error {
        if errors::breaks_connection(&error) || !self.is_whole() {
            self.broken.store(true, SeqCst);
            note_failure(self.signals.as_ref(), &error);
        }
        error
    }

    /// Marks the connection as broken and records the failure.
    fn fail(&self, error: sqlx::Error) -> DbErr {
        self.broken.store(true, SeqCst);
        note_failure(self.signals.as_ref(), &error);
        exec_error(error)
    }
}

impl Drop for OpenTransaction {
    fn drop(&mut self) {
        let connection = self.connection.get_mut();
        if *self.broken.get_mut() {
            connection.close_on_drop();
        } else if *self.open.get_mut() {
            // Queued. If it fails, `before_acquire` finds the connection in a transaction and closes it.
            Manager::start_rollback(connection);
        }
    }
}

/// Records that writing fails, unless the error is temporary.
fn note_failure(signals: Option<&Arc<Signals>>, error: &sqlx::Error) {
    if let Some(signals) = signals
        && errors::breaks_connection(error)
    {
        signals.note_failure(error);
    }
}

/// Returns how many transactions the driver counts as open on the connection.
fn depth(connection: &SqliteConnection) -> usize {
    Manager::get_transaction_depth(connection)
}
