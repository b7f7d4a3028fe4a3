//! Subscriptions that are executed once for all their subscribers.
//!
//! Subscribers with the same document and variables share a [topic] if the response does not depend on the caller. Each
//! change is executed and serialised once; only the frame with the operation's id differs by client. While a topic has
//! members, it has a [driver]. The driver puts each payload directly into the sockets' queues, batch by batch, and
//! yields to other tasks between the batches. If changes arrive faster than they can be delivered, the driver pauses
//! after each payload, and the changes of the pause are merged into one delta.
//!
//! Slow readers do not delay others. A member whose queue is full leaves the live members. When the queue has room
//! again, the member [catches up](member) by one payload over all that it missed. A new subscriber catches up in the
//! same way. A payload for this purpose is made once for all members that need it.
//!
//! The module is independent of seats. The resolvers report through a [`Progress`](crate::graphql::progress::Progress)
//! which versions a payload covers.

mod driver;
mod member;
mod recent;
mod topic;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_graphql::parser::types::OperationType;
use serde_json::Value;

use self::{member::Member, recent::Position, topic::Topic};
use super::{operation::Engine, prepared::Prepared, queue::Sender, session::Operation};
use crate::{
    graphql::cacheability::shared::After,
    telemetry::{Counted, Metrics},
};

/// A subscription that can be shared.
pub(super) struct SharedSubscription {
    /// Identifies the topic: the document and the variables.
    key: Arc<str>,
    /// The version that the client has.
    position: Position,
}

/// Returns the shared form of a subscription, or `None` if it cannot be shared. Replaces the variable with the client's
/// version by a neutral value.
pub(super) fn shared_subscription(prepared: &mut Prepared) -> Option<SharedSubscription> {
    if prepared.document.kind != OperationType::Subscription {
        return None;
    }
    let position = match &prepared.document.clone().shared.as_ref()?.after {
        After::Absent => Position::Empty,
        After::Literal(value) => claimed(Some(&value.clone().into_json().ok()?))?,
        After::Variable(name) => {
            let position = claimed(prepared.variables.get(name))?;
            // The window carries the version. The variable keeps a valid value.
            prepared.variables.insert(name.clone(), Value::from(0));
            position
        }
    };
    let params = &prepared.params;
    let key = serde_json::to_string(&(&params.query, &params.operation_name, &prepared.variables)).ok()?;
    Some(SharedSubscription { key: key.into(), position })
}

impl SharedSubscription {
    /// Replaces the client's version by the one that the transport reports, if any.
    pub(super) fn resumed(self, version: Option<i64>) -> Self {
        Self { position: version.map_or(self.position, Position::Claimed), ..self }
    }
}

/// Reads the client's version from a variable. Returns `None` for an invalid value, which the library then refuses.
fn claimed(value: Option<&Value>) -> Option<Position> {
    match value {
        None | Some(Value::Null) => Some(Position::Empty),
        Some(value) => value.as_i64().map(Position::Claimed),
    }
}

/// Joins a topic. Returns when the operation is a live member, or has ended. A live member stays until its operation
/// ends.
pub(super) async fn join(
    subscriptions: Subscriptions,
    prepared: Prepared,
    SharedSubscription { key, position }: SharedSubscription,
    operation: Operation,
    sender: Sender,
) {
    let metrics = &subscriptions.engine.app.metrics;
    let membership = subscriptions.hub.join(key, prepared.anonymous(), metrics);
    let (topic, number) = (membership.topic.clone(), membership.number);
    operation.watch(membership);
    member::catch_up(subscriptions, topic, Member { number, operation, sender, position }).await;
}

/// What executes the operations of sockets and event streams: the engine, with the shared subscriptions.
#[derive(Clone)]
pub(super) struct Subscriptions {
    /// The engine.
    pub engine: Engine,
    hub: Arc<Hub>,
}

impl Subscriptions {
    /// Returns the engine without any subscriptions.
    pub(super) fn new(engine: Engine) -> Self {
        Self { engine, hub: Arc::default() }
    }
}

/// The topics that have members.
#[derive(Default)]
struct Hub(Mutex<HashMap<Arc<str>, Entry>>);

struct Entry {
    topic: Arc<Topic>,
    /// The number of members, including those that are not live.
    members: usize,
    /// The number of the newest member.
    last: u64,
    _counted: Counted,
}

impl Hub {
    /// Adds a member to the topic. Creates the topic if necessary.
    fn join(self: &Arc<Self>, key: Arc<str>, prepared: Prepared, metrics: &Metrics) -> Membership {
        let mut topics = self.lock();
        let watched = topics.entry(key).or_insert_with_key(|key| Entry {
            topic: Arc::new(Topic::new(key.clone(), prepared)),
            members: 0,
            last: 0,
            _counted: Counted::one(&metrics.topics),
        });
        watched.members += 1;
        watched.last += 1;
        Membership {
            hub: self.clone(),
            topic: watched.topic.clone(),
            number: watched.last,
            _counted: Counted::one(&metrics.subscriptions),
        }
    }

    /// Removes a topic that has ended. The next subscriber creates a new one.
    fn remove(&self, topic: &Arc<Topic>) {
        let mut topics = self.lock();
        if topics.get(&topic.key).is_some_and(|watched| Arc::ptr_eq(&watched.topic, topic)) {
            topics.remove(&topic.key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An operation's membership of a topic. Dropping it removes the member; the topic ends with its last member.
struct Membership {
    hub: Arc<Hub>,
    topic: Arc<Topic>,
    number: u64,
    _counted: Counted,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.topic.forget(self.number);
        // Race: joining takes the same lock, so a new subscriber never finds a topic that is ending.
        let mut topics = self.hub.lock();
        let Some(watched) = topics.get_mut(&self.topic.key) else { return };
        if !Arc::ptr_eq(&watched.topic, &self.topic) {
            return;
        }
        watched.members -= 1;
        if watched.members == 0 {
            topics.remove(&self.topic.key);
            self.topic.stop.cancel();
        }
    }
}
