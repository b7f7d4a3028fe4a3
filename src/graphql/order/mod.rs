//! Orders in the API.

mod claims;
mod input;
mod line;
mod lists;

use async_graphql::{
    Context, Enum, ID, Object, Subscription,
    connection::{Connection, EmptyFields},
};
use chrono::{DateTime, Utc};
use entity::{OrderId, order};
use futures_util::{Stream, StreamExt};
use uuid::Uuid;

pub use self::{
    claims::{ApplicableCoupon, ApplicableQuery, NotApplicableReason, OrderDiscount},
    input::{CancelOrderInput, CancelOrderPayload, CheckoutInput, CheckoutPayload, ContactInput},
    line::{OrderContact, OrderLine},
};
use crate::{
    error::Error,
    graphql::{
        context::ContextExt,
        coupon::Claim,
        error::{ApiError, ApiResult, found, outcome, user_error},
        id::{decode, encode},
        page::{Cursor, connection},
        payment::{Payment, Refund},
        scalar::{Long, Money},
        shop::Shop,
        ticket::Ticket,
    },
    order::{self as orders, Refusal},
    page::Page,
    payment, ticket,
};

pub(crate) use self::lists::VisibleOrder;
use self::lists::{DiscountsOf, LinesOf};

/// A page of orders.
pub(crate) type OrderConnection = Connection<Cursor<Uuid>, Order, EmptyFields>;

user_error! {
    /// Why an order was not made or changed.
    OrderError, OrderErrorCode {
        /// A reservation ran out or was given back: reserve again.
        ReservationEnded,
        /// A reservation belongs to another order already.
        AlreadyOrdered,
        /// A payment of it is under way: cancel the payment first.
        BeingPaid,
        /// The reservations are of several shops or currencies: check out once for each.
        SeveralShops,
        /// The order is paid already.
        AlreadyPaid,
        /// The order expired or was cancelled.
        OrderEnded,
        /// The shop has no such code that you could use: the same answer for all such codes. Why one that nobody claimed yet
        /// cannot be claimed, `claimCode` says.
        UnknownCode,
        /// You typed too many wrong codes; `retryAfterSeconds` says how long to wait.
        TooManyCodes,
        /// A claim is bound to another order of its holder's that is not paid: pay or cancel that.
        ClaimInUse,
        /// A claim was used, revoked or given back.
        ClaimUsed,
        /// A claim's validity has not begun; `validFrom` says when it does.
        NotYetValid,
        /// A claim's validity is over.
        Expired,
        /// A claim takes nothing off: it opens hidden price levels, when you reserve.
        NoDiscount,
        /// A claim is another shop's.
        OtherShop,
        /// A claim's amounts are in another currency.
        OtherCurrency,
        /// A claim is for other things than are bought.
        OtherItems,
        /// Too little is bought of what a claim is for; `missing` says how much more it takes.
        MinimumNotMet,
        /// A claim applies alone only: leave the others out, or it.
        Exclusive,
        /// Two claims are of one group, or of one coupon that takes off an amount or a share: one of them applies.
        GroupTwice,
        /// The budget of a claim's campaign is used up.
        BudgetSpent,
        /// A gift card is empty.
        GiftCardEmpty,
        /// There is nothing left that a claim could take off: leave it out, and keep it.
        NothingLeft,
    }
    {
        /// After how many seconds to try another code.
        retry_after_seconds: u32,
        /// How much more has to be bought of what the claim is for.
        missing: Money,
        /// When the claim's validity begins.
        valid_from: DateTime<Utc>,
    }
}

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "OrderState", remote = "entity::order::OrderState")]
pub enum State {
    /// Made by the checkout; pay it before `expiresAt`.
    AwaitingPayment,
    /// Paid: its tickets are valid.
    Paid,
    /// It was refunded, its tickets are void; coupons that were bought in it and used stay, and what they cost.
    PartiallyRefunded,
    /// All of the money goes back; its tickets are void.
    Refunded,
    /// Its reservations ran out unpaid. Nothing was charged.
    Expired,
    /// Given up before it was paid. Nothing was charged.
    Cancelled,
    /// Money came too late and goes back.
    RefundDue,
    /// Cannot be decided by machine; the platform's operators were told.
    Stuck,
}

/// What is bought, from one shop in one currency. Everything in it stays as it was at the checkout.
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

