//! Hints between instances that an inventory has a new version. The change log is the truth. A hint only says when to
//! read it, so hints may be lost, duplicated or late.
//!
//! Hints are collected and sent after the commit, outside its transaction. A `NOTIFY` inside the transaction would make
//! all commits of the database wait for one lock.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use entity::InventoryId;
use futures_util::{StreamExt, future::BoxFuture, stream, stream::BoxStream};
use sea_orm::{DbBackend, DbErr, RuntimeErr};
use tokio::sync::{Notify, broadcast};
use uuid::Uuid;

use crate::{
    error::{Fault, FaultResult},
    store::{Rows, Store},
};

/// Pause between two rounds of sending. Versions committed meanwhile become one hint per inventory.
const PACE: Duration = Duration::from_millis(10);
/// Hints that an in-process listener may lag behind before it receives [`BusEvent::Missed`].
const LAG: usize = 1_024;
/// PostgreSQL's notification channel.
const CHANNEL: &str = "tessera_inventory";

/// A hint: the inventory has at least this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hint {
    /// The inventory.
    pub(crate) inventory: InventoryId,
    /// The version.
    pub(crate) version: i64,
}

/// An event that a listener receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BusEvent {
    /// An inventory has a new version.
    Hint(Hint),
    /// Hints may have been lost: read the versions of all inventories.
    Missed,
}

/// A transport of hints. A stream ends when its connection breaks. Each new stream begins with [`BusEvent::Missed`].
pub(crate) trait Transport: Send + Sync {
    /// Sends the hints to all instances, including this one.
    fn send(&self, hints: Vec<Hint>) -> BoxFuture<'_, FaultResult<()>>;
    /// Returns a stream of the hints from now on.
    fn listen(&self) -> BoxFuture<'_, FaultResult<BoxStream<'static, BusEvent>>>;
}

/// Collects hints and sends them.
pub(crate) struct Bus {
    transport: Box<dyn Transport>,
    gathered: Mutex<HashMap<InventoryId, i64>>,
    pending: Notify,
}

impl Bus {
    /// Creates the bus for the database. PostgreSQL transports hints itself. On SQLite there is only one process.
    pub(crate) fn new(store: &Store) -> Self {
        if store.backend() == DbBackend::Postgres {
            Self::with_transport(Box::new(Postgres(store.clone())))
        } else {
            Self::with_transport(Box::new(InProcess(broadcast::Sender::new(LAG))))
        }
    }

    fn with_transport(transport: Box<dyn Transport>) -> Self {
        Self { transport, gathered: Mutex::default(), pending: Notify::new() }
    }

    /// Queues a hint for all instances. Never waits.
    pub(crate) fn announce(&self, inventory: InventoryId, version: i64) {
        let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        let known = gathered.entry(inventory).or_insert(version);
        *known = version.max(*known);
        drop(gathered);
        self.pending.notify_one();
    }

    /// Waits for hints and sends those collected. Drops hints that cannot be sent: instances also poll the versions.
    pub(crate) async fn send(&self) -> FaultResult<()> {
        self.pending.notified().await;
        let hints: Vec<Hint> = {
            let mut gathered = self.gathered.lock().unwrap_or_else(PoisonError::into_inner);
            gathered.drain().map(|(inventory, version)| Hint { inventory, version }).collect()
        };
        let sent = if hints.is_empty() { Ok(()) } else { self.transport.send(hints).await };
        tokio::time::sleep(PACE).await;
        sent
    }

    /// Returns a stream of the announcements of all instances from now on.
    pub(crate) async fn listen(&self) -> FaultResult<BoxStream<'static, BusEvent>> {
        self.transport.listen().await
    }
}

/// The transport within one process.
struct InProcess(broadcast::Sender<Hint>);

