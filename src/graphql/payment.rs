//! Payments and refunds in the API.

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::payment::{self, refund};

use super::{
    context::ContextExt,
    error::{ApiResult, outcome, user_error},
    id::{decode, encode},
    order::Order,
    scalar::Money,
};
use crate::payment::{self as payments, Pay, PaymentResult, RefundOrder, Refusal};

user_error! {
    /// Why a payment or refund was not made.
    PaymentError, PaymentErrorCode {
        /// The order is paid already.
        AlreadyPaid,
        /// The order expired or was cancelled: reserve again.
        OrderEnded,
        /// Another payment of the order is under way: wait for it, or cancel it.
        BeingPaid,
        /// The provider has no such method of payment.
        UnknownMethod,
        /// The order is not paid, so there is nothing to refund.
        NotPaid,
        /// The order was refunded before.
        AlreadyRefunded,
        /// A ticket of the order was used, so it cannot be refunded.
        TicketUsed,
        /// A coupon that was bought in the order was used or given away: say `leaveUsedCoupons` to refund the rest.
        CouponUsed,
        /// The buyer's time for refunds is over; ask the shop.
        RefundClosed,
        /// Too many payments were declined lately: of this buyer, or from your network. Nothing was tried; come back at
        /// `availableAt`.
        TooManyDeclines,
    }
    {
        /// When one more payment is tried, with `TOO_MANY_DECLINES`.
        available_at: DateTime<Utc>,
    }
}

/// Where a payment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "PaymentState", remote = "entity::payment::PaymentState")]
pub enum State {
    /// Written down; the provider is asked next.
    Created,
    /// The provider's answer is not known yet; it is asked again by itself.
    Submitted,
    /// The buyer has to take another step: send them to `nextActionUrl`, then call `confirmPayment`.
    RequiresAction,
    /// The provider holds the amount.
    Authorised,
    /// The order is paid; the amount is being collected.
    Capturing,
    /// Collected.
    Captured,
    /// Declined: see `failureCode`. The order can be paid again.
    Failed,
    /// Given up; nothing was charged.
    Cancelled,
}

/// One attempt to collect an order's total.
#[derive(Clone, Debug)]
pub struct Payment(payment::Model);

impl From<payment::Model> for Payment {
    fn from(row: payment::Model) -> Self {
        Self(row)
    }
}

/// One attempt to collect an order's total.
#[Object]
impl Payment {
    /// The payment's id.
    async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Where it stands.
    async fn state(&self) -> State {
        self.0.state.into()
    }

    /// How much.
    async fn amount(&self) -> Money {
        Money::of(self.0.amount_minor, &self.0.currency)
    }

    /// The provider's id of the method of payment.
    async fn method(&self) -> &str {
        &self.0.method
    }

    /// Why it failed, in the provider's words, such as `card_declined`.
    async fn failure_code(&self) -> Option<&str> {
        self.0.failure_code.as_deref()
    }

    /// Where the buyer takes the other step, while one is required.
    async fn next_action_url(&self) -> Option<&str> {
        self.0.next_action_url.as_deref()
    }

    /// Undecided, it is cancelled here.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.0.deadline
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Where a refund stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "RefundState", remote = "entity::payment::RefundState")]
pub enum RefundState {
    /// Written down; the provider is asked next.
    Requested,
    /// The provider's answer is not known yet; it is asked again by itself.
    Submitted,
    /// Accepted by the provider, on its way.
    Pending,
    /// The money went back.
    Succeeded,
    /// Refused by the provider; it is tried again by itself.
    Failed,
    /// Given up by machine; the platform's operators were told.
    Manual,
}

/// Money on its way back.
#[derive(Clone, Debug)]
pub struct Refund(refund::Model);

impl From<refund::Model> for Refund {
    fn from(row: refund::Model) -> Self {
        Self(row)
    }
}

/// Money on its way back.
#[Object]
impl Refund {
    /// The refund's id.
    async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Where it stands.
    async fn state(&self) -> RefundState {
        self.0.state.into()
    }

