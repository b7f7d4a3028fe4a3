//! One attempt to commit a batch: decide, raise the version, write, commit, publish, answer.
//!
//! Most attempts are optimistic: the batch is decided on the in-memory stock, and the version guard checks that this
//! was the current version. If another instance sells the same inventory, optimistic attempts would often be lost. So
//! for a while the desk locks the inventory's row first, follows the log, and then decides.
//!
//! On PostgreSQL a batch without companions is one statement: the guard, the keys, and all writes that depend on the
//! guard. If it fails, the next attempt uses separate statements.

use chrono::TimeDelta;
use sea_orm::{DbBackend, DbErr};

use super::{
    batch::DecidedBatch,
    change::Version,
    codes,
    companion::write_companions,
    coupon,
    desks::Desk,
    failure::{self, Failure},
    job::Job,
    read,
    state::Stock,
    write::{self, GuardOutcome},
};
use crate::{
    app::App,
    call::PastDeadline,
    error::{Fault, FaultResult},
    idempotency,
    store::{self, GuardedWrite, Tx},
};

/// Maximum error of this instance's clock in decisions about deadlines.
const TOLERANCE: TimeDelta = TimeDelta::milliseconds(100);
/// Maximum delay between the decision and the arrival of a single statement. A late decision is harmless, because
/// nothing was written in between. But another instance's clock may be behind by as much.
const LATE: TimeDelta = TimeDelta::seconds(1);

/// The result of an attempt.
pub(super) enum AttemptOutcome {
    /// Finished. These jobs are still to be decided.
    Answered(Vec<Job>),
    /// Another instance was first, or the clock was wrong: all jobs are decided again.
    Retry(Vec<Job>),
    /// A job that could not be written affects the decisions about others: each job is decided alone.
    Split(Vec<Job>),
}

/// Reasons why a batch was not committed.
enum CommitFailure {
    /// The version was not the stock's, or the clock was wrong.
    Retry,
    /// The batch must be split.
    Split(Vec<Job>),
    /// Nothing remains to be written.
    Empty,
    /// The database refused, and everything was rolled back.
    Fault(Fault),
    /// The result of the commit is unknown. It is not tried again, and the stock is read anew.
    Unknown(DbErr),
}

impl From<store::WriteError> for CommitFailure {
    fn from(error: store::WriteError) -> Self {
        match error {
            store::WriteError::DuplicateKey => Self::Retry,
            store::WriteError::NotWritten(error) => Self::Fault(error.into()),
            store::WriteError::Unknown(error) => Self::Unknown(error),
        }
    }
}

impl From<PastDeadline> for CommitFailure {
    /// The next round answers the abandoned job before the others are decided again.
    fn from(_: PastDeadline) -> Self {
        Self::Retry
    }
}

impl From<Fault> for CommitFailure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Desk {
    /// Runs one attempt. After a fault the in-memory stock may be wrong.
    pub(super) async fn attempt(
        &self,
        app: &App,
        memory: &mut Option<Stock>,
        batch: Vec<Job>,
        first: bool,
    ) -> Result<AttemptOutcome, (Vec<Job>, Failure)> {
        let tx = match self.prepare(app, memory).await {
            Ok(tx) => tx,
            Err(fault) => return Err((batch, fault.into())),
        };
        let stock = match self.loaded(app, memory).await {
            Ok(stock) => stock,
            Err(fault) => return Err((batch, fault.into())),
        };
        let mut decided = DecidedBatch::all(stock, batch, app.clock.now());
        if decided.is_idle() {
            return match self.is_current(app, tx.as_ref(), stock, &mut decided).await {
                Ok(true) => Ok(AttemptOutcome::Answered(decided.answer())),
                Ok(false) => self.retry(app, memory, decided).await,
                Err(fault) => Err((decided.jobs(), fault.into())),
            };
        }
        let at_once = first && app.store.backend() == DbBackend::Postgres && decided.is_plain();
        let written = if at_once {
            self.write_at_once(app, stock, &mut decided, tx).await
        } else {
            self.write(app, stock, &mut decided, tx).await
        };
        match written {
            Ok(version) => {
                stock.version = version.number;
                app.bus.announce(self.id, version.number);
                self.publish(app, version);
                Ok(AttemptOutcome::Answered(decided.answer()))
            }
            Err(CommitFailure::Empty) => Ok(AttemptOutcome::Answered(decided.answer())),
            Err(CommitFailure::Retry) => self.retry(app, memory, decided).await,
            Err(CommitFailure::Split(jobs)) => Ok(AttemptOutcome::Split(jobs)),
            Err(CommitFailure::Fault(Fault::Internal(source))) if decided.is_shared() => {
                // One of them may be what the database rejects. It must not fail the others.
                *memory = None;
                let jobs = decided.jobs();
                failure::log_split(self.id, &jobs, &source);
                Ok(AttemptOutcome::Split(jobs))
            }
            Err(CommitFailure::Fault(fault)) => Err((decided.jobs(), fault.into())),
            Err(CommitFailure::Unknown(error)) => Err((decided.jobs(), Failure::Unknown(error))),
        }
    }

