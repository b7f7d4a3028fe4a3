//! Accepts connections and serves each in its own task.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use axum::Router;
use hyper_util::{rt::TokioIo, server::conn::auto::Builder};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Timeouts,
    activity::{Activity, Watch},
    arrival::Arrival,
    exchange::Requests,
    protocol::{self, Spawner},
    proxy_protocol,
    slots::{Limits, Slot, Slots, descriptors},
    stream::Guarded,
    tls::Tls,
};
use crate::{
    app::App,
    auth::Network,
    config::{Config, NetworkSettings},
    telemetry::{Counted, Event, Sighting},
};

/// Connections that wait in the system until they are accepted.
const BACKLOG: u32 = 1024;
/// Bytes in the system's send buffer for a peer that does not read. Linux doubles this for its bookkeeping.
const SEND_BUFFER: u32 = 128 * 1024;
/// The pause after a failed accept, in which ending connections free resources.
const PAUSE: Duration = Duration::from_millis(100);

/// An address that is listened on, and the certificate if connections speak TLS.
pub struct Listener {
    pub(super) tcp: TcpListener,
    pub(super) tls: Option<Tls>,
}

impl Listener {
    /// Listens on the configured address. An unusable certificate is an error.
    pub async fn bind(config: &Config) -> io::Result<Self> {
        let tls = Tls::load(&config.network).await.map_err(|fault| {
            io::Error::new(io::ErrorKind::InvalidInput, format!("TESSERA_TLS_CERT, TESSERA_TLS_KEY: {fault}"))
        })?;
        let socket = if config.listen.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // Accepted connections inherit the buffer's size.
        socket.set_send_buffer_size(SEND_BUFFER)?;
        socket.set_reuseaddr(true)?;
        socket.bind(config.listen)?;
        Ok(Self { tcp: socket.listen(BACKLOG)?, tls })
    }

