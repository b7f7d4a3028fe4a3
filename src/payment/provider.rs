//! The interface to a payment provider, in the terms of Stripe's `PaymentIntents` with manual capture.
//!
//! See <https://docs.stripe.com/payments/paymentintents/lifecycle>. A provider is never called inside a database
//! transaction. Every call that moves money carries an idempotency key of ours, so that it can be repeated.

use entity::{OrderId, PaymentId, RefundId};
use futures_util::future::BoxFuture;

/// A payment provider.
pub trait PaymentProvider: Send + Sync {
    /// Returns the provider's name in the ledger.
    fn name(&self) -> &'static str;

    /// Creates and confirms an intent. A repeated call with the same key returns the existing one.
    fn create<'a>(&'a self, new: &'a NewIntent) -> BoxFuture<'a, ProviderResult<Intent>>;

    /// Returns the intent's current state.
    fn find<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, ProviderResult<Intent>>;

    /// Captures the whole authorised amount. Repeating the call has no effect.
    fn capture<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, ProviderResult<Intent>>;

    /// Cancels an intent that is not captured. A captured one is unchanged, as the result shows.
    fn cancel<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, ProviderResult<Intent>>;

    /// Refunds money. A repeated call with the same key returns the existing refund.
    fn refund<'a>(&'a self, new: &'a NewRefund) -> BoxFuture<'a, ProviderResult<ProviderRefund>>;
}

/// The result of a provider call.
pub type ProviderResult<T> = Result<T, ProviderError>;

/// Errors of a provider call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The call was refused and had no effect. Contains the provider's code.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// The result is unknown; ask again.
    #[error("the provider did not answer")]
    Unknown,
}

/// The input for a new intent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIntent {
    /// Our payment id, which is also the idempotency key.
    pub payment: PaymentId,
    /// The order to pay.
    pub order: OrderId,
    /// Amount in minor units.
    pub amount: i64,
    /// ISO 4217 currency code.
    pub currency: String,
    /// The provider's id of a payment method.
    pub method: String,
}

/// An intent at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The provider's id.
    pub reference: String,
    /// Its status.
    pub status: IntentStatus,
    /// Amount in minor units.
    pub amount: i64,
    /// ISO 4217 currency code.
    pub currency: String,
    /// Why it failed.
    pub failure_code: Option<String>,
    /// Where the buyer must act.
    pub next_action_url: Option<String>,
}

/// The status of an intent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentStatus {
    /// The method was declined.
    RequiresPaymentMethod,
    /// The buyer must act.
    RequiresAction,
    /// Not decided yet.
    Processing,
    /// Authorised, not captured.
    RequiresCapture,
    /// Captured.
    Succeeded,
    /// Cancelled.
    Canceled,
}

/// The input for a new refund.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRefund {
    /// Our refund id, which is also the idempotency key.
    pub refund: RefundId,
    /// The intent to refund.
    pub reference: String,
    /// Amount in minor units.
    pub amount: i64,
}

/// A refund at the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRefund {
    /// The provider's id.
    pub reference: String,
    /// Its status.
    pub status: RefundStatus,
}

/// The status of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundStatus {
    /// Pending.
    Pending,
    /// Done.
    Succeeded,
    /// Failed.
    Failed,
}
