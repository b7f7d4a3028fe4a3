//! The protocol of one socket, without I/O: which messages are allowed, and what follows from them.
//!
//! Invariant: nothing here waits or sends. [`Session::receive`] decides, and the socket acts.

use super::{
    answer,
    close::Close,
    guard::Refusal,
    message::{self, ClientMessage},
    params::Params,
};
use crate::{
    graphql::code::ApiCode,
    limits::protocol::{SOCKET_EXECUTING, SOCKET_OPERATIONS},
};
use axum::extract::ws::Utf8Bytes;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// What the socket must do after a message.
#[derive(Debug)]
pub(super) enum Step {
    /// Nothing.
    Continue,
    /// Authenticate the token, then call [`Session::acknowledge`] or close.
    Authenticate(Option<String>),
    /// Execute this operation.
    Start(Operation, Params),
    /// Send this frame.
    Send(Utf8Bytes),
    /// Close the socket.
    Close(Close),
}

enum Phase {
    Fresh,
    Authenticating,
    Ready,
}

/// The protocol state of one socket.
pub(super) struct Session {
    phase: Phase,
    running: Running,
    /// Cancelled at the end of the socket, which stops all its operations.
    stop: CancellationToken,
    /// Permits to execute a query or a mutation.
    executing: Arc<Semaphore>,
}

impl Session {
    /// Returns a session before `connection_init`.
    pub(super) fn new(stop: CancellationToken) -> Self {
        Self::in_phase(Phase::Fresh, stop)
    }

    /// Returns a session for a transport with one operation, which runs already.
    pub(super) fn of_one(stop: CancellationToken) -> (Self, Operation) {
        let session = Self::in_phase(Phase::Ready, stop);
        let operation = session.begin(&mut session.running.lock(), "".into());
        (session, operation)
    }

    fn in_phase(phase: Phase, stop: CancellationToken) -> Self {
        Self {
            phase,
            running: Running::default(),
            stop,
            executing: Arc::new(Semaphore::new(SOCKET_EXECUTING)),
        }
    }

    /// Returns whether `connection_init` has not arrived yet.
    pub(super) fn awaits_init(&self) -> bool {
        matches!(self.phase, Phase::Fresh)
    }

    /// Opens the session after authentication. Returns the acknowledgement.
    pub(super) fn acknowledge(&mut self) -> Utf8Bytes {
        self.phase = Phase::Ready;
        message::ack()
    }

    /// Handles one message.
    pub(super) fn receive(&mut self, text: &str) -> Step {
        let message = match ClientMessage::parse(text) {
            Ok(message) => message,
            Err(reason) => return Step::Close(Close::invalid(reason)),
        };
        match (message, &self.phase) {
            (ClientMessage::Init { token }, Phase::Fresh) => {
                self.phase = Phase::Authenticating;
                Step::Authenticate(token)
            }
            (ClientMessage::Init { .. }, Phase::Authenticating | Phase::Ready) => {
                Step::Close(Close::TOO_MANY_INITS)
            }
            (ClientMessage::Ping, _) => Step::Send(message::pong()),
            (ClientMessage::Pong, _) => Step::Continue,
            (ClientMessage::Subscribe { id, params }, Phase::Ready) => self.start(id, params),
            (ClientMessage::Complete { id }, Phase::Ready) => {
                self.running.stop(&id);
                Step::Continue
            }
            (
                ClientMessage::Subscribe { .. } | ClientMessage::Complete { .. },
                Phase::Fresh | Phase::Authenticating,
            ) => Step::Close(Close::UNAUTHORIZED),
        }
    }

    fn start(&self, id: String, params: Params) -> Step {
        let mut running = self.running.lock();
        if running.contains_key(id.as_str()) {
            return Step::Close(Close::DUPLICATE);
        }
        if running.len() >= SOCKET_OPERATIONS {
            let message = format!("A socket carries at most {SOCKET_OPERATIONS} operations.");
            let refusal = Refusal::new(ApiCode::TooManySubscriptions, message);
            return Step::Send(message::error(&id, &answer::errors(&refusal).to_string()));
        }
        Step::Start(self.begin(&mut running, id.into()), params)
    }

    fn begin(&self, running: &mut HashMap<Arc<str>, Entry>, id: Arc<str>) -> Operation {
        let operation = Operation {
            id,
            stop: self.stop.child_token(),
            running: self.running.clone(),
            executing: self.executing.clone(),
        };
        running.insert(operation.id.clone(), Entry { stop: operation.stop.clone(), watching: None });
        operation
    }
}

impl Drop for Session {
    /// Leaves all shared subscriptions of the socket.
    fn drop(&mut self) {
        self.stop.cancel();
        // Take the memberships out first: dropping them takes other locks.
        let watching = std::mem::take(&mut *self.running.lock());
        drop(watching);
    }
}

/// The running operations by id.
#[derive(Clone, Default)]
struct Running(Arc<Mutex<HashMap<Arc<str>, Entry>>>);

struct Entry {
    /// Cancelled to stop the operation.
    stop: CancellationToken,
    /// Its membership of a shared subscription. Dropping it leaves the subscription.
    watching: Option<Box<dyn Send>>,
}

impl Running {
    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stop(&self, id: &str) {
        let stopped = {
            let mut running = self.lock();
            let stopped = running.remove(id);
            if let Some(entry) = &stopped {
                entry.stop.cancel();
            }
            stopped
        };
        drop(stopped);
    }
}

/// One running operation.
pub(super) struct Operation {
    id: Arc<str>,
    stop: CancellationToken,
    running: Running,
    executing: Arc<Semaphore>,
}

