//! The reading half of a socket, which obeys the [`Session`] and decides when the socket ends.

use super::{
    close::Close,
    observe::{self, Transport},
    operation::{Caller, Engine},
    queue::{self, Sender},
    session::{Session, Step},
    socket::{Client, Patience},
    subscriber, writer,
};
use crate::{
    app::App,
    auth::{self, Doubt, Rejected, Verdict, Viewer},
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

/// How often an open socket's session is looked up: a sign-out closes it within this and the moment for which a session
/// is believed.
pub(super) const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Serves a socket to its end.
pub(super) async fn serve(engine: Engine, patience: Patience, client: Client, socket: WebSocket) {
    let (sink, stream) = socket.split();
    let stop = CancellationToken::new();
    let _all_ends_here = stop.clone().drop_guard();
    let _counted = Counted::one(&engine.app.metrics.sockets);
    let (sender, receiver) = queue::queue(&engine.app.metrics.buffered);
    let (farewell, closing) = oneshot::channel();
    let writer = engine.app.spawn_in_crowd(writer::write(sink, receiver, closing, patience, stop.clone()));
    let session = Session::new(stop.clone());
    let mut reader = Reader {
        init_by: Instant::now() + patience.init,
        heard: Instant::now(),
        expires: None,
        asked_again: Instant::now() + ASK_AGAIN,
        doubt: Doubt::default(),
        caller: None,
        engine,
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
    // What others share with this socket must not wait for its farewell.
    drop(reader.session);
    match close {
        // The writer may have given up already; then there is nobody left to tell.
        Some(close) => drop(farewell.send(close)),
        None => drop(farewell),
    }
    let _ = writer.await;
    // Reading on lets the client's own closing arrive: a socket dropped with unread bytes is reset, and a reset
    // can overtake the close frame.
    let rest = async { while let Some(Ok(_)) = reader.stream.next().await {} };
    let _ = timeout(patience.farewell, rest).await;
}

/// The reading half of a socket.
struct Reader {
    engine: Engine,
    patience: Patience,
    client: Client,
    stream: SplitStream<WebSocket>,
    sender: Sender,
    session: Session,
    /// Known once the session is acknowledged.
    caller: Option<Caller>,
    /// Until when `connection_init` must have come.
    init_by: Instant,
    /// When the caller's token ends.
    expires: Option<Instant>,
    /// When it is asked again whether the caller's session still goes on.
    asked_again: Instant,
    /// Since when it is not known whether it does.
    doubt: Doubt,
    /// When anything came last.
    heard: Instant,
    /// Cancelled by the writer when it gives up, and by us at the end.
    stop: CancellationToken,
}

impl Reader {
    /// Reads until the socket is to end; `None` when there is nobody left to close it for.
    async fn read(&mut self) -> Option<Close> {
        loop {
            let (deadline, late) = self.deadline();
            // A client that sends without a pause always has a message ready, which would win over the deadline.
            if deadline <= Instant::now() {
                return Some(late);
            }
            let message = tokio::select! {
                biased;
                () = self.engine.app.shutdown.cancelled() => return Some(Close::RESTART),
                () = self.stop.cancelled() => return None,
                () = sleep_until(self.asked_again), if self.expires.is_some() => {
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

    /// Whether the socket ends because the caller signed out, or lost the account's rights, since it was opened.
    async fn judge(&mut self) -> Verdict {
        let Some(caller) = &self.caller else { return Verdict::Stay };
        let status = auth::session_status(&self.engine.app, &caller.viewer).await;
        self.asked_again = Instant::now() + ASK_AGAIN;
        self.doubt.judge(status, Instant::now())
    }

    /// The next moment at which silence ends the socket, and what it is told then.
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
                // The session starts nothing before the caller is known.
                let Some(caller) = self.caller.clone() else { return Err(Close::UNAUTHORIZED) };
                let (engine, sender) = (self.engine.clone(), self.sender.clone());
                self.engine
                    .app
                    .spawn(subscriber::run(engine, caller, operation, params, sender).in_current_span());
                Ok(())
            }
        }
    }

    /// Reports a token that is not good; a database that is away is no fault of the client's.
    fn refuse(&self, rejected: Rejected) -> Close {
        match rejected {
            Rejected::Token => {
                let Client { id, network, .. } = &self.client;
                observe::report(&self.engine.app, id, *network, (Event::TokenRejected, "UNAUTHENTICATED"));
                Close::FORBIDDEN
            }
            Rejected::Unavailable => Close::BUSY,
        }
    }

    /// A client that floods us without reading waits for its own answers here, but never beyond the socket's end.
    async fn send(&self, frame: Utf8Bytes) {
        tokio::select! {
            biased;
            () = self.engine.app.shutdown.cancelled() => {}
            () = self.stop.cancelled() => {}
            // Expired: the next look at the deadline ends the socket.
            () = until(self.expires) => {}
            _ = self.sender.send(frame) => {}
        }
    }
}

/// When the viewer's token ends; none for an anonymous viewer.
pub(super) fn expires(app: &App, viewer: &Viewer) -> Option<Instant> {
    let left = (viewer.expires_at()? - app.clock.now()).to_std().unwrap_or_default();
    Some(Instant::now() + left.min(Duration::from_hours(8760)))
}

/// Waits until `at`, or forever if there is no such moment.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What a failed read means. The library's error has no kinds to match on, only its text.
fn unreadable(error: &axum::Error) -> Option<Close> {
    let text = error.to_string();
    tracing::debug!(error = %text, "a socket cannot be read");
    text.contains("too long").then_some(Close::TOO_BIG)
}
