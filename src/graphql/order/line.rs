//! Order lines and contact data in the API.

use async_graphql::{Context, ID, Object, SimpleObject};
use entity::order::line;

use super::{Order, lists::IssuedFor};
use crate::{
    error::{Fault, Object as Kind},
    graphql::{
        context::ContextExt,
        coupon::{Claim, Coupon},
        error::ApiResult,
        event::{Event, Tier},
        id::encode,
        scalar::{Instant, Money},
        seat_map::{Area, Seat},
        ticket::Ticket,
        ticket_loaders::TicketFor,
    },
    order::rights,
};

/// One bought place, or one bought copy of a coupon.
#[derive(Debug)]
pub struct OrderLine {
    row: line::Model,
    order: Order,
}

/// One bought place, or one bought copy of a coupon.
#[Object]
impl OrderLine {
    /// The global id of the line.
    pub async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// The order that contains the line.
    async fn order(&self) -> Order {
        self.order.clone()
    }

    /// The name of the place, such as `Stalls, Row A, Seat 12`, or the coupon's title at the time of the checkout.
    async fn label(&self) -> &str {
        &self.row.label
    }

    /// The name of the tier at the time of the checkout. Null for a coupon.
    async fn tier_name(&self) -> Option<&str> {
        self.row.tier_id.map(|_| self.row.tier_name.as_str())
    }

    /// The tier of the place in its current form. Null for a coupon.
    async fn tier(&self, ctx: &Context<'_>) -> ApiResult<Option<Tier>> {
        let Some(tier) = self.row.tier_id else { return Ok(None) };
        Ok(Some(Tier::of(ctx, tier).await?))
    }

    /// The event of the place. Null for a coupon.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Option<Event>> {
        let Some(event) = self.row.event_id else { return Ok(None) };
        Ok(Some(Event::of(ctx, event).await?))
    }

    /// The numbered seat. Null for a place in an area, and for a coupon.
    async fn seat(&self, ctx: &Context<'_>) -> ApiResult<Option<Seat>> {
        let Some(event) = self.row.event_id else { return Ok(None) };
        Ok(Seat::of(ctx, event, self.row.seat_ordinal).await?)
    }

    /// The general-admission area of the place. Null for a numbered seat, and for a coupon.
    async fn area(&self, ctx: &Context<'_>) -> ApiResult<Option<Area>> {
        let Some(event) = self.row.event_id else { return Ok(None) };
        Ok(Area::of(ctx, event, self.row.area_ordinal).await?)
    }

    /// The bought coupon. Null for a place.
    async fn coupon(&self, ctx: &Context<'_>) -> ApiResult<Option<Coupon>> {
        let Some(coupon) = self.row.coupon_id else { return Ok(None) };
        Ok(Some(Coupon::of(ctx, coupon).await?))
    }

    /// The ticket for the place. Null for a coupon, and before the order is paid. Only the buyer and bearers of the
    /// order's access token can read it; otherwise the error is `FORBIDDEN`.
    async fn ticket(&self, ctx: &Context<'_>) -> ApiResult<Option<Ticket>> {
        if self.row.event_id.is_none() {
            return Ok(None);
        }
        self.order.require_own(ctx)?;
        let ticket = ctx.loaders().one(TicketFor(self.row.id)).await?;
        Ok(ticket.map(|row| Ticket::of(row, &self.order)))
    }

    /// The claim that was issued for the copy of the coupon. Null for a place, before the order is paid, and after the
    /// claim was given away. Only the buyer and bearers of the order's access token can read it; otherwise the error is
    /// `FORBIDDEN`.
    async fn claim(&self, ctx: &Context<'_>) -> ApiResult<Option<Claim>> {
        if self.row.coupon_id.is_none() {
            return Ok(None);
        }
        self.order.require_own(ctx)?;
        let issued = ctx.loaders().one(IssuedFor(self.row.id)).await?;
        let own = issued.filter(|claim| claim.account_id == self.order.row().account_id);
        Ok(own.map(|row| Claim::opened(row, &self.order)))
    }

    /// Until when the buyer can refund the place without the shop: the later one of `Event.refundUntil` at the checkout
    /// and now. After a cancellation of the event, it can be refunded at any time. Null for never, and for a coupon.
    async fn refund_until(&self, ctx: &Context<'_>) -> ApiResult<Option<Instant>> {
        let Some(event) = self.row.event_id else { return Ok(None) };
        let event = ctx.loaders().one(event).await?.ok_or(Fault::NotFound(Kind::Event))?;
        Ok(rights::refund_until(&self.row, &event)?.map(Into::into))
    }

    /// The price, including fee and tax, before discounts: `basePrice` plus `fee`.
    async fn price(&self) -> Money {
        self.order.money(self.row.price_minor + self.row.fee_minor)
    }

    /// The price without the fee, including tax, before discounts.
    async fn base_price(&self) -> Money {
        self.order.money(self.row.price_minor)
    }

    /// The fee, including tax.
    async fn fee(&self) -> Money {
        self.order.money(self.row.fee_minor)
    }

    /// The line's share of the order's discounts.
    async fn discount(&self) -> Money {
        self.order.money(self.row.discount_minor)
    }

    /// The tax contained in the price, after discounts.
    async fn tax(&self) -> Money {
        self.order.money(self.row.tax_minor)
    }

    /// The amount to pay for this line: `price` minus `discount`.
    async fn total(&self) -> Money {
        self.order.money(self.row.price_minor + self.row.fee_minor - self.row.discount_minor)
    }
}

/// The contact data for an order.
#[derive(Debug, SimpleObject)]
pub struct OrderContact {
    /// The name of the recipient as plain text.
    pub name: String,
    /// The e-mail address of the recipient, for messages about the order.
    pub email: String,
    /// The telephone number. Null if none was given.
    pub phone: Option<String>,
}

impl OrderLine {
    /// Creates a line of an order that the viewer may see.
    pub(crate) fn of(row: line::Model, order: &Order) -> Self {
        Self { row, order: order.clone() }
    }
}
