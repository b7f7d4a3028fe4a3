//! The activity of a connection, and its deadlines.
//!
//! The stream reports bytes, the service reports requests, and response bodies report whether they are read. The
//! connection's task closes the connection when it is [due](Activity::due). An upgraded connection has no such task:
//! its socket has an [`Exchange`] and its own timeouts.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use tokio::{
    sync::Notify,
    time::{Instant, Sleep, sleep_until},
};

use super::{Timeouts, pace::Overhead};

/// The burst of bytes besides requests and bodies. It is larger than the window of HTTP/2, whose bytes may wait here
/// before a handler reads them.
const MAX_OVERHEAD: u64 = 2 * 1024 * 1024;
/// The burst of bytes besides messages of a WebSocket. Messages have at most 64 KiB.
const MAX_SOCKET_OVERHEAD: u64 = 256 * 1024;

/// The activity of a connection.
#[derive(Debug)]
pub(in crate::http) struct Activity {
    state: Mutex<State>,
    evicted: Notify,
    timeouts: Timeouts,
}

#[derive(Debug)]
struct State {
    /// When the wait for a request started.
    since: Instant,
    /// When the first byte of a further request arrived. Frames of HTTP/2 do not count.
    header_since: Option<Instant>,
    spoken: Spoken,
    /// Whether it exceeds the limit of connections and may only request the server's health.
    is_reserved: bool,
    is_evicted: bool,
    /// Requests, responses and sockets in progress.
    exchanges: usize,
    /// HTTP/2 responses that the peer does not read, and since when.
    unread: HashMap<u64, Instant>,
    next: u64,
    overhead: Overhead,
}

/// The protocol of the requests so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    /// There was no request.
    Nothing,
    Http1,
    Http2,
}

impl Activity {
    /// Returns the activity of a new connection.
    pub(super) fn new(timeouts: Timeouts, now: Instant) -> Arc<Self> {
        let state = State {
            since: now,
            header_since: None,
            spoken: Spoken::Nothing,
            is_reserved: false,
            is_evicted: false,
            exchanges: 0,
            unread: HashMap::new(),
            next: 0,
            overhead: Overhead::new(MAX_OVERHEAD, now),
        };
        Arc::new(Self { state: Mutex::new(state), evicted: Notify::new(), timeouts })
    }

    /// Returns the timeouts.
    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Restricts the connection to requests for the server's health.
    pub(super) fn reserve(&self) {
        self.state().is_reserved = true;
    }

    /// Returns whether the connection may only request the server's health.
    pub(super) fn is_reserved(&self) -> bool {
        self.state().is_reserved
    }

    /// Records the end of the TLS handshake.
    pub(super) fn ready(&self, now: Instant) {
        self.state().since = now;
    }

    /// Records bytes from the peer. Returns `false` if there are too many.
    pub(super) fn received(&self, bytes: usize, now: Instant) -> bool {
        let mut state = self.state();
        if state.exchanges == 0 {
            state.header_since.get_or_insert(now);
        }
        state.overhead.received(bytes, now)
    }

    /// Records that received bytes were part of a body or message.
    pub(in crate::http) fn used(&self, bytes: usize) {
        self.state().overhead.used(bytes);
    }

    /// Records a request. It is in progress until the value is dropped.
    pub(super) fn begin(self: &Arc<Self>, is_http2: bool, now: Instant) -> Exchange {
        let mut state = self.state();
        state.spoken = if is_http2 { Spoken::Http2 } else { Spoken::Http1 };
        state.header_since = None;
        state.exchanges += 1;
        state.next += 1;
        state.overhead.reset();
        if is_http2 {
            let id = state.next;
            state.unread.insert(id, now);
            drop(state);
            self.exchange(id)
        } else {
            drop(state);
            self.exchange(0)
        }
    }

    /// Records a WebSocket, which is in progress until the value is dropped.
    pub(in crate::http) fn begin_socket(self: &Arc<Self>) -> Exchange {
        let mut state = self.state();
        state.exchanges += 1;
        if state.spoken != Spoken::Http2 {
            state.overhead.limit(MAX_SOCKET_OVERHEAD);
        }
        drop(state);
        self.exchange(0)
    }

    fn exchange(self: &Arc<Self>, id: u64) -> Exchange {
        Exchange { activity: Arc::clone(self), id }
    }

