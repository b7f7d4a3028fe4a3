//! The database: connections, transactions, and the one guarded update.
//!
//! Writing goes through [`Store::begin`] (and its like for the desks) and nowhere else: on SQLite a plain `BEGIN` is
//! deferred and fails at once when it has to become a writer, so transactions begin `IMMEDIATE` on the single writing
//! connection. On PostgreSQL they are `READ COMMITTED` and short, and every decision is held by a version guard, a
//! condition or a constraint.

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
mod pool;
mod postgres;
mod rows;
mod schema;
mod script;
mod sqlite;
mod sqlstate;
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
use sqlx::{
    postgres::PgConnectOptions,
    sqlite::{SqliteJournalMode, SqliteSynchronous},
};
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
    fault::Unwritten,
    postgres::Listener,
    script::{Guard, Guarded, Script},
};
use self::{health::Health, postgres::PostgresTx, sqlite::Signals};
use crate::{
    call,
    error::{Fault, Faulty},
};

/// How long a statement may wait for a connection before the caller is told to come back.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was idle for less is not tested before use: the test costs as much as a read.
const TEST_IDLE_FOR: Duration = Duration::from_secs(30);
/// How long closing waits for what still runs on the connections.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(7);

/// The database's connections.
#[derive(Clone, Debug)]
pub struct Store {
    write: Connections,
    /// Of the desks alone, so that its connections belong to their threads; on SQLite the one writer.
    desk: Connections,
    read: Connections,
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

    async fn begin_on(&self, connections: &Connections) -> Result<Tx, DbErr> {
        call::check()?;
        let begun = match connections.as_postgres() {
            Some((pool, supervisor)) => PostgresTx::begin(pool, supervisor).await.map(Tx::postgres),
            None => sqlite::begin(connections.as_sqlite(), &self.signals).await.map(Tx::sqlite),
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
        let begun = match self.read.as_postgres() {
            Some((pool, supervisor)) => PostgresTx::begin_read(pool, supervisor).await.map(Tx::postgres),
            None => sqlite::begin_read(self.read.as_sqlite()).await.map(Tx::sqlite),
        };
        begun.inspect_err(|error| self.note_starved(error))
    }

    /// For reads that decide nothing by themselves.
    pub fn read(&self) -> &Connections {
        &self.read
    }

    /// Counts the statements that readers send from now on: for tests, which say how many a list may take.
    pub fn count_reads(&mut self) -> Arc<AtomicU64> {
        self.read.count()
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
    pub(crate) async fn listen(&self, channel: &str) -> Result<Listener, sqlx::Error> {
        let (pool, _) = self.read.as_postgres().ok_or(sqlx::Error::PoolClosed)?;
        Listener::open(pool, channel).await
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<(), DbErr> {
        self.read.ping().await.inspect_err(|error| self.note_starved(error))
    }

    /// Closes all connections, after what runs on them has ended, but does not wait for ever: what has not ended
    /// within [`CLOSE_TIMEOUT`] is cut off.
    pub async fn close(self) -> Result<(), DbErr> {
        let Self { read, desk, write, .. } = self;
        let close = async { tokio::try_join!(read.close(), desk.close(), write.close()) };
        let closed = timeout(CLOSE_TIMEOUT, close).await;
        // Not before: another server may begin now.
        drop(self.lock);
        closed.map_err(|_| DbErr::Conn(RuntimeErr::Internal("connections were cut off".to_owned())))??;
        Ok(())
    }
}

/// Begins a part of the transaction that can be rolled back by itself.
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

/// What every session of PostgreSQL has.
fn session(postgres: PgConnectOptions) -> PgConnectOptions {
    postgres.application_name("tessera").options([
        ("lock_timeout", "3s"),
        ("statement_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "10s"),
        // The server, too, gives up a connection whose other end is gone, and with it what the connection locks.
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "3"),
        ("tcp_keepalives_count", "3"),
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
