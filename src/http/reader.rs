//! The reading half of a socket. It follows the [`Session`] and decides when the socket ends.

use super::{
    close::Close,
    observe,
    operation::Engine,
    patience::Patience,
    prepared::Caller,
    queue::{self, Sender},
    session::{Session, Step},
    shared::Subscriptions,
    socket_places::Client,
    subscriber,
    transport::Transport,
    writer,
};
use crate::{
    app::App,
    auth::{self, Doubt, Rejected, Verdict, Viewer},
    graphql::code::ApiCode,
    telemetry::{Counted, Event},
};
use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::{StreamExt, stream::SplitStream};
use std::time::Duration;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

/// The time between two look-ups of an open socket's session. After a sign-out the socket is closed within this time
/// plus the lifetime of cached sessions.
pub(super) const SESSION_CHECK: Duration = Duration::from_secs(2);

/// Serves a socket to its end.
pub(super) async fn serve(
    subscriptions: Subscriptions,
    patience: Patience,
    client: Client,
    socket: WebSocket,
) {
    let engine = subscriptions.engine.clone();
    let (sink, stream) = socket.split();
    let stop = CancellationToken::new();
    let _all_ends_here = stop.clone().drop_guard();
    let _counted = Counted::one(&engine.app.metrics.sockets);
    let (sender, receiver) = queue::queue(&engine.app.metrics.buffered);
    let (farewell, closing) = oneshot::channel();
    let writer =
        engine.app.spawn_low_priority(writer::write(sink, receiver, closing, patience, stop.clone()));
    let session = Session::new(stop.clone());
    let mut reader = Reader {
        init_by: Instant::now() + patience.init,
        heard: Instant::now(),
        expires: None,
        check_at: Instant::now() + SESSION_CHECK,
        doubt: Doubt::default(),
        caller: None,
        engine,
        subscriptions,
        patience,
        client,
        stream,
        sender,
        session,
        stop,
    };
    let close = reader.read().await;
    tracing::debug!(close.code = close.map(|close| close.code), "a socket ends");
    reader.stop.cancel();
    // Free shared resources before the closing handshake.
    drop(reader.session);
    match close {
        // The writer may have ended already.
        Some(close) => drop(farewell.send(close)),
        None => drop(farewell),
    }
    let _ = writer.await;
    // Read on until the client closes: a socket that is dropped with unread bytes is reset, and the reset may overtake
    // the close frame.
    let rest = async { while let Some(Ok(_)) = reader.stream.next().await {} };
    let _ = timeout(patience.farewell, rest).await;
}

/// The reading half of a socket.
struct Reader {
    engine: Engine,
    subscriptions: Subscriptions,
    patience: Patience,
    client: Client,
    stream: SplitStream<WebSocket>,
    sender: Sender,
    session: Session,
    /// The caller, after the session is acknowledged.
    caller: Option<Caller>,
    /// The deadline of `connection_init`.
    init_by: Instant,
    /// When the caller's token expires.
    expires: Option<Instant>,
    /// When the caller's session is looked up next.
    check_at: Instant,
    /// How long the status of the session has been unknown.
    doubt: Doubt,
    /// When the client last sent anything.
    heard: Instant,
    /// Cancelled by the writer when it ends, and by the reader at its end.
    stop: CancellationToken,
}

impl Reader {
    /// Reads until the socket ends. Returns `None` if the client is gone.
    async fn read(&mut self) -> Option<Close> {
        loop {
            let (deadline, late) = self.deadline();
            // Check the deadline first: a client that sends without pause always has a message ready.
            if deadline <= Instant::now() {
                return Some(late);
            }
            let message = tokio::select! {
                biased;
                () = self.engine.app.shutdown.cancelled() => return Some(Close::RESTART),
                () = self.stop.cancelled() => return None,
                () = sleep_until(self.check_at), if self.expires.is_some() => {
                    match self.judge().await {
                        Verdict::Stay => continue,
                        Verdict::End => return Some(Close::FORBIDDEN),
                        Verdict::GiveUp => return Some(Close::BUSY),
                    }
                }
                message = timeout_at(deadline, self.stream.next()) => message,
            };
            let message = match message {
                Err(_) => return Some(late),
                Ok(None) => return None,
                Ok(Some(Err(error))) => return unreadable(&error),
                Ok(Some(Ok(message))) => message,
            };
            self.heard = Instant::now();
            let step = match message {
                Message::Text(_) if !self.client.allowance.message() => Step::Close(Close::TOO_MANY_FRAMES),
                Message::Text(text) => {
                    self.client.sent(text.len());
                    self.session.receive(&text)
                }
                Message::Binary(_) => Step::Close(Close::invalid("A message must be text")),
                Message::Ping(_) | Message::Pong(_) if self.client.allowance.control() => Step::Continue,
                Message::Ping(_) | Message::Pong(_) => Step::Close(Close::TOO_MANY_FRAMES),
                Message::Close(_) => return None,
            };
            if let Err(close) = self.obey(step).await {
                return Some(close);
            }
        }
    }

