//! GraphQL over Server-Sent Events, in the protocol's mode of distinct connections: one operation per response.
//!
//! See <https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md>. An event stream has the same parts as a
//! WebSocket: a [bounded queue](super::queue), into which a [shared topic](super::shared) or an operation's own task
//! puts results, and one task that writes what waits. The same task ends the stream when the client leaves, reads too
//! slowly or signs out, when its token expires, and when the server stops.
//!
//! If a stream ends without a `complete` event, the client may reconnect. Results of a shared topic have their version
//! as the event's `id`. A client that sends it as `Last-Event-ID` misses nothing.

use std::{io, time::Duration};

use async_graphql::parser::types::OperationType;
use axum::{
    body::Body,
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use tokio::{
    sync::mpsc,
    time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    answer::{Failure, MediaType},
    body::streamed,
    door::Door,
    event_text::{self, KEEP_ALIVE_COMMENT},
    graphql_request::{self, method_refused},
    guard::Refusal,
    observe, origin,
    patience::Patience,
    prepared::{Caller, Prepared},
    queue::{self, Queued, Receiver},
    reader,
    request_id::RequestId,
    session::Session,
    shared::Subscriptions,
    socket_places::StreamPlaces,
    subscriber,
    transport::Transport,
};
use crate::{
    auth::{self, Doubt, Verdict},
    graphql::code::ApiCode,
    telemetry::Event,
};

/// The header with the `id` of the last event that the client has.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Makes nginx send the stream without buffering.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// The time between two comments on an idle stream. Proxies close idle connections after 60 s or more.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Answers a request for an event stream.
pub(super) async fn respond(door: &Door, id: RequestId, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match open(door, id, &parts, body).await {
        Ok(response) => response,
        // A browser's EventSource does not pass on a response other than 200.
        Err(Failure::Document(refusal)) => events(Body::from(event_text::refused(&refusal))),
        Err(failure) => failure.answer(MediaType::Json),
    }
}

async fn open(door: &Door, id: RequestId, parts: &Parts, body: Body) -> Result<Response, Failure> {
    let engine = &door.engine;
    let refused = |status, code, message| Err(Failure::Http(status, Refusal::new(code, message)));
    // As for WebSockets: a foreign page must not open streams in its visitors' browsers.
    if !origin::may_open_socket(&parts.headers, &parts.uri, &engine.app.config) {
        let network = parts.extensions.get().copied();
        observe::report(
            &engine.app,
            &id,
            network,
            (Event::ForeignOrigin, ApiCode::OriginNotAllowed.as_str()),
        );
        let message = "This page may not open an event stream here.";
        return refused(StatusCode::FORBIDDEN, ApiCode::OriginNotAllowed, message);
    }
    if engine.app.shutdown.is_cancelled() {
        return Err(Failure::unavailable("The server is stopping."));
    }
    let (caller, params) = graphql_request::read(engine, id, parts, body).await?;
    let caller = Caller { transport: Transport::Events, ..caller };
    let (params, _) = engine.persisted.resolve(params)?;
    let prepared = engine.prepare(params, &caller).map_err(Failure::Document)?;
    if prepared.document.kind == OperationType::Mutation && parts.method == Method::GET {
        return Err(method_refused("POST", "A mutation needs POST."));
    }
    let Some(place) = door.sockets.stream(&engine.app.config, parts, &caller.viewer) else {
        let message = "Your network or account has too many event streams and sockets open.";
        return refused(StatusCode::TOO_MANY_REQUESTS, ApiCode::RateLimited, message);
    };
    let resume = last_event(&parts.headers);
    let (chunks, written) = mpsc::channel(1);
    let stream =
        Stream { subscriptions: door.subscriptions.clone(), patience: door.patience, caller, chunks };
    start(stream, prepared, resume, place);
    Ok(events(chunked(written)))
}

/// Returns the client's version by the header. Invalid values are ignored.
fn last_event(headers: &HeaderMap) -> Option<i64> {
    let version = headers.get(LAST_EVENT_ID)?.to_str().ok()?;
    version.parse().ok().filter(|version| *version >= 0)
}

/// Starts the operation and the task that writes its events.
fn start(stream: Stream, prepared: Prepared, resume: Option<i64>, place: StreamPlaces) {
    let subscriptions = stream.subscriptions.clone();
    let app = subscriptions.engine.app.clone();
    let (session, operation) = Session::of_one(CancellationToken::new());
    let (sender, waiting) = queue::queue(&app.metrics.buffered);
    let span = prepared.span.clone();
    let work = subscriber::perform(subscriptions, prepared, resume, operation, sender);
    app.spawn(work.instrument(span.clone()));
    app.spawn_low_priority(stream.serve(session, waiting, place).instrument(span));
}

/// Returns the response with a stream of events.
fn events(body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    (headers, body).into_response()
}

/// Some events for the connection. The frames keep their room in the queue until the connection takes them.
struct Chunk {
    text: Bytes,
    /// Whether the stream is complete after it.
    is_last: bool,
    _frames: Vec<Queued>,
}

/// Returns the body, which the connection takes chunk by chunk at the client's speed. Without a last chunk the body
/// fails, so that the client does not take the stream for complete.
fn chunked(chunks: mpsc::Receiver<Chunk>) -> Body {
    let next = |chunks: Option<mpsc::Receiver<Chunk>>| async move {
        let mut chunks = chunks?;
        Some(match chunks.recv().await {
            Some(Chunk { text, is_last: false, .. }) => (Ok(text), Some(chunks)),
            Some(Chunk { text, is_last: true, .. }) => (Ok(text), None),
            None => (Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None),
        })
    };
    streamed(stream::unfold(Some(chunks), next))
}

/// How a stream ends.
enum Ending {
    /// The last event is written, or the client is gone.
    Done,
    /// The stream is aborted. The client may reconnect.
    Broken,
    /// The stream ends with this refusal.
    Refused(Refusal),
}

/// The writing end of an event stream.
struct Stream {
    subscriptions: Subscriptions,
    patience: Patience,
    caller: Caller,
    chunks: mpsc::Sender<Chunk>,
}

impl Stream {
    /// Writes until the stream ends. The end of the session stops its operation.
    async fn serve(self, session: Session, mut waiting: Receiver, _place: StreamPlaces) {
        let ending = tokio::select! {
            biased;
            ending = self.watch() => ending,
            ending = self.write(&mut waiting) => ending,
        };
        // Free shared resources before the last event is sent.
        drop((session, waiting));
        if let Ending::Refused(refusal) = ending {
            let text = event_text::refused(&refusal);
            let last = Chunk { text: text.into(), is_last: true, _frames: Vec::new() };
            let _ = timeout(self.patience.farewell, self.chunks.send(last)).await;
        }
    }

    /// Waits for a reason to end the stream.
    async fn watch(&self) -> Ending {
        let Caller { viewer, .. } = &self.caller;
        let expires = reader::expires(&self.subscriptions.engine.app, viewer);
        let (mut check_at, mut doubt) = (Instant::now() + reader::SESSION_CHECK, Doubt::default());
        loop {
            let expiry = async {
                match expires {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.subscriptions.engine.app.shutdown.cancelled() => return Ending::Broken,
                () = self.chunks.closed() => return Ending::Done,
                () = expiry => return Ending::Refused(signed_out("The token has expired. Sign in again.")),
                () = sleep_until(check_at), if expires.is_some() => {}
            }
            let status = auth::session_status(&self.subscriptions.engine.app, viewer).await;
            check_at = Instant::now() + reader::SESSION_CHECK;
            match doubt.judge(status, Instant::now()) {
                Verdict::Stay => {}
                Verdict::End => return Ending::Refused(signed_out("The session has ended. Sign in again.")),
                Verdict::GiveUp => return Ending::Broken,
            }
        }
    }

    /// Writes the queued frames. Ends the stream if the client reads nothing for too long.
    async fn write(&self, waiting: &mut Receiver) -> Ending {
        let pause = KEEP_ALIVE.min(self.patience.ping);
        let mut keep_alive = interval_at(Instant::now() + pause, pause);
        keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first comment makes proxies forward the headers.
        let mut text = KEEP_ALIVE_COMMENT.to_owned();
        let mut frames = Vec::new();
        loop {
            let is_last = event_text::write(&mut text, &frames);
            if !text.is_empty() {
                let chunk = Chunk {
                    text: std::mem::take(&mut text).into(),
                    is_last,
                    _frames: std::mem::take(&mut frames),
                };
                match timeout(self.patience.write, self.chunks.send(chunk)).await {
                    Ok(Ok(())) if is_last => return Ending::Done,
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return Ending::Done,
                    Err(_) => {
                        tracing::debug!("an event stream ends because its client reads too slowly");
                        return Ending::Broken;
                    }
                }
            }
            frames.clear();
            tokio::select! {
                biased;
                _ = keep_alive.tick() => text.push_str(KEEP_ALIVE_COMMENT),
                some = waiting.take(&mut frames) => if !some { return Ending::Broken },
            }
        }
    }
}

fn signed_out(message: &'static str) -> Refusal {
    Refusal::new(ApiCode::Unauthenticated, message)
}
