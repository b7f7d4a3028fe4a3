//! The frames that wait for one socket, bounded in number and in bytes.
//!
//! Whoever sends waits for room, so a client that reads slowly slows its own operations down and costs no more than
//! the queue. A single frame larger than the queue waits until it is empty and then has it for itself.

use axum::extract::ws::Utf8Bytes;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

/// Frames that may wait.
pub(super) const MAX_FRAMES: usize = 256;
/// Bytes that may wait.
pub(super) const MAX_BYTES: u32 = 256 * 1024;

/// Makes the two ends of a queue.
pub(super) fn queue() -> (Sender, Receiver) {
    let (frames, waiting) = mpsc::channel(MAX_FRAMES);
    let room = Arc::new(Semaphore::new(MAX_BYTES as usize));
    (Sender { frames, room: room.clone() }, Receiver { waiting, room })
}

/// The end that operations hold.
#[derive(Clone)]
pub(super) struct Sender {
    frames: mpsc::Sender<Queued>,
    room: Arc<Semaphore>,
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

/// A frame with the room it takes, given back when the frame is dropped.
pub(super) struct Queued {
    /// The text.
    pub text: Utf8Bytes,
    /// The operation it belongs to; when that has been stopped the frame is no longer wanted.
    stop: Option<CancellationToken>,
    _room: OwnedSemaphorePermit,
}

impl Queued {
    /// Whether the client still wants it.
    pub(super) fn is_wanted(&self) -> bool {
        self.stop.as_ref().is_none_or(|stop| !stop.is_cancelled())
    }
}

impl Sender {
    /// Waits until there is any room. Whoever asks before making its next frame keeps no frame waiting while the
    /// queue is full.
    pub(super) async fn ready(&self) -> bool {
        self.room.acquire().await.is_ok()
    }

    /// Waits for room for a frame of this size. `None` when the socket is gone.
    pub(super) async fn reserve(&self, bytes: usize) -> Option<Place<'_>> {
        let size = u32::try_from(bytes).unwrap_or(MAX_BYTES).min(MAX_BYTES);
        let room = Arc::clone(&self.room).acquire_many_owned(size).await.ok()?;
        let slot = self.frames.reserve().await.ok()?;
        Some(Place { slot, room })
    }

    /// Waits for room and queues a frame. False when the socket is gone.
    pub(super) async fn send(&self, text: Utf8Bytes) -> bool {
        match self.reserve(text.len()).await {
            Some(place) => {
                place.fill(text, None);
                true
            }
            None => false,
        }
    }
}

/// Room in the queue for one frame.
pub(super) struct Place<'a> {
    slot: mpsc::Permit<'a, Queued>,
    room: OwnedSemaphorePermit,
}

impl Place<'_> {
    /// Queues the frame, which is dropped unwritten if `stop` is cancelled before its turn comes.
    pub(super) fn fill(self, text: Utf8Bytes, stop: Option<CancellationToken>) {
        self.slot.send(Queued { text, stop, _room: self.room });
    }
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
        let (sender, mut receiver) = queue();
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
        let (sender, _receiver) = queue();
        for _ in 0..MAX_FRAMES {
            assert!(sender.send(text(1)).await);
        }
        assert_eq!(sender.send(text(1)).now_or_never(), None);
    }

    #[tokio::test]
    async fn a_huge_frame_waits_for_an_empty_queue() {
        let (sender, mut receiver) = queue();
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
    async fn a_sender_learns_that_the_socket_is_gone() {
        let (sender, receiver) = queue();
        assert!(sender.send(text(MAX_BYTES as usize)).await);
        let waiting = sender.send(text(1));
        tokio::pin!(waiting);
        assert_eq!(waiting.as_mut().now_or_never(), None);
        drop(receiver);
        assert!(!waiting.await);
    }
}
