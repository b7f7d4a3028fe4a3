//! One operation of a socket: runs it and queues its results.

use super::{
    answer,
    guard::Refusal,
    message,
    operation::{Caller, Engine},
    params::Params,
    queue::Sender,
    session::Operation,
};
use axum::extract::ws::Utf8Bytes;
use futures_util::{FutureExt, StreamExt};
use std::panic::AssertUnwindSafe;
use tracing::Instrument;

/// Bytes of one payload to a client. A result beyond it belongs to HTTP.
pub(super) const MAX_PAYLOAD_BYTES: usize = 1024 * 1024;

/// Runs one operation to its end, or until its client has had enough.
pub(super) async fn run(
    engine: Engine,
    caller: Caller,
    operation: Operation,
    params: Params,
    sender: Sender,
) {
    let work = AssertUnwindSafe(deliver(&engine, &caller, &operation, params, &sender)).catch_unwind();
    let last = tokio::select! {
        biased;
        () = operation.stop().cancelled() => return,
        last = work => last,
    };
    let last = last.unwrap_or_else(|_| {
        tracing::error!(request.id = %caller.id, "an operation panicked");
        message::error(operation.id(), &answer::errors(&answer::internal()).to_string())
    });
    // First free the id, then say so: the client may use it again at once.
    if operation.finish() {
        tokio::select! {
            biased;
            () = operation.stop().cancelled() => {}
            _ = sender.send(last) => {}
        }
    }
}

/// Sends an operation's results, and gives the frame that ends it.
async fn deliver(
    engine: &Engine,
    caller: &Caller,
    operation: &Operation,
    params: Params,
    sender: &Sender,
) -> Utf8Bytes {
    let id = operation.id();
    let refused = |refusal: &Refusal| message::error(id, &answer::errors(refusal).to_string());
    let prepared = match engine.prepare(params, caller) {
        Ok(prepared) => prepared,
        Err(refusal) => return refused(&refusal),
    };
    let span = prepared.span.clone();
    let mut payloads = engine.payloads(prepared);
    loop {
        // Asking first keeps a slow client's operations from each holding a result that cannot be sent.
        sender.ready().await;
        let payload = match payloads.next().instrument(span.clone()).await {
            None => return message::complete(id),
            Some(Err(errors)) => return message::error(id, &errors),
            Some(Ok(payload)) => payload,
        };
        if payload.len() > MAX_PAYLOAD_BYTES {
            let message = "The result is too large for a socket: ask for less, or by HTTP.";
            return refused(&Refusal::new("RESPONSE_TOO_LARGE", message));
        }
        // No place when the socket is gone, and then this operation is being stopped as well.
        if let Some(place) = sender.reserve(message::size(id, &payload)).await {
            place.fill(message::next(id, &payload), Some(operation.stop().clone()));
        }
    }
}
