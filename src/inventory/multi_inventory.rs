//! Transactions over several inventories, such as an order with seats of two events.
//!
//! The desks' stocks are locked in ascending order of their ids, so that two such transactions never deadlock. One
//! database transaction holds all version guards.

use std::{sync::Arc, time::Duration};

use tokio::{sync::MutexGuard, time::Instant};

use super::{
    change::Version,
    codes,
    command::Refusal,
    companion::write_companion,
    coupon,
    decide::decide_all,
    desk::{self, ATTEMPTS},
    desks::Desk,
    job::{AnyRefusal, InventoryTransaction, JobError, TransactionError},
    state::{ReservationSnapshot, Stock},
    write::{self, GuardOutcome},
};
use crate::{app::App, call::Call, error::Fault, store::WriteError};

/// Executes a transaction over several inventories, and keeps their stocks locked meanwhile.
pub(super) async fn transact_many(
    app: &App,
    mut transaction: InventoryTransaction<AnyRefusal>,
) -> Result<Vec<ReservationSnapshot>, JobError> {
    transaction.parts.sort_by_key(|(id, _)| *id);
    // Merge the parts of the same inventory: its stock can be locked only once.
    transaction.parts.dedup_by(|later, first| {
        let same = later.0 == first.0;
        if same {
            first.1.append(&mut later.1);
        }
        same
    });
    let desks: Vec<Arc<Desk>> = transaction.parts.iter().map(|(id, _)| desk::get(app, *id)).collect();
    let mut memories = Vec::with_capacity(desks.len());
    for desk in &desks {
        memories.push(desk.stock.lock().await);
    }
    let call = Call::part(app.config.documents.mutation_time());
    let (mut lost, mut expected) = (0, Duration::ZERO);
    for attempt in 0_u32.. {
        if attempt > 0 {
            tokio::time::sleep(Duration::from_millis(app.jitter(0, 2 << attempt.min(7)))).await;
        }
        let begun = Instant::now();
        if !call.has_time_for(expected, begun) {
            return Err(TransactionError::Fault(call.too_late()));
        }
        match attempt_once(app, &transaction, &desks, &mut memories).await {
            Ok(AttemptOutcome::Committed(reservations)) => return Ok(reservations),
            Ok(AttemptOutcome::Lost) if lost < ATTEMPTS => lost += 1,
            Ok(AttemptOutcome::Lost | AttemptOutcome::Unknown) => break,
            Err(TransactionError::Fault(Fault::Unavailable { .. })) => expected = begun.elapsed(),
            Err(error) => return Err(error),
        }
        for (desk, memory) in desks.iter().zip(&mut memories) {
            desk.follow(app, memory).await.map_err(TransactionError::Fault)?;
        }
    }
    Err(TransactionError::Fault(Fault::unavailable()))
}

/// The result of one attempt.
enum AttemptOutcome {
    /// Committed, with the reservations in their new state.
    Committed(Vec<ReservationSnapshot>),
    /// Another instance was first.
    Lost,
    /// The commit failed but may have happened, so there is no further attempt.
    Unknown,
}

/// Runs one attempt.
async fn attempt_once(
    app: &App,
    transaction: &InventoryTransaction<AnyRefusal>,
    desks: &[Arc<Desk>],
    memories: &mut [MutexGuard<'_, Option<Stock>>],
) -> Result<AttemptOutcome, JobError> {
    let now = app.clock.now();
    let mut drafts = Vec::with_capacity(desks.len());
    let mut reservations = Vec::new();
    for ((desk, memory), (_, commands)) in desks.iter().zip(memories.iter_mut()).zip(&transaction.parts) {
        // Refusals must be based on the current version.
        desk.follow(app, memory).await.map_err(TransactionError::Fault)?;
        let mut stock = desk.loaded(app, memory).await.map_err(TransactionError::Fault)?.clone();
        let (decisions, decided) =
            decide_all(&mut stock, commands, now).map_err(TransactionError::Refused)?;
        let change = stock.change_of(&decisions.iter());
        reservations.extend(decided);
        drafts.push((stock, change, decisions));
    }
    let tx = app.store.begin().await.map_err(|error| TransactionError::Fault(error.into()))?;
    for (desk, (stock, change, decisions)) in desks.iter().zip(&drafts) {
        let guard = write::guard_in_tx(&tx, desk.id, stock, now).await.map_err(TransactionError::Fault)?;
        if matches!(guard, GuardOutcome::Lost) {
            return Ok(AttemptOutcome::Lost);
        }
        // Behind the guard, so that the codes stay free until the commit.
        if !codes::are_free_in_tx(&tx, desk.id, decisions).await.map_err(TransactionError::Fault)? {
            return Err(TransactionError::Refused(Refusal::CodeTaken));
        }
        write::write_in_tx(&tx, desk.id, stock, change, now).await.map_err(TransactionError::Fault)?;
        coupon::write_claims_in_tx(&tx, desk.id, decisions.iter(), now)
            .await
            .map_err(TransactionError::Fault)?;
    }
    if let Some(error) =
        write_companion(&tx, transaction.key.as_ref(), transaction.companion.as_ref(), &reservations, now)
            .await
    {
        return Err(error);
    }
    match tx.commit().await.map_err(WriteError::of_commit) {
        Ok(()) => {}
        Err(WriteError::Unknown(error)) => {
            for memory in memories {
                **memory = None;
            }
            let call = Call::current();
            let request = call.as_ref().and_then(Call::request);
            tracing::error!(
                request.id = request, %error,
                "the result of a commit over several inventories is unknown"
            );
            return Ok(AttemptOutcome::Unknown);
        }
        Err(WriteError::NotWritten(error)) => return Err(TransactionError::Fault(error.into())),
        Err(WriteError::DuplicateKey) => return Ok(AttemptOutcome::Lost),
    }
    for ((desk, memory), (mut stock, change, _)) in desks.iter().zip(memories).zip(drafts) {
        stock.version += 1;
        app.bus.announce(desk.id, stock.version);
        desk.publish(app, Version { number: stock.version, change });
        **memory = Some(stock);
    }
    Ok(AttemptOutcome::Committed(reservations))
}
