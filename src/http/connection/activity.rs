//! What a connection is doing, and how long it may go on with it.
//!
//! The stream reports bytes, the service reports requests, the response bodies report whether they are read. The task
//! of the connection asks when it is [due](Activity::due) and closes it then. A connection that was upgraded has no
//! such task: its socket holds an [`Exchange`] and has timeouts of its own.

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

/// Bytes beyond requests and bodies that a connection may send at once. More than the window of HTTP/2, whose bytes may
/// wait here before a handler reads them.
const MAX_OVERHEAD: u64 = 2 * 1024 * 1024;
/// The same for a WebSocket, whose messages have at most 64 KiB.
const MAX_SOCKET_OVERHEAD: u64 = 256 * 1024;

/// What a connection is doing.
#[derive(Debug)]
pub(in crate::http) struct Activity {
    state: Mutex<State>,
    evicted: Notify,
    timeouts: Timeouts,
}

#[derive(Debug)]
struct State {
    /// When the wait for a request began.
    since: Instant,
    /// When the first byte of a further request came. Frames of HTTP/2 are no such bytes.
    header_since: Option<Instant>,
    spoken: Spoken,
    /// Beyond the limit of connections: only there for a health check.
    is_reserved: bool,
    is_evicted: bool,
    /// Requests, responses and sockets in progress.
    exchanges: usize,
    /// Responses over HTTP/2 that the peer does not read, and since when.
    unread: HashMap<u64, Instant>,
    next: u64,
    overhead: Overhead,
}

/// The protocol of the requests so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spoken {
    /// None came.
    Nothing,
    Http1,
    Http2,
}

impl Activity {
    /// A connection that was just accepted.
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

    /// How long it may take for what.
    pub(super) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// Makes it one that may only ask for the server's health.
    pub(super) fn reserve(&self) {
        self.state().is_reserved = true;
    }

    /// Returns whether it may only ask for the server's health.
    pub(super) fn is_reserved(&self) -> bool {
        self.state().is_reserved
    }

    /// Records that the handshake of TLS is over and requests may come.
    pub(super) fn ready(&self, now: Instant) {
        self.state().since = now;
    }

    /// Records bytes of the peer. Returns false if it floods us.
    pub(super) fn received(&self, bytes: usize, now: Instant) -> bool {
        let mut state = self.state();
        if state.exchanges == 0 {
            state.header_since.get_or_insert(now);
        }
        state.overhead.received(bytes, now)
    }

    /// Records that bytes of the peer were part of a body or a message.
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

    /// Returns since when it waits for a request, if it does.
    pub(super) fn waits_since(&self) -> Option<Instant> {
        let state = self.state();
        (state.exchanges == 0 && !state.is_evicted).then_some(state.since)
    }

    /// Has it closed to make room for another.
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

    /// Returns when it must be closed, if nothing changes until then. While requests are in progress their handlers have
    /// timeouts of their own, so then it may be only the time to ask again.
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
    /// Names a response over HTTP/2; otherwise 0.
    id: u64,
}

impl Exchange {
    /// Returns whether it travels over HTTP/2.
    pub(super) fn is_http2(&self) -> bool {
        self.id != 0
    }

    /// Records that the peer must read before more of the response is made.
    pub(super) fn is_unread(&self) {
        if self.is_http2() {
            self.activity.state().unread.insert(self.id, Instant::now());
        }
    }

    /// Records that the response is waited for, not the peer.
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

/// Resolves when the connection is due. It is polled by the task that serves the connection, whenever anything happens
/// there, so it notices a nearer deadline without being told.
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
    fn a_first_request_must_come_in_time_whatever_else_comes() {
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
    fn a_further_request_may_wait_for_the_idle_time_but_not_stop_half_way() {
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
    fn a_response_that_nobody_reads_is_due() {
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
    fn a_reserved_connection_ends_after_its_request() {
        let now = Instant::now();
        let activity = Activity::new(T, now);
        activity.reserve();
        assert_eq!(activity.due(now), now + T.reserved);
        drop(activity.begin(false, now));
        assert!(activity.due(now) <= Instant::now());
    }

    #[test]
    fn a_flood_is_told_from_a_body_and_from_messages() {
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
