//! Inventory transactions: commands for one or several inventories, and the writes that commit together with them.
//!
//! A transaction on one inventory is queued at its desk, which commits it together with others. A transaction on
//! several locks their stocks in ascending order of ids.

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
    error::{Fault, Faulty},
    idempotency::{AttemptError, Key, KeyClaimError, claim_all_in_tx, disclaim_in_tx},
    store::{self, Tx},
};

/// Writes that commit together with the commands. May run several times, each time in a new database transaction.
pub(crate) type Companion =
    Box<dyn for<'a> Fn(&'a Tx, &'a [ReservationSnapshot]) -> BoxFuture<'a, Faulty<()>> + Send + Sync>;

/// An idempotency key, and the id of the object that it stands for.
pub(crate) type IdempotencyClaim = (Key, Uuid);

/// Commands that commit all or nothing.
pub(crate) struct InventoryTransaction {
    /// The commands by inventory. Those of one inventory are decided in order.
    pub(crate) parts: Vec<(InventoryId, Vec<Command>)>,
    /// Writes in the same database transaction.
    pub(crate) companion: Option<Companion>,
    /// An idempotency key to claim in the same database transaction.
    pub(crate) key: Option<IdempotencyClaim>,
}

/// Reasons why a transaction did not commit.
pub(crate) enum TransactionError {
    /// The business refuses.
    Refused(Refusal),
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

/// Executes the transaction. Returns the reservations in their new state, in the order of the commands.
pub(crate) async fn transact(
    app: &App,
    mut transaction: InventoryTransaction,
) -> Result<Vec<ReservationSnapshot>, TransactionError> {
    if transaction.parts.len() != 1 {
        return multi_inventory::transact_many(app, transaction).await;
    }
    let Some((id, commands)) = transaction.parts.pop() else { return Ok(Vec::new()) };
    app.desks.get(app, id).ask(app, commands, transaction.companion, transaction.key).await
}

/// Claims the key and runs the companion. Returns the error if that fails.
pub(super) async fn write_companion(
    tx: &Tx,
    key: Option<&IdempotencyClaim>,
    companion: Option<&Companion>,
    reservations: &[ReservationSnapshot],
    now: DateTime<Utc>,
) -> Option<TransactionError> {
    if let Some((key, subject)) = key {
        match key.claim_in_tx(tx, *subject, now).await {
            Ok(()) => {}
            Err(KeyClaimError::Used) => return Some(TransactionError::KeyUsed),
            Err(KeyClaimError::Fault(fault)) => return Some(TransactionError::Fault(fault)),
        }
    }
    match companion {
        Some(companion) => companion(tx, reservations).await.err().map(TransactionError::Fault),
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
) -> Faulty<Vec<(usize, TransactionError)>> {
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
                Err(fault @ (Fault::Unavailable { .. } | Fault::TimedOut { .. })) => return Err(fault),
                Err(fault) => {
                    failures.push((index, TransactionError::Fault(fault)));
                    unused.extend(job.key.as_ref().map(|(key, _)| key));
                }
            }
        }
    }
    // Otherwise the keys of failed jobs would stand for objects that do not exist.
    disclaim_in_tx(tx, unused).await?;
    Ok(failures)
}

async fn under_savepoint(tx: &Tx, companion: &Companion, reservations: &[ReservationSnapshot]) -> Faulty<()> {
    let savepoint = store::savepoint(tx).await?;
    match companion(&savepoint, reservations).await {
        Ok(()) => Ok(savepoint.release().await?),
        Err(fault) => {
            savepoint.rollback().await?;
            Err(fault)
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
