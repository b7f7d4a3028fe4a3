//! Runs a topic's operation, and hands out what it tells.

use std::{panic::AssertUnwindSafe, sync::Arc, sync::atomic::Ordering::Relaxed};

use axum::extract::ws::Utf8Bytes;
use futures_util::{FutureExt, StreamExt};
use tokio::{
    task::yield_now,
    time::{Duration, Instant, sleep},
};
use tracing::Instrument;

use super::{
    member,
    recent::{Payload, Want},
    topic::{Ending, Flight, Topic},
};
use crate::{
    graphql::progress::{Progress, Window},
    http::{
        answer,
        operation::{Engine, Told},
        subscriber::too_large,
    },
};

/// A crowd waits so long for each payload, so that those who made the change have their answer before thousands of
/// messages are on their way.
const HEAD_START: Duration = Duration::from_millis(2);
/// A payload that comes as soon after the last one was handed out was waiting: there is more to tell than time to do so.
const SOON: Duration = Duration::from_millis(1);
/// Nobody waits longer because there is much to tell.
const REST_MAX: Duration = Duration::from_millis(250);

/// Starts a topic's driver: it tells everything after this version, as long as somebody watches.
pub(super) fn start(engine: &Engine, topic: &Arc<Topic>, version: i64) {
    let span = topic.prepared.span.clone();
    engine.app.spawn_in_crowd(drive(engine.clone(), topic.clone(), version).instrument(span));
}

async fn drive(engine: Engine, topic: Arc<Topic>, version: i64) {
    let ending = tokio::select! {
        biased;
        () = topic.stop.cancelled() => return,
        ending = AssertUnwindSafe(run(&engine, &topic, version)).catch_unwind() => ending,
    };
    let ending = ending.unwrap_or_else(|_| {
        tracing::error!("a shared stream panicked");
        Ending::Refused(internal())
    });
    engine.hub.remove(&topic);
    for (count, member) in topic.end(ending.clone()).into_iter().enumerate() {
        engine.app.spawn_in_crowd(member::dismiss(member, ending.clone()));
        if count % 64 == 63 {
            yield_now().await;
        }
    }
}

/// Tells what happens until the stream ends.
///
/// A crowd that watches must not slow down those who buy. Where changes come faster than they can be handed out, the
/// driver rests after each round for as long as that took; what is committed meanwhile comes as one payload.
async fn run(engine: &Engine, topic: &Arc<Topic>, version: i64) -> Ending {
    let progress = Progress::of(Window::After(version));
    let mut responses = engine.stream(&topic.prepared, progress.clone());
    loop {
        let free = Instant::now();
        let payload = match responses.next().await {
            None => return Ending::Complete,
            Some(told) => match payload(engine, told, &progress) {
                Ok(payload) => payload,
                Err(ending) => return ending,
            },
        };
        if !topic.tell(payload) {
            // A gap: a bug of ours. Those who watch come back with the version that they have.
            tracing::error!("a shared stream told of a version that does not follow");
            return Ending::Refused(internal());
        }
        let busy = free.elapsed() < SOON;
        if topic.is_crowded() {
            sleep(HEAD_START).await;
        }
        let begun = Instant::now();
        hand_out(engine, topic).await;
        if busy {
            sleep(begun.elapsed().min(REST_MAX)).await;
        }
    }
}

/// Serves all ranks, giving way to others in between, so that a crowd that watches does not hold up those who buy.
async fn hand_out(engine: &Engine, topic: &Arc<Topic>) {
    let mut from = Some(0);
    while let Some(first) = from {
        let (next, behind) = topic.serve(first);
        for member in behind {
            let work = member::bring_up(engine.clone(), topic.clone(), member);
            engine.app.spawn_in_crowd(work.in_current_span());
        }
        from = next;
        if from.is_some() {
            yield_now().await;
        }
    }
}

/// What somebody needs who is behind: made by the first who asks, for all who need the same.
pub(super) async fn fetch(
    engine: &Engine,
    topic: &Topic,
    want: Want,
    flight: &Flight,
) -> Result<Payload, Utf8Bytes> {
    let made = flight.get_or_init(|| make(engine, topic, want)).await.clone();
    topic.landed(want, flight, &made);
    made
}

async fn make(engine: &Engine, topic: &Topic, want: Want) -> Result<Payload, Utf8Bytes> {
    let progress = Progress::of(match want {
        Want::Snapshot => Window::Whole,
        Want::Between(after, until) => Window::Between(after, until),
    });
    let mut responses = engine.stream(&topic.prepared, progress.clone());
    let Some(told) = responses.next().await else { return Err(internal()) };
    match payload(engine, told, &progress) {
        Ok(payload) => Ok(payload),
        Err(Ending::Refused(errors)) => Err(errors),
        Err(Ending::Failed(_) | Ending::Complete) => Err(internal()),
    }
}

/// A response with the versions that it covers.
fn payload(engine: &Engine, told: Told, progress: &Progress) -> Result<Payload, Ending> {
    engine.app.counters.shared_executions.fetch_add(1, Relaxed);
    let text = match told {
        Told::Data(text) => text,
        Told::Failed(text) => return Err(Ending::Failed(text)),
        Told::Refused(errors) => return Err(Ending::Refused(errors)),
    };
    if let Some(refusal) = too_large(&text) {
        return Err(Ending::Refused(answer::errors(&refusal).to_string().into()));
    }
    let Some(span) = progress.take() else {
        tracing::error!("a stream that is public does not say which versions it tells of");
        return Err(Ending::Refused(internal()));
    };
    engine.app.metrics.covers(span.after, span.version);
    Ok(Payload { after: span.after, version: span.version, text })
}

fn internal() -> Utf8Bytes {
    answer::errors(&answer::internal()).to_string().into()
}
