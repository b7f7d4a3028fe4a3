//! The desk: one task per inventory that is being sold in this process.
//!
//! While one commit is in flight, the next jobs pile up; the desk then decides them all against its memory and commits
//! them in one transaction behind the version guard. Nobody is answered before the commit. When another instance was
//! first, the guard fails: the desk follows the log and decides again.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use entity::InventoryId;
use futures_util::FutureExt;
use tokio::{
    sync::{broadcast, oneshot},
    time::{Instant, timeout},
};
use tracing::Instrument;

use super::{
    fallback_read::{self, FallbackReader},
    batch::Job,
    change::Version,
    command::Command,
    commit::AttemptOutcome,
    transaction::{IdempotencyClaim, Companion, TransactionError},
    failure::{self, Failure},
    pace::Pace,
    queue::{self, JobSender, SendError, JobReceiver},
    read,
    state::{ReservationSnapshot, Stock},
};
use crate::{
    app::App,
    call::Call,
    error::{Fault, Faulty},
    threads::DedicatedRuntime,
};

/// How often a batch is decided again because another instance was first.
pub(super) const ATTEMPTS: u32 = 12;
/// Versions that a slow subscriber may lag before it is sent back to the log.
const FEED: usize = 512;
/// For how long after another instance's write the desk takes the inventory's row before it decides.
const CONTENDED: Duration = Duration::from_secs(5);
/// A desk without jobs or subscribers ends after this.
const IDLE: Duration = Duration::from_mins(2);
/// Log rows followed at once; a desk that is further behind reads the whole stock.
const FOLLOW: u64 = 1_000;

/// The desks of this process, on threads of their own: a commit is a chain of round trips to the database, and must not
/// queue behind a thousand requests after each of them.
pub(crate) struct Desks {
    open: Mutex<HashMap<InventoryId, Arc<Desk>>>,
    runtime: DedicatedRuntime,
}

impl Default for Desks {
    fn default() -> Self {
        Self { open: Mutex::default(), runtime: DedicatedRuntime::small("tessera-desk") }
    }
}

/// One inventory's desk.
pub(crate) struct Desk {
    pub(super) id: InventoryId,
    pub(super) stock: tokio::sync::Mutex<Option<Stock>>,
    /// For readers, while the stock is held for long.
    fallback: FallbackReader,
    pace: Pace,
    /// The last version that was told here.
    published: AtomicI64,
    /// Until when another instance is believed to write too.
    contended: Mutex<Option<Instant>>,
    queue: JobSender,
    pub(super) feed: broadcast::Sender<Arc<Version>>,
}

impl Desks {
    /// The inventory's desk, started if there is none.
    pub(crate) fn get(&self, app: &App, id: InventoryId) -> Arc<Desk> {
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
                self.runtime.spawn(&app.tasks, desk.clone().run(app.clone(), jobs));
                entry.insert(desk).clone()
            }
        }
    }

    /// The inventory's desk, if it is open.
    pub(crate) fn find(&self, id: InventoryId) -> Option<Arc<Desk>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// The desks that are open now.
    pub(crate) fn open(&self) -> Vec<Arc<Desk>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Closes the desk if nobody but its task and this map knows it.
    fn close_if_unused(&self, desk: &Arc<Desk>) -> bool {
        let mut desks = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock nobody can get another handle: two are the map's and the task's own. Whoever queued a job and
        // let go of its handle meanwhile is still waiting for the answer.
        let unused = Arc::strong_count(desk) <= 2 && desk.feed.receiver_count() == 0 && desk.queue.is_empty();
        if unused {
            desks.remove(&desk.id);
        }
        unused
    }
}

impl Desk {
    /// Queues the commands, and answers after their commit, or when there is no time left for it.
    pub(super) async fn ask(
        &self,
        app: &App,
        commands: Vec<Command>,
        companion: Option<Companion>,
        key: Option<IdempotencyClaim>,
    ) -> Result<Vec<ReservationSnapshot>, TransactionError> {
        let (reply, answer) = oneshot::channel();
        let call = Call::part(app.config.documents.mutation_time());
        self.queue.send(Job { commands, companion, key, call, reply }).map_err(|error| match error {
            SendError::Full => TransactionError::Fault(Fault::Overloaded { retry_after_ms: app.jitter(500, 2_000) }),
            SendError::Closed => TransactionError::Fault(Fault::unavailable()),
        })?;
        answer.await.unwrap_or_else(|_| Err(TransactionError::Fault(Fault::unavailable())))
    }

