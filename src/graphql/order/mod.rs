//! Orders in the API.

mod claims;
mod input;
mod line;
mod lists;
mod object;

use async_graphql::{
    Context, ID, Object, Subscription,
    connection::{Connection, EmptyFields},
};
use chrono::{DateTime, Utc};
use entity::{OrderId, order};
use futures_util::{Stream, StreamExt};
use uuid::Uuid;

pub(crate) use self::lists::LineOf;
pub use self::{
    claims::{ApplicableCoupon, ApplicableQuery, NotApplicableReason, OrderDiscount},
    input::{CancelOrderInput, CancelOrderPayload, CheckoutInput, CheckoutPayload, ContactInput},
    line::{OrderContact, OrderLine},
    object::{Order, State},
};
use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        error::{ApiError, ApiResult, found, outcome, user_error},
        id::decode,
        page::{Cursor, connection},
        scalar::Money,
    },
    order::{self as orders, Refusal},
    page::Page,
};

/// A page of orders.
pub(crate) type OrderConnection = Connection<Cursor<Uuid>, Order, EmptyFields>;

user_error! {
    /// An error of an order mutation.
    OrderError, OrderErrorCode {
        /// A reservation expired or was released. Reserve again.
        ReservationEnded,
        /// A reservation already belongs to another order. Pay or cancel that order.
        AlreadyOrdered,
        /// A payment of the order is in progress. Call `cancelPayment` first.
        BeingPaid,
        /// The reservations are of several shops or currencies. Create one order for each.
        SeveralShops,
        /// The order is already paid.
        AlreadyPaid,
        /// The order expired or was cancelled. Reserve again.
        OrderEnded,
        /// The shop has no such code, or you cannot use it. All unusable codes give this error. For an unclaimed code,
        /// `claimCode` tells the reason.
        UnknownCode,
        /// Too many wrong codes. Wait `retryAfterSeconds`, then try again.
        TooManyCodes,
        /// A claim is bound to another unpaid order of its holder. Pay or cancel that order.
        ClaimInUse,
        /// A claim was used, revoked or released. Remove it from the input.
        ClaimUsed,
        /// A claim is not valid before `validFrom`.
        NotYetValid,
        /// A claim's validity has ended. Remove it from the input.
        Expired,
        /// A claim gives no discount. It unlocks hidden tiers; send its code with `reserveSeats`.
        NoDiscount,
        /// A claim belongs to another shop. Remove it from the input.
        OtherShop,
        /// A claim's amounts are in another currency. Remove it from the input.
        OtherCurrency,
        /// A claim does not apply to any of the items. Remove it from the input.
        OtherItems,
        /// The items do not reach the minimum spend of a claim. Add items for `missing`, or remove the claim.
        MinimumNotMet,
        /// A claim cannot be combined with others. Use it alone, or remove it.
        Exclusive,
        /// Two claims are of the same stacking group, or of the same coupon with an amount or a percentage. Remove one
        /// of them.
        GroupTwice,
        /// The budget of a claim's coupon is used up. Remove the claim.
        BudgetSpent,
        /// A gift card has no remaining value. Remove it from the input.
        GiftCardEmpty,
        /// The remaining total is zero, so a claim has nothing to reduce. Remove it to keep it for later.
        NothingLeft,
    }
    {
        /// Seconds to wait before the next attempt. Set only with `TOO_MANY_CODES`.
        retry_after_seconds: u32,
        /// The amount by which the matching items miss the minimum spend. Set only with `MINIMUM_NOT_MET`.
        missing: Money,
        /// When the claim becomes valid. Set only with `NOT_YET_VALID`.
        valid_from: DateTime<Utc>,
    }
}

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct OrderQuery;

