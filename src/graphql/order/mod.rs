//! Orders in the API.

mod claims;
mod error;
mod input;
mod line;
mod lists;

use async_graphql::{Context, Enum, ID, Object, Subscription};
use chrono::{DateTime, Utc};
use entity::{OrderId, order};
use futures_util::{Stream, StreamExt};
use uuid::Uuid;

pub use self::{
    claims::{ApplicableCoupon, ApplicableQuery, NotApplicableReason, OrderDiscount},
    error::{CancelOrderError, CheckoutError},
    input::{CancelOrderInput, CancelOrderPayload, CheckoutInput, CheckoutPayload, ContactInput},
    line::{OrderContact, OrderLine},
};
use crate::{
    graphql::{
        context::ContextExt,
        coupon::Claim,
        error::{ApiError, ApiResult, found, not_allowed, outcome},
        id::{decode, encode},
        page::{Connected, connection},
        payment::{Payment, Refund},
        scalar::{Long, Money},
        shop::Shop,
        ticket::Ticket,
    },
    order as orders,
    page::Page,
    payment, ticket,
};

pub(crate) use self::lists::VisibleOrder;
use self::lists::{DiscountsOf, LinesOf};

/// A page of orders.
pub(crate) type OrderConnection = Connected<Uuid, Order>;

/// The state of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "OrderState", remote = "entity::order::OrderState")]
pub enum State {
    /// The order is not paid yet. Pay it before `expiresAt`.
    AwaitingPayment,
    /// The order is paid. Its tickets are valid.
    Paid,
    /// The order was refunded except for used coupons. Its tickets are void; the used coupons stay, and their price is
    /// not refunded.
    PartiallyRefunded,
    /// The order was refunded in full. Its tickets are void.
    Refunded,
    /// The order's reservations expired before payment. Nothing was charged.
    Expired,
    /// The order was cancelled before payment. Nothing was charged.
    Cancelled,
    /// The money arrived too late and is being returned.
    RefundDue,
    /// The server cannot settle the order automatically. The platform's operators are informed.
    Stuck,
}

/// A purchase from one shop in one currency. Its contents stay as they were at the checkout.
#[derive(Clone, Debug)]
pub struct Order {
    row: order::Model,
    by_token: bool,
}

impl From<order::Model> for Order {
    fn from(row: order::Model) -> Self {
        Self { row, by_token: false }
    }
}

/// A purchase from one shop in one currency. Its contents stay as they were at the checkout.
#[Object]
impl Order {
    /// The global id of the order.
    pub async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// Increases with every change.
    async fn version(&self) -> Long {
        Long(self.row.version)
    }

    /// A short reference for people, such as `7K3M9-QX4TA`.
    async fn number(&self) -> &str {
        &self.row.number
    }

    /// The current state.
    async fn state(&self) -> State {
        self.row.state.into()
    }

    /// The amount to pay, including fees and tax, after discounts.
    async fn total(&self) -> Money {
        self.money(self.row.total_minor)
    }

    /// The sum of the fees, before discounts. Of all claims, only gift cards reduce fees.
    async fn fees(&self) -> Money {
        self.money(self.row.fee_minor)
    }

    /// The tax contained in the items, after discounts. Gift cards are a means of payment and do not change it.
    async fn tax(&self) -> Money {
        self.money(self.row.tax_minor)
    }

    /// The sum of all discounts and gift-card payments.
    async fn discount(&self) -> Money {
        self.money(self.row.discount_minor)
    }

    /// The discount of each claim, in the order of application.
    async fn discounts(&self, ctx: &Context<'_>) -> ApiResult<Vec<OrderDiscount>> {
        let discounts = ctx.loaders().one(DiscountsOf(self.row.id)).await?.unwrap_or_default();
        Ok(discounts.into_iter().map(|row| OrderDiscount::of(row, &self.row.currency)).collect())
    }

    /// The lines: one per place or copy of a coupon.
    async fn lines(&self, ctx: &Context<'_>) -> ApiResult<Vec<OrderLine>> {
        let lines = ctx.loaders().one(LinesOf(self.row.id)).await?.unwrap_or_default();
        Ok(lines.into_iter().map(|row| OrderLine::of(row, &self.row.currency)).collect())
    }

    /// The contact data for the order.
    async fn contact(&self) -> OrderContact {
        OrderContact {
            name: self.row.contact_name.clone(),
            email: self.row.contact_email.clone(),
            phone: self.row.contact_phone.clone(),
        }
    }

    /// The shop that sells the order.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Shop> {
        Shop::of(ctx, self.row.shop_id).await
    }

    /// A token that lets its bearer read and pay the order without your session, for instance from a link in a mail.
    /// Only the buyer and bearers of the token can read it; otherwise it is null with the error `FORBIDDEN`.
    async fn access_token(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        self.require_own(ctx)?;
        Ok(Some(orders::access::token(ctx.app(), self.row.id)?))
    }

    /// The tickets of a paid order. They become void after a refund. Empty before the payment. Only the buyer and
    /// bearers of the order's access token can read them; otherwise the list is null with the error `FORBIDDEN`.
    async fn tickets(&self, ctx: &Context<'_>) -> ApiResult<Option<Vec<Ticket>>> {
        self.require_own(ctx)?;
        let tickets = ticket::of_order(ctx.app(), self.row.id).await?;
        Ok(Some(tickets.into_iter().map(Ticket::from).collect()))
    }

    /// The claims that were bought with the order, once it is paid. They are revoked after a refund; claims that were
    /// given away are excluded. Only the buyer and bearers of the order's access token can read them; otherwise the
    /// list is null with the error `FORBIDDEN`.
    async fn claims(&self, ctx: &Context<'_>) -> ApiResult<Option<Vec<Claim>>> {
        self.require_own(ctx)?;
        let lines = ctx.loaders().one(LinesOf(self.row.id)).await?.unwrap_or_default();
        let issued = lists::issued_for(ctx, &lines).await?;
        let own = issued.into_iter().filter(|claim| claim.account_id == self.row.account_id);
        Ok(Some(own.map(Claim::opened).collect()))
    }

    /// The payments, oldest first, including failed ones.
    async fn payments(&self, ctx: &Context<'_>) -> ApiResult<Vec<Payment>> {
        let payments = payment::payments_of(ctx.app(), self.row.id).await?;
        Ok(payments.into_iter().map(Payment::from).collect())
    }

    /// The refunds, oldest first.
    async fn refunds(&self, ctx: &Context<'_>) -> ApiResult<Vec<Refund>> {
        Ok(payment::refunds_of(ctx.app(), self.row.id).await?.into_iter().map(Refund::from).collect())
    }

    /// When the order expires if it is not paid.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.row.expires_at
    }

    /// When the order was paid. Null if it was not.
    async fn paid_at(&self) -> Option<DateTime<Utc>> {
        self.row.paid_at
    }

    /// When the object was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }

    /// When the order was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.row.updated_at
    }
}

impl Order {
    /// Wraps an order that was opened with its access token. Its bearer sees what the buyer sees.
    pub(crate) fn opened(row: order::Model, token: Option<&str>) -> Self {
        let by_token = token.is_some_and(|token| orders::access::opens(token, &row));
        Self { row, by_token }
    }

    fn money(&self, minor: i64) -> Money {
        Money::of(minor, &self.row.currency)
    }

    fn require_own(&self, ctx: &Context<'_>) -> ApiResult<()> {
        let is_own = self.by_token || ctx.viewer().account().ok() == Some(self.row.account_id);
        if is_own { Ok(()) } else { Err(not_allowed(ctx.viewer())) }
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
