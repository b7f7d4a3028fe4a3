//! Subscriptions (and any other operation) over a WebSocket that speaks `graphql-transport-ws`.
//!
//! Each socket has a task that [reads](super::reader), a task that [writes](super::writer) the frames of the
//! [queue](super::queue), and a task for each running [operation](super::subscriber). Shared subscriptions need no
//! task: their [topic](super::shared) puts results directly into the queue. The reader decides when the socket ends,
//! and everything else ends with it.

use super::{
    answer, door::Door, message, observe, origin, queue::MAX_PAYLOAD_BYTES, reader, request_id::RequestId,
};
use crate::{graphql::code::ApiCode, limits::protocol::SOCKET_MESSAGE_BYTES, telemetry::Event};
use axum::{
    extract::ws::WebSocketUpgrade,
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use tracing::Instrument;

/// Bytes of the library's buffers. Its default is 32 times as large for every socket.
const BUFFER_BYTES: usize = 4 * 1024;

/// Seconds after which a client whose network has too many sockets may try again.
const TRY_AGAIN: HeaderValue = HeaderValue::from_static("10");

/// Answers an upgrade. Serves the socket if the origin and the protocol are accepted.
pub(super) fn upgrade(door: &Door, id: RequestId, parts: &Parts, upgrade: WebSocketUpgrade) -> Response {
    let (app, patience) = (&door.engine.app, door.patience);
    if !origin::may_open_socket(&parts.headers, &parts.uri, &app.config) {
        let network = parts.extensions.get().copied();
        observe::report(app, &id, network, (Event::ForeignOrigin, ApiCode::OriginNotAllowed.as_str()));
        return answer::refused(
            StatusCode::FORBIDDEN,
            ApiCode::OriginNotAllowed,
            "This page may not open a socket here.",
        );
    }
    if app.shutdown.is_cancelled() {
        return answer::unavailable("The server is stopping.");
    }
    let upgrade = upgrade.protocols([message::PROTOCOL]);
    if upgrade.selected_protocol().is_none() {
        let message = "Use the sub-protocol graphql-transport-ws.";
        return answer::refused(StatusCode::BAD_REQUEST, ApiCode::SubprotocolNotAcceptable, message);
    }
    let Some(client) = door.sockets.client(&app.config, id, parts) else { return too_many() };
    // Taken now, so that shutdown waits for the socket even before its task runs.
    let tracked = app.tasks.token();
    let subscriptions = door.subscriptions.clone();
    let span = tracing::info_span!("socket", request.id = %client.id);
    upgrade
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES)
        .max_write_buffer_size(MAX_PAYLOAD_BYTES + 2 * SOCKET_MESSAGE_BYTES)
        .max_message_size(SOCKET_MESSAGE_BYTES)
        .max_frame_size(SOCKET_MESSAGE_BYTES)
        .on_upgrade(async move |socket| {
            let app = subscriptions.engine.app.clone();
            app.spawn_low_priority(reader::serve(subscriptions, patience, client, socket).instrument(span));
            drop(tracked);
        })
}

fn too_many() -> Response {
    tracing::warn!(rule = "sockets_per_network", "a socket is refused");
    let message = "Your network has too many sockets open. Close some, or share one.";
    let mut response = answer::refused(StatusCode::TOO_MANY_REQUESTS, ApiCode::RateLimited, message);
    response.headers_mut().insert(header::RETRY_AFTER, TRY_AGAIN);
    response
}
