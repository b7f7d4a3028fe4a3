//! Coupons in the API: what they are, and the lists of them. Making and changing them is in `edit.rs`.

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
    error::{Fault, Faulty},
};

/// A page of coupons.
pub(crate) type CouponConnection = Connection<Cursor<Key>, Coupon, CouponTotal>;

/// What a coupon is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "CouponKind", remote = "coupon::CouponKind")]
pub enum Kind {
    /// `amount` less, over everything it applies to.
    AmountOff,
    /// `basisPoints` less of each price, at most `cap` together.
    PercentOff,
    /// One thing for nothing: the cheapest that it applies to.
    FreeItem,
    /// One thing for `amount`.
    FixedPrice,
    /// Opens hidden tiers.
    AccessCode,
    /// A balance of `amount` that pays prices and fees.
    GiftCard,
}

/// Where a coupon stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(name = "CouponState", remote = "coupon::CouponState")]
pub enum State {
    /// Seen by its shop only.
    Draft,
    /// Seen by everybody, and claimed within its publication window.
    Published,
    /// Seen by everybody, and not claimed for now.
    Paused,
    /// Over for ever. What was claimed stays valid.
    Ended,
}

/// Where the codes of a coupon's claims come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "coupon::CodeSource")]
pub enum CodeSource {
    /// Made by chance, unguessable.
    Generated,
    /// A list of codes that is there before the claims, uploaded by the vendor or generated ahead to be printed: one for each
    /// claim, so there are as many copies as codes. Whoever has one of them claims it by `claimCode`.
    Uploaded,
}

/// What a shop promises to whoever claims one. Drafts, and what is not listed, are found by their shop's members only.
#[derive(Clone, Debug)]
pub struct Coupon(coupon::Model);

impl From<coupon::Model> for Coupon {
    fn from(row: coupon::Model) -> Self {
        Self(row)
    }
}

/// What a shop promises to whoever claims one. Drafts, and what is not listed, are found by their shop's members only.
#[Object]
impl Coupon {
    /// Globally unique.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Raised by each change of the coupon itself; give it as `expectedVersion` when you change it. Its availability has
    /// a version of its own.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// Display name.
    async fn title(&self) -> &str {
        &self.0.title
    }

