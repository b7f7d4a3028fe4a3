//! Subscriptions (and any other operation) over a WebSocket that speaks `graphql-transport-ws`.
//!
//! Each socket has one task that [reads](super::reader), one that [writes](super::writer) what waits in the
//! [queue](super::queue), and one for each running [operation](super::subscriber). Operations that many have in common
//! need no task of their own: their [topic](super::shared) puts results straight into the queue. The reader decides when
//! the socket ends; everything else ends with it.

use super::{
    answer, message, observe, operation::Engine, origin, reader, request_id::RequestId,
    subscriber::MAX_PAYLOAD_BYTES,
};
use crate::{auth::Network, telemetry::Event};
use axum::{
    extract::ws::WebSocketUpgrade,
    http::{StatusCode, request::Parts},
    response::Response,
};
use std::time::Duration;
use tracing::Instrument;

/// Bytes of one message from a client: a document of 32 KiB with its variables.
const MAX_MESSAGE_BYTES: usize = 64 * 1024;
/// The library's own buffers, which it would otherwise make 32 times as large for every socket.
const BUFFER_BYTES: usize = 4 * 1024;

/// How patient a socket is.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// For `connection_init`.
    pub init: Duration,
    /// Between two pings; a client silent for two and a half of these is gone.
    pub ping: Duration,
    /// For a client that takes nothing of what is written.
    pub write: Duration,
    /// For the client's answer to our closing.
    pub farewell: Duration,
}

/// The client at the other end of a socket.
#[derive(Clone, Debug)]
pub(super) struct Client {
    /// The id of the request that opened the socket.
    pub id: RequestId,
    /// The network that it calls from, if known.
    pub network: Option<Network>,
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

/// Answers an upgrade, and serves the socket if its page and its protocol are acceptable.
pub(super) fn upgrade(
    engine: &Engine,
    patience: Patience,
    id: RequestId,
    parts: &Parts,
    upgrade: WebSocketUpgrade,
) -> Response {
    if !origin::may_open_socket(&parts.headers, &parts.uri, &engine.app.config.allowed_origins) {
        let network = parts.extensions.get().copied();
        observe::report(&engine.app, &id, network, (Event::ForeignOrigin, "ORIGIN_NOT_ALLOWED"));
        return answer::refused(
            StatusCode::FORBIDDEN,
            "ORIGIN_NOT_ALLOWED",
            "This page may not open a socket here.",
        );
    }
    if engine.app.shutdown.is_cancelled() {
        return answer::refused(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", "The server is going down.");
    }
    let upgrade = upgrade.protocols([message::PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let message = "Ask for the sub-protocol graphql-transport-ws.";
        return answer::refused(StatusCode::BAD_REQUEST, "SUBPROTOCOL_NOT_ACCEPTABLE", message);
    }
    // Taken now, so that shutdown waits for the socket even while its task has not begun.
    let tracked = engine.app.tasks.token();
    let engine = engine.clone();
    let span = tracing::info_span!("socket", request.id = %id);
    let client = Client { id, network: parts.extensions.get().copied() };
    upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(MAX_PAYLOAD_BYTES + 2 * MAX_MESSAGE_BYTES)
        .max_message_size(MAX_MESSAGE_BYTES)
        .max_frame_size(MAX_MESSAGE_BYTES)
        .on_upgrade(async move |socket| {
            let app = engine.app.clone();
            app.spawn_in_crowd(reader::serve(engine, patience, client, socket).instrument(span));
            drop(tracked);
        })
}
