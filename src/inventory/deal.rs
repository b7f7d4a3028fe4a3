//! A deal: commands for one or several inventories, and what is committed with them or not at all.
//!
//! One inventory's deal waits its turn at the desk, which commits it with others; a deal over several locks their stocks
//! in ascending order of ids.

use chrono::{DateTime, Utc};
use entity::InventoryId;
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{
    across,
    batch::{Decided, Good},
    change::Decision,
    codes,
    command::{Command, Refusal},
    decide::decide,
    state::{Held, Stock},
};
use crate::{
    app::App,
    error::{Fault, Faulty},
    idempotency::{Key, claim_all_in_tx, disclaim_in_tx},
    store::{self, Tx},
};

/// Writes that are committed with the commands or not at all. May run several times, each time in a new transaction.
pub(crate) type Companion =
    Box<dyn for<'a> Fn(&'a Tx, &'a [Held]) -> BoxFuture<'a, Faulty<()>> + Send + Sync>;

/// An idempotency key, and the object that it stands for from now on.
pub(crate) type Claim = (Key, Uuid);

/// What the desks are asked to do, all or nothing.
pub(crate) struct Deal {
    /// The commands by inventory; those of one inventory are decided in order.
    pub(crate) legs: Vec<(InventoryId, Vec<Command>)>,
    /// Written in the same transaction.
    pub(crate) companion: Option<Companion>,
    /// Claimed in the same transaction, for this subject.
    pub(crate) key: Option<Claim>,
}

/// Why a deal was not made.
pub(crate) enum NoDeal {
    /// The business says no.
    Refused(Refusal),
    /// The idempotency key was used meanwhile: the caller reads its answer.
    KeyUsed,
    /// Something went wrong.
    Fault(Fault),
}

/// Makes the deal, and tells the reservations as they are then, in the order of the commands.
pub(crate) async fn transact(app: &App, mut deal: Deal) -> Result<Vec<Held>, NoDeal> {
    if deal.legs.len() != 1 {
        return across::across(app, deal).await;
    }
    let Some((id, commands)) = deal.legs.pop() else { return Ok(Vec::new()) };
    app.desks.get(app, id).ask(app, commands, deal.companion, deal.key).await
}

/// Claims the key and writes the companion's rows; says why if that cannot be.
pub(super) async fn accompany(
    tx: &Tx,
    key: Option<&Claim>,
    companion: Option<&Companion>,
    held: &[Held],
    now: DateTime<Utc>,
) -> Option<NoDeal> {
    if let Some((key, subject)) = key {
        match key.claim_in_tx(tx, *subject, now).await {
            Ok(true) => {}
            Ok(false) => return Some(NoDeal::KeyUsed),
            Err(fault) => return Some(NoDeal::Fault(fault)),
        }
    }
    match companion {
        Some(companion) => companion(tx, held).await.err().map(NoDeal::Fault),
        None => None,
    }
}

/// Claims the keys of all jobs, looks whether the codes that they want are free, and writes their companions' rows, each
/// companion under a savepoint of its own. Tells which jobs have to be left out, and why; a fault says that nothing can be
/// committed now.
pub(super) async fn accompany_all(
    tx: &Tx,
    id: InventoryId,
    decided: &Decided,
    now: DateTime<Utc>,
) -> Faulty<Vec<(usize, NoDeal)>> {
    let claimed = claim_all_in_tx(tx, decided.claims(), now).await?;
    let lost = codes::lost_in_tx(tx, id, &decided.good).await?;
    let mut failures = Vec::new();
    let mut unused = Vec::new();
    for (index, Good { job, held, .. }) in decided.good.iter().enumerate() {
        if job.key.as_ref().is_some_and(|(key, _)| !claimed.contains(&key.name())) {
            failures.push((index, NoDeal::KeyUsed));
        } else if lost.contains(&index) {
            failures.push((index, NoDeal::Refused(Refusal::CodeTaken)));
            unused.extend(job.key.as_ref().map(|(key, _)| key));
        } else if let Some(companion) = &job.companion {
            match under_savepoint(tx, companion, held).await {
                Ok(()) => {}
                Err(fault @ (Fault::Unavailable { .. } | Fault::TimedOut { .. })) => return Err(fault),
                Err(fault) => {
                    failures.push((index, NoDeal::Fault(fault)));
                    unused.extend(job.key.as_ref().map(|(key, _)| key));
                }
            }
        }
    }
    // A key that stands for what was not made would be answered with nothing.
    disclaim_in_tx(tx, unused).await?;
    Ok(failures)
}

async fn under_savepoint(tx: &Tx, companion: &Companion, held: &[Held]) -> Faulty<()> {
    let savepoint = store::savepoint(tx).await?;
    match companion(&savepoint, held).await {
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
) -> Result<(Vec<Decision>, Vec<Held>), Refusal> {
    let mut decisions: Vec<Decision> = Vec::with_capacity(commands.len());
    let mut all_held = Vec::with_capacity(commands.len());
    for command in commands {
        match decide(stock, command, now) {
            Ok((decision, held)) => {
                stock.apply(&decision);
                decisions.push(decision);
                all_held.extend(held);
            }
            Err(refusal) => {
                decisions.iter().rev().for_each(|decision| stock.undo(decision));
                return Err(refusal);
            }
        }
    }
    Ok((decisions, all_held))
}
