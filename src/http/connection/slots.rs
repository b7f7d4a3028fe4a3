//! Limits of open connections, in total and per network.
//!
//! If all slots are taken, the connections that have waited longest for a request are closed. If all are busy, a few
//! more are accepted, which may only request the server's health.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Notify, time::timeout};

use super::{
    super::places::{Place, Places},
    activity::Activity,
};
use crate::auth::Network;

/// The default of connections in total. With 16 KiB each they use 256 MiB.
const MAX_BY_DEFAULT: usize = 16_384;
/// File descriptors besides connections and the database.
const OTHER_DESCRIPTORS: usize = 64;
/// File descriptors per database connection setting: three pools, or a file with its log and its index.
const DESCRIPTORS_PER_DATABASE_CONNECTION: usize = 4;
/// Connections that are evicted together, so that the table is not searched for each new connection.
const EVICTED_AT_ONCE: usize = 32;
/// The longest time that a new connection waits for an evicted one to close.
const EVICTION: Duration = Duration::from_millis(50);

/// The limits of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Connections without restriction.
    pub total: usize,
    /// Further connections for health checks.
    pub reserve: usize,
    /// Connections of one network.
    pub per_network: usize,
}

impl Limits {
    /// Returns the limits that fit into `descriptors` open files. `wanted` is the configured total.
    pub(super) fn fitting(descriptors: usize, database_connections: u32, wanted: Option<usize>) -> Self {
        let database = DESCRIPTORS_PER_DATABASE_CONNECTION
            .saturating_mul(usize::try_from(database_connections).unwrap_or(usize::MAX));
        let left = descriptors.saturating_sub(OTHER_DESCRIPTORS).saturating_sub(database).max(16);
        let reserve = (left / 16).clamp(8, 64);
        let total = wanted.unwrap_or(MAX_BY_DEFAULT).min(left - reserve).max(1);
        Self { total, reserve, per_network: usize::MAX }
    }
}

/// The open connections.
#[derive(Clone, Debug)]
pub(super) struct Slots(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    table: Mutex<Table>,
    networks: Places<Network>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Table {
    open: HashMap<u64, Arc<Activity>>,
    next: u64,
    /// Evicted connections that have not closed yet.
    going: usize,
}

/// The slot of an open connection. Dropping it frees the slot.
#[derive(Debug)]
pub(super) struct Slot {
    shared: Arc<Shared>,
    id: u64,
    /// The place in its network, if it counts for one.
    pub network: Option<Place<Network>>,
}

impl Slots {
    /// Returns slots without connections.
    pub(super) fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared {
            limits,
            table: Mutex::default(),
            networks: Places::default(),
            freed: Notify::new(),
        }))
    }

    /// Takes a slot for a new connection. If only reserved slots are left, the connection becomes a reserved one.
    /// Returns `None` if there is no slot.
    pub(super) async fn take(&self, activity: &Arc<Activity>) -> Option<Slot> {
        if let Some(slot) = self.try_take(activity) {
            return Some(slot);
        }
        // Evicted connections close when their tasks run.
        if self.0.table().going > 0 {
            let _ = timeout(EVICTION, self.0.freed.notified()).await;
        }
        self.try_take(activity)
    }

    fn try_take(&self, activity: &Arc<Activity>) -> Option<Slot> {
        let Limits { total, reserve, .. } = self.0.limits;
        let mut table = self.0.table();
        if table.open.len() - table.going >= total {
            table.evict();
        }
        if table.open.len() >= total + reserve {
            return None;
        }
        if table.open.len() - table.going >= total {
            activity.reserve();
        }
        let id = table.next;
        table.next += 1;
        table.open.insert(id, Arc::clone(activity));
        drop(table);
        Some(Slot { shared: Arc::clone(&self.0), id, network: None })
    }

    /// Counts a connection for its network. Returns `None` if the network has too many.
    pub(super) fn place(&self, network: Network) -> Option<Place<Network>> {
        self.0.networks.take(network, self.0.limits.per_network)
    }

    /// Closes connections that wait for a request, to free slots.
    pub(super) fn evict(&self) {
        self.0.table().evict();
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.shared.table();
        if table.open.remove(&self.id).is_some_and(|activity| activity.is_evicted()) {
            table.going -= 1;
        }
        drop(table);
        self.shared.freed.notify_one();
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Closes the connections that have waited longest for a request.
    fn evict(&mut self) {
        let mut waiting: Vec<_> =
            self.open.values().filter_map(|activity| Some((activity.waits_since()?, activity))).collect();
        if waiting.len() > EVICTED_AT_ONCE {
            waiting.select_nth_unstable_by_key(EVICTED_AT_ONCE, |(since, _)| *since);
            waiting.truncate(EVICTED_AT_ONCE);
        }
        self.going += waiting.len();
        for (_, activity) in &waiting {
            activity.evict();
        }
        if !waiting.is_empty() {
            tracing::info!(
                rule = "connections_total",
                evicted = waiting.len(),
                "closing idle connections to free slots"
            );
        }
    }
}

