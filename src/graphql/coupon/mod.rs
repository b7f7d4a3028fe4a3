//! Coupons in the API. The mutations of vendors are in `edit.rs`.

pub mod claim;
pub mod codes;
pub mod counter;
pub mod edit;
mod error;
mod list;
mod live;
pub mod product;
mod target;
mod terms;

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, connection::Connection};
use chrono::{DateTime, Utc};
use entity::{CouponId, InventoryId, coupon, event::EventState};

use self::list::{ClaimsOf, CouponCountsOf, ScopesOf, TakenOf};
pub use self::{
    claim::{Bag, BagSubscription, Claim, ClaimMutation, ClaimQuery, ClaimState},
    codes::CodeMutation,
    counter::CounterMutation,
    edit::CouponMutation,
    error::{ClaimError, ClaimErrorCode, CouponError, CouponErrorCode},
    list::{CouponFilter, CouponOrder, CouponQuery, CouponTotal},
    live::{CouponAvailability, CouponStages, CouponSubscription},
    product::{Product, ProductMutation},
    target::{CouponTarget, TargetKind},
    terms::ClaimTerms,
};
pub(crate) use self::{
    list::{OwnClaim, coupon_connection},
    product::{ProductConnection, product_connection},
};
use super::{
    category::Category,
    context::ContextExt,
    error::ApiResult,
    event::{CountsOf, Event},
    id::{decode, encode},
    long_text::{LongText, long_text},
    page::Cursor,
    scalar::{CurrencyCode, Long, Money},
    shop::Shop,
};
use crate::{
    coupon::{find::Key, rules},
    error::{Fault, FaultResult, Object},
};

/// A page of coupons.
pub(crate) type CouponConnection = Connection<Cursor<Key>, Coupon, CouponTotal>;

/// The kind of benefit that a coupon gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "CouponKind", remote = "coupon::CouponKind")]
pub enum Kind {
    /// Takes `amount` off the order's items that the coupon applies to.
    AmountOff,
    /// Takes `basisPoints` off each price, at most `cap` in total.
    PercentOff,
    /// Makes one item free: the cheapest item that the coupon applies to.
    FreeItem,
    /// Sells one item for the price `amount`.
    FixedPrice,
    /// Unlocks hidden tiers.
    AccessCode,
    /// A balance of `amount` that pays prices and fees.
    GiftCard,
}

/// The state of a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "CouponState", remote = "coupon::CouponState")]
pub enum State {
    /// The coupon is not published. Only members of its shop see it.
    Draft,
    /// The coupon is public. Buyers can claim it within its publication window.
    Published,
    /// The coupon is public, but cannot be claimed now.
    Paused,
    /// The coupon has ended permanently. Existing claims stay valid.
    Ended,
}

/// The source of the codes of a coupon's claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "coupon::CodeSource")]
pub enum CodeSource {
    /// The server generates an unguessable code for each claim.
    Generated,
    /// The codes exist before the claims, one per copy. The vendor uploads them, or generates them to be printed or
    /// sent. A buyer with a code claims it with `claimCode`.
    Uploaded,
}

/// An offer of a shop that buyers can claim or buy. Drafts and unlisted coupons are visible to members of their shop
/// only.
#[derive(Clone, Debug)]
pub struct Coupon(coupon::Model);

impl From<coupon::Model> for Coupon {
    fn from(row: coupon::Model) -> Self {
        Self(row)
    }
}

