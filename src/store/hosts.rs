//! PostgreSQL's servers: which of them is the primary now, and connections that follow it.
//!
//! [`Store::follow_primary`] asks the server in use every second whether it still takes writes. If it does not, or does
//! not answer, the others are asked, and the pools open their connections at the one that does. A connection that was
//! opened before such a move is closed instead of being used again; one that is in use fails by itself, since its server
//! takes no writes any more. A new connection is used only if its server takes writes.

use std::{
    fmt, io, mem,
    str::FromStr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use futures_util::{
    StreamExt,
    future::{BoxFuture, FutureExt, pending},
    stream::FuturesOrdered,
};
use sqlx::{ConnectOptions as _, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep, timeout},
};

use super::{
    Store,
    address::{Address, AddressError},
    cause::Cause,
    session,
};

/// For how long a server may keep us waiting before the next is asked.
const PROBE: Duration = Duration::from_secs(3);
/// How often the server in use is asked whether it takes writes.
const BEAT: Duration = Duration::from_secs(1);

/// A server takes writes, also after this session began.
const TAKES_WRITES: &str =
    "SELECT NOT pg_is_in_recovery() AND current_setting('transaction_read_only') = 'off'";

/// The servers of one address.
pub(super) struct Hosts {
    servers: Vec<Server>,
    needs_writer: bool,
    current: AtomicUsize,
    /// When the last move began.
    moved_at: Mutex<Option<Instant>>,
    moves: watch::Sender<usize>,
    /// A server was found to take no writes.
    suspicion: Notify,
}

struct Server {
    url: String,
    options: PgConnectOptions,
    name: String,
}

/// Without the addresses, which have passwords in them.
impl fmt::Debug for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.servers.iter().map(|server| &server.name)).finish()
    }
}

impl Hosts {
    /// The servers that the address names.
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

    /// The address of the server in use.
    pub(super) fn url(&self) -> &str {
        &self.in_use().url
    }

    fn in_use(&self) -> &Server {
        &self.servers[self.current.load(Relaxed)]
    }

    /// Finds the first server in the address' order that will do, and makes it the one in use. All are asked at once.
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

    /// Uses this server from the start.
    pub(super) fn begin_at(&self, index: usize) {
        self.current.store(index, Relaxed);
    }

    /// Whether the server in use may become another, or may stop taking writes.
    fn is_followed(&self) -> bool {
        self.servers.len() > 1 || self.needs_writer
    }

    /// The port of the server in use; `None` if it is reached by a socket of this machine.
    pub(super) fn port(&self) -> Option<u16> {
        let options = &self.in_use().options;
        options.get_socket().is_none().then(|| options.get_port())
    }

    /// Whether a connection of this age was opened after the last move.
    pub(super) fn is_current(&self, age: Duration) -> bool {
        let moved_at = self.moved_at.lock().unwrap_or_else(PoisonError::into_inner);
        moved_at.is_none_or(|moved_at| age < moved_at.elapsed())
    }

    /// Refuses a new connection to a server that takes no writes, after a move if there is one soon: the pool then tries
    /// again, at the new server.
    pub(super) async fn admit(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut moves = self.moves.subscribe();
        if !self.needs_writer || takes_writes(connection).await? {
            return Ok(());
        }
        self.suspicion.notify_one();
        let _ = timeout(PROBE, moves.changed()).await;
        Err(io::Error::other("the server takes no writes").into())
    }

    /// Whether the server in use will still do. Keeps a connection to ask it by.
    async fn beats(&self, heart: &mut Option<(usize, PgConnection)>) -> bool {
        let current = self.current.load(Relaxed);
        let beat = async {
            let mut connection = match heart.take() {
                Some((at, connection)) if at == current => connection,
                Some(_) | None => self.in_use().options.connect().await?,
            };
            let is_good = !self.needs_writer || takes_writes(&mut connection).await?;
            // Put back only after the answer: one that was not read to its end must not be used again.
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

    /// Opens a connection, and asks whether it takes writes.
    async fn probe(&self, needs_writer: bool) -> Result<(), Cause> {
        let probe = async {
            let mut connection = self.options.connect().await?;
            let is_good = !needs_writer || takes_writes(&mut connection).await?;
            let _ = connection.close().await;
            Ok(is_good)
        };
        match timeout(PROBE, probe).await {
            Ok(Ok(true)) => Ok(()),
            Ok(Ok(false)) => Err(Cause::passing("the server takes no writes")),
            Ok(Err(error)) => Err(Cause::of(&error)),
            Err(_) => Err(Cause::passing(format!("no answer within {} seconds", PROBE.as_secs()))),
        }
    }
}

async fn takes_writes(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(TAKES_WRITES).fetch_one(connection).await
}

impl Store {
    /// Follows the primary as long as this is polled. Never ends.
    pub async fn follow_primary(&self) {
        let Some(hosts) = self.hosts.as_ref().filter(|hosts| hosts.is_followed()) else {
            return pending().await;
        };
        let (mut heart, mut is_lost) = (None, false);
        loop {
            let was_lost = is_lost;
            if hosts.beats(&mut heart).await {
                is_lost = false;
            } else {
                match hosts.locate().await {
                    Ok(index) => {
                        is_lost = false;
                        self.move_to(hosts, index);
                    }
                    Err(cause) => {
                        if !mem::replace(&mut is_lost, true) {
                            tracing::error!(cause = cause.text, "no server of the database takes writes");
                        }
                    }
                }
            }
            if was_lost && !is_lost {
                tracing::info!(server = hosts.in_use().name, "a server of the database takes writes again");
            }
            tokio::select! {
                () = sleep(BEAT) => {}
                () = hosts.suspicion.notified() => {}
            }
        }
    }

    /// Has all pools open their connections at another server from now on.
    fn move_to(&self, hosts: &Hosts, index: usize) {
        let from = hosts.current.swap(index, Relaxed);
        if from == index {
            return;
        }
        let server = &hosts.servers[index];
        for pool in [&self.write, &self.desk, &self.read] {
            if let Some((pool, _)) = pool.as_postgres() {
                pool.set_connect_options(server.options.clone());
            }
        }
        *hosts.moved_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        hosts.moves.send_replace(index);
        tracing::warn!(
            from = hosts.servers[from].name,
            to = server.name,
            "the database's primary is another"
        );
    }

    /// Resolves when the primary becomes another: for what holds a connection of its own.
    pub(crate) fn moved(&self) -> BoxFuture<'static, ()> {
        let Some(hosts) = &self.hosts else { return pending().boxed() };
        let mut moves = hosts.moves.subscribe();
        async move {
            if moves.changed().await.is_err() {
                pending::<()>().await;
            }
        }
        .boxed()
    }
}

/// Why the servers are not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostsError {
    #[error(transparent)]
    Address(#[from] AddressError),
    /// sqlx cannot read the address of a server.
    #[error("DATABASE_URL: {0}")]
    Options(String),
}
