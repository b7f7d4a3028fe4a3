//! The desk: one task per inventory that is being sold in this process.
//!
//! While one commit is in flight, the next jobs pile up; the desk then decides them all against its memory and commits
//! them in one transaction behind the version guard. Nobody is answered before the commit. When another instance was
//! first, the guard fails: the desk follows the log and decides again.

use std::{
    collections::{HashMap, hash_map::Entry},
    panic::AssertUnwindSafe,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::Duration,
};

use entity::InventoryId;
use futures_util::FutureExt;
use tokio::sync::{
    broadcast,
    mpsc::{self, error::TrySendError},
    oneshot,
};

use super::{
    batch::{Decided, Good, Job, give_up},
    change::{Change, Version},
    deal::{Claim, Companion, NoDeal, accompany},
    decide::Command,
    read,
    state::{Held, Stock},
    write,
};
use crate::{
    app::App,
    error::{Fault, Faulty},
};

/// Jobs that may wait at one desk before callers are told to come back.
const QUEUE: usize = 4_096;
/// Jobs that one transaction commits at the most.
const BATCH: usize = 256;
/// How often a batch is decided again because another instance was first, or a lock was not to be had.
pub(super) const ATTEMPTS: u32 = 12;
/// Versions that a slow subscriber may lag before it is sent back to the log.
const FEED: usize = 512;
/// A desk without jobs or subscribers ends after this.
const IDLE: Duration = Duration::from_mins(2);
/// Log rows followed at once; a desk that is further behind reads the whole stock.
const FOLLOW: u64 = 1_000;

/// The desks of this process.
#[derive(Default)]
pub(crate) struct Desks(Mutex<HashMap<InventoryId, Arc<Desk>>>);

/// One inventory's desk.
pub(crate) struct Desk {
    pub(super) id: InventoryId,
    pub(super) stock: tokio::sync::Mutex<Option<Stock>>,
    /// The last version that was told here.
    told: AtomicI64,
    queue: mpsc::Sender<Job>,
    pub(super) feed: broadcast::Sender<Arc<Version>>,
}

/// What came of a try.
enum Tried {
    /// All jobs were answered but these.
    Answered(Vec<Job>),
    /// Another instance was first: all are decided again.
    GuardLost(Vec<Job>),
}

enum Written {
    Committed,
    GuardLost,
    /// The job at this index must be answered so; the others may be tried again.
    Unwritable(usize, NoDeal),
}

impl Desks {
    /// The inventory's desk, started if there is none.
    pub(crate) fn get(&self, app: &App, id: InventoryId) -> Arc<Desk> {
        let mut desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match desks.entry(id) {
            Entry::Occupied(desk) => desk.get().clone(),
            Entry::Vacant(entry) => {
                let (queue, jobs) = mpsc::channel(QUEUE);
                let (feed, _) = broadcast::channel(FEED);
                let desk = Arc::new(Desk {
                    id,
                    stock: tokio::sync::Mutex::default(),
                    told: AtomicI64::new(0),
                    queue,
                    feed,
                });
                app.spawn(desk.clone().run(app.clone(), jobs));
                entry.insert(desk).clone()
            }
        }
    }

    /// The desks that are open now.
    pub(crate) fn open(&self) -> Vec<Arc<Desk>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Closes the desk if nobody but its task and this map knows it.
    fn close_if_unused(&self, desk: &Arc<Desk>) -> bool {
        let mut desks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Under the lock nobody can get another handle: two are the map's and the task's own. Whoever queued a job and
        // let go of its handle meanwhile is still waiting for the answer.
        let queued = desk.queue.capacity() < desk.queue.max_capacity();
        let unused = Arc::strong_count(desk) <= 2 && desk.feed.receiver_count() == 0 && !queued;
        if unused {
            desks.remove(&desk.id);
        }
        unused
    }
}

