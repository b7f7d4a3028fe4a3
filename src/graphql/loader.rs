//! Batched reads. The objects that a list's nodes refer to are read once per list, not once per node.
//!
//! Loaders batch, and never cache beyond their request. A batch starts when all of the operation's resolvers wait, and
//! runs in the operation's own task. On another thread it could start too early and miss resolvers that were about to
//! request something. Then a list of twenty would by chance need more statements than a list of two.
//!
//! An operation that merely yields does not wait yet. The library resolves lists of more than thirty items with
//! `FuturesUnordered`, which yields after every other item.

use std::{
    collections::HashMap,
    future::poll_fn,
    hash::Hash,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

use async_graphql::dataloader::{DataLoader, Loader};
use futures_util::{
    Stream, StreamExt,
    future::BoxFuture,
    stream::{self, FuturesUnordered},
    task::AtomicWaker,
};

use super::{budget::Budget, long_text::LongTexts};
use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, FaultResult},
};

/// The loaders of one request.
pub(crate) struct Loaders {
    /// Reads in batches. Each key type is one kind of read.
    pub(crate) batch: DataLoader<Batch>,
    /// The operation's budget. Once it is stopped or exhausted, nothing is read.
    budget: Budget,
}

/// The context of a batched read.
pub(crate) struct Batch {
    pub(crate) app: App,
    pub(crate) viewer: Viewer,
    /// Charged with the bytes that are read.
    pub(crate) budget: Budget,
    /// The long texts that were read.
    pub(crate) texts: LongTexts,
}

/// The batches that an operation's resolvers have requested. The caller must run the operation through this value;
/// otherwise no batch starts.
#[must_use]
pub struct Batches {
    asked: Asked,
    running: FuturesUnordered<BoxFuture<'static, ()>>,
}

type Asked = Arc<Mutex<Vec<BoxFuture<'static, ()>>>>;

impl Batches {
    /// Runs a query or a mutation.
    pub async fn run<T>(mut self, operation: impl Future<Output = T>) -> T {
        let mut operation = pin!(operation);
        let yields = Arc::new(Yields::default());
        poll_fn(|context| {
            loop {
                let polled = yields.until_waiting(context, |context| operation.as_mut().poll(context));
                if polled.is_ready() || !self.go_on(context) {
                    return polled;
                }
            }
        })
        .await
    }

    /// Runs a subscription.
    pub fn run_stream<T>(mut self, mut messages: impl Stream<Item = T> + Unpin) -> impl Stream<Item = T> {
        let yields = Arc::new(Yields::default());
        stream::poll_fn(move |context| {
            loop {
                let polled = yields.until_waiting(context, |context| messages.poll_next_unpin(context));
                if polled.is_ready() || !self.go_on(context) {
                    return polled;
                }
            }
        })
    }

    /// Starts the requested batches and polls them. Returns whether some are done, so that resolvers can continue. All
    /// resolvers that waited for one batch continue together, so their next requests form one batch again.
    fn go_on(&mut self, context: &mut Context<'_>) -> bool {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
        self.running.extend(asked);
        let mut is_done = false;
        while let Poll::Ready(Some(())) = self.running.poll_next_unpin(context) {
            is_done = true;
        }
        is_done
    }
}

/// How often an operation may yield before other tasks are scheduled.
const YIELDS_MAX: usize = 1_000;

/// The waker of an operation. It distinguishes an operation that yields from one that waits.
#[derive(Default)]
struct Yields {
    is_woken: AtomicBool,
    task: AtomicWaker,
}

impl Yields {
    /// Polls until the future is ready or waits for another task.
    fn until_waiting<T>(
        self: &Arc<Self>,
        context: &Context<'_>,
        mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        let waker = Waker::from(self.clone());
        for _ in 0..YIELDS_MAX {
            self.task.register(context.waker());
            self.is_woken.store(false, Ordering::Relaxed);
            let polled = poll(&mut Context::from_waker(&waker));
            if polled.is_ready() || !self.is_woken.load(Ordering::Acquire) {
                return polled;
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Wake for Yields {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl std::fmt::Debug for Batches {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Batches").finish_non_exhaustive()
    }
}

impl Loaders {
    pub(crate) fn new(app: &App, viewer: &Viewer, budget: Budget) -> (Self, Batches) {
        let asked = Asked::default();
        let batches = Batches { asked: asked.clone(), running: FuturesUnordered::new() };
        let batch =
            Batch { app: app.clone(), viewer: *viewer, budget: budget.clone(), texts: LongTexts::default() };
        let ask = move |batch| asked.lock().unwrap_or_else(PoisonError::into_inner).push(batch);
        (Self { batch: DataLoader::new(batch, ask).delay(Duration::ZERO), budget }, batches)
    }

    /// Returns the value of one key. It is read together with all keys that are requested at the same time.
    pub(crate) async fn one<K>(&self, key: K) -> FaultResult<Option<<Batch as Loader<K>>::Value>>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Batch: Loader<K, Error = Shared>,
    {
        self.budget.check().map_err(|_| Fault::unavailable())?;
        self.batch.load_one(key).await.map_err(|fault| unshare(&fault))
    }
}

impl Loaders {
    /// Returns the values of several keys, batched in the same way. Keys without a value are missing from the map.
    pub(crate) async fn many<K>(&self, keys: Vec<K>) -> FaultResult<HashMap<K, <Batch as Loader<K>>::Value>>
    where
        K: Send + Sync + Hash + Eq + Clone + 'static,
        Batch: Loader<K, Error = Shared>,
    {
        self.budget.check().map_err(|_| Fault::unavailable())?;
        self.batch.load_many(keys).await.map_err(|fault| unshare(&fault))
    }
}

impl std::fmt::Debug for Loaders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaders").finish_non_exhaustive()
    }
}

/// A batch's failure, shared by all its callers.
pub(crate) type Shared = Arc<Fault>;

/// Converts the shared failure to one that a single caller can own.
pub(crate) fn unshare(fault: &Shared) -> Fault {
    match &**fault {
        Fault::Unavailable { retry_after_ms } => Fault::Unavailable { retry_after_ms: *retry_after_ms },
        Fault::Unauthenticated => Fault::Unauthenticated,
        Fault::RateLimited { retry_after_ms } => Fault::RateLimited { retry_after_ms: *retry_after_ms },
        fault @ (Fault::Invalid(_)
        | Fault::NotFound(_)
        | Fault::NotFoundAt(..)
        | Fault::Stale(_)
        | Fault::IdempotencyMismatch
        | Fault::Forbidden(_)
        | Fault::Overloaded { .. }
        | Fault::TooManyGuesses { .. }
        | Fault::TimedOut { .. }
        | Fault::Internal(_)) => Fault::internal(format!("a batch read failed: {fault:?}")),
    }
}

/// Maps rows by their ids.
pub(crate) fn keyed<K: std::hash::Hash + Eq, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, V> {
    rows.into_iter().map(|row| (key(&row), row)).collect()
}

/// Groups rows by a key. Each group keeps the order of the rows.
pub(crate) fn grouped<K: std::hash::Hash + Eq, V>(rows: Vec<V>, key: impl Fn(&V) -> K) -> HashMap<K, Vec<V>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}