#[Object]
impl OrderQuery {
    /// Returns an order of yours, of your shop, or one whose access token you have. Otherwise null.
    async fn order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the order.")] id: ID,
        #[graphql(desc = "The order's access token. Send it if you are not signed in as the buyer.")]
        access_token: Option<String>,
    ) -> ApiResult<Option<Order>> {
        let token = access_token.as_deref();
        let order = orders::visible(ctx.app(), ctx.viewer(), token, decode(&id, "id")?).await;
        Ok(found(order)?.map(|row| Order::opened(row, token)))
    }
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct OrderMutation;

#[Object]
impl OrderMutation {
    /// Creates an order from your reservations and the claims to use. Either all claims apply or the error names the
    /// reason. The claims are bound to the order until it is paid or ends. The deadlines of the reservations do not
    /// change: pay before the first of them, or extend them with `extendReservation`.
    async fn checkout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `checkout`.")] input: CheckoutInput,
    ) -> ApiResult<CheckoutPayload> {
        ctx.viewer().account()?;
        let made = match input.check_out(ctx).await {
            // All problems of the claims together.
            Err(Error::Refused(Refusal::Claims { currency, refused })) => {
                let errors = refused.into_iter().map(|one| OrderError::of_claim(one, &currency)).collect();
                return Ok(CheckoutPayload { order: None, errors });
            }
            made => made,
        };
        let (order, errors) = outcome(made)?;
        Ok(CheckoutPayload { order: order.map(Order::from), errors })
    }

    /// Cancels an unpaid order and releases its reservations.
    async fn cancel_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `cancelOrder`.")] input: CancelOrderInput,
    ) -> ApiResult<CancelOrderPayload> {
        let token = input.access_token.as_deref();
        let cancelled = async {
            orders::cancel(ctx.app(), ctx.viewer(), token, decode(&input.order_id, "orderId")?).await
        };
        let (order, errors) = outcome(cancelled.await)?;
        Ok(CancelOrderPayload { order: order.map(|row| Order::opened(row, token)), errors })
    }
}

/// The subscriptions of this slice.
#[derive(Debug, Default)]
pub struct OrderSubscription;

#[Subscription]
impl OrderSubscription {
    /// Streams an order: once at the start and after every change of the order, its payments or its refunds. Use it on
    /// the page that waits for a payment. The access rules are those of `Query.order`.
    async fn order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the order.")] id: ID,
        #[graphql(desc = "The order's access token. Send it if you are not signed in as the buyer.")]
        access_token: Option<String>,
    ) -> Result<impl Stream<Item = Result<Order, ApiError>> + use<>, ApiError> {
        let id: OrderId = decode(&id, "id")?;
        let stream = orders::watch(ctx.app(), ctx.viewer(), access_token.clone(), id).await?;
        Ok(stream.map(move |next| {
            next.map(|row| Order::opened(row, access_token.as_deref())).map_err(ApiError::from)
        }))
    }
}

/// Converts a page of orders to a connection.
pub(crate) fn order_connection(page: Page<order::Model>) -> OrderConnection {
    connection(page, EmptyFields, |row| (row.id.0, Order::from(row)))
}

impl From<Refusal> for OrderError {
    fn from(refusal: Refusal) -> Self {
        let (code, message) = match refusal {
            Refusal::ReservationEnded => {
                (OrderErrorCode::ReservationEnded, "a reservation has ended; reserve again")
            }
            Refusal::AlreadyOrdered => {
                (OrderErrorCode::AlreadyOrdered, "a reservation already belongs to another order")
            }
            Refusal::BeingPaid => (OrderErrorCode::BeingPaid, "a payment of the order is in progress"),
            Refusal::SeveralShops => {
                (OrderErrorCode::SeveralShops, "the reservations are of several shops or currencies")
            }
            Refusal::AlreadyPaid => (OrderErrorCode::AlreadyPaid, "the order is already paid"),
            Refusal::OrderEnded => (OrderErrorCode::OrderEnded, "the order expired or was cancelled"),
            Refusal::Claims { currency, refused } => {
                return refused.first().map_or_else(Self::default, |one| Self::of_claim(*one, &currency));
            }
        };
        Self { code, message: message.to_owned(), ..Self::default() }
    }
}
