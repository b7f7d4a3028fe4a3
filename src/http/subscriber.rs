//! One operation of a socket: executes it and queues its results.

use super::{
    answer, limit, observe,
    operation::Engine,
    params::Params,
    prepared::{Caller, Prepared},
    queue::{Frame, Sender},
    session::Operation,
    shared::{self, Subscriptions},
    subscriber_frame::{end, refused, too_large},
};
use crate::telemetry::{Counted, Event};
use async_graphql::parser::types::OperationType;
use futures_util::{FutureExt, StreamExt};
use std::panic::AssertUnwindSafe;
use tracing::Instrument;

/// Executes one operation until it ends or the client completes it.
pub(super) async fn run(
    subscriptions: Subscriptions,
    caller: Caller,
    operation: Operation,
    params: Params,
    sender: Sender,
) {
    let engine = &subscriptions.engine;
    let prepared = match engine.persisted.resolve(params) {
        Ok((params, _)) => engine.prepare(params, &caller),
        Err(failure) => Err(failure.into_refusal()),
    };
    match prepared {
        Ok(prepared) => perform(subscriptions, prepared, None, operation, sender).await,
        Err(refusal) => {
            let event = (Event::DocumentRefused, &refusal);
            observe::refused(&engine.app, &caller.id, caller.viewer.network(), event);
            end(&operation, &sender, refused(operation.id(), &refusal)).await;
        }
    }
}

/// Executes an operation that passed the guard. `resume` is the client's version as the transport reports it. It takes
/// precedence over the version in the document.
pub(super) async fn perform(
    subscriptions: Subscriptions,
    mut prepared: Prepared,
    resume: Option<i64>,
    operation: Operation,
    sender: Sender,
) {
    let engine = &subscriptions.engine;
    let charges = &prepared.charges;
    if let Err(exceeded) = engine.app.limits.operation(prepared.viewer(), charges).await {
        let errors = limit::errors(&exceeded).to_string();
        return end(&operation, &sender, Frame::Error(operation.id().clone(), errors.into())).await;
    }
    let is_subscription = prepared.document.kind == OperationType::Subscription;
    if is_subscription {
        observe::Observed::begin(&engine.app, &prepared).started();
    }
    if let Some(shared) = shared::shared_subscription(&mut prepared) {
        let shared = shared.resumed(resume);
        return shared::join(subscriptions, prepared, shared, operation, sender).await;
    }
    let span = prepared.span.clone();
    let _counted = is_subscription.then(|| Counted::one(&engine.app.metrics.subscriptions));
    let work = async {
        // A subscription lives long, and computes one payload at a time. The permit is held until the result is queued.
        let _permit = if is_subscription { None } else { operation.permit().await };
        deliver(engine, prepared, &operation, &sender).await
    };
    let work = AssertUnwindSafe(work).catch_unwind();
    let last = tokio::select! {
        biased;
        () = operation.stop().cancelled() => return,
        last = work => last,
    };
    let last = last.unwrap_or_else(|_| {
        span.in_scope(|| tracing::error!("an operation panicked"));
        refused(operation.id(), &answer::internal())
    });
    end(&operation, &sender, last).await;
}

/// Queues an operation's results. Returns the frame that ends it.
async fn deliver(engine: &Engine, prepared: Prepared, operation: &Operation, sender: &Sender) -> Frame {
    let id = operation.id();
    let span = prepared.span.clone();
    let mut payloads = engine.payloads(prepared);
    loop {
        // Wait before the next result is made: otherwise each operation of a slow client would hold one.
        sender.ready().await;
        let payload = match payloads.next().instrument(span.clone()).await {
            None => return Frame::Complete(id.clone()),
            Some(Err(errors)) => return Frame::Error(id.clone(), errors),
            Some(Ok(payload)) => payload,
        };
        if let Some(refusal) = too_large(&payload) {
            return refused(id, &refusal);
        }
        // `false` means that the socket is gone. Then this operation is stopped too.
        sender.push(Frame::Next(id.clone(), payload, None), Some(operation.stop().clone())).await;
    }
}
