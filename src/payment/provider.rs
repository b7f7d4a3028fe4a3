//! What Tessera needs of a payment provider, in the words of Stripe's `PaymentIntents` with manual capture.
//!
//! See <https://docs.stripe.com/payments/paymentintents/lifecycle>. A provider is never called inside a database
//! transaction, and every call that moves money carries a key of ours, so that it can be repeated.

use entity::{OrderId, PaymentId, RefundId};
use futures_util::future::BoxFuture;

/// A payment provider.
pub trait PaymentProvider: Send + Sync {
    /// Its name in our books.
    fn name(&self) -> &'static str;

    /// Makes and confirms an intent; a repeated call with the same key finds the one made before.
    fn create<'a>(&'a self, new: &'a NewIntent) -> BoxFuture<'a, ProviderResult<Intent>>;

    /// The intent as it is now.
    fn find<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, ProviderResult<Intent>>;

    /// Collects the whole authorised amount; collected before, it stays collected.
    fn capture<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, ProviderResult<Intent>>;

    /// Gives up an intent that is not collected. One that is, stays so: the answer tells.
    fn cancel<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, ProviderResult<Intent>>;

    /// Gives money back; a repeated call with the same key finds the refund made before.
    fn refund<'a>(&'a self, new: &'a NewRefund) -> BoxFuture<'a, ProviderResult<ProviderRefund>>;
}

/// What a provider answers.
pub type ProviderResult<T> = Result<T, ProviderError>;

/// Why there is no good answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProviderError {
    /// The call was refused and had no effect; the provider's code says why.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// Nobody knows whether the call had an effect: ask again.
    #[error("the provider did not answer")]
    Unknown,
}

/// An intent to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIntent {
    /// Our payment, and the idempotency key.
    pub payment: PaymentId,
    /// The order it pays.
    pub order: OrderId,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// The provider's id of a payment method.
    pub method: String,
}

/// An intent as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The provider's id.
    pub reference: String,
    /// Where it stands.
    pub status: IntentStatus,
    /// Minor units.
    pub amount: i64,
    /// ISO 4217 code.
    pub currency: String,
    /// Why it failed.
    pub failure_code: Option<String>,
    /// Where the buyer takes another step.
    pub next_action_url: Option<String>,
}

/// Where an intent stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntentStatus {
    /// The method was declined.
    RequiresPaymentMethod,
    /// The buyer has to take another step.
    RequiresAction,
    /// Not decided yet.
    Processing,
    /// Authorised, not collected.
    RequiresCapture,
    /// Collected.
    Succeeded,
    /// Given up.
    Canceled,
}

/// A refund to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRefund {
    /// Our refund, and the idempotency key.
    pub refund: RefundId,
    /// The intent it gives back.
    pub reference: String,
    /// Minor units.
    pub amount: i64,
}

/// A refund as the provider has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderRefund {
    /// The provider's id.
    pub reference: String,
    /// Where it stands.
    pub status: RefundStatus,
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefundStatus {
    /// On its way.
    Pending,
    /// Done.
    Succeeded,
    /// It came to nothing.
    Failed,
}