    /// How much.
    async fn amount(&self) -> Money {
        Money::of(self.0.amount_minor, &self.0.currency)
    }

    /// Why, in the requester's words.
    async fn reason(&self) -> &str {
        &self.0.reason
    }

    /// When it was asked for.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// What to pay, and how.
#[derive(Debug, InputObject)]
pub struct PayOrderInput {
    /// The order.
    pub order_id: ID,
    /// Its access token, if you are not signed in as its buyer.
    pub access_token: Option<String>,
    /// The provider's id of a payment method. In the sandbox Stripe's test methods: `pm_card_visa` succeeds,
    /// `pm_card_chargeDeclined` is declined, `pm_card_authenticationRequired` asks for another step.
    pub method: String,
    /// Your own key: the same call with the same key has its effect once.
    pub idempotency_key: String,
}

/// What came of it.
#[derive(Debug, Default, SimpleObject)]
pub struct PayOrderPayload {
    /// The order: paid, or still awaiting payment.
    pub order: Option<Order>,
    /// The payment: captured, failed, or waiting for the buyer's other step. Null when there was nothing to pay.
    pub payment: Option<Payment>,
    /// Why nothing was tried.
    pub errors: Vec<PaymentError>,
}

/// Which payment to look at.
#[derive(Debug, InputObject)]
pub struct ConfirmPaymentInput {
    /// The payment.
    pub payment_id: ID,
    /// The order's access token, if you are not signed in as its buyer.
    pub access_token: Option<String>,
}

/// What came of it.
#[derive(Debug, Default, SimpleObject)]
pub struct ConfirmPaymentPayload {
    /// The order: paid, or still awaiting payment.
    pub order: Option<Order>,
    /// The payment as the provider has it now.
    pub payment: Option<Payment>,
    /// Why it was not looked at.
    pub errors: Vec<PaymentError>,
}

/// Which payment to give up.
#[derive(Debug, InputObject)]
pub struct CancelPaymentInput {
    /// The payment.
    pub payment_id: ID,
    /// The order's access token, if you are not signed in as its buyer.
    pub access_token: Option<String>,
}

/// What came of it.
#[derive(Debug, Default, SimpleObject)]
pub struct CancelPaymentPayload {
    /// The order, which can be paid another way; or paid, if the payment succeeded first.
    pub order: Option<Order>,
    /// The payment, given up.
    pub payment: Option<Payment>,
    /// Why it was not given up.
    pub errors: Vec<PaymentError>,
}

/// What to give back.
#[derive(Debug, InputObject)]
pub struct RefundOrderInput {
    /// The order.
    pub order_id: ID,
    /// Its access token, if you are not signed in as its buyer.
    pub access_token: Option<String>,
    /// Why, for the books; at most 500 characters.
    #[graphql(default)]
    pub reason: String,
    /// Leave the coupons that were bought in it and cannot be taken back, and give back everything else: those that were
    /// used, given away, or bought more than 14 days ago if you are the buyer. Not where another claim made one of them
    /// cheaper.
    #[graphql(default)]
    pub leave_used_coupons: bool,
    /// Your own key: the same call with the same key has its effect once.
    pub idempotency_key: String,
}

/// What came of it.
#[derive(Debug, Default, SimpleObject)]
pub struct RefundOrderPayload {
    /// The order, refunded: its tickets are void, its seats free.
    pub order: Option<Order>,
    /// The money on its way back. Null when nothing was paid.
    pub refund: Option<Refund>,
    /// Why it was not refunded.
    pub errors: Vec<PaymentError>,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct PaymentMutation;

#[Object]
impl PaymentMutation {
    /// Pays an order. It comes back paid, with its tickets; or with a payment that failed; or with one that requires
    /// another step of the buyer. The seats cannot run out while a payment is under way.
    async fn pay_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to pay, and how.")] input: PayOrderInput,
    ) -> ApiResult<PayOrderPayload> {
        let token = input.access_token.clone();
        let pay = async {
            let order = decode(&input.order_id, "orderId")?;
            let PayOrderInput { access_token, method, idempotency_key: key, .. } = input;
            payments::pay(ctx.app(), ctx.viewer(), Pay { order, access_token, method, key }).await
        };
        let (paid, errors) = outcome(pay.await)?;
        let (order, payment) = shown(paid, token.as_deref());
        Ok(PayOrderPayload { order, payment, errors })
    }

