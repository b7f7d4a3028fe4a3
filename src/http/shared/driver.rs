//! Executes a topic's subscription and delivers the payloads.

use std::{panic::AssertUnwindSafe, sync::Arc, sync::atomic::Ordering::Relaxed};

use axum::extract::ws::Utf8Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::{
    task::yield_now,
    time::{Duration, Instant, sleep},
};
use tracing::Instrument;

use super::{
    Subscriptions, member,
    recent::{CatchUp, Payload},
    topic::{Ending, Flight, Topic},
};
use crate::{
    graphql::progress::{Progress, Window},
    http::{
        answer,
        operation::{Engine, StreamItem},
        subscriber_frame::too_large,
    },
};

/// The delay before a payload is delivered to more than one batch. It lets the callers that made the change receive
/// their responses before thousands of messages are sent.
const HEAD_START: Duration = Duration::from_millis(2);
/// If the next payload is ready within this time, changes arrive faster than they are delivered.
const BACKLOG: Duration = Duration::from_millis(1);
/// The longest pause between two payloads.
const PAUSE_MAX: Duration = Duration::from_millis(250);

/// Starts a topic's driver. It delivers all changes after this version while the topic has members.
pub(super) fn start(subscriptions: &Subscriptions, topic: &Arc<Topic>, version: i64) {
    let span = topic.prepared.span.clone();
    let work = drive(subscriptions.clone(), topic.clone(), version);
    subscriptions.engine.app.spawn_low_priority(work.instrument(span));
}

async fn drive(subscriptions: Subscriptions, topic: Arc<Topic>, version: i64) {
    let ending = tokio::select! {
        biased;
        () = topic.stop.cancelled() => return,
        ending = AssertUnwindSafe(run(&subscriptions, &topic, version)).catch_unwind() => ending,
    };
    let ending = ending.unwrap_or_else(|_| {
        tracing::error!("a shared subscription panicked");
        Ending::Refused(internal())
    });
    subscriptions.hub.remove(&topic);
    for (count, member) in topic.end(ending.clone()).into_iter().enumerate() {
        subscriptions.engine.app.spawn_low_priority(member::dismiss(member, ending.clone()));
        if count % 64 == 63 {
            yield_now().await;
        }
    }
}

/// Delivers payloads until the stream ends.
///
/// Many watchers must not slow down buyers. If changes arrive faster than they can be delivered, the driver pauses
/// after each payload for as long as its delivery took. The changes of the pause come as one payload.
async fn run(subscriptions: &Subscriptions, topic: &Arc<Topic>, version: i64) -> Ending {
    let engine = &subscriptions.engine;
    let progress = Progress::of(Window::After(version));
    let mut responses = engine.stream(&topic.prepared, progress.clone());
    loop {
        let free = Instant::now();
        let payload = match responses.next().await {
            None => return Ending::Complete,
            Some(item) => match payload(engine, item, &progress) {
                Ok(payload) => payload,
                Err(ending) => return ending,
            },
        };
        if !topic.publish(payload) {
            // A gap is a bug. The members subscribe again with the versions that they have.
            tracing::error!("a shared subscription has a gap between versions");
            return Ending::Refused(internal());
        }
        let busy = free.elapsed() < BACKLOG;
        if topic.is_crowded() {
            sleep(HEAD_START).await;
        }
        let begun = Instant::now();
        deliver_to_all(subscriptions, topic).await;
        if busy {
            sleep(begun.elapsed().min(PAUSE_MAX)).await;
        }
    }
}

/// Delivers the payload to all live members, and yields to other tasks between the batches.
async fn deliver_to_all(subscriptions: &Subscriptions, topic: &Arc<Topic>) {
    let mut from = Some(0);
    while let Some(first) = from {
        let (next, behind) = topic.serve(first);
        for member in behind {
            let work = member::catch_up(subscriptions.clone(), topic.clone(), member);
            subscriptions.engine.app.spawn_low_priority(work.in_current_span());
        }
        from = next;
        if from.is_some() {
            yield_now().await;
        }
    }
}

/// Returns the payload that a member needs to catch up. The first caller makes it, for all that need the same.
pub(super) async fn fetch(
    engine: &Engine,
    topic: &Topic,
    needed: CatchUp,
    flight: &Flight,
) -> Result<Payload, Utf8Bytes> {
    let made = flight.get_or_init(|| make(engine, topic, needed)).await.clone();
    topic.landed(needed, flight, &made);
    made
}

async fn make(engine: &Engine, topic: &Topic, needed: CatchUp) -> Result<Payload, Utf8Bytes> {
    let progress = Progress::of(match needed {
        CatchUp::Snapshot => Window::Whole,
        CatchUp::Between(after, until) => Window::Between(after, until),
    });
    let mut responses = engine.stream(&topic.prepared, progress.clone());
    let Some(item) = responses.next().await else { return Err(internal()) };
    match payload(engine, item, &progress) {
        Ok(payload) => Ok(payload),
        Err(Ending::Refused(errors)) => Err(errors),
        Err(Ending::Failed(_) | Ending::Complete) => Err(internal()),
    }
}

/// Converts a stream item into a payload with the versions that it covers.
fn payload(engine: &Engine, item: StreamItem, progress: &Progress) -> Result<Payload, Ending> {
    engine.app.counters.shared_executions.fetch_add(1, Relaxed);
    let text = match item {
        StreamItem::Data(text) => text,
        StreamItem::Failed(text) => return Err(Ending::Failed(text)),
        StreamItem::Refused(errors) => return Err(Ending::Refused(errors)),
    };
    if let Some(refusal) = too_large(&text) {
        return Err(Ending::Refused(answer::errors(&refusal).to_string().into()));
    }
    let Some(span) = progress.take() else {
        tracing::error!("a public subscription does not report its versions");
        return Err(Ending::Refused(internal()));
    };
    engine.app.metrics.covers(span.after, span.version);
    Ok(Payload { after: span.after, version: span.version, text })
}

fn internal() -> Utf8Bytes {
    answer::errors(&answer::internal()).to_string().into()
}
