//! The open desks of this process, and the state of each. [`desk`](super::desk) has their work.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use entity::InventoryId;
use tokio::{sync::broadcast, time::Instant};
use tokio_util::task::TaskTracker;

use super::{
    change::Version,
    fallback_read::FallbackReader,
    pace::Pace,
    queue::{self, JobReceiver, JobSender},
    state::Stock,
};
use crate::threads::DedicatedRuntime;

/// Versions that a slow subscriber may lag behind before it must read the log.
const FEED: usize = 512;
/// How long after another instance's write the desk locks the inventory's row before it decides.
const CONTENDED: Duration = Duration::from_secs(5);
/// The desks of this process, on a runtime of their own: a commit is a chain of round trips to the database, and must
/// not wait behind a thousand requests after each of them.
pub(crate) struct Desks {
    open: Mutex<HashMap<InventoryId, Arc<Desk>>>,
    runtime: DedicatedRuntime,
}

impl Default for Desks {
    fn default() -> Self {
        Self { open: Mutex::default(), runtime: DedicatedRuntime::small("tessera-desk") }
    }
}

/// The desk of one inventory.
pub(crate) struct Desk {
    pub(super) id: InventoryId,
    pub(super) stock: tokio::sync::Mutex<Option<Stock>>,
    /// For readers, if the stock is locked for long.
    pub(super) fallback: FallbackReader,
    pub(super) pace: Pace,
    /// The last version published here; 0 before the first.
    pub(super) published: AtomicI64,
    /// Until when another instance is assumed to write, too.
    contended: Mutex<Option<Instant>>,
    pub(super) queue: JobSender,
    pub(super) feed: broadcast::Sender<Arc<Version>>,
}

impl Desks {
    /// Returns the inventory's desk. If it is not open, opens it, and spawns its task with `run`, which receives its
    /// jobs.
    pub(super) fn get_or_open<F: Future<Output = ()> + Send + 'static>(
        &self,
        tasks: &TaskTracker,
        id: InventoryId,
        run: impl FnOnce(Arc<Desk>, JobReceiver) -> F,
    ) -> Arc<Desk> {
        let mut desks = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        match desks.entry(id) {
            Entry::Occupied(desk) => desk.get().clone(),
            Entry::Vacant(entry) => {
                let (queue, jobs) = queue::queue();
                let (feed, _) = broadcast::channel(FEED);
                let desk = Arc::new(Desk {
                    id,
                    stock: tokio::sync::Mutex::default(),
                    fallback: FallbackReader::default(),
                    pace: Pace::default(),
                    published: AtomicI64::new(0),
                    contended: Mutex::default(),
                    queue,
                    feed,
                });
                self.runtime.spawn(tasks, run(desk.clone(), jobs));
                entry.insert(desk).clone()
            }
        }
    }

    /// Returns the inventory's desk, if it is open.
    pub(crate) fn find(&self, id: InventoryId) -> Option<Arc<Desk>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Returns the open desks.
    pub(crate) fn open(&self) -> Vec<Arc<Desk>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Closes the desk if only its task and this map have a handle.
    pub(super) fn close_if_unused(&self, desk: &Arc<Desk>) -> bool {
        let mut desks = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // No new handle can appear under the lock: two belong to the map and to the task. A caller that queued a job
        // and dropped its handle is still waiting for the answer.
        let unused = Arc::strong_count(desk) <= 2 && desk.feed.receiver_count() == 0 && desk.queue.is_empty();
        if unused {
            desks.remove(&desk.id);
        }
        unused
    }
}

impl Desk {
    /// Subscribes to the versions committed from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Version>> {
        self.feed.subscribe()
    }

    /// Returns the number of queued jobs.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Returns the desk's inventory.
    pub(crate) fn id(&self) -> InventoryId {
        self.id
    }

    /// Notes that another instance writes to this inventory, too.
    pub(super) fn note_contention(&self) {
        let mut until = self.contended.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + CONTENDED);
    }

    /// Returns whether another instance wrote to this inventory recently.
    pub(super) fn is_contended(&self) -> bool {
        let until = self.contended.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Returns the last version published here; 0 if there is none.
    pub(crate) fn published_version(&self) -> i64 {
        self.published.load(Relaxed)
    }
}
