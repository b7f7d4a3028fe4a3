//! A deal: commands for one or several inventories, and what is committed with them or not at all.
//!
//! One inventory's deal waits its turn at the desk, which commits it with others; a deal over several locks their stocks
//! in ascending order of ids.

use chrono::{DateTime, Utc};
use entity::InventoryId;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{
    multi_inventory,
    batch::{DecidedBatch, AcceptedJob},
    change::Decision,
    codes,
    command::{Command, Refusal},
    decide::decide,
    state::{ReservationSnapshot, Stock},
};
use crate::{
    app::App,
    error::{Fault, Faulty},
    idempotency::{Key, claim_all_in_tx, disclaim_in_tx},
    store::{self, Tx},
};

/// Writes that are committed with the commands or not at all. May run several times, each time in a new transaction.
pub(crate) type Companion =
    Box<dyn for<'a> Fn(&'a Tx, &'a [ReservationSnapshot]) -> BoxFuture<'a, Faulty<()>> + Send + Sync>;

/// An idempotency key, and the object that it stands for from now on.
pub(crate) type IdempotencyClaim = (Key, Uuid);

/// What the desks are asked to do, all or nothing.
pub(crate) struct InventoryTransaction {
    /// The commands by inventory; those of one inventory are decided in order.
    pub(crate) parts: Vec<(InventoryId, Vec<Command>)>,
    /// Written in the same transaction.
    pub(crate) companion: Option<Companion>,
    /// Claimed in the same transaction, for this subject.
    pub(crate) key: Option<IdempotencyClaim>,
}

/// Why a deal was not made.
pub(crate) enum TransactionError {
    /// The business says no.
    Refused(Refusal),
    /// The idempotency key was used meanwhile: the caller reads its answer.
    KeyUsed,
    /// Something went wrong.
    Fault(Fault),
}

/// Makes the deal, and tells the reservations as they are then, in the order of the commands.
pub(crate) async fn transact(app: &App, mut transaction: InventoryTransaction) -> Result<Vec<ReservationSnapshot>, TransactionError> {
    if transaction.parts.len() != 1 {
        return multi_inventory::transact_many(app, transaction).await;
    }
    let Some((id, commands)) = transaction.parts.pop() else { return Ok(Vec::new()) };
    app.desks.get(app, id).ask(app, commands, transaction.companion, transaction.key).await
}

/// Claims the key and writes the companion's rows; says why if that cannot be.
pub(super) async fn write_companion(
    tx: &Tx,
    key: Option<&IdempotencyClaim>,
    companion: Option<&Companion>,
    reservations: &[ReservationSnapshot],
    now: DateTime<Utc>,
) -> Option<TransactionError> {
    if let Some((key, subject)) = key {
        match key.claim_in_tx(tx, *subject, now).await {
            Ok(true) => {}
            Ok(false) => return Some(TransactionError::KeyUsed),
            Err(fault) => return Some(TransactionError::Fault(fault)),
        }
    }
    match companion {
        Some(companion) => companion(tx, reservations).await.err().map(TransactionError::Fault),
        None => None,
    }
}

/// Claims the keys of all jobs, looks whether the codes that they want are free, and writes their companions' rows, each
/// companion under a savepoint of its own. Tells which jobs have to be left out, and why; a fault says that nothing can be
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
    // A key that stands for what was not made would be answered with nothing.
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

/// Decides the commands one upon the other and applies them, or, if one is refused, none.
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
