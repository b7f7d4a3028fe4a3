//! What coupons and claims apply to, in the API.

use async_graphql::{Enum, ID, SimpleObject};
use entity::{TypedId, coupon::scope::CouponScopeKind};
use uuid::Uuid;

use crate::graphql::id::encode_as;

/// One thing that a coupon applies to.
#[derive(Clone, Debug, SimpleObject)]
pub struct CouponTarget {
    /// The type of the target.
    kind: TargetKind,
    /// The id of a shop, product, event, tier or category.
    id: ID,
}

impl CouponTarget {
    /// Creates a target of this kind.
    pub(super) fn new(kind: CouponScopeKind, target: Uuid) -> Self {
        Self { kind: kind.into(), id: encode_as(prefix(kind), target) }
    }
}

/// The type of a coupon's target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "CouponTargetKind", remote = "CouponScopeKind")]
pub enum TargetKind {
    /// Everything that the shop sells.
    Shop,
    /// Coupons that are shown with a product.
    Product,
    /// Places of an event.
    Event,
    /// Places of a tier.
    Tier,
    /// Everything in a category or its descendants.
    Category,
}

/// Returns the id prefix of targets of this kind.
pub(super) fn prefix(kind: CouponScopeKind) -> &'static str {
    match kind {
        CouponScopeKind::Shop => entity::ShopId::PREFIX,
        CouponScopeKind::Product => entity::ProductId::PREFIX,
        CouponScopeKind::Event => entity::EventId::PREFIX,
        CouponScopeKind::Tier => entity::TierId::PREFIX,
        CouponScopeKind::Category => entity::CategoryId::PREFIX,
    }
}