impl Operation {
    /// Returns the id that the client chose.
    pub(super) fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Returns the token that is cancelled when the client completes the operation or the socket ends.
    pub(super) fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Waits for a permit to execute a query or a mutation. Returns `None` only if the semaphore is closed, which never
    /// happens.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        self.executing.clone().acquire_owned().await.ok()
    }

    /// Keeps the membership of a shared subscription until the operation ends. If it has ended already, leaves at once.
    pub(super) fn watch(&self, membership: impl Send + 'static) {
        let mut membership: Option<Box<dyn Send>> = Some(Box::new(membership));
        {
            let mut running = self.running.lock();
            if !self.stop.is_cancelled()
                && let Some(entry) = running.get_mut(&self.id)
            {
                entry.watching = membership.take();
            }
        }
        drop(membership);
    }

    /// Frees the id. Returns `false` if the client has completed the operation already; then nothing more is sent.
    ///
    /// Race: the client may reuse the id after it completed the operation. So a stopped operation must not remove the
    /// entry of its successor. Stopping and this check use the same lock.
    pub(super) fn finish(&self) -> bool {
        let finished = {
            let mut running = self.running.lock();
            if self.stop.is_cancelled() {
                return false;
            }
            running.remove(&self.id)
        };
        drop(finished);
        true
    }
}

impl std::fmt::Debug for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operation").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn ready() -> Session {
        let mut session = Session::new(CancellationToken::new());
        assert!(matches!(session.receive(INIT), Step::Authenticate(None)));
        session.acknowledge();
        session
    }

    const INIT: &str = r#"{"type":"connection_init"}"#;

    fn subscribe(id: &str) -> String {
        format!(r#"{{"id":"{id}","type":"subscribe","payload":{{"query":"{{version}}"}}}}"#)
    }

    fn complete(id: &str) -> String {
        format!(r#"{{"id":"{id}","type":"complete"}}"#)
    }

    fn close_code(step: &Step) -> Option<u16> {
        if let Step::Close(close) = step { Some(close.code) } else { None }
    }

    #[test]
    fn no_operation_starts_before_the_acknowledgement() {
        for text in [subscribe("1"), complete("1")] {
            let mut session = Session::new(CancellationToken::new());
            assert_eq!(close_code(&session.receive(&text)), Some(4401));
            let mut session = Session::new(CancellationToken::new());
            session.receive(INIT);
            assert_eq!(close_code(&session.receive(&text)), Some(4401));
        }
    }

    #[test]
    fn session_is_opened_once() {
        assert_eq!(close_code(&ready().receive(INIT)), Some(4429));
        let mut session = Session::new(CancellationToken::new());
        session.receive(INIT);
        assert_eq!(close_code(&session.receive(INIT)), Some(4429));
    }

    #[test]
    fn id_is_free_after_its_operation_ends() {
        let mut session = ready();
        let Step::Start(first, _) = session.receive(&subscribe("1")) else { panic!() };
        assert_eq!(close_code(&session.receive(&subscribe("1"))), Some(4409));

        assert!(first.finish());
        let Step::Start(second, _) = session.receive(&subscribe("1")) else { panic!() };
        assert!(matches!(session.receive(&complete("1")), Step::Continue));
        assert!(second.stop().is_cancelled());

        let Step::Start(third, _) = session.receive(&subscribe("1")) else { panic!() };
        assert!(!second.finish(), "the client has completed it");
        assert_eq!(close_code(&session.receive(&subscribe("1"))), Some(4409), "the third is still there");
        assert!(!third.stop().is_cancelled());
    }

    #[test]
    fn number_of_operations_is_limited() {
        let mut session = ready();
        let running: Vec<_> =
            (0..SOCKET_OPERATIONS).map(|n| session.receive(&subscribe(&n.to_string()))).collect();
        assert!(running.iter().all(|step| matches!(step, Step::Start(..))));
        let Step::Send(frame) = session.receive(&subscribe("more")) else { panic!() };
        assert!(frame.contains("TOO_MANY_SUBSCRIPTIONS"));
        session.receive(&complete("7"));
        assert!(matches!(session.receive(&subscribe("more")), Step::Start(..)));
    }

    #[test]
    fn pings_are_answered_at_any_time() {
        for mut session in [Session::new(CancellationToken::new()), ready()] {
            assert!(matches!(session.receive(r#"{"type":"ping","payload":{"a":1}}"#), Step::Send(_)));
            assert!(matches!(session.receive(r#"{"type":"pong"}"#), Step::Continue));
        }
    }

    #[test]
    fn every_operation_ends_with_the_socket() {
        let stop = CancellationToken::new();
        let mut session = Session::new(stop.clone());
        session.receive(INIT);
        session.acknowledge();
        let Step::Start(operation, _) = session.receive(&subscribe("1")) else { panic!() };
        stop.cancel();
        assert!(operation.stop().is_cancelled());
        assert!(!operation.finish());
    }

    #[tokio::test]
    async fn only_a_few_operations_of_a_socket_execute_at_the_same_time() {
        let session = ready();
        let begin = |id: &str| session.begin(&mut session.running.lock(), id.into());
        let executing: Vec<_> = (0..SOCKET_EXECUTING).map(|number| begin(&number.to_string())).collect();
        let mut permits = Vec::new();
        for operation in &executing {
            permits.push(operation.permit().await.expect("a permit"));
        }
        let next = begin("next");
        assert!(next.permit().now_or_never().is_none(), "all permits are in use");
        permits.pop();
        assert!(next.permit().now_or_never().flatten().is_some(), "one was returned");
    }
}
