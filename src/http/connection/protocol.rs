//! HTTP/1.1 and HTTP/2 with their limits.

use std::time::Duration;

use hyper::rt::Executor;
use hyper_util::{rt::TokioTimer, server::conn::auto::Builder};
use tokio_util::task::TaskTracker;

/// Bytes that HTTP/1.1 buffers in each direction: the largest header, and what of a response is not yet written.
const BUFFER: usize = 64 * 1024;
/// Fields of a header.
const MAX_FIELDS: usize = 100;
/// Bytes of a header over HTTP/2, decoded. A query in a URL has up to 32 KiB, three times that if all of it is escaped.
const MAX_HEADER: u32 = 64 * 1024;
/// Requests at once on one connection.
const MAX_STREAMS: u32 = 100;
/// Streams that a client opened and reset before they were served.
const MAX_RESET_STREAMS: usize = 20;
/// Errors of a client in its streams before its connection ends.
const MAX_STREAM_ERRORS: usize = 128;
/// Bytes of a request's body that a client may send ahead.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all requests of a connection together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of a response that may wait in a stream.
const SEND_BUFFER: usize = 64 * 1024;
/// How often a peer is asked for a sign of life, and how long it has to answer.
const PING: Duration = Duration::from_secs(20);

/// Spawns the streams of HTTP/2 where shutdown waits for them.
#[derive(Clone, Debug)]
pub(super) struct Spawner(pub TaskTracker);

impl<F> Executor<F> for Spawner
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, future: F) {
        self.0.spawn(future);
    }
}

/// Returns what serves connections. The timeout of headers is not here: hyper's would also end idle connections, and
/// none runs before the protocol is known.
pub(super) fn builder(tasks: TaskTracker) -> Builder<Spawner> {
    let mut builder = Builder::new(Spawner(tasks));
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(BUFFER)
        .max_headers(MAX_FIELDS)
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING)
        .keep_alive_timeout(PING)
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_STREAM_ERRORS)
        .max_header_list_size(MAX_HEADER)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        // WebSockets over HTTP/2.
        .enable_connect_protocol();
    builder
}