    /// Looks up the caller's session, and decides whether the socket ends.
    async fn judge(&mut self) -> Verdict {
        let Some(caller) = &self.caller else { return Verdict::Stay };
        let status = auth::session_status(&self.engine.app, &caller.viewer).await;
        self.check_at = Instant::now() + SESSION_CHECK;
        self.doubt.judge(status, Instant::now())
    }

    /// Returns the next deadline of the socket, and the close code for it.
    fn deadline(&self) -> (Instant, Close) {
        let silent = (self.heard + self.patience.ping * 5 / 2, Close::SILENT);
        let init = self.session.awaits_init().then_some((self.init_by, Close::INIT_TIMEOUT));
        let expiry = self.expires.map(|at| (at, Close::EXPIRED));
        [init, expiry]
            .into_iter()
            .flatten()
            .fold(silent, |first, next| if next.0 < first.0 { next } else { first })
    }

    async fn obey(&mut self, step: Step) -> Result<(), Close> {
        match step {
            Step::Continue => Ok(()),
            Step::Close(close) => Err(close),
            Step::Send(frame) => {
                self.send(frame).await;
                Ok(())
            }
            Step::Authenticate(token) => {
                let viewer = auth::authenticate(&self.engine.app, token.as_deref());
                let viewer = match timeout(self.patience.init, viewer).await {
                    Ok(viewer) => viewer.map_err(|rejected| self.refuse(rejected))?,
                    Err(_) => return Err(Close::BUSY),
                };
                self.expires = expires(&self.engine.app, &viewer);
                if let Ok(account) = viewer.account()
                    && !self.client.sign_in(account, &self.engine.app.config)
                {
                    return Err(Close::TOO_MANY_SOCKETS);
                }
                let viewer = viewer.from_network(self.client.network);
                self.caller =
                    Some(Caller { viewer, id: self.client.id.clone(), transport: Transport::Socket });
                let ack = self.session.acknowledge();
                self.send(ack).await;
                Ok(())
            }
            Step::Start(operation, params) => {
                // The session starts no operation before the caller is known.
                let Some(caller) = self.caller.clone() else { return Err(Close::UNAUTHORIZED) };
                let (subscriptions, sender) = (self.subscriptions.clone(), self.sender.clone());
                self.engine.app.spawn(
                    subscriber::run(subscriptions, caller, operation, params, sender).in_current_span(),
                );
                Ok(())
            }
        }
    }

    /// Returns the close code for a rejected token, and reports it. An outage of the database is not reported.
    fn refuse(&self, rejected: Rejected) -> Close {
        match rejected {
            Rejected::Token => {
                let Client { id, network, .. } = &self.client;
                observe::report(
                    &self.engine.app,
                    id,
                    *network,
                    (Event::TokenRejected, ApiCode::Unauthenticated.as_str()),
                );
                Close::FORBIDDEN
            }
            Rejected::Unavailable => Close::BUSY,
        }
    }

    /// Queues a frame. A client that sends without reading waits here, until the socket ends.
    async fn send(&self, frame: Utf8Bytes) {
        tokio::select! {
            biased;
            () = self.engine.app.shutdown.cancelled() => {}
            () = self.stop.cancelled() => {}
            // The token has expired: the next check of the deadline ends the socket.
            () = until(self.expires) => {}
            _ = self.sender.send(frame) => {}
        }
    }
}

/// Returns when the viewer's token expires, or `None` for an anonymous viewer.
pub(super) fn expires(app: &App, viewer: &Viewer) -> Option<Instant> {
    let left = (viewer.expires_at()? - app.clock.now()).to_std().unwrap_or_default();
    Some(Instant::now() + left.min(Duration::from_hours(8760)))
}

/// Waits until `at`, or for ever if it is `None`.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// Returns the close code for a failed read. The library's error has only a text to match.
fn unreadable(error: &axum::Error) -> Option<Close> {
    let text = error.to_string();
    tracing::debug!(error = %text, "a socket cannot be read");
    text.contains("too long").then_some(Close::TOO_BIG)
}