    /// If another instance writes too, locks the inventory's row and follows its commits.
    async fn prepare(&self, app: &App, memory: &mut Option<Stock>) -> FaultResult<Option<Tx>> {
        if !self.is_contended() {
            return Ok(None);
        }
        let tx = app.store.begin_at_desk().await?;
        let version = write::lock_in_tx(&tx, self.id).await?;
        if memory.as_ref().is_some_and(|stock| stock.version != version) {
            self.follow(app, memory).await?;
        }
        Ok(Some(tx))
    }

    /// Returns whether refusals without any write were decided on the current version.
    async fn is_current(
        &self,
        app: &App,
        tx: Option<&Tx>,
        stock: &Stock,
        decided: &mut DecidedBatch,
    ) -> FaultResult<bool> {
        let db = app.store.read();
        if tx.is_none() && read::version(app, self.id).await? != stock.version {
            return Ok(false);
        }
        let used = idempotency::used(db, decided.refused_keys()).await?;
        decided.mark_used(&used);
        Ok(true)
    }

    /// Writes and commits the accepted jobs in one statement, or nothing.
    async fn write_at_once(
        &self,
        app: &App,
        stock: &Stock,
        decided: &mut DecidedBatch,
        tx: Option<Tx>,
    ) -> Result<Version, CommitFailure> {
        let used = idempotency::used(app.store.read(), decided.refused_keys()).await?;
        decided.mark_used(&used);
        let (now, asked) = (decided.at, app.clock.ask());
        let valid_times = app.clock.good_for(now, TOLERANCE, LATE);
        let change = stock.change_of(&decided.decisions());
        let script = write::script(self.id, stock, &change, now)?;
        let claims = coupon::claims(decided.decisions());
        let script = coupon::with_claims(script, &claims, codes::made(&claims));
        let script = idempotency::claim_all(script, decided.claims());
        let guard = write::guard(stock, &valid_times);
        decided.begin_commit()?;
        let guarded = match tx {
            Some(tx) => app.store.write_and_commit(tx, script, guard).await,
            None => app.store.write_at_desk(script, guard).await,
        };
        if !matches!(guarded, Ok(GuardedWrite { applied: true, .. }) | Err(store::WriteError::Unknown(_))) {
            decided.withdraw_commit();
        }
        let guarded = guarded?;
        app.clock.observe(asked, guarded.statement_time);
        if guarded.applied {
            return Ok(Version { number: stock.version + 1, change });
        }
        if valid_times.contains(&guarded.statement_time) {
            self.note_contention();
        }
        Err(CommitFailure::Retry)
    }

    /// Writes and commits the accepted jobs. Leaves out jobs that cannot be written.
    async fn write(
        &self,
        app: &App,
        stock: &mut Stock,
        decided: &mut DecidedBatch,
        tx: Option<Tx>,
    ) -> Result<Version, CommitFailure> {
        let tx = match tx {
            Some(tx) => tx,
            None => app.store.begin_at_desk().await.map_err(Fault::from)?,
        };
        let (now, asked) = (decided.at, app.clock.ask());
        match write::guard_in_tx(&tx, self.id, stock, now).await? {
            GuardOutcome::Lost => {
                self.note_contention();
                return Err(CommitFailure::Retry);
            }
            GuardOutcome::Passed(Some(database)) if app.clock.observe(asked, database).abs() > TOLERANCE => {
                return Err(CommitFailure::Retry);
            }
            GuardOutcome::Passed(_) => {}
        }
        let failures = write_companions(&tx, self.id, decided, now).await?;
        if !failures.is_empty() {
            *decided = std::mem::take(decided).without(stock, failures).map_err(CommitFailure::Split)?;
            if decided.is_idle() {
                return Err(CommitFailure::Empty);
            }
            write::recount_in_tx(&tx, self.id, stock).await?;
        }
        let change = stock.change_of(&decided.decisions());
        write::write_in_tx(&tx, self.id, stock, &change, now).await?;
        coupon::write_claims_in_tx(&tx, self.id, decided.decisions(), now).await?;
        let used = idempotency::used(&tx, decided.refused_keys()).await?;
        decided.mark_used(&used);
        decided.begin_commit()?;
        if let Err(error) = tx.commit().await {
            let error = store::WriteError::of_commit(error);
            if !matches!(error, store::WriteError::Unknown(_)) {
                decided.withdraw_commit();
            }
            return Err(error.into());
        }
        Ok(Version { number: stock.version + 1, change })
    }

    /// Reverts everything, follows the log, and returns all jobs to be decided again.
    async fn retry(
        &self,
        app: &App,
        memory: &mut Option<Stock>,
        decided: DecidedBatch,
    ) -> Result<AttemptOutcome, (Vec<Job>, Failure)> {
        if let Some(stock) = memory.as_mut() {
            decided.undo(stock);
        }
        let jobs = decided.jobs();
        match self.follow(app, memory).await {
            Ok(()) => Ok(AttemptOutcome::Retry(jobs)),
            Err(fault) => Err((jobs, fault.into())),
        }
    }
}
