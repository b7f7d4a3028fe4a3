//! The keys under which mutations were answered: the same key with the same input has one effect and one answer.
//!
//! The key's row is written in the transaction of the effect, so that there is no moment with one and not the other.
//! A key belongs to an account and an operation, and is kept for [`KEPT_DAYS`] days.

use std::collections::HashSet;

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Duration, Utc};
use entity::{
    AccountId,
    outbox::idempotency::{Column, Entity},
};
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryResult};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    error::{Check, Fault, Faulty},
    limits::text,
    store::{Rows, Script, Tx},
};

/// For how many days a key is remembered: longer than any client or provider retries.
pub const KEPT_DAYS: i64 = 7;

/// What tells a key from others: whose it is, for which operation, and what the caller chose.
pub(crate) type Name = (AccountId, String, String);

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
    ) -> Faulty<Self> {
        Check::default().text(key, "idempotencyKey", text::KEY_MIN, text::KEY_MAX).done()?;
        let canonical = serde_json::to_vec(input).map_err(Fault::internal)?;
        let input_digest = digest(&SHA256, &canonical).as_ref().to_vec();
        Ok(Self { account, operation, chosen: key.to_owned(), input_digest })
    }

    /// What tells this key from others: of an account, for an operation.
    pub(crate) fn name(&self) -> Name {
        (self.account, self.operation.to_owned(), self.chosen.clone())
    }

    /// The object that the key's first use made or changed, if it was used. Other input than then is a fault.
    pub async fn subject(&self, connection: &impl ConnectionTrait) -> Faulty<Option<Uuid>> {
        let row = Entity::find_by_id((self.account, self.operation.to_owned(), self.chosen.clone()))
            .one(connection)
            .await?;
        match row {
            Some(row) if row.input_digest == self.input_digest => Ok(Some(row.subject)),
            Some(_) => Err(Fault::IdempotencyMismatch),
            None => Ok(None),
        }
    }

    /// Writes the key down beside its effect. `false`: somebody used it meanwhile, and the effect must be rolled back.
    pub async fn claim_in_tx(&self, tx: &Tx, subject: Uuid, now: DateTime<Utc>) -> Faulty<bool> {
        Ok(claim_all_in_tx(tx, vec![(self, subject)], now).await?.contains(&self.name()))
    }
}

/// Writes the keys down, each for its subject; gives the names of those that nobody had used before.
pub(crate) async fn claim_all_in_tx(
    tx: &Tx,
    claims: Vec<(&Key, Uuid)>,
    now: DateTime<Utc>,
) -> Faulty<HashSet<Name>> {
    const INSERT: &str = "INSERT INTO idempotency (account_id, operation, key, input_digest, subject, created_at) \
        SELECT account_id, operation, key, input_digest, subject, $1 FROM {rows} AS r WHERE true \
        ON CONFLICT (account_id, operation, key) DO NOTHING RETURNING account_id, operation, key";
    if claims.is_empty() {
        return Ok(HashSet::new());
    }
    named(tx, claimed(claims), INSERT, vec![now.into()]).await
}

/// Adds to a script that the keys are written down, each for its subject, unless one of them was used before, which is
/// a violation of their uniqueness. The time is the script's second shared value.
pub(crate) fn claim_all(script: Script, claims: Vec<(&Key, Uuid)>) -> Script {
    const INSERT: &str = "INSERT INTO idempotency (account_id, operation, key, input_digest, subject, created_at) \
        SELECT account_id, operation, key, input_digest, subject, $2 FROM {rows} AS r";
    script.with("idempotency", INSERT, claimed(claims))
}

fn claimed(mut claims: Vec<(&Key, Uuid)>) -> Rows {
    // Two transactions that claim the same keys take them in the same order, so that neither waits for the other.
    claims.sort_by(|(a, _), (b, _)| {
        (a.account, a.operation, &a.chosen).cmp(&(b.account, b.operation, &b.chosen))
    });
    names(claims.iter().map(|(key, _)| *key))
        .bytes("input_digest", claims.iter().map(|(key, _)| key.input_digest.clone()))
        .uuid("subject", claims.iter().map(|(_, subject)| *subject))
}

/// Forgets keys that were claimed in the same transaction, for effects that did not come about.
pub(crate) async fn disclaim_in_tx(tx: &Tx, keys: Vec<&Key>) -> Faulty<()> {
    const DELETE: &str = "DELETE FROM idempotency AS i WHERE EXISTS (SELECT 1 FROM {rows} AS r \
        WHERE i.account_id = r.account_id AND i.operation = r.operation AND i.key = r.key)";
    if keys.is_empty() {
        return Ok(());
    }
    names(keys.into_iter()).execute(tx, DELETE, Vec::new()).await?;
    Ok(())
}

/// The names of those keys that were used before.
pub(crate) async fn used(connection: &impl ConnectionTrait, keys: Vec<&Key>) -> Faulty<HashSet<Name>> {
    const SELECT: &str = "SELECT i.account_id, i.operation, i.key FROM {rows} AS r JOIN idempotency AS i \
        ON i.account_id = r.account_id AND i.operation = r.operation AND i.key = r.key";
    if keys.is_empty() {
        return Ok(HashSet::new());
    }
    named(connection, names(keys.into_iter()), SELECT, Vec::new()).await
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
) -> Faulty<HashSet<Name>> {
    let statement = rows.statement(connection.get_database_backend(), sql, values);
    let found = connection.query_all_raw(statement).await?;
    let name = |row: QueryResult| {
        let account: Uuid = row.try_get("", "account_id")?;
        Ok((AccountId(account), row.try_get("", "operation")?, row.try_get("", "key")?))
    };
    found.into_iter().map(name).collect::<Result<_, DbErr>>().map_err(Fault::from)
}

/// Forgets keys that are older than [`KEPT_DAYS`]; says how many.
pub async fn forget_old_in_tx(tx: &Tx, now: DateTime<Utc>) -> Faulty<u64> {
    let before = now - Duration::days(KEPT_DAYS);
    Ok(Entity::delete_many().filter(Column::CreatedAt.lt(before)).exec(tx).await?.rows_affected)
}
