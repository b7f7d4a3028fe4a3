//! Subscriptions (and any other operation) over a WebSocket that speaks `graphql-transport-ws`.
//!
//! Each socket has a task that [reads](super::reader), a task that [writes](super::writer) the frames of the
//! [queue](super::queue), and a task for each running [operation](super::subscriber). Shared subscriptions need no
//! task: their [topic](super::shared) puts results directly into the queue. The reader decides when the socket ends,
//! and everything else ends with it.

use super::{
    Door, answer,
    connection::{Arrival, ClientAddress, SocketUse},
    flood::Allowance,
    message, observe, origin,
    places::{Place, Places},
    reader,
    request_id::RequestId,
    subscriber::MAX_PAYLOAD_BYTES,
};
use crate::{
    auth::{Network, Viewer},
    config::Config,
    limits::protocol::SOCKET_MESSAGE_BYTES,
    telemetry::Event,
};
use axum::{
    extract::ws::WebSocketUpgrade,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use entity::AccountId;
use std::time::Duration;
use tracing::Instrument;

/// Bytes of the library's buffers. Its default is 32 times as large for every socket.
const BUFFER_BYTES: usize = 4 * 1024;

/// Seconds after which a client whose network has too many sockets may try again.
const TRY_AGAIN: HeaderValue = HeaderValue::from_static("10");

/// The timeouts of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// The time until `connection_init`.
    pub init: Duration,
    /// The time between two pings. A client that is silent for two and a half of these is gone.
    pub ping: Duration,
    /// The longest time for a write that the client does not read.
    pub write: Duration,
    /// The time for the client's close frame.
    pub farewell: Duration,
}

/// The open sockets of each network and of each account.
#[derive(Clone, Debug, Default)]
pub(super) struct Sockets {
    networks: Places<Network>,
    accounts: Places<AccountId>,
}

/// The client of a socket, with the resources that the socket uses.
pub(super) struct Client {
    /// The id of the request that opened the socket.
    pub id: RequestId,
    /// The client's network, if known.
    pub network: Option<Network>,
    /// The frames that it may still send.
    pub allowance: Allowance,
    accounts: Places<AccountId>,
    connection: Option<SocketUse>,
    _network: Option<Place<Network>>,
    account: Option<Place<AccountId>>,
}

impl Client {
    /// Counts the socket for an account. Returns false if the account has too many.
    pub(super) fn sign_in(&mut self, account: AccountId, config: &Config) -> bool {
        self.account = self.accounts.take(account, config.network.max_sockets_per_account);
        self.account.is_some()
    }

    /// Records a message, whose bytes do not count as overhead.
    pub(super) fn sent(&self, bytes: usize) {
        if let Some(connection) = &self.connection {
            connection.message(bytes);
        }
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            init: Duration::from_secs(5),
            ping: Duration::from_secs(25),
            write: Duration::from_secs(10),
            farewell: Duration::from_secs(1),
        }
    }
}

/// Answers an upgrade. Serves the socket if the origin and the protocol are accepted.
pub(super) fn upgrade(door: &Door, id: RequestId, parts: &Parts, upgrade: WebSocketUpgrade) -> Response {
    let (app, patience) = (&door.engine.app, door.patience);
    if !origin::may_open_socket(&parts.headers, &parts.uri, &app.config) {
        let network = parts.extensions.get().copied();
        observe::report(app, &id, network, (Event::ForeignOrigin, "ORIGIN_NOT_ALLOWED"));
        return answer::refused(
            StatusCode::FORBIDDEN,
            "ORIGIN_NOT_ALLOWED",
            "This page may not open a socket here.",
        );
    }
    if app.shutdown.is_cancelled() {
        return answer::unavailable("The server is stopping.");
    }
    let upgrade = upgrade.protocols([message::PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let message = "Use the sub-protocol graphql-transport-ws.";
        return answer::refused(StatusCode::BAD_REQUEST, "SUBPROTOCOL_NOT_ACCEPTABLE", message);
    }
    let Some(client) = client(door, id, parts) else { return too_many() };
    // Taken now, so that shutdown waits for the socket even before its task runs.
    let tracked = app.tasks.token();
    let engine = door.engine.clone();
    let span = tracing::info_span!("socket", request.id = %client.id);
    upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(MAX_PAYLOAD_BYTES + 2 * SOCKET_MESSAGE_BYTES)
        .max_message_size(SOCKET_MESSAGE_BYTES)
        .max_frame_size(SOCKET_MESSAGE_BYTES)
        .on_upgrade(async move |socket| {
            let app = engine.app.clone();
            app.spawn_low_priority(reader::serve(engine, patience, client, socket).instrument(span));
            drop(tracked);
        })
}

/// The places that an event stream takes from the limits of sockets.
pub(super) struct StreamPlaces {
    _network: Option<Place<Network>>,
    _account: Option<Place<AccountId>>,
}

impl Sockets {
    /// Takes the places of an event stream, which counts as a socket. Returns `None` if its network or its account has
    /// too many.
    pub(super) fn stream(&self, config: &Config, parts: &Parts, viewer: &Viewer) -> Option<StreamPlaces> {
        let (network, settings) = (counted(config, parts), &config.network);
        let take_network = |network| self.networks.take(network, settings.max_sockets_per_network);
        let take_account = |account| self.accounts.take(account, settings.max_sockets_per_account);
        Some(StreamPlaces {
            _network: match network {
                Some(network) => Some(take_network(network)?),
                None => None,
            },
            _account: match viewer.account() {
                Ok(account) => Some(take_account(account)?),
                Err(_) => None,
            },
        })
    }
}

/// Returns the network that a request counts for, or `None` if the network is exempt or unknown.
fn counted(config: &Config, parts: &Parts) -> Option<Network> {
    let address = parts.extensions.get::<ClientAddress>();
    let network: Option<Network> = parts.extensions.get().copied();
    network.filter(|_| !address.is_some_and(|address| config.network.is_allowed(address.0)))
}

/// Returns the client of a new socket, or `None` if its network has too many sockets.
fn client(door: &Door, id: RequestId, parts: &Parts) -> Option<Client> {
    let settings = &door.engine.app.config.network;
    let network: Option<Network> = parts.extensions.get().copied();
    let place = match counted(&door.engine.app.config, parts) {
        Some(network) => Some(door.sockets.networks.take(network, settings.max_sockets_per_network)?),
        None => None,
    };
    Some(Client {
        id,
        network,
        allowance: Allowance::default(),
        accounts: door.sockets.accounts.clone(),
        connection: parts.extensions.get::<Arrival>().map(Arrival::begin_socket),
        _network: place,
        account: None,
    })
}

fn too_many() -> Response {
    tracing::warn!(rule = "sockets_per_network", "a socket is refused");
    let message = "Your network has too many sockets open. Close some, or share one.";
    let mut response = answer::refused(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMITED", message);
    response.headers_mut().insert(header::RETRY_AFTER, TRY_AGAIN);
    response
}
