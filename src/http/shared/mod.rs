//! Streams that are run once for all who watch the same.
//!
//! Subscribers with the same document, the same variables and nothing of their own in the answer share a [topic]:
//! one execution and one serialised payload for each change, of which only the frame with the operation's id is each
//! client's. A topic has a [driver] while somebody watches. It hands a payload from rank to rank straight into the
//! sockets' queues, gives way to others between the ranks, and takes the next payload when all have been served and, where
//! there is more to tell than time, a rest is over; what is committed meanwhile comes as one delta.
//!
//! Nobody waits for a slow reader: one whose queue is full steps out of the ranks, and is [brought up](member) to where
//! the topic stands when it has room again, by one payload over all that it missed. Joining is the same thing: whoever
//! comes with no version or an old one is behind. What has to be made for those is made once for all who need the same.
//!
//! Nothing here is about seats: the resolvers say through a [`Progress`](crate::graphql::progress::Progress) which
//! versions a payload covers.

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

use self::{member::Member, recent::Have, topic::Topic};
use super::{
    operation::{Engine, Prepared},
    queue::Sender,
    session::Operation,
};
use crate::{
    graphql::cacheability::shared::After,
    telemetry::{Counted, Metrics},
};

/// What a subscription has in common with others, and what it has not.
pub(super) struct Common {
    /// The same for all who may share it.
    key: Arc<str>,
    /// What this client has.
    have: Have,
}

/// What a subscription has in common with others; none if it has to be run by itself. Where it begins is taken out of it.
pub(super) fn common(prepared: &mut Prepared) -> Option<Common> {
    if prepared.document.kind != OperationType::Subscription {
        return None;
    }
    let have = match &prepared.document.clone().shared.as_ref()?.after {
        After::Absent => Have::Nothing,
        After::Literal(value) => claimed(Some(&value.clone().into_json().ok()?))?,
        After::Variable(name) => {
            let have = claimed(prepared.variables.get(name))?;
            // The window says where it begins; the variable is left with a value that is good.
            prepared.variables.insert(name.clone(), Value::from(0));
            have
        }
    };
    let params = &prepared.params;
    let key = serde_json::to_string(&(&params.query, &params.operation_name, &prepared.variables)).ok()?;
    Some(Common { key: key.into(), have })
}

impl Common {
    /// The same for a client that has another version than its document says.
    pub(super) fn resumed(self, version: Option<i64>) -> Self {
        Self { have: version.map_or(self.have, Have::Claimed), ..self }
    }
}

/// A value that is no version is the library's to refuse.
fn claimed(value: Option<&Value>) -> Option<Have> {
    match value {
        None | Some(Value::Null) => Some(Have::Nothing),
        Some(value) => value.as_i64().map(Have::Claimed),
    }
}

/// Takes part in a shared subscription until its operation ends. Returns when the topic has the operation in its ranks,
/// or when that is over.
pub(super) async fn join(
    engine: Engine,
    prepared: Prepared,
    Common { key, have }: Common,
    operation: Operation,
    sender: Sender,
) {
    let membership = engine.hub.join(key, prepared.for_everybody(), &engine.app.metrics);
    let (topic, number) = (membership.topic.clone(), membership.number);
    operation.watch(membership);
    member::bring_up(engine, topic, Member { number, operation, sender, have }).await;
}

/// The topics that are watched.
#[derive(Default)]
pub(super) struct Hub(Mutex<HashMap<Arc<str>, Watched>>);

struct Watched {
    topic: Arc<Topic>,
    /// How many watch it, those not yet in its ranks included.
    members: usize,
    /// The last number given to a member.
    last: u64,
    _counted: Counted,
}

impl Hub {
    /// Becomes a member of the topic, which begins if there is none.
    fn join(self: &Arc<Self>, key: Arc<str>, prepared: Prepared, metrics: &Metrics) -> Membership {
        let mut topics = self.lock();
        let watched = topics.entry(key).or_insert_with_key(|key| Watched {
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

    /// The topic is over: whoever comes from now on begins a new one.
    fn remove(&self, topic: &Arc<Topic>) {
        let mut topics = self.lock();
        if topics.get(&topic.key).is_some_and(|watched| Arc::ptr_eq(&watched.topic, topic)) {
            topics.remove(&topic.key);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<str>, Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An operation's part in a topic. It leaves when this is dropped; with the last one, the topic ends.
pub(super) struct Membership {
    hub: Arc<Hub>,
    topic: Arc<Topic>,
    number: u64,
    _counted: Counted,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.topic.forget(self.number);
        // Race: whoever joins does so under the same lock, so a topic is either found alive or not at all.
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
