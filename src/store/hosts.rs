//! PostgreSQL servers, and which one is the primary. `primary.rs` follows it.
//!
//! Connections opened before a move are closed instead of reused. Those in use fail by themselves, because their server
//! accepts no writes any more. A new connection is used only if its server accepts writes.

use std::{
    fmt, io,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesOrdered};
use sqlx::{ConnectOptions as _, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

use super::{
    address::{Address, AddressError},
    cause::Cause,
    timeouts::session,
};

/// How long a server may take to answer before the next one is asked.
const PROBE: Duration = Duration::from_secs(3);
/// Whether the server accepts writes, also if it changed after this session began.
const TAKES_WRITES: &str =
    "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'";

/// The servers of one address.
pub(super) struct Hosts {
    pub(super) servers: Vec<Server>,
    needs_writer: bool,
    pub(super) current: AtomicUsize,
    /// Time of the last move.
    pub(super) moved_at: Mutex<Option<Instant>>,
    pub(super) moves: watch::Sender<usize>,
    /// Notified when a server was found to refuse writes.
    pub(super) suspicion: Notify,
}

/// One server.
pub(super) struct Server {
    url: String,
    pub(super) options: PgConnectOptions,
    pub(super) name: String,
}

/// Omits the addresses, which contain passwords.
impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.servers.iter().map(|server| &server.name)).finish()
    }
}

impl Hosts {
    /// Parses the servers of the address.
    pub(super) fn parse(url: &str) -> Result<Arc<Self>, HostsError> {
        let Address { urls, needs_writer } = Address::parse(url)?;
        let servers = urls.into_iter().map(Server::new).collect::<Result<_, _>>()?;
        Ok(Arc::new(Self {
            servers,
            needs_writer,
            current: AtomicUsize::new(0),
            moved_at: Mutex::default(),
            moves: watch::Sender::new(0),
            suspicion: Notify::new(),
        }))
    }

    /// Returns the address of the current server.
    pub(super) fn url(&self) -> &str {
        &self.in_use().url
    }

    /// Returns the current server.
    pub(super) fn in_use(&self) -> &Server {
        &self.servers[self.current.load(Relaxed)]
    }

    /// Asks all servers at once. Returns the index of the first suitable one in the address's order.
    pub(super) async fn locate(&self) -> Result<usize, Cause> {
        let mut asked: FuturesOrdered<_> =
            self.servers.iter().map(|server| server.probe(self.needs_writer)).collect();
        let mut causes = Vec::new();
        while let Some(answer) = asked.next().await {
            match answer {
                Ok(()) => return Ok(causes.len()),
                Err(cause) => causes.push(cause),
            }
        }
        let texts: Vec<_> = self
            .servers
            .iter()
            .zip(&causes)
            .map(|(server, cause)| format!("{}: {}", server.name, cause.text))
            .collect();
        Err(Cause { text: texts.join("; "), is_passing: causes.iter().any(|cause| cause.is_passing) })
    }

    /// Sets the initial server.
    pub(super) fn begin_at(&self, index: usize) {
        self.current.store(index, Relaxed);
    }

    /// Returns whether the primary can change.
    pub(super) fn is_followed(&self) -> bool {
        self.servers.len() > 1 || self.needs_writer
    }

    /// Returns the port of the current server; `None` if it is reached by a local socket.
    pub(super) fn port(&self) -> Option<u16> {
        let options = &self.in_use().options;
        options.get_socket().is_none().then(|| options.get_port())
    }

    /// Returns whether a connection of this age was opened after the last move.
    pub(super) fn is_current(&self, age: Duration) -> bool {
        let moved_at = self.moved_at.lock().unwrap_or_else(PoisonError::into_inner);
        moved_at.is_none_or(|moved_at| age < moved_at.elapsed())
    }

    /// Rejects a new connection to a server that refuses writes. Waits briefly for a move first, so that the pool's
    /// next try reaches the new server.
    pub(super) async fn admit(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut moves = self.moves.subscribe();
        if !self.needs_writer || takes_writes(connection).await? {
            return Ok(());
        }
        self.suspicion.notify_one();
        let _ = timeout(PROBE, moves.changed()).await;
        Err(io::Error::other("the server does not accept writes").into())
    }

    /// Returns whether the current server is still suitable. Keeps a connection for the next check.
    pub(super) async fn beats(&self, heart: &mut Option<(usize, PgConnection)>) -> bool {
        let current = self.current.load(Relaxed);
        let beat = async {
            let mut connection = match heart.take() {
                Some((at, connection)) if at == current => connection,
                Some(_) | None => self.in_use().options.connect().await?,
            };
            let is_good = !self.needs_writer || takes_writes(&mut connection).await?;
            // Put back only after the answer: a connection with an unread answer must not be reused.
            *heart = Some((current, connection));
            Ok::<_, sqlx::Error>(is_good)
        };
        matches!(timeout(PROBE, beat).await, Ok(Ok(true)))
    }
}

impl Server {
    fn new(url: String) -> Result<Self, HostsError> {
        let options =
            PgConnectOptions::from_str(&url).map_err(|error| HostsError::Options(error.to_string()))?;
        let options = session(options).disable_statement_logging();
        let name = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        Ok(Self { url, options, name })
    }

    /// Opens a connection and checks whether the server accepts writes.
    async fn probe(&self, needs_writer: bool) -> Result<(), Cause> {
        let probe = async {
            let mut connection = self.options.connect().await?;
            let is_good = !needs_writer || takes_writes(&mut connection).await?;
            let _ = connection.close().await;
            Ok(is_good)
        };
        match timeout(PROBE, probe).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Cause::passing("the server does not accept writes")),
            Ok(Err(error)) => Err(Cause::of(&error)),
            Err(_) => Err(Cause::passing(format!("no answer within {} seconds", PROBE.as_secs()))),
        }
    }
}

async fn takes_writes(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(TAKES_WRITES).fetch_one(connection).await
}

/// Errors of the server list.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostsError {
    #[error(transparent)]
    Address(#[from] AddressError),
    /// sqlx cannot parse the address of a server.
    #[error("DATABASE_URL: {0}")]
    Options(String),
}
