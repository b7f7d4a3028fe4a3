//! What coupons and claims apply to, in the API.

use async_graphql::{Context, Union};
use entity::{CategoryId, EventId, ProductId, ShopId, TierId, TypedId, coupon::scope::CouponScopeKind};
use futures_util::future::try_join_all;

use super::Product;
use crate::{
    coupon::terms::Scope,
    error::FaultResult,
    graphql::{
        category::Category,
        context::ContextExt,
        event::{Event, Tier},
        shop::Shop,
    },
};

/// One thing that a coupon applies to.
#[derive(Debug, Union)]
#[expect(clippy::large_enum_variant, reason = "short-lived: each value is written into the response")]
pub enum CouponTarget {
    /// Everything that the shop sells.
    Shop(Shop),
    /// Coupons that are shown with a product.
    Product(Product),
    /// Places of an event.
    Event(Event),
    /// Places of a tier.
    Tier(Tier),
    /// Everything in a category or its descendants.
    Category(Category),
}

/// Which targets a viewer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reveal {
    /// Those that the viewer may see anyway.
    Visible,
    /// Also hidden tiers. The viewer has a code that unlocks them.
    HiddenTiers,
}

/// Returns the targets of the scopes. A target that the viewer may not see is `None`.
pub(super) async fn of(
    ctx: &Context<'_>,
    scopes: &[Scope],
    reveal: Reveal,
) -> FaultResult<Vec<Option<CouponTarget>>> {
    try_join_all(scopes.iter().map(|scope| one(ctx, *scope, reveal))).await
}

async fn one(ctx: &Context<'_>, scope: Scope, reveal: Reveal) -> FaultResult<Option<CouponTarget>> {
    let (loaders, id) = (ctx.loaders(), scope.target);
    Ok(match scope.kind {
        CouponScopeKind::Shop => loaders.one(ShopId(id)).await?.map(|row| CouponTarget::Shop(Shop(row))),
        CouponScopeKind::Product => {
            loaders.one(ProductId(id)).await?.map(|row| CouponTarget::Product(row.into()))
        }
        CouponScopeKind::Event => Event::visible(ctx, EventId(id)).await?.map(CouponTarget::Event),
        CouponScopeKind::Tier if reveal == Reveal::HiddenTiers => {
            Some(CouponTarget::Tier(Tier::of(ctx, TierId(id)).await?))
        }
        CouponScopeKind::Tier => Tier::visible(ctx, TierId(id)).await?.map(CouponTarget::Tier),
        CouponScopeKind::Category => {
            loaders.one(CategoryId(id)).await?.map(|row| CouponTarget::Category(Category(row)))
        }
    })
}

/// Returns the id prefix of targets of this kind.
pub(super) fn prefix(kind: CouponScopeKind) -> &'static str {
    match kind {
        CouponScopeKind::Shop => ShopId::PREFIX,
        CouponScopeKind::Product => ProductId::PREFIX,
        CouponScopeKind::Event => EventId::PREFIX,
        CouponScopeKind::Tier => TierId::PREFIX,
        CouponScopeKind::Category => CategoryId::PREFIX,
    }
}
