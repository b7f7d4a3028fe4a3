//! The database: connections, transactions, and the one guarded update.
//!
//! Writing goes through [`Store::begin`] (and its like for the desks) and nowhere else: on SQLite a plain `BEGIN` is
//! deferred and fails at once when it has to become a writer, so transactions begin `IMMEDIATE` on the single writing
//! connection. On PostgreSQL they are `READ COMMITTED` and short, and every decision is held by a version guard, a
//! condition or a constraint.

mod address;
mod backup;
mod cause;
mod fault;
pub mod files;
mod health;
mod hosts;
mod lock;
mod open;
pub(crate) mod outage;
mod pool;
mod rows;
mod schema;
mod script;
mod sqlite;
mod sqlstate;
mod tx;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use entity::Versioned;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, EntityTrait, IntoActiveModel, IsolationLevel, QueryFilter, SqlErr, Statement,
    TransactionOptions, TransactionTrait, Value, sea_query::FromValueTuple,
};
use sqlx::{
    postgres::{PgConnectOptions, PgListener},
    sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use self::hosts::Hosts;
pub use self::{
    address::{AddressError, check as check_address},
    backup::{BackupError, backup},
    lock::{FileLock, LockError},
    open::ConnectError,
    pool::PoolFigures,
    rows::Rows,
    schema::{SchemaError, SchemaStatus},
    tx::Tx,
};
pub(crate) use self::{
    fault::Unwritten,
    script::{Guard, Guarded, Script},
};
use self::{health::Health, sqlite::Signals};
use crate::{
    call,
    error::{Fault, Faulty},
};

/// How long a statement may wait for a connection before the caller is told to come back.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was idle for less is not tested before use: the test costs as much as a read.
const TEST_IDLE_FOR: Duration = Duration::from_secs(30);

/// The database's connections.
#[derive(Clone, Debug)]
pub struct Store {
    write: DatabaseConnection,
    /// Of the desks alone, so that its connections belong to their threads; on SQLite the one writer.
    desk: DatabaseConnection,
    read: DatabaseConnection,
    /// Connections that were not to be had in time.
    starved: Arc<AtomicU64>,
    /// What the last writes said.
    health: Arc<Health>,
    /// What SQLite reports about the writer.
    signals: Arc<Signals>,
    /// PostgreSQL's servers.
    hosts: Option<Arc<Hosts>>,
    /// Keeps other servers from a SQLite file.
    lock: Option<Arc<FileLock>>,
}

impl Store {
    /// Locks the SQLite file of the address for this process; nothing on PostgreSQL. Call it before the file is opened.
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

    /// Begins a writing transaction on a desk's threads.
    pub(crate) async fn begin_at_desk(&self) -> Result<Tx, DbErr> {
        self.begin_on(&self.desk).await
    }

    async fn begin_on(&self, connection: &DatabaseConnection) -> Result<Tx, DbErr> {
        call::check()?;
        let begun = if self.backend() == DbBackend::Sqlite {
            let writer = connection.get_sqlite_connection_pool();
            sqlite::begin(writer, &self.signals).await.map(Tx::sqlite)
        } else {
            begin(connection).await.map(Tx::postgres)
        };
        begun.inspect_err(|error| self.note_starved(error))
    }

    /// PostgreSQL only: a desk's writes behind their guard, as one statement and one transaction.
    pub(crate) async fn write_at_desk(&self, script: Script, guard: Guard) -> Result<Guarded, Unwritten> {
        let guarded = script.run_behind(guard, &self.desk).await;
        let guarded = guarded.inspect_err(|error| self.note_starved(error)).map_err(Unwritten::of)?;
        outage::note_commit();
        Ok(guarded)
    }

    /// PostgreSQL only: the same in a transaction that holds locks already, and its end.
    pub(crate) async fn write_and_commit(
        &self,
        tx: Tx,
        script: Script,
        guard: Guard,
    ) -> Result<Guarded, Unwritten> {
        let guarded = script.run_behind(guard, &tx).await.map_err(|error| match Unwritten::of(error) {
            // A transaction that broke off was not committed.
            Unwritten::Unknown(error) => Unwritten::No(error),
            known @ (Unwritten::Repeated | Unwritten::No(_)) => known,
        })?;
        if guarded.held {
            tx.commit().await.map_err(Unwritten::of_commit)?;
        }
        Ok(guarded)
    }

    /// Begins a transaction that reads one state of the database, whatever is committed meanwhile, and writes nothing.
    /// It never becomes a writer, so it may begin deferred.
    pub async fn snapshot(&self) -> Result<Tx, DbErr> {
        let begun = if self.backend() == DbBackend::Sqlite {
            sqlite::begin_read(self.read.get_sqlite_connection_pool()).await.map(Tx::sqlite)
        } else {
            let isolation = Some(IsolationLevel::RepeatableRead);
            self.read.begin_with_config(isolation, None).await.map(Tx::postgres)
        };
        begun.inspect_err(|error| self.note_starved(error))
    }

    /// For reads that decide nothing by themselves.
    pub fn read(&self) -> &DatabaseConnection {
        &self.read
    }

    /// Counts the statements that readers send from now on: for tests, which say how many a list may take.
    pub fn count_reads(&mut self) -> Arc<AtomicU64> {
        let count = Arc::<AtomicU64>::default();
        let counter = count.clone();
        self.read.set_metric_callback(move |_| {
            counter.fetch_add(1, Relaxed);
        });
        count
    }

    /// Which of the two databases this is.
    pub fn backend(&self) -> DbBackend {
        self.write.get_database_backend()
    }

    /// The database's own time; none on SQLite, which has this machine's.
    pub async fn database_time(&self) -> Result<Option<DateTime<Utc>>, DbErr> {
        if self.backend() == DbBackend::Sqlite {
            return Ok(None);
        }
        let statement = Statement::from_string(DbBackend::Postgres, "SELECT clock_timestamp() AS now");
        let row = self.read.query_one_raw(statement).await.inspect_err(|error| self.note_starved(error))?;
        row.map(|row| row.try_get("", "now")).transpose()
    }

    /// Asks something of the database that writes nothing, for each of the rows.
    pub(crate) async fn ask(&self, rows: Rows, sql: &str, values: Vec<Value>) -> Result<(), DbErr> {
        self.read.execute_raw(rows.statement(self.backend(), sql, values)).await.map(|_| ())
    }

    /// Hears `PostgreSQL`'s notifications on the channel, on a connection of its own.
    pub(crate) async fn listen(&self, channel: &str) -> Result<PgListener, sqlx::Error> {
        let mut listener = PgListener::connect_with(self.read.get_postgres_connection_pool()).await?;
        listener.listen(channel).await?;
        Ok(listener)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.read.ping().await.inspect_err(|error| self.note_starved(error))
    }

    /// Closes all connections, after what runs on them has ended.
    pub async fn close(self) -> Result<(), DbErr> {
        self.read.close().await?;
        self.desk.close().await?;
        let closed = self.write.close().await;
        // Not before: another server may begin now.
        drop(self.lock);
        closed
    }
}

/// Begins a part of the transaction that can be rolled back by itself.
pub(crate) async fn savepoint(tx: &Tx) -> Result<Tx, DbErr> {
    tx.savepoint().await
}

/// Begins a transaction on PostgreSQL.
async fn begin(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    connection.begin_with_options(TransactionOptions::default()).await
}

fn is_sqlite(url: &str) -> bool {
    url.starts_with("sqlite:")
}

fn options(url: &str, connections: u32) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire_if_idle_for(TEST_IDLE_FOR)
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

/// What every session of PostgreSQL has.
fn session(postgres: PgConnectOptions) -> PgConnectOptions {
    postgres.application_name("tessera").options([
        ("lock_timeout", "3s"),
        ("statement_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "10s"),
    ])
}

/// Writes `row` if its version is still `seen`, and raises the version by one.
///
/// This is the only place where a versioned row is updated. Fails with [`Fault::Stale`] when somebody was first, and
/// with [`Fault::NotFound`] when the row is gone; `what` names the kind of object in both.
pub async fn save_versioned<E>(
    tx: &Tx,
    mut row: E::ActiveModel,
    seen: i64,
    what: &'static str,
) -> Faulty<E::Model>
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

/// Whether the write violated the unique constraint `name`, which SQLite reports by its `column` (`table.column`).
pub fn violates(error: &DbErr, name: &str, column: &str) -> bool {
    match error.sql_err() {
        Some(SqlErr::UniqueConstraintViolation(message)) => {
            message.contains(name) || message.contains(column)
        }
        Some(_) | None => false,
    }
}

/// The same of a write that went through [`save_versioned`].
pub fn violated(fault: &Fault, name: &str, column: &str) -> bool {
    let Fault::Internal(source) = fault else { return false };
    source.downcast_ref::<DbErr>().is_some_and(|error| violates(error, name, column))
}
