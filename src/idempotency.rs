//! The keys under which mutations were answered: the same key with the same input has one effect and one answer.
//!
//! The key's row is written in the transaction of the effect, so that there is no moment with one and not the other.
//! A key belongs to an account and an operation, and is kept for [`KEPT_DAYS`] days.

use aws_lc_rs::digest::{SHA256, digest};
use chrono::{DateTime, Duration, Utc};
use entity::{
    AccountId,
    outbox::idempotency::{ActiveModel, Column, Entity},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter};
use serde::Serialize;
use uuid::Uuid;

use crate::{
    error::{Check, Fault, Faulty},
    store::Tx,
};

/// For how many days a key is remembered: longer than any client or provider retries.
pub const KEPT_DAYS: i64 = 7;

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
        Check::default().text(key, "idempotencyKey", 8, 255).done()?;
        let canonical = serde_json::to_vec(input).map_err(Fault::internal)?;
        let input_digest = digest(&SHA256, &canonical).as_ref().to_vec();
        Ok(Self { account, operation, chosen: key.to_owned(), input_digest })
    }

    /// What tells this key from others: of an account, for an operation.
    pub(crate) fn name(&self) -> (AccountId, &'static str, String) {
        (self.account, self.operation, self.chosen.clone())
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
        let row = ActiveModel {
            account_id: Set(self.account),
            operation: Set(self.operation.to_owned()),
            key: Set(self.chosen.clone()),
            input_digest: Set(self.input_digest.clone()),
            subject: Set(subject),
            created_at: Set(now),
        };
        let inserted = Entity::insert(row)
            .on_conflict_do_nothing_on([Column::AccountId, Column::Operation, Column::Key])
            .exec_without_returning(tx)
            .await?;
        Ok(matches!(inserted, sea_orm::TryInsertResult::Inserted(1)))
    }
}

/// Forgets keys that are older than [`KEPT_DAYS`]; says how many.
pub async fn forget_old_in_tx(tx: &Tx, now: DateTime<Utc>) -> Faulty<u64> {
    let before = now - Duration::days(KEPT_DAYS);
    Ok(Entity::delete_many().filter(Column::CreatedAt.lt(before)).exec(tx).await?.rows_affected)
}