/// What is bought, from one shop in one currency. Everything in it stays as it was at the checkout.
#[Object]
impl Order {
    /// The order's id.
    pub async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// Raised by every change.
    async fn version(&self) -> Long {
        Long(self.row.version)
    }

    /// A short reference for people, such as `7K3M9-QX4TA`.
    async fn number(&self) -> &str {
        &self.row.number
    }

    /// Where it stands.
    async fn state(&self) -> State {
        self.row.state.into()
    }

    /// What is to pay, fees and tax included, discounts taken off.
    async fn total(&self) -> Money {
        self.money(self.row.total_minor)
    }

    /// Fees, before discounts. Only gift cards pay fees.
    async fn fees(&self) -> Money {
        self.money(self.row.fee_minor)
    }

    /// Tax contained in what is sold, after discounts. Gift cards are a means of payment and do not change it.
    async fn tax(&self) -> Money {
        self.money(self.row.tax_minor)
    }

    /// What claims took off, or paid as gift cards, in all.
    async fn discount(&self) -> Money {
        self.money(self.row.discount_minor)
    }

    /// What each claim took off, in the order in which they applied.
    async fn discounts(&self, ctx: &Context<'_>) -> ApiResult<Vec<OrderDiscount>> {
        let discounts = ctx.loaders().one(DiscountsOf(self.row.id)).await?.unwrap_or_default();
        Ok(discounts.into_iter().map(|row| OrderDiscount::of(row, &self.row.currency)).collect())
    }

    /// Its lines: one per place, or copy of a coupon.
    async fn lines(&self, ctx: &Context<'_>) -> ApiResult<Vec<OrderLine>> {
        let lines = ctx.loaders().one(LinesOf(self.row.id)).await?.unwrap_or_default();
        Ok(lines.into_iter().map(|row| OrderLine::of(row, &self.row.currency)).collect())
    }

    /// Whom the order is for.
    async fn contact(&self) -> OrderContact {
        OrderContact {
            name: self.row.contact_name.clone(),
            email: self.row.contact_email.clone(),
            phone: self.row.contact_phone.clone(),
        }
    }

    /// The seller.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Shop> {
        Shop::of(ctx, self.row.shop_id).await
    }

    /// With this token somebody without your session reads and pays the order: for a link in a mail. Only the buyer
    /// sees it.
    async fn access_token(&self, ctx: &Context<'_>) -> ApiResult<Option<String>> {
        if !self.is_own(ctx) {
            return Ok(None);
        }
        Ok(Some(orders::access::token(ctx.app(), self.row.id)?))
    }

    /// Its tickets, once it is paid; void after a refund. Only the buyer sees them.
    async fn tickets(&self, ctx: &Context<'_>) -> ApiResult<Vec<Ticket>> {
        if !self.is_own(ctx) {
            return Ok(Vec::new());
        }
        let tickets = ticket::of_order(ctx.app(), self.row.id).await?;
        Ok(tickets.into_iter().map(Ticket::from).collect())
    }

    /// The coupons that were bought in it, once it is paid; revoked after a refund; not those that were given away. Only
    /// the buyer sees them, and whoever has the order's token.
    async fn claims(&self, ctx: &Context<'_>) -> ApiResult<Vec<Claim>> {
        if !self.is_own(ctx) {
            return Ok(Vec::new());
        }
        let lines = ctx.loaders().one(LinesOf(self.row.id)).await?.unwrap_or_default();
        let issued = lists::issued_for(ctx, &lines).await?;
        let own = issued.into_iter().filter(|claim| claim.account_id == self.row.account_id);
        Ok(own.map(Claim::opened).collect())
    }

    /// Its payments, oldest first: declined ones too.
    async fn payments(&self, ctx: &Context<'_>) -> ApiResult<Vec<Payment>> {
        let payments = payment::payments_of(ctx.app(), self.row.id).await?;
        Ok(payments.into_iter().map(Payment::from).collect())
    }

    /// Its refunds, oldest first.
    async fn refunds(&self, ctx: &Context<'_>) -> ApiResult<Vec<Refund>> {
        Ok(payment::refunds_of(ctx.app(), self.row.id).await?.into_iter().map(Refund::from).collect())
    }

    /// Unpaid, it expires here.
    async fn expires_at(&self) -> DateTime<Utc> {
        self.row.expires_at
    }

    /// When it was paid.
    async fn paid_at(&self) -> Option<DateTime<Utc>> {
        self.row.paid_at
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime<Utc> {
        self.row.created_at
    }
}

