//! Payments and refunds in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::payment::{self, refund};

pub use super::payment_error::{PayOrderError, PaymentError, RefundOrderError};
use super::{
    context::ContextExt,
    error::{ApiResult, outcome},
    id::{decode, encode},
    order::Order,
    scalar::Money,
};
use crate::payment::{self as payments, Pay, PaymentResult, RefundOrder};

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
pub struct Payment(payment::Model);

impl From<payment::Model> for Payment {
    fn from(row: payment::Model) -> Self {
        Self(row)
    }
}

/// One attempt to pay an order.
#[Object]
impl Payment {
    /// The global id of the payment.
    async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// The current state.
    async fn state(&self) -> State {
        self.0.state.into()
    }

    /// The amount.
    async fn amount(&self) -> Money {
        Money::of(self.0.amount_minor, &self.0.currency)
    }

    /// The provider's id of the payment method.
    async fn method(&self) -> &str {
        &self.0.method
    }

    /// The provider's reason for a failure, such as `card_declined`. Null if the payment did not fail.
    async fn failure_code(&self) -> Option<&str> {
        self.0.failure_code.as_deref()
    }

    /// The URL for the buyer's next step. Null unless `state` is `REQUIRES_ACTION`.
    async fn next_action_url(&self) -> Option<&str> {
        self.0.next_action_url.as_deref()
    }

    /// When an undecided payment is cancelled.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.deadline
    }

    /// When the object was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
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
pub struct Refund(refund::Model);

impl From<refund::Model> for Refund {
    fn from(row: refund::Model) -> Self {
        Self(row)
    }
}

/// A return of money to the buyer.
#[Object]
impl Refund {
    /// The global id of the refund.
    async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// The current state.
    async fn state(&self) -> RefundState {
        self.0.state.into()
    }

    /// The amount.
    async fn amount(&self) -> Money {
        Money::of(self.0.amount_minor, &self.0.currency)
    }

    /// The reason that the requester gave, as plain text. May be empty.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// When the refund was requested.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Input of `payOrder`.
#[derive(Debug, InputObject)]
pub struct PayOrderInput {
    /// The id of the order.
    pub order_id: ID,
    /// The order's access token. Send it if you are not signed in as the buyer.
    pub access_token: Option<String>,
    /// The provider's id of a payment method. The sandbox accepts Stripe's test methods: `pm_card_visa` succeeds,
    /// `pm_card_chargeDeclined` is declined, and `pm_card_authenticationRequired` needs another step.
    pub method: String,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result.
    pub idempotency_key: String,
}

/// The result of `payOrder`.
#[derive(Debug, Default, SimpleObject)]
pub struct PayOrderPayload {
    /// The order, either paid or still awaiting payment. Null if `errors` is not empty.
    pub order: Option<Order>,
    /// The payment: collected, failed, or waiting for the buyer's next step. Null if there was nothing to pay, or if
    /// `errors` is not empty.
    pub payment: Option<Payment>,
    /// Why no payment was attempted. Empty if one was.
    pub errors: Vec<PayOrderError>,
}

/// Input of `confirmPayment`.
#[derive(Debug, InputObject)]
pub struct ConfirmPaymentInput {
    /// The id of the payment.
    pub payment_id: ID,
    /// The order's access token. Send it if you are not signed in as the buyer.
    pub access_token: Option<String>,
}

/// The result of `confirmPayment`.
#[derive(Debug, Default, SimpleObject)]
pub struct ConfirmPaymentPayload {
    /// The order, either paid or still awaiting payment. Null if `errors` is not empty.
    pub order: Option<Order>,
    /// The payment in its current state. Null if `errors` is not empty.
    pub payment: Option<Payment>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<PaymentError>,
}

/// Input of `cancelPayment`.
#[derive(Debug, InputObject)]
pub struct CancelPaymentInput {
    /// The id of the payment.
    pub payment_id: ID,
    /// The order's access token. Send it if you are not signed in as the buyer.
    pub access_token: Option<String>,
}

/// The result of `cancelPayment`.
#[derive(Debug, Default, SimpleObject)]
pub struct CancelPaymentPayload {
    /// The order, which can be paid again, or is paid if the payment succeeded first. Null if `errors` is not empty.
    pub order: Option<Order>,
    /// The cancelled payment. Null if `errors` is not empty.
    pub payment: Option<Payment>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<PaymentError>,
}

/// Input of `refundOrder`.
#[derive(Debug, InputObject)]
pub struct RefundOrderInput {
    /// The id of the order.
    pub order_id: ID,
    /// The order's access token. Send it if you are not signed in as the buyer.
    pub access_token: Option<String>,
    /// The reason as plain text, for accounting; at most 500 characters.
    #[graphql(default)]
    pub reason: String,
    /// Whether to refund the rest of an order with non-refundable coupons. A bought coupon is non-refundable if it was
    /// used or given away. For buyers, it is also non-refundable 14 days after the purchase. Not allowed if another
    /// claim reduced the price of such a coupon.
    #[graphql(default)]
    pub leave_used_coupons: bool,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result.
    pub idempotency_key: String,
}

/// The result of `refundOrder`.
#[derive(Debug, Default, SimpleObject)]
pub struct RefundOrderPayload {
    /// The refunded order. Its tickets are void, and its seats are available again. Null if `errors` is not empty.
    pub order: Option<Order>,
    /// The refund. Null if nothing was paid, or if `errors` is not empty.
    pub refund: Option<Refund>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<RefundOrderError>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct PaymentMutation;

#[Object]
impl PaymentMutation {
    /// Pays an order. The result is a paid order with tickets, a failed payment, or a payment that requires another
    /// step of the buyer. The reservations do not expire while a payment is in progress.
    async fn pay_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `payOrder`.")] input: PayOrderInput,
    ) -> ApiResult<Option<PayOrderPayload>> {
        let token = input.access_token.clone();
        let pay = async {
            let order = decode(&input.order_id, "orderId")?;
            let PayOrderInput { access_token, method, idempotency_key: key, .. } = input;
            payments::pay(ctx.app(), ctx.viewer(), Pay { order, access_token, method, key }).await
        };
        let (paid, errors) = outcome(pay.await)?;
        let (order, payment) = shown(paid, token.as_deref());
        Ok(Some(PayOrderPayload { order, payment, errors }))
    }

