//! Idempotency keys: calls with the same key and input have one effect and the same result.
//! The key's row is written in the transaction of the effect, so one never exists without the other. A key belongs to
//! an account and an operation. It is kept for [`KEPT_DAYS`] days.
//!
//! Every operation with a key runs in [`once`] or [`attempt_first`]. They look the key up and replay the first result,
//! also if another call with the same key commits during the attempt.

mod attempt;
mod key;

use std::future::Future;

use chrono::{DateTime, Duration, Utc};
use entity::outbox::idempotency::{Column, Entity};
use futures_util::future::BoxFuture;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use uuid::Uuid;

pub use self::key::Key;
pub(crate) use self::{
    attempt::{Attempt, AttemptError},
    key::{KeyClaimError, Name, claim_all, claim_all_in_tx, claim_if_keyed_in_tx, disclaim_in_tx, used},
};
use crate::{
    app::App,
    error::{self, Error, Fault, FaultResult},
    store::Tx,
};

/// Retention of a key in days, longer than any client or provider retries.
pub const KEPT_DAYS: i64 = 7;

/// Runs `attempt` unless the key was used before. If it was, also by a concurrent call, returns what `replay` makes of
/// the id that the first call stored with the key.
///
/// `attempt` claims the key in the transaction of its effect, with [`Key::claim_in_tx`] or an inventory transaction. It is
/// boxed, because it is a large future that would be moved several times.
pub(crate) async fn once<T, R, E: Into<Error<R>>, F: Future<Output = Result<T, E>>>(
    app: &App,
    key: &Key,
    replay: impl FnOnce(Uuid) -> F,
    attempt: BoxFuture<'_, Attempt<T, R>>,
) -> error::Result<T, R> {
    match key.subject(app.store.read()).await? {
        Some(subject) => replay(subject).await.map_err(E::into),
        None => attempt_first(app, key, replay, attempt).await,
    }
}

/// Like [`once`], but looks the key up only after a failed attempt. This saves a statement for operations that many
/// buyers call at the same time.
pub(crate) async fn attempt_first<T, R, E: Into<Error<R>>, F: Future<Output = Result<T, E>>>(
    app: &App,
    key: &Key,
    replay: impl FnOnce(Uuid) -> F,
    attempt: BoxFuture<'_, Attempt<T, R>>,
) -> error::Result<T, R> {
    let error = match attempt.await {
        Ok(result) => return Ok(result),
        Err(AttemptError::RefusedUnused(refusal)) => return Err(Error::Refused(refusal)),
        // An overloaded server needs no more statements. The client calls again with the same key.
        Err(AttemptError::Failed(error @ Error::Fault(Fault::Overloaded { .. }))) => return Err(error),
        Err(AttemptError::KeyUsed) => Fault::unavailable().into(),
        Err(AttemptError::Failed(error)) => error,
    };
    match key.subject(app.store.read()).await? {
        Some(subject) => replay(subject).await.map_err(E::into),
        None => Err(error),
    }
}

/// Runs `attempt` as [`once`] does if there is a key, and otherwise without one.
pub(crate) async fn once_if_keyed<T, R, E: Into<Error<R>>, F: Future<Output = Result<T, E>>>(
    app: &App,
    key: Option<&Key>,
    replay: impl FnOnce(Uuid) -> F,
    attempt: BoxFuture<'_, Attempt<T, R>>,
) -> error::Result<T, R> {
    match key {
        Some(key) => once(app, key, replay, attempt).await,
        None => attempt.await.map_err(AttemptError::without_key),
    }
}

/// Deletes keys that are older than [`KEPT_DAYS`]. Returns their number.
pub async fn forget_old_in_tx(tx: &Tx, now: DateTime<Utc>) -> FaultResult<u64> {
    let before = now - Duration::days(KEPT_DAYS);
    Ok(Entity::delete_many().filter(Column::CreatedAt.lt(before)).exec(tx).await?.rows_affected)
}