    /// Returns the address with the actual port.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

/// Serves until the application shuts down. Then accepts no more connections, and waits for the requests in progress.
pub async fn serve(app: &App, router: Router, listener: Listener, timeouts: Timeouts) {
    let Listener { tcp, tls } = listener;
    let settings = app.config.network.clone();
    let wanted = Limits::fitting(descriptors(), app.config.database_connections, settings.max_connections);
    let limits = Limits { per_network: settings.max_connections_per_network, ..wanted };
    if settings.max_connections.is_some_and(|wanted| wanted > limits.total) {
        tracing::warn!(
            connections = limits.total,
            "TESSERA_MAX_CONNECTIONS is above what the open files permit"
        );
    }
    let tasks = TaskTracker::new();
    let cut = CancellationToken::new();
    // If this future is dropped, so are the connections.
    let _cut = cut.clone().drop_guard();
    let server = Arc::new(Server {
        app: app.clone(),
        builder: protocol::builder(tasks.clone()),
        router,
        slots: Slots::new(limits),
        tls: tls.clone(),
        settings,
        timeouts,
        stop: app.shutdown.clone(),
        cut,
    });
    let follow = async {
        match &tls {
            Some(tls) => tls.follow(timeouts.certificate).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = accept(&server, &tcp, &tasks) => {}
        () = follow => {}
    }
    drop(tcp);
    tasks.close();
    tasks.wait().await;
}

/// Accepts connections until shutdown, even after errors.
async fn accept(server: &Arc<Server>, tcp: &TcpListener, tasks: &TaskTracker) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = server.stop.cancelled() => return,
            accepted = tcp.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => match server.admit(peer.ip().to_canonical()).await {
                Ok((activity, slot)) => {
                    let server = Arc::clone(server);
                    tasks.spawn(async move {
                        let _counted = Counted::one(&server.app.metrics.connections);
                        server.serve(stream, peer.ip().to_canonical(), slot, activity).await;
                    });
                }
                Err(rule) => server.report(rule, peer.ip()),
            },
            // The peer closed the connection before it was accepted.
            Err(error) if is_of_peer(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections");
                server.slots.evict();
                sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    [ConnectionAborted, ConnectionRefused, ConnectionReset].contains(&error.kind())
}

/// The state that all connections share.
struct Server {
    app: App,
    builder: Builder<Spawner>,
    router: Router,
    slots: Slots,
    tls: Option<Tls>,
    settings: NetworkSettings,
    timeouts: Timeouts,
    stop: CancellationToken,
    cut: CancellationToken,
}

impl Server {
    /// Takes a slot for a connection, or returns the rule that refuses it. The network's limit is checked first, so
    /// that a network with too many connections does not evict those of others.
    async fn admit(&self, peer: IpAddr) -> Result<(Arc<Activity>, Slot), &'static str> {
        let place = if self.is_counted(peer) {
            Some(self.slots.place(Network::of(peer)).ok_or("connections_per_network")?)
        } else {
            None
        };
        let activity = Activity::new(self.timeouts, Instant::now());
        let mut slot = self.slots.take(&activity).await.ok_or("connections_total")?;
        slot.network = place;
        Ok((activity, slot))
    }

    /// Counts and reports a refused connection.
    fn report(&self, rule: &'static str, peer: IpAddr) {
        self.app.metrics.refused(rule);
        let refused = Sighting::new(Event::ConnectionLimit, rule);
        let refused = Sighting { network: Some(Network::of(peer)), ..refused };
        self.app.security.report(&refused, self.app.clock.now());
    }

    /// Returns whether connections from this address count for its network. Those of a trusted proxy do not.
    fn is_counted(&self, peer: IpAddr) -> bool {
        !self.settings.is_allowed(peer) && !self.settings.is_trusted_proxy(peer)
    }

    /// Serves a connection until it ends.
    async fn serve(&self, stream: TcpStream, peer: IpAddr, slot: Slot, activity: Arc<Activity>) {
        let served = self.open(stream, peer, slot, Arc::clone(&activity));
        tokio::select! {
            biased;
            served = served => if let Err(error) = served {
                tracing::debug!(%error, "a connection ended with an error");
            },
            () = activity.evicted() => {}
            () = self.cut.cancelled() => {}
        }
    }

    async fn open(
        &self,
        mut stream: TcpStream,
        mut peer: IpAddr,
        mut slot: Slot,
        activity: Arc<Activity>,
    ) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if self.settings.proxy_protocol && self.settings.is_trusted_proxy(peer) {
            let source = timeout(self.timeouts.header, proxy_protocol::read(&mut stream)).await??;
            peer = source.unwrap_or(peer);
            if self.is_counted(peer) {
                slot.network = Some(self.slots.place(Network::of(peer)).ok_or(io::ErrorKind::QuotaExceeded)?);
            }
        }
        let stream = Guarded::new(stream, Arc::clone(&activity), Some(slot));
        let arrival = Arrival::new(peer, Arc::clone(&activity));
        match &self.tls {
            Some(tls) => {
                let stream = timeout(self.timeouts.header, tls.acceptor.accept(stream)).await??;
                activity.ready(Instant::now());
                self.http(stream, arrival).await;
            }
            None => self.http(stream, arrival).await,
        }
        Ok(())
    }

    /// Serves HTTP until the peer closes the connection, it is due, or it is idle at shutdown.
    async fn http<S>(&self, stream: S, arrival: Arrival)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let activity = Arc::clone(arrival.activity());
        let mut watch = Watch::new(Arc::clone(&activity));
        let requests = Requests::new(self.router.clone(), arrival);
        let connection = self.builder.serve_connection_with_upgrades(TokioIo::new(stream), requests);
        let mut connection = pin!(connection);
        let mut is_stopping = false;
        loop {
            tokio::select! {
                biased;
                served = connection.as_mut() => {
                    if let Err(error) = served {
                        tracing::debug!(%error, "a connection was aborted");
                    }
                    return;
                }
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                    if activity.waits_since().is_some() {
                        break;
                    }
                }
                () = &mut watch => {
                    connection.as_mut().graceful_shutdown();
                    break;
                }
            }
        }
        // Do not wait for a peer that does not close the connection.
        let _ = timeout(self.timeouts.farewell, connection).await;
    }
}
