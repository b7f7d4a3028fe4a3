//! Inventory transactions: commands for one or several inventories, and the writes that commit together with them.
//!
//! A transaction on one inventory is queued at its desk, which commits it together with others. A transaction on
//! several locks their stocks in ascending order of ids.

use std::any::Any;

use chrono::{DateTime, Utc};
use entity::InventoryId;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{
    batch::{AcceptedJob, DecidedBatch},
    change::Decision,
    codes,
    command::{Command, Refusal},
    decide::decide,
    multi_inventory,
    state::{ReservationSnapshot, Stock},
};
use crate::{
    app::App,
    error::{self, Error, Fault, FaultResult, Never},
    idempotency::{AttemptError, Key, KeyClaimError, claim_all_in_tx, disclaim_in_tx},
    store::{self, Tx},
};

/// Writes that commit together with the commands, unless they refuse. May run several times, each time in a new database
/// transaction.
pub(crate) type Companion<R = Never> = Box<
    dyn for<'a> Fn(&'a Tx, &'a [ReservationSnapshot]) -> BoxFuture<'a, error::Result<(), R>> + Send + Sync,
>;

/// A companion's refusal in a queue of jobs with companions of several slices.
pub(super) type AnyRefusal = Box<dyn Any + Send + Sync>;
/// The companion of a job.
pub(super) type JobCompanion = Companion<AnyRefusal>;
/// The error of a job.
pub(super) type JobError = TransactionError<AnyRefusal>;

/// An idempotency key, and the id of the object that it stands for.
pub(crate) type IdempotencyClaim = (Key, Uuid);

/// Commands that commit all or nothing.
pub(crate) struct InventoryTransaction<R = Never> {
    /// The commands by inventory. Those of one inventory are decided in order.
    pub(crate) parts: Vec<(InventoryId, Vec<Command>)>,
    /// Writes in the same database transaction.
    pub(crate) companion: Option<Companion<R>>,
    /// An idempotency key to claim in the same database transaction.
    pub(crate) key: Option<IdempotencyClaim>,
}

/// Reasons why a transaction did not commit.
pub(crate) enum TransactionError<R = Never> {
    /// A desk refuses a command.
    Refused(Refusal),
    /// The companion refuses.
    Companion(R),
    /// The idempotency key is already used: the caller reads its result.
    KeyUsed,
    /// A technical error.
    Fault(Fault),
}

impl TransactionError {
    /// Returns the error of an attempt under the transaction's key. A desk looks up the keys of the commands that it
    /// refuses, but only if the transaction is on one inventory.
    pub(crate) fn of_one_desk<R>(self, refused: impl FnOnce(Refusal) -> R) -> AttemptError<R> {
        match self {
            Self::Refused(refusal) => AttemptError::RefusedUnused(refused(refusal)),
            Self::KeyUsed => AttemptError::KeyUsed,
            Self::Fault(fault) => AttemptError::Failed(fault.into()),
        }
    }
}

impl InventoryTransaction {
    /// Creates a transaction without a companion.
    pub(crate) fn new(parts: Vec<(InventoryId, Vec<Command>)>, key: Option<IdempotencyClaim>) -> Self {
        Self { parts, companion: None, key }
    }
}

/// Executes the transaction. Returns the reservations in their new state, in the order of the commands.
pub(crate) async fn transact<R: Send + Sync + 'static>(
    app: &App,
    transaction: InventoryTransaction<R>,
) -> Result<Vec<ReservationSnapshot>, TransactionError<R>> {
    let InventoryTransaction { mut parts, companion, key } = transaction;
    let companion = companion.map(erase);
    let result = match parts.pop() {
        Some((id, commands)) if parts.is_empty() => {
            app.desks.get(app, id).ask(app, commands, companion, key).await
        }
        last => {
            parts.extend(last);
            // Boxed: this large future would otherwise be part of every caller's.
            let transaction = InventoryTransaction { parts, companion, key };
            Box::pin(multi_inventory::transact_many(app, transaction)).await
        }
    };
    result.map_err(|error| match error {
        TransactionError::Refused(refusal) => TransactionError::Refused(refusal),
        TransactionError::Companion(refusal) => match refusal.downcast() {
            Ok(refusal) => TransactionError::Companion(*refusal),
            Err(_) => TransactionError::Fault(Fault::internal("a refusal of another companion")),
        },
        TransactionError::KeyUsed => TransactionError::KeyUsed,
        TransactionError::Fault(fault) => TransactionError::Fault(fault),
    })
}

