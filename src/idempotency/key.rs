//! A caller's key, and its row.

use std::collections::HashSet;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Utc};
use entity::{AccountId, outbox::idempotency::Entity};
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, QueryResult};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    auth::Viewer,
    error::{Check, Fault, FaultResult},
    limits::text,
    store::{Rows, Script, Tx},
};

/// The identity of a key: its account, its operation, and the text that the caller chose.
pub(crate) type Name = (AccountId, String, String);

/// Why a key was not claimed.
#[derive(Debug)]
pub(crate) enum KeyClaimError {
    /// Another call has claimed the key. The transaction must be rolled back.
    Used,
    /// A technical error.
    Fault(Fault),
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
        Check::default().opaque(key, "idempotencyKey", text::KEY_MIN..=text::KEY_MAX).done()?;
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
    pub(super) async fn subject(&self, connection: &impl ConnectionTrait) -> FaultResult<Option<Uuid>> {
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
