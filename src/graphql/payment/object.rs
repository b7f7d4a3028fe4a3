//! The payment and the refund in the API, and their loaders.

use std::collections::HashMap;

use async_graphql::{Context, Enum, ID, Object, dataloader::Loader};
use entity::{
    OrderId, PaymentId, RefundId,
    payment::{self, refund},
};

use crate::{
    error::{Fault, Object},
    graphql::{
        context::ContextExt,
        error::ApiResult,
        id::encode,
        loader::{Batch, Shared, grouped, keyed},
        order::Order,
        scalar::{Instant, Money},
    },
    payment as payments,
};

/// The state of a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "PaymentState", remote = "entity::payment::PaymentState")]
pub enum State {
    /// The payment is recorded, but not sent to the provider yet.
    Created,
    /// The provider's answer is unknown. The server asks again automatically.
    Submitted,
    /// The buyer must take another step. Send them to `nextActionUrl`, then call `confirmPayment`.
    RequiresAction,
    /// The provider has reserved the amount.
    Authorised,
    /// The order is paid. The amount is being collected.
    Capturing,
    /// The amount was collected.
    Captured,
    /// The payment was declined; see `failureCode`. The order can be paid again.
    Failed,
    /// The payment was cancelled. Nothing was charged.
    Cancelled,
}

/// One attempt to pay an order.
#[derive(Clone, Debug)]
pub struct Payment {
    row: payment::Model,
    order: Order,
}

/// One attempt to pay an order.
#[Object]
impl Payment {
    /// The global id of the payment.
    pub async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// The order that the payment pays.
    async fn order(&self) -> Order {
        self.order.clone()
    }

    /// The current state.
    async fn state(&self) -> State {
        self.row.state.into()
    }

    /// The amount.
    async fn amount(&self) -> Money {
        Money::of(self.row.amount_minor, &self.row.currency)
    }

    /// The provider's id of the payment method.
    async fn method(&self) -> &str {
        &self.row.method
    }

    /// The provider's reason for a failure, such as `card_declined`. Null if the payment did not fail.
    async fn failure_code(&self) -> Option<&str> {
        self.row.failure_code.as_deref()
    }

    /// The URL for the buyer's next step. Null unless `state` is `REQUIRES_ACTION`.
    async fn next_action_url(&self) -> Option<&str> {
        self.row.next_action_url.as_deref()
    }

    /// The refunds of the payment, oldest first.
    async fn refunds(&self, ctx: &Context<'_>) -> ApiResult<Vec<Refund>> {
        let refunds = ctx.loaders().one(RefundsOf(self.row.order_id)).await?.unwrap_or_default();
        let own = refunds.into_iter().filter(|refund| refund.payment_id == self.row.id);
        Ok(own.map(|row| Refund::of(row, &self.order)).collect())
    }

    /// When an undecided payment is cancelled.
    async fn expires_at(&self) -> Instant {
        self.row.deadline.into()
    }

    /// When the object was created.
    async fn created_at(&self) -> Instant {
        self.row.created_at.into()
    }
}

/// The state of a refund.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "RefundState", remote = "entity::payment::RefundState")]
pub enum RefundState {
    /// The refund is recorded, but not sent to the provider yet.
    Requested,
    /// The provider's answer is unknown. The server asks again automatically.
    Submitted,
    /// The provider accepted the refund. The money is on its way.
    Pending,
    /// The money was returned.
    Succeeded,
    /// The provider refused the refund. The server tries again automatically.
    Failed,
    /// The server cannot complete the refund automatically. The platform's operators are informed.
    Manual,
}

/// A return of money to the buyer.
#[derive(Clone, Debug)]
pub struct Refund {
    row: refund::Model,
    order: Order,
}

/// A return of money to the buyer.
#[Object]
impl Refund {
    /// The global id of the refund.
    pub async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// The order that is refunded.
    async fn order(&self) -> Order {
        self.order.clone()
    }

    /// The payment that is returned, in full or in part.
    async fn payment(&self, ctx: &Context<'_>) -> ApiResult<Payment> {
        let payments = ctx.loaders().one(PaymentsOf(self.row.order_id)).await?.unwrap_or_default();
        let payment = payments.into_iter().find(|payment| payment.id == self.row.payment_id);
        Ok(Payment::of(payment.ok_or(Fault::NotFound(Object::Payment))?, &self.order))
    }

    /// The current state.
    async fn state(&self) -> RefundState {
        self.row.state.into()
    }

    /// The amount.
    async fn amount(&self) -> Money {
        Money::of(self.row.amount_minor, &self.row.currency)
    }

    /// The reason that the requester gave, as plain text. May be empty.
    async fn reason(&self) -> &str {
        &self.row.reason
    }

    /// When the refund was requested.
    async fn created_at(&self) -> Instant {
        self.row.created_at.into()
    }
}

impl Payment {
    /// Creates a payment of an order that the viewer may see.
    pub(crate) fn of(row: payment::Model, order: &Order) -> Self {
        Self { row, order: order.clone() }
    }
}

impl Refund {
    /// Creates a refund of an order that the viewer may see.
    pub(crate) fn of(row: refund::Model, order: &Order) -> Self {
        Self { row, order: order.clone() }
    }
}

/// Loader key: the payments of an order, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct PaymentsOf(pub(crate) OrderId);

/// Loader key: the refunds of an order, oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RefundsOf(pub(crate) OrderId);

impl Loader<PaymentId> for Batch {
    type Value = payment::Model;
    type Error = Shared;

    async fn load(&self, keys: &[PaymentId]) -> Result<HashMap<PaymentId, payment::Model>, Shared> {
        Ok(keyed(payments::payments_by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}

impl Loader<RefundId> for Batch {
    type Value = refund::Model;
    type Error = Shared;

    async fn load(&self, keys: &[RefundId]) -> Result<HashMap<RefundId, refund::Model>, Shared> {
        Ok(keyed(payments::refunds_by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}

impl Loader<PaymentsOf> for Batch {
    type Value = Vec<payment::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[PaymentsOf]) -> Result<HashMap<PaymentsOf, Vec<payment::Model>>, Shared> {
        let orders = keys.iter().map(|key| key.0).collect();
        Ok(grouped(payments::payments_of(&self.app, orders).await?, |row| PaymentsOf(row.order_id)))
    }
}

impl Loader<RefundsOf> for Batch {
    type Value = Vec<refund::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[RefundsOf]) -> Result<HashMap<RefundsOf, Vec<refund::Model>>, Shared> {
        let orders = keys.iter().map(|key| key.0).collect();
        Ok(grouped(payments::refunds_of(&self.app, orders).await?, |row| RefundsOf(row.order_id)))
    }
}
