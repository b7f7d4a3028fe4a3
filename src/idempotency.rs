//! Idempotency keys: calls with the same key and input have one effect and the same result.
//! The key's row is written in the transaction of the effect, so one never exists without the other. A key belongs to
//! an account and an operation. It is kept for [`KEPT_DAYS`] days.
//!
//! Every operation with a key runs in [`once`] or [`attempt_first`]. They look the key up and replay the first result,
//! also if another call with the same key commits during the attempt.

use std::{collections::HashSet, future::Future};

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Duration, Utc};
use entity::{
    AccountId,
    outbox::idempotency::{Column, Entity},
};
use futures_util::future::BoxFuture;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    app::App,
    auth::Viewer,
    error::{self, Check, Error, Fault, FaultResult},
    limits::text,
    store::{Rows, Script, Tx},
};

/// Retention of a key in days, longer than any client or provider retries.
pub const KEPT_DAYS: i64 = 7;

/// The identity of a key: its account, its operation, and the text that the caller chose.
pub(crate) type Name = (AccountId, String, String);

/// What an attempt under a key returns.
pub(crate) type Attempt<T, R> = Result<T, AttemptError<R>>;

/// Why an attempt under a key has no result.
#[derive(Debug)]
pub(crate) enum AttemptError<R> {
    /// Another call has claimed the key, so this attempt wrote nothing. The other call has the result.
    KeyUsed,
    /// Refused by a desk that has looked the key up: no other call has used it.
    RefusedUnused(R),
    /// Any other refusal or fault. Another call with the key may have caused it.
    Failed(Error<R>),
}

/// Why a key was not claimed.
#[derive(Debug)]
pub(crate) enum KeyClaimError {
    /// Another call has claimed the key. The transaction must be rolled back.
    Used,
    /// A technical error.
    Fault(Fault),
}

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

impl<R> AttemptError<R> {
    /// Returns whether the business refused.
    pub(crate) fn is_refusal(&self) -> bool {
        match self {
            Self::RefusedUnused(_) | Self::Failed(Error::Refused(_)) => true,
            Self::KeyUsed | Self::Failed(Error::Fault(_)) => false,
        }
    }

    /// Returns the error of an attempt that had no key.
    pub(crate) fn without_key(self) -> Error<R> {
        match self {
            Self::KeyUsed => Fault::unavailable().into(),
            Self::RefusedUnused(refusal) => Error::Refused(refusal),
            Self::Failed(error) => error,
        }
    }
}

impl<R> From<Error<R>> for AttemptError<R> {
    fn from(error: Error<R>) -> Self {
        Self::Failed(error)
    }
}

impl<R> From<Fault> for AttemptError<R> {
    fn from(fault: Fault) -> Self {
        Self::Failed(fault.into())
    }
}

impl<R> From<DbErr> for AttemptError<R> {
    fn from(error: DbErr) -> Self {
        Self::Failed(error.into())
    }
}

impl<R> From<KeyClaimError> for AttemptError<R> {
    fn from(error: KeyClaimError) -> Self {
        match error {
            KeyClaimError::Used => Self::KeyUsed,
            KeyClaimError::Fault(fault) => Self::Failed(fault.into()),
        }
    }
}

impl From<Fault> for KeyClaimError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A caller's key, bound to what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    account: AccountId,
    operation: &'static str,
    chosen: String,
    input_digest: Vec<u8>,
}

impl Key {
    /// Binds the caller's `key` to the canonical `input` of `operation`.
    pub fn new(
        account: AccountId,
        operation: &'static str,
        key: &str,
        input: &impl Serialize,
    ) -> FaultResult<Self> {
        Check::default().text(key, "idempotencyKey", text::KEY_MIN, text::KEY_MAX).done()?;
        let canonical = serde_json::to_vec(input).map_err(Fault::internal)?;
        let input_digest = digest(&SHA256, &canonical).as_ref().to_vec();
        Ok(Self { account, operation, chosen: key.to_owned(), input_digest })
    }

    /// Binds the key of the viewer's account, if the caller sent one.
    pub(crate) fn of_viewer(
        viewer: &Viewer,
        operation: &'static str,
        key: Option<&str>,
        input: &impl Serialize,
    ) -> FaultResult<Option<Self>> {
        key.map(|key| Self::new(viewer.account()?, operation, key, input)).transpose()
    }

    /// Returns the identity of this key.
    pub(crate) fn name(&self) -> Name {
        (self.account, self.operation.to_owned(), self.chosen.clone())
    }

    /// Returns the id that the first call stored with the key, if the key was used. Fails if that call had another
    /// input.
    async fn subject(&self, connection: &impl ConnectionTrait) -> FaultResult<Option<Uuid>> {
        let row = Entity::find_by_id((self.account, self.operation.to_owned(), self.chosen.clone()))
            .one(connection)
            .await?;
        match row {
            Some(row) if row.input_digest == self.input_digest => Ok(Some(row.subject)),
            Some(_) => Err(Fault::IdempotencyMismatch),
            None => Ok(None),
        }
    }

    /// Stores the key with `subject`, the id that a repeated call needs to find the result. Fails with
    /// [`KeyClaimError::Used`] if another call has used the key.
    pub(crate) async fn claim_in_tx(
        &self,
        tx: &Tx,
        subject: Uuid,
        now: DateTime<Utc>,
    ) -> Result<(), KeyClaimError> {
        let claimed = claim_all_in_tx(tx, vec![(self, subject)], now).await?;
        if claimed.contains(&self.name()) { Ok(()) } else { Err(KeyClaimError::Used) }
    }
}

