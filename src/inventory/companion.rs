//! Running companions: the writes of other slices that commit together with a job.

use chrono::{DateTime, Utc};
use entity::InventoryId;

use super::{
    batch::{AcceptedJob, DecidedBatch},
    codes,
    command::Refusal,
    job::{AnyRefusal, IdempotencyClaim, JobCompanion, JobError, TransactionError},
    state::ReservationSnapshot,
};
use crate::{
    error::{self, Error, Fault, FaultResult},
    idempotency::{KeyClaimError, claim_all_in_tx, disclaim_in_tx},
    store::{self, Tx},
};

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
