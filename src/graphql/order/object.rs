//! The order in the API.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object};
use entity::{OrderId, order};

use super::{
    OrderContact, OrderDiscount, OrderLine,
    lists::{self, DiscountsOf, LinesOf, OrderOpenedBy, VisibleOrder},
};
use crate::{
    error::FaultResult,
    graphql::{
        context::ContextExt,
        coupon::Claim,
        error::{ApiResult, not_allowed},
        id::encode,
        payment::{Payment, PaymentsOf, Refund, RefundsOf},
        scalar::{Instant, Long, Money},
        shop::Shop,
        ticket::Ticket,
        ticket_loaders::TicketsOf,
    },
    order as orders,
};

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
    row: Arc<order::Model>,
    /// Whether the viewer has the buyer's rights through the order's access token.
    by_token: bool,
}

impl From<order::Model> for Order {
    fn from(row: order::Model) -> Self {
        Self { row: Arc::new(row), by_token: false }
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

    /// The sum of the lines' base prices, including tax, before fees and discounts. `subtotal` plus `fees` minus
    /// `discount` is `total`.
    async fn subtotal(&self) -> Money {
        self.money(self.row.total_minor + self.row.discount_minor - self.row.fee_minor)
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
        Ok(lines.into_iter().map(|row| OrderLine::of(row, self)).collect())
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
        let tickets = ctx.loaders().one(TicketsOf(self.row.id)).await?.unwrap_or_default();
        Ok(Some(tickets.into_iter().map(|row| Ticket::of(row, self)).collect()))
    }

    /// The claims that were bought with the order, once it is paid. They are revoked after a refund; claims that were
    /// given away are excluded. Only the buyer and bearers of the order's access token can read them; otherwise the
    /// list is null with the error `FORBIDDEN`.
    async fn claims(&self, ctx: &Context<'_>) -> ApiResult<Option<Vec<Claim>>> {
        self.require_own(ctx)?;
        let lines = ctx.loaders().one(LinesOf(self.row.id)).await?.unwrap_or_default();
        let issued = lists::issued_for(ctx, &lines).await?;
        let own = issued.into_iter().filter(|claim| claim.account_id == self.row.account_id);
        Ok(Some(own.map(|row| Claim::opened(row, self)).collect()))
    }

    /// The payments, oldest first, including failed ones.
    async fn payments(&self, ctx: &Context<'_>) -> ApiResult<Vec<Payment>> {
        let payments = ctx.loaders().one(PaymentsOf(self.row.id)).await?.unwrap_or_default();
        Ok(payments.into_iter().map(|row| Payment::of(row, self)).collect())
    }

    /// The refunds, oldest first.
    async fn refunds(&self, ctx: &Context<'_>) -> ApiResult<Vec<Refund>> {
        let refunds = ctx.loaders().one(RefundsOf(self.row.id)).await?.unwrap_or_default();
        Ok(refunds.into_iter().map(|row| Refund::of(row, self)).collect())
    }

    /// When the order expires if it is not paid.
    async fn expires_at(&self) -> Instant {
        self.row.expires_at.into()
    }

    /// When the order was paid. Null if it was not.
    async fn paid_at(&self) -> Option<Instant> {
        self.row.paid_at.map(Into::into)
    }

    /// When the object was created.
    async fn created_at(&self) -> Instant {
        self.row.created_at.into()
    }

    /// When the order was last changed.
    async fn updated_at(&self) -> Instant {
        self.row.updated_at.into()
    }
}

impl Order {
    /// Wraps an order that was opened with its access token. Its bearer sees what the buyer sees.
    pub(crate) fn opened(row: order::Model, token: Option<&str>) -> Self {
        let by_token = token.is_some_and(|token| orders::access::opens(token, &row));
        Self { row: Arc::new(row), by_token }
    }

    /// Returns the order if the viewer may see it.
    pub(crate) async fn visible(ctx: &Context<'_>, id: OrderId) -> FaultResult<Option<Self>> {
        Ok(ctx.loaders().one(VisibleOrder(id)).await?.map(Self::from))
    }

    /// Returns the order if the viewer may see it, or has its access token.
    pub(crate) async fn opened_by(
        ctx: &Context<'_>,
        id: OrderId,
        token: Option<&Arc<str>>,
    ) -> FaultResult<Option<Self>> {
        if let Some(row) = ctx.loaders().one(VisibleOrder(id)).await? {
            return Ok(Some(Self::opened(row, token.map(AsRef::as_ref))));
        }
        let Some(token) = token else { return Ok(None) };
        let row = ctx.loaders().one(OrderOpenedBy(id, token.clone())).await?;
        Ok(row.map(|row| Self::opened(row, Some(token))))
    }

    /// Returns the order's row.
    pub(crate) fn row(&self) -> &order::Model {
        &self.row
    }

    /// Returns an amount in the order's currency.
    pub(crate) fn money(&self, minor: i64) -> Money {
        Money::of(minor, &self.row.currency)
    }

    /// Returns whether the viewer is the buyer or has the order's access token.
    pub(crate) fn is_own(&self, ctx: &Context<'_>) -> bool {
        self.by_token || ctx.viewer().account().is_ok_and(|account| account == self.row.account_id)
    }

    /// Refuses viewers who are not the buyer and do not have the order's access token.
    pub(super) fn require_own(&self, ctx: &Context<'_>) -> ApiResult<()> {
        if self.is_own(ctx) { Ok(()) } else { Err(not_allowed(ctx.viewer())) }
    }
}
