//! The database: connections, transactions, and the versioned update.
//!
//! All writes use [`Store::begin`] (or its variant for desks). On SQLite a plain `BEGIN` is deferred and fails when it
//! has to become a writer. So transactions begin `IMMEDIATE` on the single write connection. On PostgreSQL transactions
//! are `READ COMMITTED` and short. Every decision is protected by a version guard, a condition or a constraint.

mod address;
mod backup;
mod cause;
mod connections;
mod driver;
mod fault;
pub mod files;
mod health;
mod hosts;
mod lock;
mod open;
pub(crate) mod outage;
#[cfg(test)]
pub(crate) mod plans;
mod pool;
mod postgres;
mod primary;
mod readiness;
mod rows;
mod schema;
mod script;
mod sqlite;
mod sqlstate;
mod timeouts;
mod tx;

use std::{
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use chrono::{DateTime, Utc};
use entity::Versioned;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectOptions, ConnectionTrait, DbBackend, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, RuntimeErr, SqlErr, Statement, Value, sea_query::FromValueTuple,
};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use tokio::time::timeout;

use self::hosts::Hosts;
pub use self::{
    address::{AddressError, check as check_address},
    backup::{BackupError, backup},
    connections::Connections,
    lock::{FileLock, LockError},
    open::ConnectError,
    pool::PoolMetrics,
    rows::Rows,
    schema::{SchemaError, SchemaStatus},
    tx::Tx,
};
pub(crate) use self::{
    fault::WriteError,
    postgres::Listener,
    script::{Guard, GuardedWrite, Script},
};
use self::{
    health::Health,
    postgres::PostgresTx,
    sqlite::Signals,
    timeouts::{ACQUIRE_TIMEOUT, session},
};
use crate::{
    call,
    error::{Fault, FaultResult, Object},
};

/// How long closing waits for running statements.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(7);

/// The database's connection pools.
#[derive(Clone, Debug)]
pub struct Store {
    write: Connections,
    /// The desks' pool, so that its connections belong to their threads. On SQLite it is the single writer.
    desk: Connections,
    read: Connections,
    /// Counts failures to get a connection in time.
    acquire_failures: Arc<AtomicU64>,
    /// The results of the last writes.
    health: Arc<Health>,
    /// SQLite's reports about the writer.
    signals: Arc<Signals>,
    /// PostgreSQL's servers.
    hosts: Option<Arc<Hosts>>,
    /// Keeps other servers away from a SQLite file.
    lock: Option<Arc<FileLock>>,
}

impl Store {
    /// Locks the SQLite file of the address for this process. Does nothing on PostgreSQL. Call it before opening the
    /// file.
    pub fn lock(url: &str) -> Result<Option<FileLock>, LockError> {
        lock::lock(url)
    }

    /// Keeps the lock until the last clone of the store is dropped.
    #[must_use]
    pub fn keep(self, lock: Option<FileLock>) -> Self {
        Self { lock: lock.map(Arc::new), ..self }
    }

    /// Begins a writing transaction.
    pub async fn begin(&self) -> Result<Tx, DbErr> {
        self.begin_on(&self.write).await
    }

    /// Begins a writing transaction on a desk's connections.
    pub(crate) async fn begin_at_desk(&self) -> Result<Tx, DbErr> {
        self.begin_on(&self.desk).await
    }

    async fn begin_on(&self, connections: &Connections) -> Result<Tx, DbErr> {
        call::check()?;
        let begun = match connections.as_postgres() {
            Some((pool, supervisor)) => PostgresTx::begin(pool, supervisor).await.map(Tx::postgres),
            None => sqlite::begin(connections.as_sqlite(), &self.signals).await.map(Tx::sqlite),
        };
        begun.inspect_err(|error| self.note_acquire_failure(error))
    }

    /// PostgreSQL only: runs a desk's writes and their guard as one statement, which is one transaction.
    pub(crate) async fn write_at_desk(
        &self,
        script: Script,
        guard: Guard,
    ) -> Result<GuardedWrite, WriteError> {
        let guarded = script.run_behind(guard, &self.desk).await;
        let guarded =
            guarded.inspect_err(|error| self.note_acquire_failure(error)).map_err(WriteError::of)?;
        outage::note_commit();
        Ok(guarded)
    }

    /// PostgreSQL only: runs a desk's writes in a transaction that already holds locks, and commits it.
    pub(crate) async fn write_and_commit(
        &self,
        tx: Tx,
        script: Script,
        guard: Guard,
    ) -> Result<GuardedWrite, WriteError> {
        let guarded = script.run_behind(guard, &tx).await.map_err(|error| match WriteError::of(error) {
            // A transaction that broke off was not committed.
            WriteError::Unknown(error) => WriteError::NotWritten(error),
            known @ (WriteError::DuplicateKey | WriteError::NotWritten(_)) => known,
        })?;
        if guarded.applied {
            tx.commit().await.map_err(WriteError::of_commit)?;
        }
        Ok(guarded)
    }

    /// Begins a read-only transaction that sees one state of the database. It never becomes a writer, so it may begin
    /// deferred.
    pub async fn snapshot(&self) -> Result<Tx, DbErr> {
        let begun = match self.read.as_postgres() {
            Some((pool, supervisor)) => PostgresTx::begin_read(pool, supervisor).await.map(Tx::postgres),
            None => sqlite::begin_read(self.read.as_sqlite()).await.map(Tx::sqlite),
        };
        begun.inspect_err(|error| self.note_acquire_failure(error))
    }

