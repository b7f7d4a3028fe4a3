//! Coupons in the API. The mutations of vendors are in `edit.rs`.

pub mod claim;
mod claim_error;
pub mod code_preview;
pub mod codes;
pub mod counter;
pub mod delete;
pub mod edit;
mod error;
mod list;
mod live;
mod payload;
pub mod product;
mod target;
mod terms;

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object};
use entity::{CouponId, InventoryId, coupon};

pub use self::{
    claim::{Bag, BagSubscription, Claim, ClaimMutation, ClaimQuery, ClaimStatus},
    claim_error::{AcceptClaimError, ClaimError, RedeemClaimError, ReleaseClaimError, ShareClaimError},
    codes::CodeMutation,
    counter::CounterMutation,
    delete::CouponDeletion,
    edit::CouponMutation,
    error::{
        CouponCodesError, CouponError, CreateCouponError, CreateProductError, DeleteCouponError, ProductError,
    },
    list::{CouponFilter, CouponQuery, CouponSort, CouponSortField},
    live::{CouponAvailability, CouponCounts, CouponSubscription},
    product::{Product, ProductMutation},
    target::CouponTarget,
    terms::ClaimTerms,
};
use self::{
    list::{ClaimsOf, CouponCountsOf, ScopesOf, TakenOf},
    target::Reveal,
};
pub(crate) use self::{
    list::{CouponArgs, OwnClaim, coupon_connection},
    product::{ProductConnection, product_connection},
};
use super::{
    category::Category,
    context::ContextExt,
    error::{ApiResult, not_allowed},
    event::{CountsOf, Event, Tier},
    id::encode,
    long_text::{LongText, long_text},
    page::Connected,
    scalar::{CurrencyCode, Instant, Long, Money},
    shop::Shop,
};
use crate::{
    coupon::{counts, find::Key, rules},
    error::{Fault, FaultResult, Object},
};

/// A page of coupons.
pub(crate) type CouponConnection = Connected<Key, Coupon>;

/// The kind of benefit that a coupon gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "CouponKind", remote = "coupon::CouponKind")]
pub enum Kind {
    /// Takes `amount` off the order's items that the coupon applies to.
    AmountOff,
    /// Takes `basisPoints` off the sum of the base prices, at most `cap`. A half of the smallest unit is rounded up.
    PercentOff,
    /// Makes one item free: the cheapest item that the coupon applies to.
    FreeItem,
    /// Sells one item for the base price `amount`. The item's fee is added.
    FixedPrice,
    /// Unlocks hidden tiers.
    AccessCode,
    /// A balance of `amount` that pays base prices and fees.
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
pub struct Coupon {
    row: coupon::Model,
    /// The number of copies in each status, if it was counted already.
    counts: Option<counts::CouponCounts>,
}

impl From<coupon::Model> for Coupon {
    fn from(row: coupon::Model) -> Self {
        Self { row, counts: None }
    }
}

/// An offer of a shop that buyers can claim or buy. Drafts and unlisted coupons are visible to members of their shop
/// only.
#[Object]
impl Coupon {
    /// The global id.
    pub async fn id(&self) -> ID {
        encode(self.row.id)
    }

    /// Increases with every change of the coupon. Send it as `expectedVersion` when you edit the coupon. The coupon's
    /// availability has a separate version.
    async fn version(&self) -> Long {
        Long(self.row.version)
    }

    /// The display name as plain text.
    async fn title(&self) -> &str {
        &self.row.title
    }

    /// The description as plain text, not Markdown or HTML. May be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::CouponDescription(self.row.id)).await
    }

