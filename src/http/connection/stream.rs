//! The stream of a connection. It counts received bytes, and fails if the peer does not read.
//!
//! It is below TLS and exists as long as the connection, including a WebSocket. So it holds the connection's
//! [slot](super::slots).

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{activity::Activity, pace::Pace, slots::Slot};

/// A guarded stream.
pub(super) struct Guarded<S> {
    stream: S,
    activity: Arc<Activity>,
    pace: Pace,
    /// Set while a write waits.
    deadline: Option<Pin<Box<Sleep>>>,
    _slot: Option<Slot>,
}

impl<S> Guarded<S> {
    /// Guards a stream.
    pub(super) fn new(stream: S, activity: Arc<Activity>, slot: Option<Slot>) -> Self {
        let pace = Pace::new(activity.timeouts().write);
        Self { stream, activity, pace, deadline: None, _slot: slot }
    }

    /// Records the result of a write.
    fn written(
        &mut self,
        context: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(bytes)) => {
                if self.deadline.take().is_some() {
                    self.pace.wrote(bytes, Instant::now());
                }
                Poll::Ready(Ok(bytes))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                let deadline = self.pace.blocked(Instant::now());
                let sleep = self.deadline.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                ready!(sleep.as_mut().poll(context));
                tracing::debug!("a peer does not read");
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buffer))?;
        let bytes = buffer.filled().len() - before;
        if bytes == 0 || self.activity.received(bytes, Instant::now()) {
            return Poll::Ready(Ok(()));
        }
        tracing::warn!(
            rule = "connection_flood",
            "closing a connection: the peer sends too much besides requests"
        );
        Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.written(context, result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.written(context, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::connection::Timeouts;
    use std::time::Duration;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    fn activity() -> Arc<Activity> {
        Activity::new(Timeouts { write: Duration::from_millis(50), ..Timeouts::DEFAULT }, Instant::now())
    }

    #[tokio::test]
    async fn a_peer_that_does_not_read_is_given_up() {
        let (near, far) = duplex(1_024);
        let mut near = Guarded::new(near, activity(), None);
        let error = near.write_all(&[0; 4_096]).await.expect_err("nobody reads");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        drop(far);
    }

    #[tokio::test]
    async fn a_peer_that_reads_gets_all() {
        let (near, mut far) = duplex(1_024);
        let mut near = Guarded::new(near, activity(), None);
        let mut got = Vec::new();
        let (sent, read) = tokio::join!(
            async {
                near.write_all(&vec![7; 100_000]).await?;
                near.shutdown().await
            },
            far.read_to_end(&mut got)
        );
        assert!(sent.is_ok() && read.is_ok());
        assert_eq!(got.len(), 100_000);
    }

    #[tokio::test]
    async fn a_flood_breaks_the_connection() {
        let (near, mut far) = duplex(64 * 1_024);
        let mut near = Guarded::new(near, activity(), None);
        let flood = async { while far.write_all(&[0; 8 * 1_024]).await.is_ok() {} };
        let read = async {
            let mut buffer = vec![0; 16 * 1_024];
            loop {
                if let Err(error) = near.read(&mut buffer).await {
                    drop(near);
                    return error.kind();
                }
            }
        };
        assert_eq!(tokio::join!(flood, read).1, io::ErrorKind::ConnectionAborted);
    }
}
