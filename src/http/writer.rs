//! The writing half of a socket: it alone writes, so a client that does not read holds up nobody else.

use super::{
    close::Close,
    queue::{Queued, Receiver},
    socket::Patience,
};
use axum::extract::ws::{Message, WebSocket};
use bytes::Bytes;
use futures_util::{SinkExt, stream::SplitSink};
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval_at, timeout},
};
use tokio_util::sync::CancellationToken;

/// Writes what waits until the socket is closed, nobody sends any more, or the client has taken nothing for too long.
pub(super) async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut waiting: Receiver,
    mut closing: oneshot::Receiver<Close>,
    patience: Patience,
    stop: CancellationToken,
) {
    // Whatever ends the writer, a panic included, ends the socket.
    let _socket = stop.drop_guard();
    let mut pings = interval_at(Instant::now() + patience.ping, patience.ping);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut frames = Vec::new();
    let close = loop {
        // A close overtakes whatever still waits.
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

/// Writes a batch with one flush. The frames give their room back when all is written; until then the socket's own buffer
/// holds one copy of what a client does not read, and nothing else does.
async fn write_batch(
    sink: &mut SplitSink<WebSocket, Message>,
    frames: &mut Vec<Queued>,
    ping: bool,
) -> Result<(), axum::Error> {
    if ping {
        sink.feed(Message::Ping(Bytes::new())).await?;
    }
    let mut rooms = Vec::with_capacity(frames.len());
    // An idle socket keeps no buffer.
    for frame in std::mem::take(frames).into_iter().filter(Queued::is_wanted) {
        let (text, room) = frame.into_text();
        rooms.push(room);
        sink.feed(Message::Text(text)).await?;
    }
    sink.flush().await
}