    /// The small print as plain text, not Markdown or HTML. May be empty.
    async fn terms(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::CouponTerms(self.row.id)).await
    }

    /// The URL of the picture. Null if there is none.
    async fn picture_url(&self) -> Option<&str> {
        self.row.picture_url.as_deref()
    }

    /// The kind of benefit.
    async fn kind(&self) -> Kind {
        self.row.kind.into()
    }

    /// The discount, the fixed price or the gift card's balance, depending on `kind`. Null for other kinds.
    async fn amount(&self) -> Option<Money> {
        self.row.amount_minor.map(|minor| self.money(minor))
    }

    /// The discount rate, in hundredths of a percent: 1500 is 15 %. Null unless `kind` is `PERCENT_OFF`.
    async fn basis_points(&self) -> Option<i32> {
        self.row.basis_points
    }

    /// The maximum discount of a percentage coupon. Null for no maximum.
    async fn cap(&self) -> Option<Money> {
        self.row.cap_minor.map(|minor| self.money(minor))
    }

    /// The price of one copy, including tax. Coupons have no fee. Zero if the coupon is free.
    async fn price(&self) -> Money {
        self.money(self.row.price_minor)
    }

    /// Whether the coupon is free. Claim a free coupon with `claimCoupon`; buy others with `reserveCoupon`.
    async fn is_free(&self) -> bool {
        self.row.price_minor == 0
    }

    /// The tax rate contained in the price, in hundredths of a percent: 1900 is 19 %.
    async fn tax_basis_points(&self) -> i32 {
        self.row.tax_basis_points
    }

    /// The ISO 4217 code of the currency of all amounts.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.row.currency.clone())
    }

    /// The current state.
    async fn state(&self) -> State {
        self.row.state.into()
    }

    /// The source of the claims' codes.
    async fn codes(&self) -> CodeSource {
        self.row.codes.into()
    }

    /// Whether the public can find the coupon in lists and by its id. If false, buyers get it only with one of its
    /// codes.
    async fn listed(&self) -> bool {
        self.row.listed
    }

    /// Number of all copies. Null if the stock is unlimited.
    async fn stock(&self) -> Option<i32> {
        self.row.stock
    }

    /// Number of copies that are left. Null if the stock is unlimited, and for drafts.
    async fn left(&self, ctx: &Context<'_>) -> ApiResult<Option<u32>> {
        let counts = ctx.loaders().one(CountsOf(self.row.id.into())).await?;
        Ok(counts.and_then(|counts| rules::left(counts.available.unsigned_abs())))
    }

    /// Maximum number of copies per buyer.
    async fn limit_per_buyer(&self) -> i32 {
        self.row.limit_per_buyer
    }

    /// When the coupon becomes visible and claimable. Null for its publication.
    async fn publish_from(&self) -> Option<Instant> {
        self.row.publish_from.map(Into::into)
    }

    /// When the coupon stops being visible and claimable. Null for never.
    async fn publish_until(&self) -> Option<Instant> {
        self.row.publish_until.map(Into::into)
    }

    /// When claims become valid. Null for immediately.
    async fn valid_from(&self) -> Option<Instant> {
        self.row.valid_from.map(Into::into)
    }

    /// When the validity of claims ends. Null if it has no fixed end.
    async fn valid_until(&self) -> Option<Instant> {
        self.row.valid_until.map(Into::into)
    }

    /// Validity of a claim in days, counted from the claim. Null if the validity does not depend on it.
    async fn valid_days(&self) -> Option<i32> {
        self.row.valid_days
    }

    /// Whether the holder may give a claim to another account.
    async fn shareable(&self) -> bool {
        self.row.shareable
    }

    /// The minimum sum of the base prices, before discounts, of the order's items that the coupon applies to.
    async fn minimum_spend(&self) -> Money {
        self.money(self.row.minimum_spend_minor)
    }

    /// Whether the coupon cannot be combined with other discounts.
    async fn exclusive(&self) -> bool {
        self.row.exclusive
    }

    /// The stacking group. At most one coupon of a group applies to an order. Null for no group.
    async fn stacking_group(&self) -> Option<&str> {
        self.row.stacking_group.as_deref()
    }

    /// The sort position. Smaller numbers come first.
    async fn position(&self) -> i32 {
        self.row.position
    }

    /// The maximum sum of all discounts from this coupon. Null if unlimited. Requires a member of its
    /// shop; otherwise the error is `FORBIDDEN`.
    async fn budget(&self, ctx: &Context<'_>) -> ApiResult<Option<Money>> {
        self.require_member(ctx).await?;
        Ok(self.row.budget_minor.map(|budget| self.money(budget)))
    }

    /// What the coupon applies to. Empty for everything that the shop sells. An element is null if you may not see it:
    /// drafts and hidden tiers are visible to members of the shop only.
    async fn applies_to(&self, ctx: &Context<'_>) -> ApiResult<Vec<Option<CouponTarget>>> {
        let scopes = ctx.loaders().one(ScopesOf(self.row.id)).await?.unwrap_or_default();
        Ok(target::of(ctx, &scopes, Reveal::Visible).await?)
    }

    /// The shop that issues the coupon.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Shop> {
        Shop::of(ctx, self.row.shop_id).await
    }

    /// The category of the offer.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<Category> {
        Category::of(ctx, self.row.category_id).await
    }

    /// The product that the coupon is shown with. Null if there is none.
    async fn product(&self, ctx: &Context<'_>) -> ApiResult<Option<Product>> {
        let Some(id) = self.row.product_id else { return Ok(None) };
        Ok(ctx.loaders().one(id).await?.map(Product::from))
    }

    /// The event that the coupon is shown with. Null if there is none, or if you may not see it.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Option<Event>> {
        let Some(id) = self.row.event_id else { return Ok(None) };
        Ok(Event::visible(ctx, id).await?)
    }

    /// The tier that the coupon is shown with. Null if there is none, or if you may not see it: hidden tiers are
    /// visible to members of the shop only.
    async fn tier(&self, ctx: &Context<'_>) -> ApiResult<Option<Tier>> {
        let Some(id) = self.row.tier_id else { return Ok(None) };
        Ok(Tier::visible(ctx, id).await?)
    }

    /// Number of copies that you have claimed or reserved. Released claims do not count.
    async fn viewer_taken(&self, ctx: &Context<'_>) -> ApiResult<u32> {
        Ok(ctx.loaders().one(TakenOf(self.row.id.into())).await?.unwrap_or_default())
    }

    /// Whether you can claim or reserve a copy now: the coupon is published, copies are left, and you are below the
    /// limit.
    async fn viewer_may_claim(&self, ctx: &Context<'_>) -> ApiResult<bool> {
        let now = ctx.app().clock.now();
        let is_open = self.row.state == coupon::CouponState::Published
            && rules::is_running(&self.row, now)
            && !rules::is_spent(&self.row, now);
        if !is_open || !(self.row.listed || self.is_ours(ctx).await?) {
            return Ok(false);
        }
        let id = InventoryId::from(self.row.id);
        let counts = ctx.loaders().one(CountsOf(id)).await?;
        let taken = ctx.loaders().one(TakenOf(id)).await?.unwrap_or_default();
        Ok(counts.is_some_and(|counts| counts.available > 0)
            && taken < self.row.limit_per_buyer.unsigned_abs())
    }

    /// Your usable claims of this coupon, oldest first. `Viewer.bag` has all your claims.
    async fn viewer_claims(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Number of claims, 1 to 100. Defaults to 20.", default = 20)] first: i32,
    ) -> ApiResult<Vec<Claim>> {
        let first = u32::try_from(first).ok().filter(|first| (1..=100).contains(first));
        let first = first.ok_or_else(|| Fault::invalid("first", "must be between 1 and 100"))?;
        let claims = ctx.loaders().one(ClaimsOf(self.row.id, first)).await?.unwrap_or_default();
        Ok(claims.into_iter().map(Claim::from).collect())
    }

    /// When the coupon was created.
    async fn created_at(&self) -> Instant {
        self.row.created_at.into()
    }

    /// When the coupon was last changed.
    async fn updated_at(&self) -> Instant {
        self.row.updated_at.into()
    }

    /// Number of copies in each status. Requires a member of the coupon's shop; otherwise the error is `FORBIDDEN`.
    async fn counts(&self, ctx: &Context<'_>) -> ApiResult<Option<CouponCounts>> {
        self.require_member(ctx).await?;
        let counts = match self.counts {
            Some(counts) => Some(counts),
            None => ctx.loaders().one(CouponCountsOf(self.row.id)).await?,
        };
        Ok(counts.map(CouponCounts::from))
    }
}

impl Coupon {
    fn money(&self, minor: i64) -> Money {
        Money::of(minor, &self.row.currency)
    }

    async fn is_ours(&self, ctx: &Context<'_>) -> FaultResult<bool> {
        Ok(ctx.loaders().one(super::shop::RoleIn(self.row.shop_id)).await?.is_some())
    }

    async fn require_member(&self, ctx: &Context<'_>) -> ApiResult<()> {
        if self.is_ours(ctx).await? { Ok(()) } else { Err(not_allowed(ctx.viewer())) }
    }

    /// Returns the coupon that one of the viewer's objects refers to, even if the viewer may not see the coupon itself.
    pub(crate) async fn of(ctx: &Context<'_>, id: CouponId) -> ApiResult<Self> {
        let row = ctx.loaders().one(id).await?.ok_or(Fault::NotFound(Object::Coupon))?;
        Ok(Self::from(row))
    }
}