impl Order {
    /// An order that was opened with its access token: its bearer sees what the buyer sees.
    pub(crate) fn opened(row: order::Model, token: Option<&str>) -> Self {
        let by_token = token.is_some_and(|token| orders::access::opens(token, &row));
        Self { row, by_token }
    }

    fn money(&self, minor: i64) -> Money {
        Money::of(minor, &self.row.currency)
    }

    fn is_own(&self, ctx: &Context<'_>) -> bool {
        self.by_token || ctx.viewer().account().is_ok_and(|account| account == self.row.account_id)
    }
}

/// Queries.
#[derive(Debug, Default)]
pub struct OrderQuery;

#[Object]
impl OrderQuery {
    /// An order of yours, of your shop, or whose access token you have. Null otherwise.
    async fn order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] id: ID,
        #[graphql(desc = "Its access token, if you are not signed in as its buyer.")] access_token: Option<
            String,
        >,
    ) -> ApiResult<Option<Order>> {
        let token = access_token.as_deref();
        let order = orders::visible(ctx.app(), ctx.viewer(), token, decode(&id, "id")?).await;
        Ok(found(order)?.map(|row| Order::opened(row, token)))
    }
}

/// Mutations.
#[derive(Debug, Default)]
pub struct OrderMutation;

#[Object]
impl OrderMutation {
    /// Makes an order of reservations of yours, and of claims that you spend on them. All of the claims apply, or none
    /// and it is said why; until the order is paid or ends they are bound to it. The reservations' deadlines stay as they
    /// are; pay before the first of them, or extend them as before.
    async fn checkout(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to check out.")] input: CheckoutInput,
    ) -> ApiResult<CheckoutPayload> {
        ctx.viewer().account()?;
        let made = match input.check_out(ctx).await {
            // Everything that is wrong with the claims at once.
            Err(Error::Refused(Refusal::Claims { currency, refused })) => {
                let errors = refused.into_iter().map(|one| OrderError::of_claim(one, &currency)).collect();
                return Ok(CheckoutPayload { order: None, errors });
            }
            made => made,
        };
        let (order, errors) = outcome(made)?;
        Ok(CheckoutPayload { order: order.map(Order::from), errors })
    }

    /// Gives up an unpaid order; its reservations are released.
    async fn cancel_order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: CancelOrderInput,
    ) -> ApiResult<CancelOrderPayload> {
        let token = input.access_token.as_deref();
        let cancelled = async {
            orders::cancel(ctx.app(), ctx.viewer(), token, decode(&input.order_id, "orderId")?).await
        };
        let (order, errors) = outcome(cancelled.await)?;
        Ok(CancelOrderPayload { order: order.map(|row| Order::opened(row, token)), errors })
    }
}

/// Subscriptions.
#[derive(Debug, Default)]
pub struct OrderSubscription;

#[Subscription]
impl OrderSubscription {
    /// An order, now and after every change of it, its payments or its refunds: for the page that waits for the
    /// payment. Authorised as `Query.order`.
    async fn order(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The order.")] id: ID,
        #[graphql(desc = "Its access token, if you are not signed in as its buyer.")] access_token: Option<
            String,
        >,
    ) -> Result<impl Stream<Item = Result<Order, ApiError>> + use<>, ApiError> {
        let id: OrderId = decode(&id, "id")?;
        let stream = orders::watch(ctx.app(), ctx.viewer(), access_token.clone(), id).await?;
        Ok(stream.map(move |next| {
            next.map(|row| Order::opened(row, access_token.as_deref())).map_err(ApiError::from)
        }))
    }
}

/// A page of orders as a connection.
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
                (OrderErrorCode::AlreadyOrdered, "a reservation belongs to another order already")
            }
            Refusal::BeingPaid => (OrderErrorCode::BeingPaid, "a payment of it is under way"),
            Refusal::SeveralShops => {
                (OrderErrorCode::SeveralShops, "the reservations are of several shops or currencies")
            }
            Refusal::AlreadyPaid => (OrderErrorCode::AlreadyPaid, "the order is paid already"),
            Refusal::OrderEnded => (OrderErrorCode::OrderEnded, "the order expired or was cancelled"),
            Refusal::Claims { currency, refused } => {
                return refused.first().map_or_else(Self::default, |one| Self::of_claim(*one, &currency));
            }
        };
        Self { code, message: message.to_owned(), ..Self::default() }
    }
}
