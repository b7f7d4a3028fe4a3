//! What an order is made of, in the API.

use async_graphql::{Context, Object, SimpleObject};
use entity::order::line;

use crate::graphql::{coupon::Coupon, error::ApiResult, event::Event, scalar::Money};

/// One place or one copy of a coupon, as it was bought.
#[derive(Debug)]
pub struct OrderLine {
    row: line::Model,
    currency: String,
}

/// One place or one copy of a coupon, as it was bought.
#[Object]
impl OrderLine {
    /// The place in words, such as `Stalls, Row A, Seat 12`; or what the coupon was called then.
    async fn label(&self) -> &str {
        &self.row.label
    }

    /// The price level's name; empty for a coupon.
    async fn tier_name(&self) -> &str {
        &self.row.tier_name
    }

    /// The event, unless it is a coupon that is bought.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Option<Event>> {
        let Some(event) = self.row.event_id else { return Ok(None) };
        Ok(Some(Event::of(ctx, event).await?))
    }

    /// The coupon that is bought, unless it is a place.
    async fn coupon(&self, ctx: &Context<'_>) -> ApiResult<Option<Coupon>> {
        let Some(coupon) = self.row.coupon_id else { return Ok(None) };
        Ok(Some(Coupon::of(ctx, coupon).await?))
    }

    /// Price, tax included.
    async fn price(&self) -> Money {
        Money::of(self.row.price_minor, &self.currency)
    }

    /// Fee, tax included.
    async fn fee(&self) -> Money {
        Money::of(self.row.fee_minor, &self.currency)
    }

    /// What claims took off the line: its share of the order's discounts.
    async fn discount(&self) -> Money {
        Money::of(self.row.discount_minor, &self.currency)
    }

    /// Tax contained in price and fee, after discounts.
    async fn tax(&self) -> Money {
        Money::of(self.row.tax_minor, &self.currency)
    }

    /// What is to pay for it: price and fee, less the discount.
    async fn total(&self) -> Money {
        let total = self.row.price_minor + self.row.fee_minor - self.row.discount_minor;
        Money::of(total, &self.currency)
    }
}

/// Whom an order is for.
#[derive(Debug, SimpleObject)]
pub struct OrderContact {
    /// Whom to address.
    pub name: String,
    /// Where the tickets go.
    pub email: String,
    /// As given.
    pub phone: Option<String>,
}

impl OrderLine {
    pub(super) fn of(row: line::Model, currency: &str) -> Self {
        Self { row, currency: currency.to_owned() }
    }
}
