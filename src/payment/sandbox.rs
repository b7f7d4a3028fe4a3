//! The sandbox: a payment provider that moves no money, for development, demonstrations and tests.
//!
//! It implements the subset of Stripe's API that [`PaymentProvider`] needs, with Stripe's test methods
//! (<https://docs.stripe.com/testing>). Like a real provider it keeps books of its own. They survive our crashes, and
//! tests compare them with our ledger. Faults can be injected.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entity::sandbox::{self, ActiveModel, Column, Entity, Model, refund};
use futures_util::future::BoxFuture;
use sea_orm::{ActiveValue::Set, ColumnTrait, DbErr, EntityTrait, QueryFilter, sea_query::Expr};

use super::provider::{
    Intent, IntentStatus, NewIntent, NewRefund, PaymentProvider, ProviderError, ProviderRefund,
    ProviderResult, RefundStatus,
};
use crate::{clock::Clock, error::Fault, store::Store, telemetry::log_fault};

const REQUIRES_METHOD: &str = "requires_payment_method";
const REQUIRES_ACTION: &str = "requires_action";
const REQUIRES_CAPTURE: &str = "requires_capture";
const SUCCEEDED: &str = "succeeded";
const CANCELED: &str = "canceled";

/// A fault of the next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The call takes effect, but its answer is lost.
    LoseAnswer,
    /// The call does not arrive.
    LoseCall,
}

/// The sandbox provider.
#[derive(Debug)]
pub struct Sandbox {
    store: Store,
    clock: Clock,
    public_url: String,
    troubles: Mutex<VecDeque<Trouble>>,
}

impl Sandbox {
    /// Creates a sandbox with books in `store`. Buyers act at `public_url`.
    pub fn new(store: Store, clock: Clock, public_url: String) -> Self {
        Self { store, clock, public_url, troubles: Mutex::default() }
    }

    /// Injects one fault into each of the next calls.
    pub fn trouble(&self, next: impl IntoIterator<Item = Trouble>) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).extend(next);
    }

    /// Records the bank's answer to the buyer's action. Returns `None` if no action is pending.
    pub async fn authenticate(&self, reference: &str, yes: bool) -> ProviderResult<Option<Intent>> {
        let (status, failure) =
            if yes { (REQUIRES_CAPTURE, None) } else { (REQUIRES_METHOD, Some("authentication_failed")) };
        let moved = self.advance(reference, &[REQUIRES_ACTION], status, failure).await?;
        Ok(if moved { Some(self.read(reference).await?) } else { None })
    }

    async fn with_trouble<T>(&self, call: impl Future<Output = ProviderResult<T>>) -> ProviderResult<T> {
        let trouble = self.troubles.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        match trouble {
            Some(Trouble::LoseCall) => Err(ProviderError::Unknown),
            Some(Trouble::LoseAnswer) => call.await.and(Err(ProviderError::Unknown)),
            None => call.await,
        }
    }

    async fn insert(&self, new: &NewIntent) -> ProviderResult<Intent> {
        let (status, failure) = outcome_of(&new.method)
            .ok_or_else(|| ProviderError::Refused(format!("no such payment method: '{}'", new.method)))?;
        let key = new.payment.0.to_string();
        let row = ActiveModel {
            id: Set(reference("pi_", &key)),
            idempotency_key: Set(key.clone()),
            status: Set(status.to_owned()),
            amount: Set(new.amount),
            currency: Set(new.currency.to_lowercase()),
            method: Set(new.method.clone()),
            failure_code: Set(failure.map(str::to_owned)),
            metadata: Set(serde_json::json!({ "order": new.order, "payment": new.payment }).to_string()),
            created_at: Set(self.clock.now()),
        };
        let tx = self.store.begin().await?;
        Entity::insert(row)
            .on_conflict_do_nothing_on([Column::IdempotencyKey])
            .exec_without_returning(&tx)
            .await?;
        tx.commit().await?;
        let intent = self.read(&reference("pi_", &key)).await?;
        if intent.amount == new.amount && intent.currency == new.currency {
            Ok(intent)
        } else {
            Err(ProviderError::Refused("idempotency_key_in_use".to_owned()))
        }
    }

    /// Moves an intent from one of the states `from` to `to`. Returns whether it moved.
    async fn advance(
        &self,
        reference: &str,
        from: &[&str],
        to: &str,
        failure: Option<&str>,
    ) -> ProviderResult<bool> {
        let tx = self.store.begin().await?;
        let moved = Entity::update_many()
            .col_expr(Column::Status, Expr::value(to))
            .col_expr(Column::FailureCode, Expr::value(failure.map(str::to_owned)))
            .filter(Column::Id.eq(reference))
            .filter(Column::Status.is_in(from.iter().copied()))
            .exec(&tx)
            .await?;
        tx.commit().await?;
        Ok(moved.rows_affected == 1)
    }

    async fn read(&self, reference: &str) -> ProviderResult<Intent> {
        let row = Entity::find_by_id(reference).one(self.store.read()).await?;
        row.map(|row| self.intent(row)).ok_or_else(|| ProviderError::Refused("resource_missing".to_owned()))
    }

    fn intent(&self, row: Model) -> Intent {
        let status = match row.status.as_str() {
            REQUIRES_ACTION => IntentStatus::RequiresAction,
            REQUIRES_CAPTURE => IntentStatus::RequiresCapture,
            SUCCEEDED => IntentStatus::Succeeded,
            CANCELED => IntentStatus::Canceled,
            _ => IntentStatus::RequiresPaymentMethod,
        };
        let next_action_url = (status == IntentStatus::RequiresAction)
            .then(|| format!("{}/sandbox/authenticate/{}", self.public_url, row.id));
        Intent {
            reference: row.id,
            status,
            amount: row.amount,
            currency: row.currency.to_uppercase(),
            failure_code: row.failure_code,
            next_action_url,
        }
    }

    async fn insert_refund(&self, new: &NewRefund) -> ProviderResult<ProviderRefund> {
        let intent = self.read(&new.reference).await?;
        if intent.status != IntentStatus::Succeeded || new.amount > intent.amount {
            return Err(ProviderError::Refused("charge_not_refundable".to_owned()));
        }
        let key = new.refund.0.to_string();
        let row = refund::ActiveModel {
            id: Set(reference("re_", &key)),
            idempotency_key: Set(key.clone()),
            intent_id: Set(new.reference.clone()),
            amount: Set(new.amount),
            status: Set(SUCCEEDED.to_owned()),
            created_at: Set(self.clock.now()),
        };
        let tx = self.store.begin().await?;
        refund::Entity::insert(row)
            .on_conflict_do_nothing_on([refund::Column::IdempotencyKey])
            .exec_without_returning(&tx)
            .await?;
        tx.commit().await?;
        Ok(ProviderRefund { reference: reference("re_", &key), status: RefundStatus::Succeeded })
    }
}

