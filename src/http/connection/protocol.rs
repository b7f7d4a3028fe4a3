//! HTTP/1.1 and HTTP/2, with their limits.

use std::time::Duration;

use hyper::rt::Executor;
use hyper_util::{rt::TokioTimer, server::conn::auto::Builder};
use tokio_util::task::TaskTracker;

/// Bytes that HTTP/1.1 buffers per direction: the largest header, and the unwritten part of a response.
const BUFFER: usize = 64 * 1024;
/// Header fields of a request.
const MAX_FIELDS: usize = 100;
/// Bytes of a decoded HTTP/2 header. A query in a URL has up to 32 KiB, before escaping.
const MAX_HEADER: u32 = 64 * 1024;
/// Requests at the same time per connection.
const MAX_STREAMS: u32 = 100;
/// Streams that a client may reset before they are served.
const MAX_RESET_STREAMS: usize = 20;
/// Stream errors of a client after which its connection is closed.
const MAX_STREAM_ERRORS: usize = 128;
/// Bytes of a request's body that a client may send before they are read.
const STREAM_WINDOW: u32 = 256 * 1024;
/// Bytes of all request bodies of a connection that a client may send before they are read.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// Bytes of a response that may wait in a stream.
const SEND_BUFFER: usize = 64 * 1024;
/// The interval of pings, and the time limit for an answer.
const PING: Duration = Duration::from_secs(20);

/// Spawns the tasks of HTTP/2 streams, so that shutdown waits for them.
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

/// Returns the builder for connections. It has no timeout for headers: hyper's timeout would also close idle
/// connections, and does not run before the protocol is known.
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