fn erase<R: Send + Sync + 'static>(companion: Companion<R>) -> JobCompanion {
    Box::new(move |tx, reservations| {
        let written = companion(tx, reservations);
        Box::pin(async move {
            written.await.map_err(|error| error.map_refusal(|refusal| Box::new(refusal) as AnyRefusal))
        })
    })
}

fn of_companion(error: Error<AnyRefusal>) -> JobError {
    match error {
        Error::Refused(refusal) => TransactionError::Companion(refusal),
        Error::Fault(fault) => TransactionError::Fault(fault),
    }
}

/// Claims the key and runs the companion. Returns the error if that fails.
pub(super) async fn write_companion(
    tx: &Tx,
    key: Option<&IdempotencyClaim>,
    companion: Option<&JobCompanion>,
    reservations: &[ReservationSnapshot],
    now: DateTime<Utc>,
) -> Option<JobError> {
    if let Some((key, subject)) = key {
        match key.claim_in_tx(tx, *subject, now).await {
            Ok(()) => {}
            Err(KeyClaimError::Used) => return Some(TransactionError::KeyUsed),
            Err(KeyClaimError::Fault(fault)) => return Some(TransactionError::Fault(fault)),
        }
    }
    match companion {
        Some(companion) => companion(tx, reservations).await.err().map(of_companion),
        None => None,
    }
}

/// Claims the keys of all jobs, checks that the codes they want are free, and runs their companions, each in a
/// savepoint of its own. Returns the jobs that must be left out, with the reasons. A fault means that nothing can be
/// committed now.
pub(super) async fn write_companions(
    tx: &Tx,
    id: InventoryId,
    decided: &DecidedBatch,
    now: DateTime<Utc>,
) -> FaultResult<Vec<(usize, JobError)>> {
    let claimed = claim_all_in_tx(tx, decided.claims(), now).await?;
    let lost = codes::lost_in_tx(tx, id, &decided.accepted).await?;
    let mut failures = Vec::new();
    let mut unused = Vec::new();
    for (index, AcceptedJob { job, reservations, .. }) in decided.accepted.iter().enumerate() {
        if job.key.as_ref().is_some_and(|(key, _)| !claimed.contains(&key.name())) {
            failures.push((index, TransactionError::KeyUsed));
        } else if lost.contains(&index) {
            failures.push((index, TransactionError::Refused(Refusal::CodeTaken)));
            unused.extend(job.key.as_ref().map(|(key, _)| key));
        } else if let Some(companion) = &job.companion {
            match under_savepoint(tx, companion, reservations).await {
                Ok(()) => {}
                Err(Error::Fault(fault @ (Fault::Unavailable { .. } | Fault::TimedOut { .. }))) => {
                    return Err(fault);
                }
                Err(error) => {
                    failures.push((index, of_companion(error)));
                    unused.extend(job.key.as_ref().map(|(key, _)| key));
                }
            }
        }
    }
    // Otherwise the keys of failed jobs would stand for objects that do not exist.
    disclaim_in_tx(tx, unused).await?;
    Ok(failures)
}

async fn under_savepoint(
    tx: &Tx,
    companion: &JobCompanion,
    reservations: &[ReservationSnapshot],
) -> error::Result<(), AnyRefusal> {
    let savepoint = store::savepoint(tx).await?;
    match companion(&savepoint, reservations).await {
        Ok(()) => Ok(savepoint.release().await?),
        Err(error) => {
            savepoint.rollback().await?;
            Err(error)
        }
    }
}

/// Decides the commands one after the other and applies them. If one is refused, applies none.
pub(super) fn decide_all(
    stock: &mut Stock,
    commands: &[Command],
    now: DateTime<Utc>,
) -> Result<(Vec<Decision>, Vec<ReservationSnapshot>), Refusal> {
    let mut decisions: Vec<Decision> = Vec::with_capacity(commands.len());
    let mut reservations = Vec::with_capacity(commands.len());
    for command in commands {
        match decide(stock, command, now) {
            Ok((decision, reservation)) => {
                stock.apply(&decision);
                decisions.push(decision);
                reservations.extend(reservation);
            }
            Err(refusal) => {
                decisions.iter().rev().for_each(|decision| stock.undo(decision));
                return Err(refusal);
            }
        }
    }
    Ok((decisions, reservations))
}
