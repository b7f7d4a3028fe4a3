//! Opening the database: the pools, and waiting for a database that is not reachable yet.

use std::{sync::Arc, time::Duration};

use sea_orm::{Database, DbErr};
use tokio::time::{Instant, sleep};

use super::{
    Connections, Store,
    address::AddressError,
    files,
    health::Health,
    hosts::{Hosts, HostsError},
    is_sqlite, options,
    postgres::Supervisor,
    sqlite::{self, Signals},
    timeouts::TEST_IDLE_FOR,
};

/// The first pause between two attempts to connect. Each following pause is twice as long.
const PAUSE: Duration = Duration::from_millis(250);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// Reasons why the database was not opened.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is wrong.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The server is starting, full or out of reach.
    #[error("the database cannot be reached: {0}")]
    Unreachable(String),
    /// The server stayed unreachable for the whole waiting time.
    #[error("the database cannot be reached: {cause} (waited {} seconds: TESSERA_DATABASE_WAIT_SECONDS)", waited.as_secs())]
    WaitedInVain {
        /// The last reason.
        cause: String,
        /// The time waited.
        waited: Duration,
    },
    /// A wrong password, name or certificate. It does not pass by itself.
    #[error("the database refuses the connection: {0}")]
    Refused(String),
    /// Any other error.
    #[error("the database cannot be opened: {0}")]
    Database(#[from] DbErr),
}

impl From<HostsError> for ConnectError {
    fn from(error: HostsError) -> Self {
        match error {
            HostsError::Address(error) => error.into(),
            HostsError::Options(text) => Self::Refused(text),
        }
    }
}

impl Store {
    /// Connects to `url` (`sqlite://…` or `postgres://…`) with at most `connections` readers. PostgreSQL also gets as
    /// many writers and as many connections for the desks. SQLite has one writer.
    pub async fn connect(url: &str, connections: u32) -> Result<Self, ConnectError> {
        if is_sqlite(url) {
            return Ok(Self::open_sqlite(url, connections).await?);
        }
        let hosts = Hosts::parse(url)?;
        match hosts.locate().await {
            Ok(index) => hosts.begin_at(index),
            Err(cause) if cause.is_passing => return Err(ConnectError::Unreachable(cause.text)),
            Err(cause) => return Err(ConnectError::Refused(cause.text)),
        }
        match Self::open_postgres(&hosts, connections).await {
            Ok(store) => Ok(store),
            // The pool does not report the reason. Another attempt does, unless the problem has passed.
            Err(error) => match hosts.locate().await {
                Ok(_) if matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_)) => {
                    Err(ConnectError::Unreachable("no further connection was available in time".to_owned()))
                }
                Ok(_) => Err(error.into()),
                Err(cause) => Err(ConnectError::Unreachable(cause.text)),
            },
        }
    }

    /// Connects like [`connect`](Self::connect), but waits up to `patience` for a database that is starting, full or
    /// out of reach. Wrong settings fail at once.
    pub async fn connect_within(
        url: &str,
        connections: u32,
        patience: Duration,
    ) -> Result<Self, ConnectError> {
        let begun = Instant::now();
        let (mut pause, mut last) = (PAUSE, None);
        loop {
            let cause = match Self::connect(url, connections).await {
                Err(ConnectError::Unreachable(cause)) => cause,
                Ok(store) => {
                    if last.is_some() {
                        tracing::info!(waited = ?begun.elapsed(), "the database is reachable");
                    }
                    return Ok(store);
                }
                other => return other,
            };
            let waited = begun.elapsed();
            if patience.is_zero() {
                return Err(ConnectError::Unreachable(cause));
            }
            if waited >= patience {
                return Err(ConnectError::WaitedInVain { cause, waited });
            }
            if last.as_ref() != Some(&cause) {
                tracing::warn!(cause, "waiting for the database");
                last = Some(cause);
            }
            sleep(pause.min(patience.saturating_sub(waited))).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }

    async fn open_sqlite(url: &str, connections: u32) -> Result<Self, DbErr> {
        files::create_database_file(url);
        let health = Arc::new(Health::new());
        let signals = Signals::new(health.clone());
        let mut writer = options(url, 1);
        sqlite::guard(&mut writer, TEST_IDLE_FOR, Some(signals.clone()));
        let write = Database::connect(writer).await?;
        let read = if url.contains(":memory:") {
            write.clone()
        } else {
            let mut options = options(url, connections);
            options.map_sqlx_sqlite_opts(|sqlite| sqlite.pragma("query_only", "on"));
            // A connection has a thread, which inherits the priority of the thread that opens it. So all are opened
            // here, and none later by a low-priority thread.
            options.min_connections(connections);
            sqlite::guard(&mut options, TEST_IDLE_FOR, None);
            Database::connect(options).await?
        };
        // A replacement connection must not create a new database if the file was removed.
        for pool in [write.get_sqlite_connection_pool(), read.get_sqlite_connection_pool()] {
            pool.set_connect_options((*pool.connect_options()).clone().create_if_missing(false));
        }
        let (write, read) = (Connections::sqlite(write), Connections::sqlite(read));
        let (desk, acquire_failures) = (write.clone(), Arc::default());
        Ok(Self { write, desk, read, acquire_failures, health, signals, hosts: None, lock: None })
    }

    async fn open_postgres(hosts: &Arc<Hosts>, connections: u32) -> Result<Self, DbErr> {
        let supervisor = Supervisor::new(hosts.clone());
        let connect = async |is_lazy| {
            let mut options = options(hosts.url(), connections);
            supervisor.attend(&mut options);
            options.connect_lazy(is_lazy);
            Ok::<_, DbErr>(Connections::postgres(Database::connect(options).await?, supervisor.clone()))
        };
        let write = connect(false).await?;
        let read = connect(false).await?;
        let desk = connect(true).await?;
        let health = Arc::new(Health::new());
        let signals = Signals::new(health.clone());
        let (acquire_failures, hosts) = (Arc::default(), Some(hosts.clone()));
        Ok(Self { write, desk, read, acquire_failures, health, signals, hosts, lock: None })
    }
}
