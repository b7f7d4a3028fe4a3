//! One operation that takes part in a topic, and how it is brought up to where the topic stands.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use futures_util::FutureExt;

use super::{
    driver,
    recent::{Follow, Have, Payload, Recent, Want},
    topic::{Admission, Ending, Topic},
};
use crate::http::{
    answer,
    operation::Engine,
    queue::{Frame, Offer, Sender},
    session::Operation,
    subscriber,
};

/// A subscriber of a topic.
pub(super) struct Member {
    /// Unique within the topic.
    pub number: u64,
    /// The operation of its socket.
    pub operation: Operation,
    /// The queue of its socket.
    pub sender: Sender,
    /// What it was sent.
    pub have: Have,
}

/// How far a member got with what is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Advance {
    /// To the end; it has this version.
    Here(i64),
    /// There is no room for the next payload, which has this size.
    Full(usize),
    /// To a version from which nothing that is kept leads on.
    Behind(Want),
    /// The socket is gone.
    Gone,
}

impl Member {
    /// Offers the member all that follows what it has.
    pub(super) fn advance(&mut self, recent: &Recent, now: Instant) -> Advance {
        loop {
            let payload = match recent.follow(self.have, now) {
                Follow::Next(payload) => payload,
                Follow::Behind(want) => return Advance::Behind(want),
                Follow::Here => {
                    return match self.have.version() {
                        Some(version) => {
                            self.have = Have::Version(version);
                            Advance::Here(version)
                        }
                        None => Advance::Behind(Want::Snapshot),
                    };
                }
            };
            match self.sender.offer(self.frame(payload), self.operation.stop()) {
                Offer::Taken => self.have = Have::Version(payload.version),
                Offer::Full => return Advance::Full(payload.text.len()),
                Offer::Gone => return Advance::Gone,
            }
        }
    }

    fn frame(&self, payload: &Payload) -> Frame {
        Frame::Next(self.operation.id().clone(), payload.text.clone(), Some(payload.version))
    }

    /// Waits for room and sends. False when the socket is gone.
    async fn send(&self, frame: Frame) -> bool {
        self.sender.push(frame, Some(self.operation.stop().clone())).await
    }

    /// Tells the client that it is over.
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
        subscriber::end(&self.operation, &self.sender, last).await;
    }
}

/// Brings a member up to where the topic stands, as fast as its socket takes it, until it is in the ranks or its operation
/// has ended.
pub(super) async fn bring_up(engine: Engine, topic: Arc<Topic>, member: Member) {
    let (stop, id, sender) =
        (member.operation.stop().clone(), member.operation.id().clone(), member.sender.clone());
    let work = AssertUnwindSafe(follow(&engine, &topic, member)).catch_unwind();
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        done = work => if done.is_err() {
            tracing::error!("a shared operation panicked");
            sender.push(subscriber::refused(&id, &answer::internal()), None).await;
        }
    }
}

/// Tells a member that its topic is over.
pub(super) async fn dismiss(member: Member, ending: Ending) {
    let stop = member.operation.stop().clone();
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        () = member.end(ending) => {}
    }
}

async fn follow(engine: &Engine, topic: &Arc<Topic>, mut member: Member) {
    loop {
        let (want, flight);
        (member, want, flight) = match topic.admit(member) {
            Admission::Live(begin) => {
                if let Some(version) = begin {
                    driver::start(engine, topic, version);
                }
                return;
            }
            Admission::Gone => return,
            Admission::Ended(member, ending) => return member.end(ending).await,
            Admission::Full(back, bytes) => {
                if !back.sender.has_room_for(bytes).await {
                    return;
                }
                member = back;
                continue;
            }
            Admission::Behind(member, want, flight) => (member, want, flight),
        };
        // Nothing is made for one who could not take it.
        if !member.sender.ready().await {
            return;
        }
        let made = driver::fetch(engine, topic, want, &flight).await;
        let made = match (made, member.have) {
            // Now it can be said what follows the version that the client says it has.
            (Ok(snapshot), Have::Claimed(version)) if want == Want::Snapshot => {
                if version == snapshot.version {
                    member.have = Have::Version(version);
                    continue;
                }
                if version < snapshot.version {
                    let want = Want::Between(version, snapshot.version);
                    driver::fetch(engine, topic, want, &topic.flight(want)).await
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
                member.have = Have::Version(payload.version);
            }
            Err(errors) => return member.end(Ending::Refused(errors)).await,
        }
    }
}