    /// Returns since when the connection waits for a request, if it does.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.exchanges == 0 && !state.is_evicted).then_some(state.since)
    }

    /// Requests that the connection is closed, to free its slot.
    pub(super) fn evict(&self) {
        self.state().is_evicted = true;
        self.evicted.notify_one();
    }

    /// Returns whether it was evicted.
    pub(super) fn is_evicted(&self) -> bool {
        self.state().is_evicted
    }

    /// Waits until it is evicted.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }

    /// Returns when the connection must be closed if nothing changes. While requests are in progress, their handlers
    /// have their own timeouts; then this may be only the time of the next check.
    fn due(&self, now: Instant) -> Instant {
        let timeouts = &self.timeouts;
        let state = self.state();
        if state.exchanges > 0 {
            let unread = state.unread.values().min().map(|since| *since + timeouts.write);
            return unread.unwrap_or(now + timeouts.header);
        }
        match (state.spoken, state.header_since) {
            (Spoken::Nothing, _) if state.is_reserved => state.since + timeouts.reserved,
            (Spoken::Nothing, _) => state.since + timeouts.header,
            _ if state.is_reserved => state.since,
            (Spoken::Http1, Some(since)) => since + timeouts.header,
            (Spoken::Http1 | Spoken::Http2, _) => state.since + timeouts.idle,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request, its response or a socket in progress.
#[derive(Debug)]
pub(in crate::http) struct Exchange {
    activity: Arc<Activity>,
    /// The number of an HTTP/2 response, otherwise 0.
    id: u64,
}

impl Exchange {
    /// Returns whether it uses HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.id != 0
    }

    /// Records that the response waits for the peer to read.
    pub(super) fn is_unread(&self) {
        if self.is_http2() {
            self.activity.state().unread.insert(self.id, Instant::now());
        }
    }

    /// Records that the response does not wait for the peer.
    pub(super) fn is_read(&self) {
        if self.is_http2() {
            self.activity.state().unread.remove(&self.id);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let mut state = self.activity.state();
        state.unread.remove(&self.id);
        state.exchanges = state.exchanges.saturating_sub(1);
        if state.exchanges == 0 {
            state.since = Instant::now();
            state.header_since = None;
        }
    }
}

/// Resolves when the connection is due. The task that serves the connection polls it at every event, so it notices an
/// earlier deadline.
pub(super) struct Watch {
    activity: Arc<Activity>,
    sleep: Pin<Box<Sleep>>,
}

impl Watch {
    /// Watches a connection.
    pub(super) fn new(activity: Arc<Activity>) -> Self {
        let due = activity.due(Instant::now());
        Self { activity, sleep: Box::pin(sleep_until(due)) }
    }
}

impl Future for Watch {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let now = Instant::now();
            let due = self.activity.due(now);
            if due <= now {
                return Poll::Ready(());
            }
            if due < self.sleep.deadline() || self.sleep.is_elapsed() {
                self.sleep.as_mut().reset(due);
            }
            if self.sleep.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const T: Timeouts = Timeouts::DEFAULT;

    #[test]
    fn first_request_has_a_deadline() {
        let now = Instant::now();
        let activity = Activity::new(T, now);
        assert_eq!(activity.due(now), now + T.header);
        assert!(
            activity.received(24, now + Duration::from_secs(9)),
            "the preface of HTTP/2, or half a header"
        );
        assert_eq!(activity.due(now), now + T.header);
    }

    #[test]
    fn further_request_may_start_late_but_not_stop_half_way() {
        let now = Instant::now();
        let activity = Activity::new(T, now);
        drop(activity.begin(false, now));
        let since = activity.waits_since().expect("idle");
        assert_eq!(activity.due(now), since + T.idle);
        let begun = since + Duration::from_secs(30);
        activity.received(1, begun);
        activity.received(1, begun + Duration::from_secs(5));
        assert_eq!(activity.due(now), begun + T.header);
    }

    #[test]
    fn frames_of_http2_are_no_half_requests() {
        let now = Instant::now();
        let activity = Activity::new(T, now);
        drop(activity.begin(true, now));
        activity.received(17, now);
        assert_eq!(activity.due(now), activity.waits_since().expect("idle") + T.idle);
    }

    #[test]
    fn unread_response_is_due() {
        let now = Instant::now();
        let activity = Activity::new(T, now);
        let exchange = activity.begin(true, now);
        exchange.is_read();
        assert_eq!(activity.due(now), now + T.header, "the handler works");
        let before = Instant::now();
        exchange.is_unread();
        assert!(activity.due(now) >= before + T.write && activity.due(now) <= Instant::now() + T.write);
        assert_eq!(activity.waits_since(), None);
    }

    #[test]
    fn reserved_connection_ends_after_its_request() {
        let now = Instant::now();
        let activity = Activity::new(T, now);
        activity.reserve();
        assert_eq!(activity.due(now), now + T.reserved);
        drop(activity.begin(false, now));
        assert!(activity.due(now) <= Instant::now());
    }

    #[test]
    fn overhead_is_distinguished_from_bodies_and_messages() {
        let now = Instant::now();
        let activity = Activity::new(T, now);
        let most = usize::try_from(MAX_OVERHEAD).expect("fits");
        assert!(activity.received(most, now) && !activity.received(1, now));
        let _exchange = activity.begin(false, now);
        for _ in 0..100 {
            assert!(activity.received(64 * 1024, now), "a large body");
            activity.used(64 * 1024);
        }
        let _socket = activity.begin_socket();
        let most = usize::try_from(MAX_SOCKET_OVERHEAD).expect("fits");
        assert!(activity.received(most, now) && !activity.received(1, now));
    }
}
