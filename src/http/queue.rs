//! The frames that wait for one socket, bounded in number and in bytes.
//!
//! Whoever sends waits for room, so a client that reads slowly slows its own operations down and costs no more than
//! the queue. A single frame larger than the queue waits until it is empty and then has it for itself. What is sent to
//! many does not wait: it is offered, and what is not taken is made up for later.

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

/// Frames that may wait.
pub(super) const MAX_FRAMES: usize = 256;
/// Bytes that may wait.
pub(super) const MAX_BYTES: u32 = 256 * 1024;

/// Makes the two ends of a queue, whose bytes `buffered` counts.
pub(super) fn queue(buffered: &Gauge) -> (Sender, Receiver) {
    let (frames, waiting) = mpsc::channel(MAX_FRAMES);
    let room = Arc::new(Semaphore::new(MAX_BYTES as usize));
    (Sender { frames, room: room.clone(), buffered: buffered.clone() }, Receiver { waiting, room })
}

/// The end that operations hold.
#[derive(Clone)]
pub(super) struct Sender {
    frames: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
    buffered: Gauge,
}

/// The end that the writer holds.
pub(super) struct Receiver {
    waiting: mpsc::Receiver<Queued>,
    room: Arc<Semaphore>,
}

impl Drop for Receiver {
    /// Nothing will ever be written again: whoever waits for room learns it.
    fn drop(&mut self) {
        self.room.close();
    }
}

/// What is to be written.
pub(super) enum Frame {
    /// This text.
    Text(Utf8Bytes),
    /// A result of the operation with this id, and the version that it leads to, if it is one of a versioned stream. The
    /// payload may wait in many queues; the frame around it is made when it is written.
    Next(Arc<str>, Utf8Bytes, Option<i64>),
    /// The refusal of the operation with this id, which ends it: the errors, a JSON list.
    Error(Arc<str>, Utf8Bytes),
    /// The end of the operation with this id.
    Complete(Arc<str>),
}

/// What became of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    /// It will be written.
    Taken,
    /// There is no room for it now.
    Full,
    /// The socket is gone.
    Gone,
}

impl Frame {
    /// About how many bytes it is.
    fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Next(id, payload, _) | Self::Error(id, payload) => message::size(id, payload),
            Self::Complete(id) => message::size(id, ""),
        }
    }
}

/// A frame with the room it takes, given back when the frame is dropped.
pub(super) struct Queued {
    /// What to write.
    frame: Frame,
    /// The operation it belongs to; when that has been stopped the frame is no longer wanted.
    stop: Option<CancellationToken>,
    room: Room,
}

/// The room of a frame in its queue.
pub(super) struct Room {
    _bytes: OwnedSemaphorePermit,
    _counted: Counted,
}

impl Queued {
    /// Whether the client still wants it.
    pub(super) fn is_wanted(&self) -> bool {
        self.stop.as_ref().is_none_or(|stop| !stop.is_cancelled())
    }

    /// The frame as a message of `graphql-transport-ws`, and the room that it takes until it is written.
    pub(super) fn into_text(self) -> (Utf8Bytes, Room) {
        let text = match self.frame {
            Frame::Text(text) => text,
            Frame::Next(id, payload, _) => message::next(&id, &payload),
            Frame::Error(id, errors) => message::error(&id, &errors),
            Frame::Complete(id) => message::complete(&id),
        };
        (text, self.room)
    }

    /// What to write, for transports with another form of messages.
    pub(super) fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl Sender {
    /// Waits until there is any room. Whoever asks before making its next frame keeps no frame waiting while the
    /// queue is full.
    pub(super) async fn ready(&self) -> bool {
        self.room.acquire().await.is_ok()
    }

    /// Waits for room and queues a frame. False when the socket is gone.
    pub(super) async fn send(&self, text: Utf8Bytes) -> bool {
        self.push(Frame::Text(text), None).await
    }

    /// Waits for room and queues a frame, which is dropped unwritten if `stop` is cancelled before its turn comes. False
    /// when the socket is gone.
    pub(super) async fn push(&self, frame: Frame, stop: Option<CancellationToken>) -> bool {
        let room = Arc::clone(&self.room).acquire_many_owned(room_for(&frame)).await;
        let (Ok(room), Ok(slot)) = (room, self.frames.reserve().await) else { return false };
        slot.send(self.queued(frame, stop, room));
        true
    }

    /// Queues a frame if there is room for it, without waiting; see [`Self::push`].
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

    /// Waits until an offer of a frame of this size may be taken. False when the socket is gone.
    pub(super) async fn has_room_for(&self, bytes: usize) -> bool {
        let size = u32::try_from(bytes).unwrap_or(MAX_BYTES).min(MAX_BYTES);
        self.room.acquire_many(size).await.is_ok() && self.frames.reserve().await.is_ok()
    }
}

fn room_for(frame: &Frame) -> u32 {
    u32::try_from(frame.size()).unwrap_or(MAX_BYTES).min(MAX_BYTES)
}

impl Receiver {
    /// Waits for frames and takes all that are there, up to a handful. False when no more will come.
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
    async fn an_offer_never_waits_and_what_is_taken_is_framed_when_it_is_written() {
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