    /// Listens to the versions committed from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Version>> {
        self.feed.subscribe()
    }

    /// Looks at the current stock, loading it if need be. `known` is a version that the reader knows of, so that nobody is
    /// sent into the past; if the log does not know it either, the current stock it is.
    ///
    /// If the desk holds the stock for long, looks at what is committed without it.
    pub(crate) async fn read<T>(&self, app: &App, known: i64, look: impl FnOnce(&Stock) -> T) -> Faulty<T> {
        let Ok(mut stock) = timeout(fallback_read::PATIENCE, self.stock.lock()).await else {
            let stock = self.fallback.read(app, self.id, known.max(self.published_version())).await?;
            return Ok(look(&stock));
        };
        self.fallback.forget();
        if stock.as_ref().is_some_and(|stock| stock.version < known) {
            self.follow(app, &mut stock).await?;
        }
        Ok(look(self.loaded(app, &mut stock).await?))
    }

    /// Follows what other instances committed, at least to `version`. If the desk is in the middle of an attempt, leaves
    /// that to the next look at what others wrote: one inventory must not hold up the others.
    pub(crate) async fn catch_up(&self, app: &App, version: i64) -> Faulty<()> {
        let Ok(mut stock) = timeout(fallback_read::PATIENCE, self.stock.lock()).await else { return Ok(()) };
        if stock.as_ref().is_some_and(|stock| stock.version >= version) {
            return Ok(());
        }
        self.follow(app, &mut stock).await?;
        self.loaded(app, &mut stock).await.map(|_| ())
    }

    /// How many jobs wait for the next batch.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Which inventory's desk this is.
    pub(crate) fn id(&self) -> InventoryId {
        self.id
    }

    async fn run(self: Arc<Self>, app: App, mut jobs: JobReceiver) {
        loop {
            let batch = tokio::select! {
                batch = jobs.batch() => batch,
                () = app.drained.cancelled() => jobs.rest(),
                () = tokio::time::sleep(IDLE) => {
                    if app.desks.close_if_unused(&self) {
                        break;
                    }
                    continue;
                }
            };
            if batch.is_empty() {
                break;
            }
            if AssertUnwindSafe(self.work(&app, batch)).catch_unwind().await.is_err() {
                // A bug of ours: those who asked are told to come back, and the database knows what is.
                tracing::error!(inventory = %self.id.0, "a desk panicked");
                *self.stock.lock().await = None;
            }
        }
    }

    /// Decides and commits the batch, and answers every job in it.
    async fn work(&self, app: &App, batch: Vec<Job>) {
        let mut batches = VecDeque::from([batch]);
        let (mut rounds, mut lost) = (0, 0);
        while let Some(batch) = batches.pop_front() {
            let batch = self.in_time(batch);
            if batch.is_empty() {
                continue;
            }
            let begun = Instant::now();
            let outcome = {
                let mut memory = self.stock.lock().await;
                let outcome = self.observed(app, &mut memory, batch, rounds == 0).await;
                if outcome.is_err() {
                    // Whatever the memory says now, the database knows better.
                    *memory = None;
                }
                outcome
            };
            let again = match outcome {
                Ok(AttemptOutcome::Answered(left)) => {
                    self.pace.succeed();
                    batches.push_back(left);
                    continue;
                }
                Ok(AttemptOutcome::Split(jobs)) => {
                    batches.extend(jobs.into_iter().map(|job| vec![job]));
                    continue;
                }
                Ok(AttemptOutcome::Retry(again)) if lost < ATTEMPTS => {
                    lost += 1;
                    again
                }
                Ok(AttemptOutcome::Retry(jobs)) => {
                    failure::give_up_lost(self.id, jobs);
                    continue;
                }
                // As long as there is time. When the server stops, there is none.
                Err((again, Failure::Fault(Fault::Unavailable { .. }))) if !app.drained.is_cancelled() => {
                    self.pace.fail(begun, Instant::now());
                    again
                }
                Err((jobs, failure)) => {
                    failure::give_up_failed(self.id, jobs, &failure);
                    continue;
                }
            };
            app.metrics.desk_retries.inc();
            batches.push_front(again);
            // Not while holding the stock: others may read it meanwhile.
            if rounds > 0 {
                tokio::time::sleep(Duration::from_millis(app.jitter(0, 2 << rounds.min(7)))).await;
            }
            rounds += 1;
        }
    }

    /// The jobs for which there is time for another attempt. The others are answered.
    fn in_time(&self, batch: Vec<Job>) -> Vec<Job> {
        let now = Instant::now();
        let expected = self.pace.expected(now);
        let is_in_time = |job: &Job| job.call.has_time_for(expected, now) && job.call.check().is_ok();
        if batch.iter().all(is_in_time) {
            return batch;
        }
        let (batch, late) = batch.into_iter().partition(is_in_time);
        failure::give_up_late(self.id, late);
        batch
    }

    /// One try, which metrics and traces see.
    #[expect(clippy::cast_precision_loss, reason = "a batch has at most 512 jobs")]
    async fn observed(
        &self,
        app: &App,
        memory: &mut Option<Stock>,
        batch: Vec<Job>,
        first: bool,
    ) -> Result<AttemptOutcome, (Vec<Job>, Failure)> {
        let (jobs, begun) = (batch.len(), Instant::now());
        let span = tracing::info_span!(parent: None, "desk commit", inventory = %self.id.0, jobs);
        let outcome = self.attempt(app, memory, batch, first).instrument(span).await;
        app.metrics.desk_batch.observe(jobs as f64);
        app.metrics.desk_commit.observe(begun.elapsed().as_secs_f64());
        outcome
    }

    /// Another instance writes to this inventory too.
    pub(super) fn note_contention(&self) {
        let mut until = self.contended.lock().unwrap_or_else(PoisonError::into_inner);
        *until = Some(Instant::now() + CONTENDED);
    }

    /// Whether another instance wrote to this inventory a moment ago.
    pub(super) fn is_contended(&self) -> bool {
        let until = self.contended.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| Instant::now() < until)
    }

    /// Tells everybody who watches here.
    pub(super) fn publish(&self, app: &App, version: Version) {
        app.origins.learn(&version.change, app.clock.now());
        self.published.store(version.number, Relaxed);
        // No receiver is no fault: nobody is watching.
        let _ = self.feed.send(Arc::new(version));
    }

    /// The last version that was told here.
    pub(crate) fn published_version(&self) -> i64 {
        self.published.load(Relaxed)
    }

    pub(super) async fn loaded<'a>(&self, app: &App, memory: &'a mut Option<Stock>) -> Faulty<&'a mut Stock> {
        if let Some(stock) = memory.take() {
            return Ok(memory.insert(stock));
        }
        let stock = read::load(app, self.id).await?;
        let published = self.published.swap(stock.version, Relaxed);
        if published != 0 && published < stock.version {
            // What happened in between was not told here: everybody looks anew.
            self.publish(app, Version::of_everything(stock.version));
        }
        Ok(memory.insert(stock))
    }

    /// Brings the memory to the current version by the log, or, where that is not possible, forgets it.
    pub(super) async fn follow(&self, app: &App, memory: &mut Option<Stock>) -> Faulty<()> {
        let Some(mut stock) = memory.take() else { return Ok(()) };
        let Some(changes) = read::changes_after(app, self.id, stock.version, FOLLOW).await? else {
            return Ok(());
        };
        if changes.len() as u64 == FOLLOW {
            return Ok(());
        }
        if !changes.is_empty() {
            self.note_contention();
        }
        for (number, change) in changes {
            stock.follow(number, &change);
            if change.terms {
                // Newer than this version at worst, and then a later change says so again.
                stock.terms = read::terms(app, self.id).await?;
            }
            self.publish(app, Version { number, change });
        }
        *memory = Some(stock);
        Ok(())
    }
}