    /// Returns the connections for reads outside of a transaction. No decision may depend on such reads alone.
    pub fn read(&self) -> &Connections {
        &self.read
    }

    /// Counts the readers' statements from now on. Tests use it to bound the statements of a list.
    pub fn count_reads(&mut self) -> Arc<AtomicU64> {
        self.read.count()
    }

    /// Returns the kind of database.
    pub fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    /// Returns the database's time; `None` on SQLite, which uses this machine's clock.
    pub async fn database_time(&self) -> Result<Option<DateTime<Utc>>, DbErr> {
        if self.backend() == DbBackend::Sqlite {
            return Ok(None);
        }
        let statement = Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp() AS now");
        let row =
            self.read.query_one_raw(statement).await.inspect_err(|error| self.note_acquire_failure(error))?;
        row.map(|row| row.try_get("", "now")).transpose()
    }

    /// Runs a statement that writes nothing, for all rows.
    pub(crate) async fn ask(&self, rows: Rows, sql: &str, values: Vec<Value>) -> Result<(), DbErr> {
        self.read.execute_raw(rows.statement(self.backend(), sql, values)).await.map(|_| ())
    }

    /// Listens to PostgreSQL notifications of the channel on a dedicated connection.
    pub(crate) async fn listen(&self, channel: &str) -> Result<Listener, sqlx::Error> {
        let (pool, _) = self.read.as_postgres().ok_or(sqlx::Error::PoolClosed)?;
        Listener::open(pool, channel).await
    }

    /// Checks that the database answers.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.read.ping().await.inspect_err(|error| self.note_acquire_failure(error))
    }

    /// Closes all connections after running statements have ended. Aborts statements that have not ended within
    /// [`CLOSE_TIMEOUT`].
    pub async fn close(self) -> Result<(), DbErr> {
        let Self { read, desk, write, .. } = self;
        let close = async { tokio::try_join!(read.close(), desk.close(), write.close()) };
        let closed = timeout(CLOSE_TIMEOUT, close).await;
        // Released last: another server may start now.
        drop(self.lock);
        closed
            .map_err(|_| DbErr::Conn(RuntimeErr::Internal("running statements were aborted".to_owned())))??;
        Ok(())
    }
}

/// Begins a savepoint in the transaction.
pub(crate) async fn savepoint(tx: &Tx) -> Result<Tx, DbErr> {
    tx.savepoint().await
}

fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite:")
}

fn options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .sqlx_logging(false)
        .record_stmt_in_spans(false)
        .map_sqlx_sqlite_opts(|sqlite| {
            sqlite
                .create_if_missing(true)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(SqliteSynchronous::Full)
                .busy_timeout(Duration::from_secs(5))
                .foreign_keys(true)
        })
        .map_sqlx_postgres_opts(session);
    options
}

/// Writes `row` if its version is still `seen`, and increments the version.
///
/// This is the only function that updates versioned rows. Returns [`Fault::Stale`] if another writer was first, and
/// [`Fault::NotFound`] if the row does not exist. `what` names the kind of object in both.
pub async fn save_versioned<E>(
    tx: &Tx,
    mut row: E::ActiveModel,
    seen: i64,
    what: Object,
) -> FaultResult<E::Model>
where
    E: Versioned,
    E::Model: IntoActiveModel<E::ActiveModel> + Sync,
    E::ActiveModel: Send,
{
    let key = row.get_primary_key_value();
    row.set(E::VERSION, seen.wrapping_add(1).into());
    match E::update(row).validate()?.filter(E::VERSION.eq(seen)).exec(tx).await {
        Ok(row) => Ok(row),
        Err(DbErr::RecordNotUpdated) => {
            let key = key.ok_or(Fault::NotFound(what))?;
            let key =
                <<E as EntityTrait>::PrimaryKey as sea_orm::PrimaryKeyTrait>::ValueType::from_value_tuple(
                    key,
                );
            let there = E::find_by_id(key).one(tx).await?.is_some();
            Err(if there { Fault::Stale(what) } else { Fault::NotFound(what) })
        }
        Err(error) => Err(error.into()),
    }
}

/// Returns whether the write violated the unique constraint `name`. SQLite reports it by its `column` (`table.column`).
pub fn violates(error: &DbErr, name: &str, column: &str) -> bool {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(message)) => {
            message.contains(name) || message.contains(column)
        }
        Some(_) | None => false,
    }
}

/// Returns whether the write violated a foreign key: it refers to a missing row, or deletes a row that others refer to.
pub fn is_missing_reference(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::ForeignKeyConstraintViolation(_)))
}

/// Returns the same as [`is_missing_reference`] for the fault of [`save_versioned`].
pub fn refers_to_missing(fault: &Fault) -> bool {
    let Fault::Internal(source) = fault else { return false };
    source.downcast_ref::<DbErr>().is_some_and(is_missing_reference)
}

/// Returns the same as [`violates`] for the fault of [`save_versioned`].
pub fn violated(fault: &Fault, name: &str, column: &str) -> bool {
    let Fault::Internal(source) = fault else { return false };
    source.downcast_ref::<DbErr>().is_some_and(|error| violates(error, name, column))
}
