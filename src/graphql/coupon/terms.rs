//! The terms of claims in the API.

use async_graphql::{Context, Object};

use super::{
    CouponTarget, Kind,
    target::{self, Reveal},
};
use crate::{
    coupon::terms::{Terms, Worth},
    graphql::{
        context::ContextExt,
        error::ApiResult,
        scalar::{CurrencyCode, Money},
    },
};

/// The terms of a claim as they were at the time of the claim. Later changes of the coupon do not affect them.
#[derive(Clone, Debug)]
pub struct ClaimTerms(pub(super) Terms);

/// The terms of a claim as they were at the time of the claim. Later changes of the coupon do not affect them.
#[Object]
impl ClaimTerms {
    /// The coupon's title as plain text.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The coupon's description as plain text, not Markdown or HTML. May be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<&str> {
        Ok(ctx.budget().text(self.0.description.as_str())?)
    }

    /// The small print as plain text, not Markdown or HTML. May be empty.
    async fn small_print(&self, ctx: &Context<'_>) -> ApiResult<&str> {
        Ok(ctx.budget().text(self.0.small_print.as_str())?)
    }

    /// The kind of benefit.
    async fn kind(&self) -> Kind {
        match self.0.worth {
            Worth::AmountOff { .. } => Kind::AmountOff,
            Worth::PercentOff { .. } => Kind::PercentOff,
            Worth::FreeItem => Kind::FreeItem,
            Worth::FixedPrice { .. } => Kind::FixedPrice,
            Worth::AccessCode => Kind::AccessCode,
            Worth::GiftCard { .. } => Kind::GiftCard,
        }
    }

    /// The discount, the fixed price or the gift card's original value, depending on `kind`. Null for other kinds.
    async fn amount(&self) -> Option<Money> {
        match self.0.worth {
            Worth::AmountOff { amount } | Worth::FixedPrice { amount } | Worth::GiftCard { face: amount } => {
                Some(self.money(amount))
            }
            Worth::PercentOff { .. } | Worth::FreeItem | Worth::AccessCode => None,
        }
    }

    /// The discount rate, in hundredths of a percent: 1500 is 15 %. Null unless `kind` is `PERCENT_OFF`.
    async fn basis_points(&self) -> Option<i32> {
        if let Worth::PercentOff { basis_points, .. } = self.0.worth { Some(basis_points) } else { None }
    }

    /// The maximum discount of a percentage coupon. Null for no maximum.
    async fn cap(&self) -> Option<Money> {
        if let Worth::PercentOff { cap, .. } = self.0.worth { cap.map(|cap| self.money(cap)) } else { None }
    }

    /// The ISO 4217 code of the currency of all amounts.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// The minimum sum of the base prices, before discounts, of the order's items that the coupon applies to.
    async fn minimum_spend(&self) -> Money {
        self.money(self.0.minimum_spend)
    }

    /// What the coupon applies to. Empty for everything that the shop sells. An element is null if you may not see it:
    /// drafts are visible to members of the shop only, and hidden tiers also to holders of an access code that unlocks
    /// them.
    async fn applies_to(&self, ctx: &Context<'_>) -> ApiResult<Vec<Option<CouponTarget>>> {
        let reveal = match self.0.worth {
            Worth::AccessCode => Reveal::HiddenTiers,
            Worth::AmountOff { .. }
            | Worth::PercentOff { .. }
            | Worth::FreeItem
            | Worth::FixedPrice { .. }
            | Worth::GiftCard { .. } => Reveal::Visible,
        };
        Ok(target::of(ctx, &self.0.scopes, reveal).await?)
    }

    /// Whether the coupon cannot be combined with other discounts.
    async fn exclusive(&self) -> bool {
        self.0.exclusive
    }

    /// The stacking group. At most one coupon of a group applies to an order. Null for no group.
    async fn stacking_group(&self) -> Option<&str> {
        self.0.stacking_group.as_deref()
    }

    /// The sort position. Smaller numbers come first.
    async fn position(&self) -> i32 {
        self.0.position
    }

    /// Whether the holder may give the claim to another account with `shareClaim`.
    async fn shareable(&self) -> bool {
        self.0.shareable
    }
}

impl ClaimTerms {
    fn money(&self, minor: i64) -> Money {
        Money::of(minor, &self.0.currency)
    }
}
