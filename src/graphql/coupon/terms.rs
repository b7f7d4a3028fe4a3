//! What claims promise, in the API.

use async_graphql::{Context, Object};

use super::{CouponTarget, Kind};
use crate::{
    coupon::terms::{Terms, Worth},
    graphql::{
        context::ContextExt,
        error::ApiResult,
        scalar::{CurrencyCode, Money},
    },
};

/// What a claim promises, as it was when it was claimed. The shop may have changed its coupon since; this stays.
#[derive(Clone, Debug)]
pub struct ClaimTerms(pub(super) Terms);

/// What a claim promises, as it was when it was claimed. The shop may have changed its coupon since; this stays.
#[Object]
impl ClaimTerms {
    /// What the coupon was called.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Its description; may be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<&str> {
        Ok(ctx.budget().text(self.0.description.as_str())?)
    }

    /// The small print; may be empty.
    async fn small_print(&self, ctx: &Context<'_>) -> ApiResult<&str> {
        Ok(ctx.budget().text(self.0.small_print.as_str())?)
    }

    /// What it is worth.
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

    /// The amount off, the fixed price or what the gift card was worth, by its kind.
    async fn amount(&self) -> Option<Money> {
        match self.0.worth {
            Worth::AmountOff { amount } | Worth::FixedPrice { amount } | Worth::GiftCard { face: amount } => {
                Some(self.money(amount))
            }
            Worth::PercentOff { .. } | Worth::FreeItem | Worth::AccessCode => None,
        }
    }

    /// The share off, in hundredths of a percent: 1500 is 15 %.
    async fn basis_points(&self) -> Option<i32> {
        if let Worth::PercentOff { basis_points, .. } = self.0.worth { Some(basis_points) } else { None }
    }

    /// The most that the share off may come to.
    async fn cap(&self) -> Option<Money> {
        if let Worth::PercentOff { cap, .. } = self.0.worth { cap.map(|cap| self.money(cap)) } else { None }
    }

    /// ISO 4217 code of its amounts.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// What has to be bought, of what it applies to, before discounts.
    async fn minimum_spend(&self) -> Money {
        self.money(self.0.minimum_spend)
    }

    /// What it applies to; empty: everything of its shop.
    async fn applies_to(&self) -> Vec<CouponTarget> {
        self.0.scopes.iter().map(|scope| CouponTarget::new(scope.kind, scope.target)).collect()
    }

    /// Whether it applies alone only.
    async fn exclusive(&self) -> bool {
        self.0.exclusive
    }

    /// Of one group at most one applies to an order.
    async fn stacking_group(&self) -> Option<&str> {
        self.0.stacking_group.as_deref()
    }

    /// Its place in the order in which several apply.
    async fn position(&self) -> i32 {
        self.0.position
    }

    /// Whether you may give it to somebody else.
    async fn shareable(&self) -> bool {
        self.0.shareable
    }
}

impl ClaimTerms {
    fn money(&self, minor: i64) -> Money {
        Money::of(minor, &self.0.currency)
    }
}