impl Transport for InProcess {
    fn send(&self, hints: Vec<Hint>) -> BoxFuture<'_, FaultResult<()>> {
        for hint in hints {
            // An error means that nobody listens.
            let _ = self.0.send(hint);
        }
        Box::pin(async { Ok(()) })
    }

    fn listen(&self) -> BoxFuture<'_, FaultResult<BoxStream<'static, BusEvent>>> {
        let hints = self.0.subscribe();
        let events = stream::unfold(hints, |mut hints| async move {
            match hints.recv().await {
                Ok(hint) => Some((BusEvent::Hint(hint), hints)),
                Err(broadcast::error::RecvError::Lagged(_)) => Some((BusEvent::Missed, hints)),
                Err(broadcast::error::RecvError::Closed) => None,
            }
        });
        Box::pin(async move { Ok(starting_with_missed(events)) })
    }
}

/// The transport by `LISTEN` and `NOTIFY`.
struct Postgres(Store);

impl Transport for Postgres {
    fn send(&self, hints: Vec<Hint>) -> BoxFuture<'_, FaultResult<()>> {
        const NOTIFY: &str = "SELECT pg_notify($1, r.hint) FROM {rows} AS r";
        let rows = Rows::default().text("hint", hints.iter().map(write));
        Box::pin(async move { Ok(self.0.ask(rows, NOTIFY, vec![CHANNEL.into()]).await?) })
    }

    fn listen(&self) -> BoxFuture<'_, FaultResult<BoxStream<'static, BusEvent>>> {
        Box::pin(async {
            let moved = self.0.moved();
            let listener = self
                .0
                .listen(CHANNEL)
                .await
                .map_err(|error| Fault::from(DbErr::Conn(RuntimeErr::SqlxError(error.into()))))?;
            let events = stream::unfold(listener, |mut listener| async move {
                // `None`: the connection is lost, and hints with it.
                let event = read(&listener.next().await?).map_or(BusEvent::Missed, BusEvent::Hint);
                Some((event, listener))
            });
            // Stop listening to a server that is no longer the primary.
            Ok(starting_with_missed(events.take_until(moved)))
        })
    }
}

/// Prepends [`BusEvent::Missed`]: a new listener does not know the earlier hints.
fn starting_with_missed(
    events: impl futures_util::Stream<Item = BusEvent> + Send + 'static,
) -> BoxStream<'static, BusEvent> {
    stream::once(async { BusEvent::Missed }).chain(events).boxed()
}

fn write(hint: &Hint) -> String {
    format!("{} {}", hint.inventory.0.simple(), hint.version)
}

fn read(text: &str) -> Option<Hint> {
    let (inventory, version) = text.split_once(' ')?;
    Some(Hint { inventory: InventoryId(Uuid::parse_str(inventory).ok()?), version: version.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hint(inventory: u128, version: i64) -> Hint {
        Hint { inventory: InventoryId(Uuid::from_u128(inventory)), version }
    }

    #[test]
    fn hints_are_written_and_read() {
        assert_eq!(read(&write(&hint(7, 41))), Some(hint(7, 41)));
        for bad in ["", "x", "7 x", "00000000000000000000000000000007"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[tokio::test]
    async fn latest_version_of_each_inventory_is_sent_once() {
        let bus = Bus::with_transport(Box::new(InProcess(broadcast::Sender::new(LAG))));
        let mut events = bus.listen().await.expect("listening");
        assert_eq!(
            events.next().await,
            Some(BusEvent::Missed),
            "a new listener has missed the earlier hints"
        );
        bus.announce(hint(1, 0).inventory, 5);
        bus.announce(hint(2, 0).inventory, 1);
        bus.announce(hint(1, 0).inventory, 4);
        bus.send().await.expect("sent");
        let mut events = [events.next().await, events.next().await];
        events.sort_by_key(|event| match event {
            Some(BusEvent::Hint(hint)) => hint.inventory.0.as_u128(),
            _ => 0,
        });
        assert_eq!(events, [Some(BusEvent::Hint(hint(1, 5))), Some(BusEvent::Hint(hint(2, 1)))]);
    }

    #[tokio::test]
    async fn lagging_listener_receives_missed() {
        let bus = Bus::with_transport(Box::new(InProcess(broadcast::Sender::new(1))));
        let mut events = bus.listen().await.expect("listening");
        events.next().await;
        bus.announce(hint(1, 0).inventory, 1);
        bus.announce(hint(2, 0).inventory, 1);
        bus.send().await.expect("sent");
        assert_eq!(events.next().await, Some(BusEvent::Missed));
    }
}