    /// Description; may be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::CouponDescription(self.0.id)).await
    }

    /// The small print; may be empty.
    async fn terms(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::CouponTerms(self.0.id)).await
    }

    /// Where its picture is.
    async fn picture_url(&self) -> Option<&str> {
        self.0.picture_url.as_deref()
    }

    /// What it is worth.
    async fn kind(&self) -> Kind {
        self.0.kind.into()
    }

    /// The amount off, the fixed price or the gift card's balance, by its kind.
    async fn amount(&self) -> Option<Money> {
        self.0.amount_minor.map(|minor| self.money(minor))
    }

    /// The share off, in hundredths of a percent: 1500 is 15 %.
    async fn basis_points(&self) -> Option<i32> {
        self.0.basis_points
    }

    /// The most that the share off may come to.
    async fn cap(&self) -> Option<Money> {
        self.0.cap_minor.map(|minor| self.money(minor))
    }

    /// What one costs, tax included; nothing if it is free.
    async fn price(&self) -> Money {
        self.money(self.0.price_minor)
    }

    /// Whether one costs nothing, and is claimed at once.
    async fn is_free(&self) -> bool {
        self.0.price_minor == 0
    }

    /// The rate of the tax that the price contains, in hundredths of a percent.
    async fn tax_basis_points(&self) -> i32 {
        self.0.tax_basis_points
    }

    /// ISO 4217 code of its amounts.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// Where it stands in its life.
    async fn state(&self) -> State {
        self.0.state.into()
    }

    /// Where the codes of its claims come from.
    async fn codes(&self) -> CodeSource {
        self.0.codes.into()
    }

    /// Whether strangers find it. Otherwise they have it by one of its codes only.
    async fn listed(&self) -> bool {
        self.0.listed
    }

    /// How many there are; null: as many as are wanted.
    async fn stock(&self) -> Option<i32> {
        self.0.stock
    }

    /// How many are left; null where there are as many as are wanted, and for drafts.
    async fn left(&self, ctx: &Context<'_>) -> ApiResult<Option<u32>> {
        let counts = ctx.loaders().one(CountsOf(self.0.id.into())).await?;
        Ok(counts.and_then(|counts| rules::left(counts.available.unsigned_abs())))
    }

    /// How many one buyer may claim.
    async fn limit_per_buyer(&self) -> i32 {
        self.0.limit_per_buyer
    }

    /// Shown and claimed from here …
    async fn publish_from(&self) -> Option<DateTime<Utc>> {
        self.0.publish_from
    }

    /// … until here.
    async fn publish_until(&self) -> Option<DateTime<Utc>> {
        self.0.publish_until
    }

    /// Claims are valid from here …
    async fn valid_from(&self) -> Option<DateTime<Utc>> {
        self.0.valid_from
    }

    /// … until here, …
    async fn valid_until(&self) -> Option<DateTime<Utc>> {
        self.0.valid_until
    }

    /// … or for so many days from the claim.
    async fn valid_days(&self) -> Option<i32> {
        self.0.valid_days
    }

    /// Whether a holder may give it to somebody else.
    async fn shareable(&self) -> bool {
        self.0.shareable
    }

    /// What has to be bought, of what it applies to, before discounts.
    async fn minimum_spend(&self) -> Money {
        self.money(self.0.minimum_spend_minor)
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

    /// What all its discounts together may come to. For those who work for its shop; null for others.
    async fn budget(&self, ctx: &Context<'_>) -> ApiResult<Option<Money>> {
        let Some(budget) = self.0.budget_minor else { return Ok(None) };
        Ok(self.is_ours(ctx).await?.then(|| self.money(budget)))
    }

    /// What it applies to; empty: everything of its shop.
    async fn applies_to(&self, ctx: &Context<'_>) -> ApiResult<Vec<CouponTarget>> {
        Ok(ctx.loaders().one(ScopesOf(self.0.id)).await?.unwrap_or_default())
    }

    /// Whose promise it is.
    async fn shop(&self, ctx: &Context<'_>) -> ApiResult<Shop> {
        Shop::of(ctx, self.0.shop_id).await
    }

    /// What kind of offer it is.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<Option<Category>> {
        Ok(ctx.loaders().one(self.0.category_id).await?.map(Category))
    }

    /// The product that it is shown with.
    async fn product(&self, ctx: &Context<'_>) -> ApiResult<Option<Product>> {
        let Some(id) = self.0.product_id else { return Ok(None) };
        Ok(ctx.loaders().one(id).await?.map(Product::from))
    }

    /// The event that it is shown with.
    async fn event(&self, ctx: &Context<'_>) -> ApiResult<Option<Event>> {
        let Some(id) = self.0.event_id else { return Ok(None) };
        let Some(event) = ctx.loaders().one(id).await? else { return Ok(None) };
        // An event that is not published yet is its shop's, which is the coupon's.
        let is_seen = event.state != EventState::Draft || self.is_ours(ctx).await?;
        Ok(is_seen.then(|| Event::from(event)))
    }

    /// The price level that it is shown with.
    async fn tier_id(&self) -> Option<ID> {
        self.0.tier_id.map(encode)
    }

    /// How many of it you have claimed or reserved; what you gave back does not count.
    async fn viewer_taken(&self, ctx: &Context<'_>) -> ApiResult<u32> {
        Ok(ctx.loaders().one(TakenOf(self.0.id.into())).await?.unwrap_or_default())
    }

    /// Whether you may claim or reserve one now: it is published, there are some left, and you are below the limit.
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

    /// Your claims of it that you can still use, oldest first. All that you hold are in your bag.
    async fn viewer_claims(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The first so many, 1 to 100.", default = 20)] first: i32,
    ) -> ApiResult<Vec<Claim>> {
        let first = u32::try_from(first).ok().filter(|first| (1..=100).contains(first));
        let first = first.ok_or_else(|| Fault::invalid("first", "must be between 1 and 100"))?;
        let claims = ctx.loaders().one(ClaimsOf(self.0.id, first)).await?.unwrap_or_default();
        Ok(claims.into_iter().map(Claim::from).collect())
    }

    /// How many stand where. For those who work for its shop; null for others.
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

    async fn is_ours(&self, ctx: &Context<'_>) -> Faulty<bool> {
        Ok(ctx.loaders().one(super::shop::RoleIn(self.0.shop_id)).await?.is_some())
    }

    /// The coupon that an object of the viewer's refers to, whoever may see the coupon itself.
    pub(crate) async fn of(ctx: &Context<'_>, id: CouponId) -> ApiResult<Self> {
        let row = ctx.loaders().one(id).await?.ok_or(Fault::NotFound("coupon"))?;
        Ok(Self(row))
    }
}

/// The coupon that a text names.
pub(crate) fn named(id: String) -> Option<CouponId> {
    decode(&ID(id), "id").ok()
}