impl Desk {
    /// Queues the commands, and answers after their commit.
    pub(super) async fn ask(
        &self,
        app: &App,
        commands: Vec<Command>,
        companion: Option<Companion>,
        key: Option<Claim>,
    ) -> Result<Vec<Held>, NoDeal> {
        let (reply, answer) = oneshot::channel();
        self.queue.try_send(Job { commands, companion, key, reply }).map_err(|error| match error {
            TrySendError::Full(_) => {
                NoDeal::Fault(Fault::Overloaded { retry_after_ms: app.jitter(500, 2_000) })
            }
            TrySendError::Closed(_) => NoDeal::Fault(Fault::Unavailable),
        })?;
        answer.await.unwrap_or(Err(NoDeal::Fault(Fault::Unavailable)))
    }

    /// Listens to the versions committed from now on.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Arc<Version>> {
        self.feed.subscribe()
    }

    /// Looks at the current stock, loading it if need be.
    pub(crate) async fn read<T>(&self, app: &App, look: impl FnOnce(&Stock) -> T) -> Faulty<T> {
        let mut stock = self.stock.lock().await;
        Ok(look(self.loaded(app, &mut stock).await?))
    }

    /// Follows what other instances committed.
    pub(crate) async fn catch_up(&self, app: &App) -> Faulty<()> {
        let mut stock = self.stock.lock().await;
        self.follow(app, &mut stock).await?;
        self.loaded(app, &mut stock).await.map(|_| ())
    }

    /// Which inventory's desk this is.
    pub(crate) fn id(&self) -> InventoryId {
        self.id
    }

    async fn run(self: Arc<Self>, app: App, mut jobs: mpsc::Receiver<Job>) {
        loop {
            let first = tokio::select! {
                job = jobs.recv() => job,
                () = app.drained.cancelled() => jobs.try_recv().ok(),
                () = tokio::time::sleep(IDLE) => {
                    if app.desks.close_if_unused(&self) { None } else { continue }
                }
            };
            let Some(first) = first else { break };
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Ok(job) = jobs.try_recv()
            {
                batch.push(job);
            }
            if AssertUnwindSafe(self.work(&app, batch)).catch_unwind().await.is_err() {
                // A bug of ours: those who asked are told to come back, and the database knows what is.
                tracing::error!(inventory = %self.id.0, "a desk panicked");
                *self.stock.lock().await = None;
            }
        }
    }

    /// Decides and commits the batch, and answers every job in it.
    async fn work(&self, app: &App, mut batch: Vec<Job>) {
        let mut lost = 0;
        while !batch.is_empty() {
            let tried = {
                let mut memory = self.stock.lock().await;
                let tried = self.attempt(app, &mut memory, batch).await;
                if tried.is_err() {
                    // Whatever the memory says now, the database knows better.
                    *memory = None;
                }
                tried
            };
            batch = match tried {
                Ok(Tried::Answered(left)) => {
                    batch = left;
                    continue;
                }
                Ok(Tried::GuardLost(again)) if lost < ATTEMPTS => again,
                Err((again, Fault::Unavailable)) if lost < ATTEMPTS => again,
                Ok(Tried::GuardLost(jobs)) => return give_up(jobs, &Fault::Unavailable),
                Err((jobs, fault)) => {
                    if let Fault::Internal(source) = &fault {
                        tracing::error!(inventory = %self.id.0, error = %source, "a batch failed");
                    }
                    return give_up(jobs, &fault);
                }
            };
            // Not while holding the stock: others may read it meanwhile.
            if lost > 0 {
                tokio::time::sleep(Duration::from_millis(app.jitter(0, 2 << lost.min(7)))).await;
            }
            lost += 1;
        }
    }

    /// One try.
    async fn attempt(
        &self,
        app: &App,
        memory: &mut Option<Stock>,
        batch: Vec<Job>,
    ) -> Result<Tried, (Vec<Job>, Fault)> {
        let stock = match self.loaded(app, memory).await {
            Ok(stock) => stock,
            Err(fault) => return Err((batch, fault)),
        };
        let mut decided = Decided::all(stock, batch, app.clock.now());
        if decided.is_idle() {
            // Nothing to write; but were the refusals decided upon the current version?
            return match read::version(app, self.id).await {
                Ok(version) if version == stock.version => Ok(Tried::Answered(decided.answer())),
                Ok(_) => self.again(app, memory, decided).await,
                Err(fault) => Err((decided.jobs(), fault)),
            };
        }
        let change = stock.change_of(&decided.decisions());
        match self.write(app, stock, &change, &decided.good).await {
            Ok(Written::Committed) => {
                stock.version += 1;
                self.tell(Version { number: stock.version, change });
                Ok(Tried::Answered(decided.answer()))
            }
            Ok(Written::GuardLost) => self.again(app, memory, decided).await,
            Ok(Written::Unwritable(index, no_deal)) => {
                decided.undo(stock);
                decided.good.remove(index).job.answer(Err(no_deal));
                // One fewer each time, so this ends.
                Ok(Tried::Answered(decided.jobs()))
            }
            Err(fault) => Err((decided.jobs(), fault)),
        }
    }

    /// Takes everything back, follows the log, and returns all jobs to be decided again.
    async fn again(
        &self,
        app: &App,
        memory: &mut Option<Stock>,
        decided: Decided,
    ) -> Result<Tried, (Vec<Job>, Fault)> {
        if let Some(stock) = memory.as_mut() {
            decided.undo(stock);
        }
        let jobs = decided.jobs();
        match self.follow(app, memory).await {
            Ok(()) => Ok(Tried::GuardLost(jobs)),
            Err(fault) => Err((jobs, fault)),
        }
    }

    /// Tells everybody who watches here.
    pub(super) fn tell(&self, version: Version) {
        self.told.store(version.number, Relaxed);
        // No receiver is no fault: nobody is watching.
        let _ = self.feed.send(Arc::new(version));
    }

    /// The last version that was told here.
    pub(crate) fn told(&self) -> i64 {
        self.told.load(Relaxed)
    }

    async fn write(&self, app: &App, stock: &Stock, change: &Change, decided: &[Good]) -> Faulty<Written> {
        let tx = app.store.begin().await?;
        let now = app.clock.now();
        if !write::write_in_tx(&tx, self.id, stock, change, now).await? {
            return Ok(Written::GuardLost);
        }
        for (index, job) in decided.iter().enumerate() {
            if let Some(no_deal) =
                accompany(&tx, job.job.key.as_ref(), job.job.companion.as_ref(), &job.held, now).await
            {
                return if matches!(no_deal, NoDeal::Fault(Fault::Unavailable)) {
                    Err(Fault::Unavailable)
                } else {
                    Ok(Written::Unwritable(index, no_deal))
                };
            }
        }
        // A commit that fails may have happened: it is not tried again, and the memory is read anew.
        tx.commit().await.map_err(Fault::internal)?;
        Ok(Written::Committed)
    }

    pub(super) async fn loaded<'a>(&self, app: &App, memory: &'a mut Option<Stock>) -> Faulty<&'a mut Stock> {
        if let Some(stock) = memory.take() {
            return Ok(memory.insert(stock));
        }
        let stock = read::load(app, self.id).await?;
        let told = self.told.swap(stock.version, Relaxed);
        if told != 0 && told < stock.version {
            // What happened in between was not told here: everybody looks anew.
            self.tell(Version::of_everything(stock.version));
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
        for (number, change) in changes {
            stock.follow(number, &change);
            if change.terms {
                // Newer than this version at worst, and then a later change says so again.
                stock.terms = read::terms(app, self.id).await?;
            }
            self.tell(Version { number, change });
        }
        *memory = Some(stock);
        Ok(())
    }
}
