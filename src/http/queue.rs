//! The queue of frames for one socket, limited in number and in bytes.
//!
//! A sender waits for room, so a slow client slows only its own operations, and its memory is limited to the queue. A
//! frame that is larger than the queue waits until the queue is empty. Shared subscriptions do not wait: they offer a
//! frame, and a member that cannot take it catches up later.

use super::message;
use crate::telemetry::Counted;
use axum::extract::ws::Utf8Bytes;
use prometheus_client::metrics::gauge::Gauge;
use std::sync::Arc;
use tokio::sync::{
    OwnedSemaphorePermit, Semaphore, TryAcquireError,
    mpsc::{self, error::TrySendError},
};
use tokio_util::sync::CancellationToken;

/// Frames in the queue.
pub(super) const MAX_FRAMES: usize = 256;
/// Bytes in the queue.
pub(super) const MAX_BYTES: u32 = 256 * 1024;

/// Bytes of one payload. Larger results must use HTTP. With its frame a payload fits into the queue, so
/// a client that does not read uses at most the queue's bytes.
pub(super) const MAX_PAYLOAD_BYTES: usize = 255 * 1024;

/// Returns the two ends of a queue. `buffered` counts its bytes.
pub(super) fn queue(buffered: &Gauge) -> (Sender, Receiver) {
    let (frames, waiting) = mpsc::channel(MAX_FRAMES);
    let room = Arc::new(Semaphore::new(MAX_BYTES as usize));
    (Sender { frames, room: room.clone(), buffered: buffered.clone() }, Receiver { waiting, room })
}

/// The end for operations.
#[derive(Clone)]
pub(super) struct Sender {
    frames: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    buffered: Gauge,
}

/// The end for the writer.
pub(super) struct Receiver {
    waiting: mpsc::Receiver<Queued>,
    room: Arc<Semaphore>,
}

impl Drop for Receiver {
    /// Wakes the senders that wait for room.
    fn drop(&mut self) {
        self.room.close();
    }
}

/// A frame to be written.
pub(super) enum Frame {
    /// A text.
    Text(Utf8Bytes),
    /// A result of the operation with this id, and its version if the stream is versioned. Many queues may share the
    /// payload; the frame around it is made when it is written.
    Next(Arc<str>, Utf8Bytes, Option<i64>),
    /// The refusal of the operation with this id, which ends it. The text is a JSON list of errors.
    Error(Arc<str>, Utf8Bytes),
    /// The end of the operation with this id.
    Complete(Arc<str>),
}

/// The result of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// The frame is in the queue.
    Taken,
    /// The queue has no room now.
    Full,
    /// The socket is gone.
    Gone,
}

impl Frame {
    /// Returns the approximate size in bytes.
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Next(id, payload, _) | Self::Error(id, payload) => message::size(id, payload),
            Self::Complete(id) => message::size(id, ""),
        }
    }
}

/// A frame with its room in the queue. Dropping it frees the room.
pub(super) struct Queued {
    /// The frame.
    frame: Frame,
    /// Cancelled when the frame's operation is stopped. Then the frame is not written.
    stop: Option<CancellationToken>,
    room: Room,
}