/// Raises the limit of open files as far as the system permits. Returns the limit.
#[cfg(target_os = "linux")]
pub(super) fn descriptors() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Returns a number of open files that every system permits.
#[cfg(not(target_os = "linux"))]
pub(super) fn descriptors() -> usize {
    256
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::connection::Timeouts;
    use tokio::time::Instant;

    fn activity() -> Arc<Activity> {
        Activity::new(Timeouts::DEFAULT, Instant::now())
    }

    fn slots() -> Slots {
        Slots::new(Limits { total: 2, reserve: 1, per_network: 1 })
    }

    #[test]
    fn limits_fit_into_the_open_files() {
        for (descriptors, wanted, total, reserve) in [
            (256, None, 150, 10),
            (1_024, None, 870, 58),
            (1_048_576, None, 16_384, 64),
            (1_048_576, Some(50_000), 50_000, 64),
            (1_024, Some(50_000), 870, 58),
            (1_024, Some(10), 10, 58),
            (0, None, 8, 8),
        ] {
            let limits = Limits::fitting(descriptors, 8, wanted);
            assert_eq!((limits.total, limits.reserve), (total, reserve), "{descriptors} {wanted:?}");
        }
    }

    #[tokio::test]
    async fn the_longest_waiting_connections_make_room() {
        let slots = slots();
        let (busy, idle, newcomer) = (activity(), activity(), activity());
        let _exchange = busy.begin(false, Instant::now());
        let _first = slots.take(&busy).await.expect("a slot");
        let _second = slots.take(&idle).await.expect("a slot");
        let _third = slots.take(&newcomer).await.expect("a slot");
        assert!(idle.is_evicted() && !busy.is_evicted() && !newcomer.is_reserved());
    }

    #[tokio::test]
    async fn if_all_are_busy_one_may_ask_for_health_and_no_more_come() {
        let slots = slots();
        let mut held = Vec::new();
        for reserved in [false, false, true] {
            let activity = activity();
            let exchange = activity.begin(false, Instant::now());
            held.push((slots.take(&activity).await.expect("a slot"), exchange));
            assert_eq!(activity.is_reserved(), reserved);
        }
        assert!(slots.take(&activity()).await.is_none());
        held.clear();
        assert!(slots.take(&activity()).await.is_some());
    }

    #[test]
    fn network_has_its_own_limit() {
        let slots = slots();
        let network = |text: &str| Network::of(text.parse().expect("an address"));
        let first = slots.place(network("192.0.2.1"));
        assert!(first.is_some() && slots.place(network("192.0.2.1")).is_none());
        assert!(slots.place(network("192.0.2.2")).is_some());
        drop(first);
        assert!(slots.place(network("192.0.2.1")).is_some());
    }
}
