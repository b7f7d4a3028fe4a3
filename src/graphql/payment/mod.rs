//! Payments and refunds in the API.

mod object;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

pub use self::object::{Payment, Refund, RefundState, State};
pub(crate) use self::object::{PaymentsOf, RefundsOf};
pub use super::payment_error::{PayOrderError, PaymentError, RefundOrderError};
use super::{
    context::ContextExt,
    error::{ApiResult, outcome},
    id::decode,
    order::Order,
};
use crate::payment::{self as payments, Pay, PaymentResult, RefundOrder};

/// Input of `payOrder`.
#[derive(Debug, InputObject)]
pub struct PayOrderInput {
    /// The id of the order.
    pub order_id: ID,
    /// The order's access token. Send it if you are not signed in as the buyer.
    pub access_token: Option<String>,
    /// The provider's id of a payment method, 1 to 255 characters. Required unless the order total is zero: then nothing
    /// is collected, and it is ignored. The sandbox accepts Stripe's test methods: `pm_card_visa` succeeds,
    /// `pm_card_chargeDeclined` is declined, and `pm_card_authenticationRequired` needs another step.
    pub method: Option<String>,
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
        let Some(refunded) = refunded else {
            return Ok(Some(RefundOrderPayload { errors, ..Default::default() }));
        };
        let order = Order::opened(refunded.order, token.as_deref());
        let refund = refunded.refund.map(|row| Refund::of(row, &order));
        Ok(Some(RefundOrderPayload { order: Some(order), refund, errors }))
    }
}

fn shown(paid: Option<PaymentResult>, token: Option<&str>) -> (Option<Order>, Option<Payment>) {
    let Some(paid) = paid else { return (None, None) };
    let order = Order::opened(paid.order, token);
    let payment = paid.payment.map(|row| Payment::of(row, &order));
    (Some(order), payment)
}