    /// Asks the provider for the state of a payment after the buyer's next step. Call it when the buyer returns.
    /// Otherwise the server finds out by itself within seconds.
    async fn confirm_payment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `confirmPayment`.")] input: ConfirmPaymentInput,
    ) -> ApiResult<Option<ConfirmPaymentPayload>> {
        let token = input.access_token.as_deref();
        let confirm = async {
            let id = decode(&input.payment_id, "paymentId")?;
            payments::confirm(ctx.app(), ctx.viewer(), token, id).await
        };
        let (paid, errors) = outcome(confirm.await)?;
        let (order, payment) = shown(paid, token);
        Ok(Some(ConfirmPaymentPayload { order, payment, errors }))
    }

    /// Cancels an undecided payment, so that the order can be paid in another way or cancelled.
    async fn cancel_payment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `cancelPayment`.")] input: CancelPaymentInput,
    ) -> ApiResult<Option<CancelPaymentPayload>> {
        let token = input.access_token.as_deref();
        let cancel = async {
            let id = decode(&input.payment_id, "paymentId")?;
            payments::cancel(ctx.app(), ctx.viewer(), token, id).await
        };
        let (paid, errors) = outcome(cancel.await)?;
        let (order, payment) = shown(paid, token);
        Ok(Some(CancelPaymentPayload { order, payment, errors }))
    }

    /// Refunds a paid order in full, unless you send `leaveUsedCoupons`. Its tickets become void and its seats
    /// available, bought coupons are revoked, and used claims return to their holders. The shop's sellers can call it
    /// at any time. The buyer can until the event's `refundUntil`, or after its cancellation. A used ticket prevents it.
    async fn refund_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `refundOrder`.")] input: RefundOrderInput,
    ) -> ApiResult<Option<RefundOrderPayload>> {
        let token = input.access_token.clone();
        let refund = async {
            let order = decode(&input.order_id, "orderId")?;
            let RefundOrderInput { access_token, reason, leave_used_coupons, idempotency_key: key, .. } =
                input;
            let leave_used = leave_used_coupons;
            let refund = RefundOrder { order, access_token, reason, leave_used, key };
            payments::refund_order(ctx.app(), ctx.viewer(), refund).await
        };
        let (refunded, errors) = outcome(refund.await)?;
        let (order, refund) = refunded.map(|refunded| (refunded.order, refunded.refund)).unzip();
        Ok(Some(RefundOrderPayload {
            order: order.map(|row| Order::opened(row, token.as_deref())),
            refund: refund.flatten().map(Refund::from),
            errors,
        }))
    }
}

fn shown(paid: Option<PaymentResult>, token: Option<&str>) -> (Option<Order>, Option<Payment>) {
    let (order, payment) = paid.map(|paid| (paid.order, paid.payment)).unzip();
    (order.map(|row| Order::opened(row, token)), payment.flatten().map(Payment::from))
}
