//! One operation in a topic, and how it catches up with the topic.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;

use super::{
    Subscriptions, driver,
    recent::{CatchUp, Follow, Payload, Position, Recent, is_ahead},
    topic::{AdmitOutcome, Ending, Topic},
};
use crate::http::{
    answer,
    queue::{Frame, Offer, Sender},
    session::Operation,
    subscriber_frame,
};

/// A member of a topic.
pub(super) struct Member {
    /// Unique within the topic.
    pub number: u64,
    /// The operation of its socket.
    pub operation: Operation,
    /// The queue of its socket.
    pub sender: Sender,
    /// The version that the client has.
    pub position: Position,
}

/// How far the kept payloads bring a member.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advance {
    /// To the topic's version, which is this one.
    UpToDate(i64),
    /// The queue has no room for the next payload, which has this many bytes.
    Full(usize),
    /// To a version that no kept payload follows. The member needs this.
    Behind(CatchUp),
    /// The socket is gone.
    Gone,
}

impl Member {
    /// Queues all kept payloads that follow the member's version.
    pub(super) fn advance(&mut self, recent: &Recent, now: Instant) -> Advance {
        loop {
            let payload = match recent.follow(self.position, now) {
                Follow::Next(payload) => payload,
                Follow::Behind(needed) => return Advance::Behind(needed),
                Follow::UpToDate => {
                    return match self.position.version() {
                        Some(version) => {
                            self.position = Position::Confirmed(version);
                            Advance::UpToDate(version)
                        }
                        None => Advance::Behind(CatchUp::Snapshot),
                    };
                }
            };
            match self.sender.offer(self.frame(payload), self.operation.stop()) {
                Offer::Taken => self.position = Position::Confirmed(payload.version),
                Offer::Full => return Advance::Full(payload.text.len()),
                Offer::Gone => return Advance::Gone,
            }
        }
    }

    fn frame(&self, payload: &Payload) -> Frame {
        Frame::Next(self.operation.id().clone(), payload.text.clone(), Some(payload.version))
    }

    /// Waits for room and queues a frame. Returns `false` if the socket is gone.
    async fn send(&self, frame: Frame) -> bool {
        self.sender.push(frame, Some(self.operation.stop().clone())).await
    }

    /// Sends the end of the topic to the client.
    async fn end(&self, ending: Ending) {
        let id = self.operation.id().clone();
        let last = match ending {
            Ending::Complete => Frame::Complete(id),
            Ending::Refused(errors) => Frame::Error(id, errors),
            Ending::Failed(payload) => {
                self.send(Frame::Next(id.clone(), payload, None)).await;
                Frame::Complete(id)
            }
        };
        subscriber_frame::end(&self.operation, &self.sender, last).await;
    }
}

/// Sends a member what it misses, at the speed of its socket. Returns when the member is live or its operation has
/// ended.
pub(super) async fn catch_up(subscriptions: Subscriptions, topic: Arc<Topic>, member: Member) {
    let (stop, id, sender) =
        (member.operation.stop().clone(), member.operation.id().clone(), member.sender.clone());
    let work = AssertUnwindSafe(follow(&subscriptions, &topic, member)).catch_unwind();
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        done = work => if done.is_err() {
            tracing::error!("an operation panicked while it caught up");
            sender.push(subscriber_frame::refused(&id, &answer::internal()), None).await;
        }
    }
}

/// Sends the end of the topic to a member that was live.
pub(super) async fn dismiss(member: Member, ending: Ending) {
    let stop = member.operation.stop().clone();
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = member.end(ending) => {}
    }
}

async fn follow(subscriptions: &Subscriptions, topic: &Arc<Topic>, mut member: Member) {
    loop {
        let (needed, flight);
        (member, needed, flight) = match topic.admit(member) {
            AdmitOutcome::Live(begin) => {
                if let Some(version) = begin {
                    driver::start(subscriptions, topic, version);
                }
                return;
            }
            AdmitOutcome::Gone => return,
            AdmitOutcome::Ended(member, ending) => return member.end(ending).await,
            AdmitOutcome::Full(back, bytes) => {
                if !back.sender.has_room_for(bytes).await {
                    return;
                }
                member = back;
                continue;
            }
            AdmitOutcome::Behind(member, needed, flight) => (member, needed, flight),
        };
        // Make no payload for a member without room in its queue.
        if !member.sender.ready().await {
            return;
        }
        let made = driver::fetch(&subscriptions.engine, topic, needed, &flight).await;
        let made = match (made, member.position) {
            // Race: the snapshot's version decides what follows the version that the client reports.
            (Ok(snapshot), Position::Claimed(version)) if needed == CatchUp::Snapshot => {
                if version == snapshot.version {
                    member.position = Position::Confirmed(version);
                    continue;
                }
                // If this instance is behind the one that sent the version, it reads what it has missed.
                if version < snapshot.version || is_ahead(version, snapshot.version) {
                    let needed = CatchUp::Between(version, snapshot.version);
                    driver::fetch(&subscriptions.engine, topic, needed, &topic.flight(needed)).await
                } else {
                    Ok(snapshot)
                }
            }
            (made, _) => made,
        };
        match made {
            Ok(payload) => {
                if !member.send(member.frame(&payload)).await {
                    return;
                }
                member.position = Position::Confirmed(payload.version);
            }
            Err(errors) => return member.end(Ending::Refused(errors)).await,
        }
    }
}