/// Stores the key with `subject` as [`Key::claim_in_tx`] does, if there is one.
pub(crate) async fn claim_if_keyed_in_tx(
    key: Option<&Key>,
    tx: &Tx,
    subject: Uuid,
    now: DateTime<Utc>,
) -> Result<(), KeyClaimError> {
    match key {
        Some(key) => key.claim_in_tx(tx, subject, now).await,
        None => Ok(()),
    }
}

/// Stores the keys, each with its subject. Returns the names of those that were not used before.
pub(crate) async fn claim_all_in_tx(
    tx: &Tx,
    claims: Vec<(&Key, Uuid)>,
    now: DateTime<Utc>,
) -> FaultResult<HashSet<Name>> {
    const INSERT: &str = "INSERT INTO idempotency (account_id, operation, key, input_digest, subject, created_at) \
        SELECT account_id, operation, key, input_digest, subject, $1 FROM {rows} AS r WHERE true \
        ON CONFLICT (account_id, operation, key) DO NOTHING RETURNING account_id, operation, key";
    if claims.is_empty() {
        return Ok(HashSet::new());
    }
    named(tx, claimed(claims), INSERT, vec![now.into()]).await
}

/// Adds a statement to the script that stores the keys, each with its subject. If one of them was used before, the
/// statement violates a unique constraint. The time is the script's second shared value.
pub(crate) fn claim_all(script: Script, claims: Vec<(&Key, Uuid)>) -> Script {
    const INSERT: &str = "INSERT INTO idempotency (account_id, operation, key, input_digest, subject, created_at) \
        SELECT account_id, operation, key, input_digest, subject, $2 FROM {rows} AS r";
    script.with("idempotency", INSERT, claimed(claims))
}

fn claimed(mut claims: Vec<(&Key, Uuid)>) -> Rows {
    // All transactions claim keys in the same order, so that they cannot deadlock.
    claims.sort_by(|(a, _), (b, _)| {
        (a.account, a.operation, &a.chosen).cmp(&(b.account, b.operation, &b.chosen))
    });
    names(claims.iter().map(|(key, _)| *key))
        .bytes("input_digest", claims.iter().map(|(key, _)| key.input_digest.clone()))
        .uuid("subject", claims.iter().map(|(_, subject)| *subject))
}

/// Deletes these keys. SQLite would compare a correlated subquery with all keys, so this is a list.
const DISCLAIM: &str = "DELETE FROM idempotency WHERE (account_id, operation, key) IN \
    (SELECT r.account_id, r.operation, r.key FROM {rows} AS r)";

/// Selects those of these keys that were used.
const USED: &str = "SELECT i.account_id, i.operation, i.key FROM {rows} AS r JOIN idempotency AS i \
    ON i.account_id = r.account_id AND i.operation = r.operation AND i.key = r.key";

/// Deletes keys that were claimed in the same transaction, for effects that did not happen.
pub(crate) async fn disclaim_in_tx(tx: &Tx, keys: Vec<&Key>) -> FaultResult<()> {
    if keys.is_empty() {
        return Ok(());
    }
    names(keys.into_iter()).execute(tx, DISCLAIM, Vec::new()).await?;
    Ok(())
}

/// Returns the names of those keys that were used before.
pub(crate) async fn used(connection: &impl ConnectionTrait, keys: Vec<&Key>) -> FaultResult<HashSet<Name>> {
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    named(connection, names(keys.into_iter()), USED, Vec::new()).await
}

fn names<'a>(keys: impl Iterator<Item = &'a Key> + Clone) -> Rows {
    Rows::default()
        .uuid("account_id", keys.clone().map(|key| key.account.0))
        .text("operation", keys.clone().map(|key| key.operation.to_owned()))
        .text("key", keys.map(|key| key.chosen.clone()))
}

async fn named(
    connection: &impl ConnectionTrait,
    rows: Rows,
    sql: &str,
    values: Vec<sea_orm::Value>,
) -> FaultResult<HashSet<Name>> {
    let statement = rows.statement(connection.get_database_backend(), sql, values);
    let found = connection.query_all_raw(statement).await?;
    let name = |row: QueryResult| {
        let account: Uuid = row.try_get("", "account_id")?;
        Ok((AccountId(account), row.try_get("", "operation")?, row.try_get("", "key")?))
    };
    found.into_iter().map(name).collect::<Result<_, DbErr>>().map_err(Fault::from)
}

/// Deletes keys that are older than [`KEPT_DAYS`]. Returns their number.
pub async fn forget_old_in_tx(tx: &Tx, now: DateTime<Utc>) -> FaultResult<u64> {
    let before = now - Duration::days(KEPT_DAYS);
    Ok(Entity::delete_many().filter(Column::CreatedAt.lt(before)).exec(tx).await?.rows_affected)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::plans;

    #[tokio::test]
    async fn keys_are_looked_up_by_their_names() {
        for sql in [DISCLAIM, USED] {
            let rows = Rows::default()
                .uuid("account_id", [Uuid::nil()])
                .text("operation", ["checkout".to_owned()])
                .text("key", ["a-key".to_owned()]);
            let plan = plans::of(rows, sql, Vec::new()).await;
            plans::assert_reads_by(&plan, "idempotency", "account_id=? AND operation=? AND key=?");
        }
    }
}