impl PaymentProvider for Sandbox {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn create<'a>(&'a self, new: &'a NewIntent) -> BoxFuture<'a, ProviderResult<Intent>> {
        Box::pin(self.with_trouble(self.insert(new)))
    }

    fn find<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, ProviderResult<Intent>> {
        Box::pin(self.with_trouble(self.read(reference)))
    }

    fn capture<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, ProviderResult<Intent>> {
        Box::pin(self.with_trouble(async move {
            self.advance(reference, &[REQUIRES_CAPTURE], SUCCEEDED, None).await?;
            self.read(reference).await
        }))
    }

    fn cancel<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, ProviderResult<Intent>> {
        Box::pin(self.with_trouble(async move {
            let open = [REQUIRES_METHOD, REQUIRES_ACTION, REQUIRES_CAPTURE];
            self.advance(reference, &open, CANCELED, None).await?;
            self.read(reference).await
        }))
    }

    fn refund<'a>(&'a self, new: &'a NewRefund) -> BoxFuture<'a, ProviderResult<ProviderRefund>> {
        Box::pin(self.with_trouble(self.insert_refund(new)))
    }
}

/// Returns the status and failure code for one of Stripe's test methods.
fn outcome_of(method: &str) -> Option<(&'static str, Option<&'static str>)> {
    match method {
        "pm_card_visa" | "pm_card_mastercard" | "pm_card_amex" => Some((REQUIRES_CAPTURE, None)),
        "pm_card_chargeDeclined" => Some((REQUIRES_METHOD, Some("card_declined"))),
        "pm_card_chargeDeclinedInsufficientFunds" => Some((REQUIRES_METHOD, Some("insufficient_funds"))),
        "pm_card_chargeDeclinedExpiredCard" => Some((REQUIRES_METHOD, Some("expired_card"))),
        "pm_card_authenticationRequired" => Some((REQUIRES_ACTION, None)),
        _ => None,
    }
}

/// Derives an id from the caller's key, so that a key always gets the same id.
fn reference(prefix: &str, key: &str) -> String {
    let hash = digest(&SHA256, format!("{prefix}{key}").as_bytes());
    format!("{prefix}{}", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..18]))
}

impl From<DbErr> for ProviderError {
    fn from(error: DbErr) -> Self {
        log_fault!(&Fault::from(error), "the sandbox cannot read or write its books");
        Self::Unknown
    }
}

/// Returns all intents with their refunds. Tests compare them with the ledger.
pub async fn books(store: &Store) -> Result<Vec<(sandbox::Model, Vec<refund::Model>)>, DbErr> {
    let mut books = Vec::new();
    for intent in Entity::find().all(store.read()).await? {
        let refunds =
            refund::Entity::find().filter(refund::Column::IntentId.eq(&intent.id)).all(store.read()).await?;
        books.push((intent, refunds));
    }
    Ok(books)
}
