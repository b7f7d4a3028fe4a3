//! Error types of payments and refunds.

use async_graphql::ID;

use super::{
    id::encode,
    scalar::Instant,
    user_error::{Explain, Explanation, user_error},
};
use crate::payment::Refusal;

user_error! {
    /// An error of `payOrder`: why no payment was attempted.
    PayOrderError, PayOrderErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// The order is already paid.
        AlreadyPaid: Refused,
        /// The order expired or was cancelled. Reserve again.
        OrderEnded: Refused,
        /// Another payment of the order is in progress. Wait for it, or call `cancelPayment`.
        BeingPaid: Refused,
        /// The payment provider does not know this method. Choose another one.
        UnknownMethod: Invalid,
        /// Too many payments were declined recently, for this buyer or from your network. No payment was attempted. Try
        /// again at `availableAt`.
        TooManyDeclines: Limited,
    }
    {
        /// When the next payment can be attempted. Set only with `TOO_MANY_DECLINES`.
        available_at: Instant,
    }
}

user_error! {
    /// An error of a mutation about a payment in progress.
    PaymentError, PaymentErrorCode (Invalid NotFound) from Refusal {}
}

user_error! {
    /// An error of `refundOrder`.
    RefundOrderError, RefundOrderErrorCode (Invalid NotFound IdempotencyMismatch) from Refusal {
        /// The order is not paid, so there is nothing to refund.
        NotPaid: Refused,
        /// The order was already refunded.
        AlreadyRefunded: Refused,
        /// A ticket of the order was used, so the order cannot be refunded; see `ticketIds`. If it was a mistake, a member
        /// of the shop can call `undoCheckIn` first.
        TicketUsed: Refused,
        /// A coupon that was bought with the order was used or given away. Send `leaveUsedCoupons: true` to refund the
        /// rest.
        CouponUsed: Refused,
        /// The buyer's refund period is over. Ask the shop for a refund.
        RefundClosed: Refused,
    }
    {
        /// The ids of the used tickets. Set only with `TICKET_USED`.
        ticket_ids: Vec<ID>,
    }
}

/// The data of payment errors.
#[derive(Debug, Default)]
pub(crate) struct PaymentData {
    available_at: Option<Instant>,
    ticket_ids: Option<Vec<ID>>,
}

impl Explain for Refusal {
    type Data = PaymentData;

    fn explain(self) -> Explanation<PaymentData> {
        match self {
            Self::AlreadyPaid => Explanation::new("the order is already paid").at("orderId"),
            Self::OrderEnded => Explanation::new("the order expired or was cancelled").at("orderId"),
            Self::BeingPaid => Explanation::new("another payment of the order is in progress"),
            Self::UnknownMethod => {
                Explanation::new("the payment provider does not know this method").at("method")
            }
            Self::NotPaid => Explanation::new("the order is not paid"),
            Self::AlreadyRefunded => Explanation::new("the order was already refunded"),
            Self::TicketUsed(tickets) => {
                let ticket_ids = Some(tickets.into_iter().map(encode).collect());
                Explanation::new("a ticket of the order was used")
                    .with(PaymentData { ticket_ids, ..PaymentData::default() })
            }
            Self::CouponUsed => Explanation::new("a coupon of the order was used or given away"),
            Self::TooManyDeclines { available_at } => {
                Explanation::new("too many payments were declined; try again later")
                    .with(PaymentData { available_at: Some(available_at.into()), ..PaymentData::default() })
                    .retryable(true)
            }
            Self::RefundClosed => Explanation::new("the buyer's refund period is over; ask the shop"),
        }
    }
}
