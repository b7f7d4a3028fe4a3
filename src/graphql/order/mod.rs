//! Orders in the API.

mod claims;
mod error;
mod input;
mod line;
mod lists;
mod object;

use async_graphql::{Context, ID, Object, Subscription};
use entity::{OrderId, order};
use futures_util::{Stream, StreamExt};
use uuid::Uuid;

pub(crate) use self::lists::LineOf;
pub use self::{
    claims::{ApplicableCoupon, ApplicableQuery, NotApplicableReason, OrderDiscount},
    error::{CancelOrderError, CheckoutError},
    input::{CancelOrderInput, CancelOrderPayload, CheckoutInput, CheckoutPayload, ContactInput},
    line::{OrderContact, OrderLine},
    object::{Order, State},
};
use crate::{
    graphql::{
        context::ContextExt,
        error::{ApiError, ApiResult, found, outcome},
        id::decode,
        page::{Connected, connection},
    },
    order as orders,
    page::Page,
};

/// A page of orders.
pub(crate) type OrderConnection = Connected<Uuid, Order>;

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
    ) -> ApiResult<Option<CheckoutPayload>> {
        ctx.viewer().account()?;
        let (order, errors) = outcome(input.check_out(ctx).await)?;
        Ok(Some(CheckoutPayload { order: order.map(Order::from), errors }))
    }

    /// Cancels an unpaid order and releases its reservations.
    async fn cancel_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `cancelOrder`.")] input: CancelOrderInput,
    ) -> ApiResult<Option<CancelOrderPayload>> {
        let token = input.access_token.as_deref();
        let cancelled = async {
            orders::cancel(ctx.app(), ctx.viewer(), token, decode(&input.order_id, "orderId")?).await
        };
        let (order, errors) = outcome(cancelled.await)?;
        Ok(Some(CancelOrderPayload { order: order.map(|row| Order::opened(row, token)), errors }))
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
    connection(page, |row| (row.id.0, Order::from(row)))
}
