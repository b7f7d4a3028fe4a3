//! Inventory transactions: commands for one or several inventories, and the writes that commit together with them.
//!
//! A transaction on one inventory is queued at its desk, which commits it together with others. A transaction on
//! several locks their stocks in ascending order of ids.

use super::job::{AnyRefusal, JobCompanion};
pub(crate) use super::job::{Companion, IdempotencyClaim, InventoryTransaction, TransactionError};
use super::state::ReservationSnapshot;
use super::{desk, multi_inventory};
use crate::{app::App, error::Fault};

/// Executes the transaction. Returns the reservations in their new state, in the order of the commands.
pub(crate) async fn transact<R: Send + Sync + 'static>(
    app: &App,
    transaction: InventoryTransaction<R>,
) -> Result<Vec<ReservationSnapshot>, TransactionError<R>> {
    let InventoryTransaction { mut parts, companion, key } = transaction;
    let companion = companion.map(erase);
    let result = match parts.pop() {
        Some((id, commands)) if parts.is_empty() => {
            desk::get(app, id).ask(app, commands, companion, key).await
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