/// An offer of a shop that buyers can claim or buy. Drafts and unlisted coupons are visible to members of their shop
/// only.
#[Object]
impl Coupon {
    /// The global id.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Increases with every change of the coupon. Send it as `expectedVersion` when you edit the coupon. The coupon's
    /// availability has a separate version.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// The display name.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// The description. May be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::CouponDescription(self.0.id)).await
    }

    /// The small print. May be empty.
    async fn terms(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::CouponTerms(self.0.id)).await
    }

    /// The URL of the picture. Null if there is none.
    async fn picture_url(&self) -> Option<&str> {
        self.0.picture_url.as_deref()
    }

    /// The kind of benefit.
    async fn kind(&self) -> Kind {
        self.0.kind.into()
    }

    /// The discount, the fixed price or the gift card's balance, depending on `kind`. Null for other kinds.
    async fn amount(&self) -> Option<Money> {
        self.0.amount_minor.map(|minor| self.money(minor))
    }

    /// The discount rate, in hundredths of a percent: 1500 is 15 %. Null unless `kind` is `PERCENT_OFF`.
    async fn basis_points(&self) -> Option<i32> {
        self.0.basis_points
    }

    /// The maximum discount of a percentage coupon. Null for no maximum.
    async fn cap(&self) -> Option<Money> {
        self.0.cap_minor.map(|minor| self.money(minor))
    }

    /// The price of one copy, including tax. Zero if the coupon is free.
    async fn price(&self) -> Money {
        self.money(self.0.price_minor)
    }

    /// Whether the coupon is free. Claim a free coupon with `claimCoupon`; buy others with `reserveCoupon`.
    async fn is_free(&self) -> bool {
        self.0.price_minor == 0
    }

    /// The tax rate contained in the price, in hundredths of a percent: 1900 is 19 %.
    async fn tax_basis_points(&self) -> i32 {
        self.0.tax_basis_points
    }

    /// The ISO 4217 code of the currency of all amounts.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// The current state.
    async fn state(&self) -> State {
        self.0.state.into()
    }

    /// The source of the claims' codes.
    async fn codes(&self) -> CodeSource {
        self.0.codes.into()
    }

    /// Whether the public can find the coupon in lists and by its id. If false, buyers get it only with one of its
    /// codes.
    async fn listed(&self) -> bool {
        self.0.listed
    }

    /// Number of all copies. Null if the stock is unlimited.
    async fn stock(&self) -> Option<i32> {
        self.0.stock
    }

    /// Number of copies that are left. Null if the stock is unlimited, and for drafts.
    async fn left(&self, ctx: &Context<'_>) -> ApiResult<Option<u32>> {
        let counts = ctx.loaders().one(CountsOf(self.0.id.into())).await?;
        Ok(counts.and_then(|counts| rules::left(counts.available.unsigned_abs())))
    }

    /// Maximum number of copies per buyer.
    async fn limit_per_buyer(&self) -> i32 {
        self.0.limit_per_buyer
    }

    /// When the coupon becomes visible and claimable. Null for its publication.
    async fn publish_from(&self) -> Option<DateTime<Utc>> {
        self.0.publish_from
    }

    /// When the coupon stops being visible and claimable. Null for never.
    async fn publish_until(&self) -> Option<DateTime<Utc>> {
        self.0.publish_until
    }

    /// When claims become valid. Null for immediately.
    async fn valid_from(&self) -> Option<DateTime<Utc>> {
        self.0.valid_from
    }

    /// When the validity of claims ends. Null if it has no fixed end.
    async fn valid_until(&self) -> Option<DateTime<Utc>> {
        self.0.valid_until
    }

    /// Validity of a claim in days, counted from the claim. Null if the validity does not depend on it.
    async fn valid_days(&self) -> Option<i32> {
        self.0.valid_days
    }

    /// Whether the holder may give a claim to another account.
    async fn shareable(&self) -> bool {
        self.0.shareable
    }

    /// The minimum value, before discounts, of the order's items that the coupon applies to.
    async fn minimum_spend(&self) -> Money {
        self.money(self.0.minimum_spend_minor)
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

    /// The maximum sum of all discounts from this coupon. Null if unlimited, or if you are not a member of its shop.
    async fn budget(&self, ctx: &Context<'_>) -> ApiResult<Option<Money>> {
        let Some(budget) = self.0.budget_minor else { return Ok(None) };
        Ok(self.is_ours(ctx).await?.then(|| self.money(budget)))
    }

    /// What the coupon applies to. Empty for everything that the shop sells.
    async fn applies_to(&self, ctx: &Context<'_>) -> ApiResult<Vec<CouponTarget>> {
        Ok(ctx.loaders().one(ScopesOf(self.0.id)).await?.unwrap_or_default())
    }

    /// The shop that issues the coupon.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Shop> {
        Shop::of(ctx, self.0.shop_id).await
    }

    /// The category of the offer. Null only if it no longer exists.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<Option<Category>> {
        Ok(ctx.loaders().one(self.0.category_id).await?.map(Category))
    }

    /// The product that the coupon is shown with. Null if there is none.
    async fn product(&self, ctx: &Context<'_>) -> ApiResult<Option<Product>> {
        let Some(id) = self.0.product_id else { return Ok(None) };
        Ok(ctx.loaders().one(id).await?.map(Product::from))
    }

    /// The event that the coupon is shown with. Null if there is none, or if you may not see it.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Option<Event>> {
        let Some(id) = self.0.event_id else { return Ok(None) };
        let Some(event) = ctx.loaders().one(id).await? else { return Ok(None) };
        // A draft event is visible to its shop only, which is also the coupon's shop.
        let is_seen = event.state != EventState::Draft || self.is_ours(ctx).await?;
        Ok(is_seen.then(|| Event::from(event)))
    }

    /// The id of the tier that the coupon is shown with. Null if there is none.
    async fn tier_id(&self) -> Option<ID> {
        self.0.tier_id.map(encode)
    }

    /// Number of copies that you have claimed or reserved. Released claims do not count.
    async fn viewer_taken(&self, ctx: &Context<'_>) -> ApiResult<u32> {
        Ok(ctx.loaders().one(TakenOf(self.0.id.into())).await?.unwrap_or_default())
    }

    /// Whether you can claim or reserve a copy now: the coupon is published, copies are left, and you are below the
    /// limit.
    async fn viewer_may_claim(&self, ctx: &Context<'_>) -> ApiResult<bool> {
        let now = ctx.app().clock.now();
        let is_open = self.0.state == coupon::CouponState::Published
            && rules::is_running(&self.0, now)
            && !rules::is_spent(&self.0, now);
        if !is_open || !(self.0.listed || self.is_ours(ctx).await?) {
            return Ok(false);
        }
        let id = InventoryId::from(self.0.id);
        let counts = ctx.loaders().one(CountsOf(id)).await?;
        let taken = ctx.loaders().one(TakenOf(id)).await?.unwrap_or_default();
        Ok(counts.is_some_and(|counts| counts.available > 0) && taken < self.0.limit_per_buyer.unsigned_abs())
    }

    /// Your usable claims of this coupon, oldest first. `Viewer.bag` has all your claims.
    async fn viewer_claims(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of claims, 1 to 100. Defaults to 20.", default = 20)] first: i32,
    ) -> ApiResult<Vec<Claim>> {
        let first = u32::try_from(first).ok().filter(|first| (1..=100).contains(first));
        let first = first.ok_or_else(|| Fault::invalid("first", "must be between 1 and 100"))?;
        let claims = ctx.loaders().one(ClaimsOf(self.0.id, first)).await?.unwrap_or_default();
        Ok(claims.into_iter().map(Claim::from).collect())
    }

    /// Number of copies in each state. Null if you are not a member of the coupon's shop.
    async fn stages(&self, ctx: &Context<'_>) -> ApiResult<Option<CouponStages>> {
        if !self.is_ours(ctx).await? {
            return Ok(None);
        }
        Ok(ctx.loaders().one(CouponCountsOf(self.0.id)).await?.map(CouponStages::from))
    }
}

impl Coupon {
    fn money(&self, minor: i64) -> Money {
        Money::of(minor, &self.0.currency)
    }

    async fn is_ours(&self, ctx: &Context<'_>) -> FaultResult<bool> {
        Ok(ctx.loaders().one(super::shop::RoleIn(self.0.shop_id)).await?.is_some())
    }

    /// Returns the coupon that one of the viewer's objects refers to, even if the viewer may not see the coupon itself.
    pub(crate) async fn of(ctx: &Context<'_>, id: CouponId) -> ApiResult<Self> {
        let row = ctx.loaders().one(id).await?.ok_or(Fault::NotFound(Object::Coupon))?;
        Ok(Self(row))
    }
}

/// Parses the text of a coupon id.
pub(crate) fn named(id: String) -> Option<CouponId> {
    decode(&ID(id), "id").ok()
}
