//! Order lines and contact data in the API.

use async_graphql::{Context, Object, SimpleObject};
use entity::order::line;

use crate::graphql::{coupon::Coupon, error::ApiResult, event::Event, scalar::Money};

/// One bought place, or one bought copy of a coupon.
#[derive(Debug)]
pub struct OrderLine {
    row: line::Model,
    currency: String,
}

/// One bought place, or one bought copy of a coupon.
#[Object]
impl OrderLine {
    /// The name of the place, such as `Stalls, Row A, Seat 12`, or the coupon's title at the time of the checkout.
    async fn label(&self) -> &str {
        &self.row.label
    }

    /// The name of the tier. Empty for a coupon.
    async fn tier_name(&self) -> &str {
        &self.row.tier_name
    }

    /// The event of the place. Null for a coupon.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Option<Event>> {
        let Some(event) = self.row.event_id else { return Ok(None) };
        Ok(Some(Event::of(ctx, event).await?))
    }

    /// The bought coupon. Null for a place.
    async fn coupon(&self, ctx: &Context<'_>) -> ApiResult<Option<Coupon>> {
        let Some(coupon) = self.row.coupon_id else { return Ok(None) };
        Ok(Some(Coupon::of(ctx, coupon).await?))
    }

    /// The price, including tax.
    async fn price(&self) -> Money {
        Money::of(self.row.price_minor, &self.currency)
    }

    /// The fee, including tax.
    async fn fee(&self) -> Money {
        Money::of(self.row.fee_minor, &self.currency)
    }

    /// The line's share of the order's discounts.
    async fn discount(&self) -> Money {
        Money::of(self.row.discount_minor, &self.currency)
    }

    /// The tax contained in price and fee, after discounts.
    async fn tax(&self) -> Money {
        Money::of(self.row.tax_minor, &self.currency)
    }

    /// The amount to pay for this line: price plus fee, minus discount.
    async fn total(&self) -> Money {
        let total = self.row.price_minor + self.row.fee_minor - self.row.discount_minor;
        Money::of(total, &self.currency)
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
    pub(super) fn of(row: line::Model, currency: &str) -> Self {
        Self { row, currency: currency.to_owned() }
    }
}
