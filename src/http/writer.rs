//! The writing half of a socket. A client that does not read delays only its own writer.

use super::{
    close::Close,
    patience::Patience,
    queue::{Queued, Receiver},
};
use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::{SinkExt, stream::SplitSink};
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_util::sync::CancellationToken;

/// Writes queued frames until the socket is closed, all senders are gone, or the client reads nothing for too long.
pub(super) async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut waiting: Receiver,
    mut closing: oneshot::Receiver<Close>,
    patience: Patience,
    stop: CancellationToken,
) {
    // The end of the writer ends the socket, even after a panic.
    let _socket = stop.drop_guard();
    let mut pings = interval_at(Instant::now() + patience.ping, patience.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut frames = Vec::new();
    let close = loop {
        // A close frame is sent before the queued frames.
        let ping = tokio::select! {
            biased;
            close = &mut closing => break close.ok(),
            _ = pings.tick() => true,
            some = waiting.take(&mut frames) => if some { false } else { break None },
        };
        let batch = timeout(patience.write, write_batch(&mut sink, &mut frames, ping));
        tokio::select! {
            biased;
            close = &mut closing => break close.ok(),
            written = batch => if !matches!(written, Ok(Ok(()))) { break None },
        }
    };
    if let Some(close) = close {
        let _ = timeout(patience.farewell, sink.send(Message::Close(Some(close.frame())))).await;
    }
}

/// Writes a batch with one flush. The frames keep their room in the queue until all are written, so that the socket's
/// buffer counts as queued.
async fn write_batch(
    sink: &mut SplitSink<WebSocket, Message>,
    frames: &mut Vec<Queued>,
    ping: bool,
) -> Result<(), axum::Error> {
    if ping {
        sink.feed(Message::Ping(Bytes::new())).await?;
    }
    let mut rooms = Vec::with_capacity(frames.len());
    // Release the buffer of an idle socket.
    for frame in std::mem::take(frames).into_iter().filter(Queued::is_wanted) {
        let (text, room) = frame.into_text();
        rooms.push(room);
        sink.feed(Message::Text(text)).await?;
    }
    sink.flush().await
}
