//! The desk: one task per inventory that is sold in this process.
//!
//! While a commit is running, the next jobs queue up. The desk then decides all of them against its in-memory stock and
//! commits them in one transaction behind the version guard. Callers are answered after the commit. If another instance
//! was first, the guard fails, and the desk follows the log and decides again.

use std::{
    collections::VecDeque,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use entity::InventoryId;
use futures_util::FutureExt;
use tokio::{
    sync::oneshot,
    time::{Instant, timeout},
};
use tracing::Instrument;

use super::{
    change::Version,
    command::Command,
    commit::AttemptOutcome,
    desks::Desk,
    failure::{self, Failure},
    fallback_read,
    job::{IdempotencyClaim, Job, JobCompanion, JobError, TransactionError},
    queue::{JobReceiver, SendError},
    read,
    state::{ReservationSnapshot, Stock},
};
use crate::{
    app::App,
    call::Call,
    error::{Fault, FaultResult},
};

/// How often a batch is decided again because another instance was first.
pub(super) const ATTEMPTS: u32 = 12;
/// Time after which a desk without jobs and subscribers ends.
const IDLE: Duration = Duration::from_mins(2);
/// Maximum number of log rows to follow. If there are more, the desk reads the whole stock.
const FOLLOW: u64 = 1_000;

/// Returns the inventory's desk, and starts it if necessary.
pub(super) fn get(app: &App, id: InventoryId) -> Arc<Desk> {
    let run = |desk: Arc<Desk>, jobs| desk.run(app.clone(), jobs);
    app.inventory.desks.get_or_open(&app.tasks, id, run)
}

impl Desk {
    /// Queues the commands. Returns after their commit, or when they run out of time.
    pub(super) async fn ask(
        &self,
        app: &App,
        commands: Vec<Command>,
        companion: Option<JobCompanion>,
        key: Option<IdempotencyClaim>,
    ) -> Result<Vec<ReservationSnapshot>, JobError> {
        let (reply, answer) = oneshot::channel();
        let call = Call::part(app.config.documents.mutation_time());
        self.queue.send(Job { commands, companion, key, call, reply }).map_err(|error| match error {
            SendError::Full => {
                TransactionError::Fault(Fault::Overloaded { retry_after_ms: app.jitter(500, 2_000) })
            }
            SendError::Closed => TransactionError::Fault(Fault::unavailable()),
        })?;
        answer.await.unwrap_or_else(|_| Err(TransactionError::Fault(Fault::unavailable())))
    }

    /// Applies `look` to the current stock, and loads it if necessary. The stock has at least version `known`, so that
    /// no reader goes back in time, unless the log does not know that version either.
    ///
    /// If the desk keeps the stock locked for long, uses the last committed state instead.
    pub(crate) async fn read<T>(
        &self,
        app: &App,
        known: i64,
        look: impl FnOnce(&Stock) -> T,
    ) -> FaultResult<T> {
        let Ok(mut stock) = timeout(fallback_read::PATIENCE, self.stock.lock()).await else {
            let stock = {
                let known = known.max(self.published_version());
                self.fallback.read(known, || read::version(app, self.id), || read::load(app, self.id)).await?
            };
            return Ok(look(&stock));
        };
        self.fallback.forget();
        if stock.as_ref().is_some_and(|stock| stock.version < known) {
            self.follow(app, &mut stock).await?;
        }
        Ok(look(self.loaded(app, &mut stock).await?))
    }

    /// Follows the commits of other instances, at least to `version`. If the desk is in the middle of an attempt, skips
    /// this until the next poll: one inventory must not delay the others.
    pub(crate) async fn catch_up(&self, app: &App, version: i64) -> FaultResult<()> {
        let Ok(mut stock) = timeout(fallback_read::PATIENCE, self.stock.lock()).await else { return Ok(()) };
        if stock.as_ref().is_some_and(|stock| stock.version >= version) {
            return Ok(());
        }
        self.follow(app, &mut stock).await?;
        self.loaded(app, &mut stock).await.map(|_| ())
    }

    async fn run(self: Arc<Self>, app: App, mut jobs: JobReceiver) {
        loop {
            let batch = tokio::select! {
                batch = jobs.batch() => batch,
                () = app.drained.cancelled() => jobs.rest(),
                () = tokio::time::sleep(IDLE) => {
                    if app.inventory.desks.close_if_unused(&self) {
                        break;
                    }
                    continue;
                }
            };
            if batch.is_empty() {
                break;
            }
            if AssertUnwindSafe(self.work(&app, batch)).catch_unwind().await.is_err() {
                // A bug: the callers get an error, and the stock is read again from the database.
                tracing::error!(inventory = %self.id.0, "a desk panicked");
                *self.stock.lock().await = None;
            }
        }
    }

    /// Decides and commits the batch, and answers all its jobs.
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
                let outcome = self.measured_attempt(app, &mut memory, batch, rounds == 0).await;
                if outcome.is_err() {
                    // Drop the cached stock: it may no longer match the database.
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
                    failure::answer_lost(self.id, jobs);
                    continue;
                }
                // Retry while there is time. During shutdown there is none.
                Err((again, Failure::Fault(Fault::Unavailable { .. }))) if !app.drained.is_cancelled() => {
                    self.pace.fail(begun, Instant::now());
                    again
                }
                Err((jobs, failure)) => {
                    failure::answer_failed(self.id, jobs, &failure);
                    continue;
                }
            };
            app.metrics.desk_retries.inc();
            batches.push_front(again);
            // Sleep without the lock on the stock, so that others can read it.
            if rounds > 0 {
                tokio::time::sleep(Duration::from_millis(app.jitter(0, 2 << rounds.min(7)))).await;
            }
            rounds += 1;
        }
    }

    /// Returns the jobs that have time for another attempt, and answers the others.
    fn in_time(&self, batch: Vec<Job>) -> Vec<Job> {
        let now = Instant::now();
        let expected = self.pace.expected(now);
        let is_in_time = |job: &Job| job.call.has_time_for(expected, now) && job.call.check().is_ok();
        if batch.iter().all(is_in_time) {
            return batch;
        }
        let (batch, late) = batch.into_iter().partition(is_in_time);
        failure::answer_late(self.id, late);
        batch
    }

    /// Runs one attempt with metrics and a trace span.
    #[expect(clippy::cast_precision_loss, reason = "a batch has at most 512 jobs")]
    async fn measured_attempt(
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

    /// Publishes the version to the subscribers of this process.
    pub(super) fn publish(&self, app: &App, version: Version) {
        app.inventory.origins.learn(&version.change, app.clock.now());
        self.published.store(version.number, Relaxed);
        // An error means that there are no subscribers.
        let _ = self.feed.send(Arc::new(version));
    }

    pub(super) async fn loaded<'a>(
        &self,
        app: &App,
        memory: &'a mut Option<Stock>,
    ) -> FaultResult<&'a mut Stock> {
        if let Some(stock) = memory.take() {
            return Ok(memory.insert(stock));
        }
        let stock = read::load(app, self.id).await?;
        let published = self.published.swap(stock.version, Relaxed);
        if published != 0 && published < stock.version {
            // The versions in between were not published here: subscribers must read everything again.
            self.publish(app, Version::of_everything(stock.version));
        }
        Ok(memory.insert(stock))
    }

    /// Updates the in-memory stock from the log. If that is impossible, drops the stock.
    pub(super) async fn follow(&self, app: &App, memory: &mut Option<Stock>) -> FaultResult<()> {
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
                // The terms may be newer than this version. Then a later change makes them be read again.
                stock.set_terms(read::terms(app, self.id).await?);
            }
            self.publish(app, Version { number, change });
        }
        *memory = Some(stock);
        Ok(())
    }
}
