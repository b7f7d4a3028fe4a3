//! One operation of a socket: runs it and queues its results.

use super::{
    answer,
    guard::Refusal,
    message, observe,
    operation::{Caller, Engine, Prepared},
    params::Params,
    queue::{Frame, Sender},
    session::Operation,
    shared,
};
use crate::telemetry::{Counted, Event};
use async_graphql::parser::types::OperationType;
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
    let mut prepared = match engine.prepare(params, &caller) {
        Ok(prepared) => prepared,
        Err(refusal) => {
            let event = (Event::DocumentRefused, &refusal);
            observe::refused(&engine.app, &caller.id, caller.viewer.network(), event);
            return end(&operation, &sender, refused(operation.id(), &refusal)).await;
        }
    };
    let is_subscription = prepared.document.kind == OperationType::Subscription;
    if is_subscription {
        observe::Observed::begin(&engine.app, &prepared).started();
    }
    if let Some(common) = shared::common(&mut prepared) {
        return shared::join(engine, prepared, common, operation, sender).await;
    }
    let _counted = is_subscription.then(|| Counted::one(&engine.app.metrics.subscriptions));
    let work = AssertUnwindSafe(deliver(&engine, prepared, &operation, &sender)).catch_unwind();
    let last = tokio::select! {
        biased;
        () = operation.stop().cancelled() => return,
        last = work => last,
    };
    let last = last.unwrap_or_else(|_| {
        tracing::error!(request.id = %caller.id, "an operation panicked");
        message::error(operation.id(), &answer::errors(&answer::internal()).to_string())
    });
    end(&operation, &sender, last).await;
}

/// Ends the operation with its last frame, unless the client has completed it already.
pub(super) async fn end(operation: &Operation, sender: &Sender, last: Utf8Bytes) {
    // First free the id, then say so: the client may use it again at once.
    if operation.finish() {
        tokio::select! {
            biased;
            () = operation.stop().cancelled() => {}
            _ = sender.send(last) => {}
        }
    }
}

/// The frame that refuses an operation.
fn refused(id: &str, refusal: &Refusal) -> Utf8Bytes {
    message::error(id, &answer::errors(refusal).to_string())
}

/// Why a payload cannot be sent, if it cannot.
pub(super) fn too_large(payload: &str) -> Option<Refusal> {
    let message = "The result is too large for a socket: ask for less, or by HTTP.";
    (payload.len() > MAX_PAYLOAD_BYTES).then(|| Refusal::new("RESPONSE_TOO_LARGE", message))
}

/// Sends an operation's results, and gives the frame that ends it.
async fn deliver(engine: &Engine, prepared: Prepared, operation: &Operation, sender: &Sender) -> Utf8Bytes {
    let id = operation.id();
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
        if let Some(refusal) = too_large(&payload) {
            return refused(id, &refusal);
        }
        // False when the socket is gone, and then this operation is being stopped as well.
        sender.push(Frame::Next(id.clone(), payload), Some(operation.stop().clone())).await;
    }
}