    /// Asks the provider how a payment stands, after the buyer took another step. Call it when the buyer comes back;
    /// if nobody calls it, the server finds out by itself within seconds.
    async fn confirm_payment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: ConfirmPaymentInput,
    ) -> ApiResult<ConfirmPaymentPayload> {
        let token = input.access_token.as_deref();
        let confirm = async {
            let id = decode(&input.payment_id, "paymentId")?;
            payments::confirm(ctx.app(), ctx.viewer(), token, id).await
        };
        let (paid, errors) = outcome(confirm.await)?;
        let (order, payment) = shown(paid, token);
        Ok(ConfirmPaymentPayload { order, payment, errors })
    }

    /// Gives up a payment that is not decided, to pay another way or to cancel the order.
    async fn cancel_payment(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: CancelPaymentInput,
    ) -> ApiResult<CancelPaymentPayload> {
        let token = input.access_token.as_deref();
        let cancel = async {
            let id = decode(&input.payment_id, "paymentId")?;
            payments::cancel(ctx.app(), ctx.viewer(), token, id).await
        };
        let (paid, errors) = outcome(cancel.await)?;
        let (order, payment) = shown(paid, token);
        Ok(CancelPaymentPayload { order, payment, errors })
    }

    /// Gives a paid order back, whole unless you say `leaveUsedCoupons`: its tickets become void, its seats free, coupons that
    /// were bought in it are taken back, claims that were spent in it are their holders' again, and the money returns. The shop's
    /// sellers may do this at any time, the buyer until the event's `refundUntil`, or at any time once the event was
    /// cancelled; nobody once a ticket was used.
    async fn refund_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to give back.")] input: RefundOrderInput,
    ) -> ApiResult<RefundOrderPayload> {
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
        Ok(RefundOrderPayload {
            order: order.map(|row| Order::opened(row, token.as_deref())),
            refund: refund.flatten().map(Refund::from),
            errors,
        })
    }
}

fn shown(paid: Option<PaymentResult>, token: Option<&str>) -> (Option<Order>, Option<Payment>) {
    let (order, payment) = paid.map(|paid| (paid.order, paid.payment)).unzip();
    (order.map(|row| Order::opened(row, token)), payment.flatten().map(Payment::from))
}

impl From<Refusal> for PaymentError {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = match refusal {
            Refusal::AlreadyPaid => (PaymentErrorCode::AlreadyPaid, "the order is paid already"),
            Refusal::OrderEnded => (PaymentErrorCode::OrderEnded, "the order expired or was cancelled"),
            Refusal::BeingPaid => (PaymentErrorCode::BeingPaid, "another payment of the order is under way"),
            Refusal::UnknownMethod => {
                (PaymentErrorCode::UnknownMethod, "the provider has no such method of payment")
            }
            Refusal::NotPaid => (PaymentErrorCode::NotPaid, "the order is not paid"),
            Refusal::AlreadyRefunded => (PaymentErrorCode::AlreadyRefunded, "the order was refunded before"),
            Refusal::TicketUsed => (PaymentErrorCode::TicketUsed, "a ticket of the order was used"),
            Refusal::CouponUsed => {
                (PaymentErrorCode::CouponUsed, "a coupon of the order was used or given away")
            }
            Refusal::TooManyDeclines { available_at } => {
                return Self {
                    code: PaymentErrorCode::TooManyDeclines,
                    message: "too many payments were declined; wait".to_owned(),
                    retryable: true,
                    available_at: Some(available_at),
                    ..Self::default()
                };
            }
            Refusal::RefundClosed => {
                (PaymentErrorCode::RefundClosed, "the buyer's time for refunds is over; ask the shop")
            }
        };
        Self { code, message: message.to_owned(), ..Self::default() }
    }
}