/// The room of a frame in the queue.
pub(super) struct Room {
    _bytes: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Queued {
    /// Returns whether the frame's operation still runs.
    pub(super) fn is_wanted(&self) -> bool {
        self.stop.as_ref().is_none_or(|stop| !stop.is_cancelled())
    }

    /// Returns the frame as a message of `graphql-transport-ws`, and its room, to be kept until it is written.
    pub(super) fn into_text(self) -> (Utf8Bytes, Room) {
        let text = match self.frame {
            Frame::Text(text) => text,
            Frame::Next(id, payload, _) => message::next(&id, &payload),
            Frame::Error(id, errors) => message::error(&id, &errors),
            Frame::Complete(id) => message::complete(&id),
        };
        (text, self.room)
    }

    /// Returns the frame, for other transports.
    pub(super) fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl Sender {
    /// Waits until there is any room. A sender that calls this before it makes a frame holds no frame while the queue
    /// is full.
    pub(super) async fn ready(&self) -> bool {
        self.room.acquire().await.is_ok()
    }

    /// Waits for room and queues a text. Returns `false` if the socket is gone.
    pub(super) async fn send(&self, text: Utf8Bytes) -> bool {
        self.push(Frame::Text(text), None).await
    }

    /// Waits for room and queues a frame. If `stop` is cancelled before the frame is written, it is dropped. Returns
    /// `false` if the socket is gone.
    pub(super) async fn push(&self, frame: Frame, stop: Option<CancellationToken>) -> bool {
        let room = Arc::clone(&self.room).acquire_many_owned(room_for(&frame)).await;
        let (Ok(room), Ok(slot)) = (room, self.frames.reserve().await) else { return false };
        slot.send(self.queued(frame, stop, room));
        true
    }

    /// Queues a frame if there is room, without waiting. See [`Self::push`].
    pub(super) fn offer(&self, frame: Frame, stop: &CancellationToken) -> Offer {
        let room = match Arc::clone(&self.room).try_acquire_many_owned(room_for(&frame)) {
            Ok(room) => room,
            Err(TryAcquireError::NoPermits) => return Offer::Full,
            Err(TryAcquireError::Closed) => return Offer::Gone,
        };
        match self.frames.try_send(self.queued(frame, Some(stop.clone()), room)) {
            Ok(()) => Offer::Taken,
            Err(TrySendError::Full(_)) => Offer::Full,
            Err(TrySendError::Closed(_)) => Offer::Gone,
        }
    }

    fn queued(&self, frame: Frame, stop: Option<CancellationToken>, room: OwnedSemaphorePermit) -> Queued {
        let bytes = i64::try_from(frame.size()).unwrap_or(i64::MAX);
        Queued { frame, stop, room: Room { _bytes: room, _counted: Counted::new(&self.buffered, bytes) } }
    }

    /// Waits until there may be room for a frame of this size. Returns `false` if the socket is gone.
    pub(super) async fn has_room_for(&self, bytes: usize) -> bool {
        let size = u32::try_from(bytes).unwrap_or(MAX_BYTES).min(MAX_BYTES);
        self.room.acquire_many(size).await.is_ok() && self.frames.reserve().await.is_ok()
    }
}

fn room_for(frame: &Frame) -> u32 {
    u32::try_from(frame.size()).unwrap_or(MAX_BYTES).min(MAX_BYTES)
}

impl Receiver {
    /// Waits for frames and takes several. Returns `false` if no more will come.
    pub(super) async fn take(&mut self, frames: &mut Vec<Queued>) -> bool {
        const HANDFUL: usize = 32;
        self.waiting.recv_many(frames, HANDFUL).await > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn text(bytes: usize) -> Utf8Bytes {
        "x".repeat(bytes).into()
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_given_back() {
        let (sender, mut receiver) = queue(&Gauge::default());
        for _ in 0..4 {
            assert!(sender.send(text(64 * 1024)).await);
        }
        assert_eq!(sender.send(text(1)).now_or_never(), None, "full");
        let mut frames = Vec::new();
        receiver.take(&mut frames).await;
        assert_eq!(sender.send(text(1)).now_or_never(), None, "taken but not yet written");
        frames.clear();
        assert_eq!(sender.send(text(1)).now_or_never(), Some(true));
    }

    #[tokio::test]
    async fn frames_are_bounded() {
        let (sender, _receiver) = queue(&Gauge::default());
        for _ in 0..MAX_FRAMES {
            assert!(sender.send(text(1)).await);
        }
        assert_eq!(sender.send(text(1)).now_or_never(), None);
    }

    #[tokio::test]
    async fn a_huge_frame_waits_for_an_empty_queue() {
        let (sender, mut receiver) = queue(&Gauge::default());
        assert!(sender.send(text(1)).await);
        let huge = sender.send(text(1024 * 1024));
        tokio::pin!(huge);
        assert_eq!(huge.as_mut().now_or_never(), None);
        let mut frames = Vec::new();
        receiver.take(&mut frames).await;
        frames.clear();
        assert!(huge.await);
    }

    #[tokio::test]
    async fn queue_offer_never_blocks_and_frames_on_write() {
        let (sender, mut receiver) = queue(&Gauge::default());
        let stop = CancellationToken::new();
        let next = |payload: Utf8Bytes| Frame::Next("a".into(), payload, None);
        assert_eq!(sender.offer(next("{}".into()), &stop), Offer::Taken);
        assert_eq!(sender.offer(next(text(MAX_BYTES as usize)), &stop), Offer::Full);
        let room = sender.has_room_for(MAX_BYTES as usize);
        tokio::pin!(room);
        assert_eq!(room.as_mut().now_or_never(), None);
        let mut frames = Vec::new();
        receiver.take(&mut frames).await;
        assert!(frames[0].is_wanted());
        stop.cancel();
        assert!(!frames[0].is_wanted());
        let (written, held) = frames.remove(0).into_text();
        assert_eq!(written, message::next("a", "{}"));
        assert_eq!(room.as_mut().now_or_never(), None, "not yet written");
        drop(held);
        assert!(room.await);
        drop(receiver);
        assert_eq!(sender.offer(next("{}".into()), &stop), Offer::Gone);
    }

    #[tokio::test]
    async fn a_sender_learns_that_the_socket_is_gone() {
        let (sender, receiver) = queue(&Gauge::default());
        assert!(sender.send(text(MAX_BYTES as usize)).await);
        let waiting = sender.send(text(1));
        tokio::pin!(waiting);
        assert_eq!(waiting.as_mut().now_or_never(), None);
        drop(receiver);
        assert!(!waiting.await);
    }
}
