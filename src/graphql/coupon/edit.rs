//! Coupon mutations of vendors: create, update, publish, pause, resume, end.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object};
use entity::{CouponId, coupon::scope::CouponScopeKind};

use super::{
    CodeSource, Coupon, Kind,
    payload::{CouponPayload, CreateCouponPayload},
    target::prefix,
};
use crate::{
    coupon::{
        details::{Change, Details},
        edit, find,
        state::Move,
        terms::Scope,
    },
    error::{Error, Fault, FaultResult},
    graphql::{
        context::ContextExt,
        error::{ApiResult, outcome},
        id::{decode, split},
        scalar::{Instant, Long, MoneyInput, change},
    },
    shop,
};

/// Input of `createCoupon`. All amounts are in the shop's currency.
#[derive(Debug, InputObject)]
pub struct CreateCouponInput {
    /// The shop that issues the coupon. You must be its owner or manager.
    shop_id: ID,
    /// A product of the shop to show the coupon with.
    product_id: Option<ID>,
    /// An event of the shop to show the coupon with.
    event_id: Option<ID>,
    /// A tier of that event to show the coupon with.
    tier_id: Option<ID>,
    /// The category of the offer. If omitted, the category of the product or event.
    category_id: Option<ID>,
    /// The display name as plain text, 1 to 200 characters.
    title: String,
    /// The description as plain text, not Markdown or HTML; at most 10,000 characters.
    #[graphql(default)]
    description: String,
    /// The small print as plain text, not Markdown or HTML; at most 10,000 characters.
    #[graphql(default)]
    terms: String,
    /// The URL of the picture. It must use https.
    picture_url: Option<String>,
    /// The kind of benefit. It cannot be changed later.
    kind: Kind,
    /// The discount (`AMOUNT_OFF`), the fixed price (`FIXED_PRICE`) or the balance (`GIFT_CARD`). Omit it for other
    /// kinds.
    amount: Option<MoneyInput>,
    /// The discount rate (`PERCENT_OFF`), in hundredths of a percent: 1500 is 15 %.
    basis_points: Option<i32>,
    /// The maximum discount of a percentage coupon. Null for no maximum.
    cap: Option<MoneyInput>,
    /// The price of one copy, including tax. If omitted, the coupon is free.
    price: Option<MoneyInput>,
    /// The tax rate contained in the price, in hundredths of a percent: 1900 is 19 %.
    #[graphql(default)]
    tax_basis_points: i32,
    /// The source of the claims' codes. It cannot be changed later. A coupon with a code list must be free and cannot
    /// be shareable, and its stock equals its number of codes.
    #[graphql(default_with = "CodeSource::Generated")]
    codes: CodeSource,
    /// Whether the public can find the coupon in lists and by its id. If false, buyers get it only with one of its
    /// codes (`claimCode`).
    #[graphql(default = true)]
    listed: bool,
    /// Number of copies, at most 100,000,000. If omitted, the stock is unlimited.
    stock: Option<i32>,
    /// Maximum number of copies per buyer, 1 to 1,000.
    #[graphql(default = 1)]
    limit_per_buyer: i32,
    /// When the coupon becomes visible and claimable. If omitted, at its publication.
    publish_from: Option<Instant>,
    /// When the coupon stops being visible and claimable. If omitted, never.
    publish_until: Option<Instant>,
    /// When claims become valid. If omitted, immediately.
    valid_from: Option<Instant>,
    /// When the validity of claims ends. If omitted, never.
    valid_until: Option<Instant>,
    /// Validity of a claim in days, instead of a fixed end.
    valid_days: Option<i32>,
    /// Whether the holder may give a claim to another account.
    #[graphql(default)]
    shareable: bool,
    /// The minimum sum of the base prices, before discounts, of the order's items that the coupon applies to.
    minimum_spend: Option<MoneyInput>,
    /// Whether the coupon cannot be combined with other discounts.
    #[graphql(default)]
    exclusive: bool,
    /// The stacking group. At most one coupon of a group applies to an order. Null for no group.
    stacking_group: Option<String>,
    /// The sort position among several discounts in an order. Smaller numbers apply first.
    #[graphql(default)]
    position: i32,
    /// The maximum sum of all discounts from this coupon. If omitted, the sum is unlimited.
    budget: Option<MoneyInput>,
    /// What the coupon applies to: ids of the shop, its products, events or tiers, or of categories. If omitted,
    /// everything that the shop sells. For an access code: the tiers that it unlocks, or the events whose hidden tiers
    /// it unlocks.
    #[graphql(default)]
    applies_to: Vec<ID>,
    /// Your own key, 8 to 255 characters. Repeated calls with the same key and input have one effect and the same
    /// result. Without a key, a repeated call creates another object.
    idempotency_key: Option<String>,
}

impl CreateCouponInput {
    fn parse(self, currency: &str) -> FaultResult<Details> {
        let minor =
            |money: Option<MoneyInput>, path| money.map(|money| money.minor(currency, path)).transpose();
        let is_uploaded = self.codes == CodeSource::Uploaded;
        if is_uploaded && self.stock.is_some() {
            return Err(Fault::invalid("stock", "must be omitted: the stock is the number of codes"));
        }
        Ok(Details {
            product: self.product_id.map(|id| decode(&id, "productId")).transpose()?,
            event: self.event_id.map(|id| decode(&id, "eventId")).transpose()?,
            tier: self.tier_id.map(|id| decode(&id, "tierId")).transpose()?,
            category: self.category_id.map(|id| decode(&id, "categoryId")).transpose()?,
            title: self.title,
            description: self.description,
            terms: self.terms,
            picture_url: self.picture_url,
            kind: self.kind.into(),
            amount: minor(self.amount, "amount")?,
            basis_points: self.basis_points,
            cap: minor(self.cap, "cap")?,
            price: minor(self.price, "price")?.unwrap_or_default(),
            tax_basis_points: self.tax_basis_points,
            codes: self.codes.into(),
            listed: self.listed,
            stock: if is_uploaded { Some(0) } else { self.stock },
            limit_per_buyer: self.limit_per_buyer,
            publish_from: self.publish_from.map(Into::into),
            publish_until: self.publish_until.map(Into::into),
            valid_from: self.valid_from.map(Into::into),
            valid_until: self.valid_until.map(Into::into),
            valid_days: self.valid_days,
            shareable: self.shareable,
            minimum_spend: minor(self.minimum_spend, "minimumSpend")?.unwrap_or_default(),
            exclusive: self.exclusive,
            stacking_group: self.stacking_group,
            position: self.position,
            budget: minor(self.budget, "budget")?,
            scopes: scopes(&self.applies_to)?,
        })
    }
}

/// Input of `updateCoupon`. Omitted fields stay unchanged. Existing claims keep their terms.
#[derive(Debug, InputObject)]
pub struct UpdateCouponInput {
    /// The id of the coupon.
    coupon_id: ID,
    /// The coupon's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    expected_version: Long,
    /// The category of the offer.
    category_id: Option<ID>,
    /// The display name as plain text, 1 to 200 characters.
    title: Option<String>,
    /// The description as plain text, not Markdown or HTML; at most 10,000 characters.
    description: Option<String>,
    /// The small print as plain text, not Markdown or HTML; at most 10,000 characters.
    terms: Option<String>,
    /// The URL of the picture. It must use https. Null removes it.
    picture_url: MaybeUndefined<String>,
    /// The discount, the fixed price or the balance, depending on the kind.
    amount: Option<MoneyInput>,
    /// The discount rate, in hundredths of a percent: 1500 is 15 %.
    basis_points: Option<i32>,
    /// The maximum discount of a percentage coupon. Null removes the maximum.
    cap: MaybeUndefined<MoneyInput>,
    /// The price of one copy, including tax.
    price: Option<MoneyInput>,
    /// The tax rate contained in the price, in hundredths of a percent.
    tax_basis_points: Option<i32>,
    /// Whether the public can find the coupon in lists and by its id.
    listed: Option<bool>,
    /// Number of copies, not less than are already taken. Null for an unlimited stock.
    stock: MaybeUndefined<i32>,
    /// Maximum number of copies per buyer.
    limit_per_buyer: Option<i32>,
    /// When the coupon becomes visible and claimable. Null for its publication.
    publish_from: MaybeUndefined<Instant>,
    /// When the coupon stops being visible and claimable. Null for never.
    publish_until: MaybeUndefined<Instant>,
    /// When claims become valid. Null for immediately.
    valid_from: MaybeUndefined<Instant>,
    /// When the validity of claims ends. Null for never.
    valid_until: MaybeUndefined<Instant>,
    /// Validity of a claim in days. Null to use `validUntil`.
    valid_days: MaybeUndefined<i32>,
    /// Whether the holder may give a claim to another account.
    shareable: Option<bool>,
    /// The minimum sum of the base prices, before discounts, of the order's items that the coupon applies to.
    minimum_spend: Option<MoneyInput>,
    /// Whether the coupon cannot be combined with other discounts.
    exclusive: Option<bool>,
    /// The stacking group. At most one coupon of a group applies to an order. Null for no group.
    stacking_group: MaybeUndefined<String>,
    /// The sort position. Smaller numbers come first.
    position: Option<i32>,
    /// The maximum sum of all discounts from this coupon, not less than is already spent. Null for an unlimited sum.
    budget: MaybeUndefined<MoneyInput>,
    /// The new list of what the coupon applies to. It replaces the previous list.
    applies_to: Option<Vec<ID>>,
}

impl UpdateCouponInput {
    fn parse(self, currency: &str) -> FaultResult<Change> {
        let minor =
            |money: Option<MoneyInput>, path| money.map(|money| money.minor(currency, path)).transpose();
        let maybe = |money: MaybeUndefined<MoneyInput>, path| {
            let money: Option<Option<MoneyInput>> = money.into();
            money.map(|money| minor(money, path)).transpose()
        };
        Ok(Change {
            category: self.category_id.map(|id| decode(&id, "categoryId")).transpose()?,
            title: self.title,
            description: self.description,
            terms: self.terms,
            picture_url: self.picture_url.into(),
            amount: minor(self.amount, "amount")?,
            basis_points: self.basis_points,
            cap: maybe(self.cap, "cap")?,
            price: minor(self.price, "price")?,
            tax_basis_points: self.tax_basis_points,
            listed: self.listed,
            stock: self.stock.into(),
            limit_per_buyer: self.limit_per_buyer,
            publish_from: change(self.publish_from),
            publish_until: change(self.publish_until),
            valid_from: change(self.valid_from),
            valid_until: change(self.valid_until),
            valid_days: self.valid_days.into(),
            shareable: self.shareable,
            minimum_spend: minor(self.minimum_spend, "minimumSpend")?,
            exclusive: self.exclusive,
            stacking_group: self.stacking_group.into(),
            position: self.position,
            budget: maybe(self.budget, "budget")?,
            scopes: self.applies_to.map(|ids| scopes(&ids)).transpose()?,
        })
    }
}

/// Input of `publishCoupon`, `pauseCoupon`, `resumeCoupon` and `endCoupon`.
#[derive(Debug, InputObject)]
pub struct CouponStepInput {
    /// The id of the coupon.
    coupon_id: ID,
    /// The coupon's `version` when you last read it. If it has changed since, nothing is stored and the error is
    /// `STALE`.
    expected_version: Long,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct CouponMutation;

#[Object]
impl CouponMutation {
    /// Creates a draft of a coupon. Call `publishCoupon` to make it available. Requires an owner or manager of the
    /// shop.
    async fn create_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `createCoupon`.")] input: CreateCouponInput,
    ) -> ApiResult<Option<CreateCouponPayload>> {
        ctx.viewer().user()?;
        let result = async {
            let id = decode(&input.shop_id, "shopId")?;
            let shop = shop::by_id(ctx.app(), id).await?;
            let key = input.idempotency_key.clone();
            let details = input.parse(&shop.currency)?;
            edit::create(ctx.app(), ctx.viewer(), id, details, key.as_deref()).await
        };
        let (coupon, errors) = outcome(result.await.map(Coupon::from))?;
        Ok(Some(CreateCouponPayload::of(coupon, errors)))
    }

    /// Changes a draft or published coupon. Existing claims keep their terms.
    async fn update_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `updateCoupon`.")] input: UpdateCouponInput,
    ) -> ApiResult<Option<CouponPayload>> {
        ctx.viewer().user()?;
        let coupon_id = input.coupon_id.clone();
        let result = async {
            let (id, seen) = (decode(&input.coupon_id, "couponId")?, input.expected_version.0);
            let currency = find::coupon(ctx.app(), ctx.viewer(), id).await?.currency;
            edit::update(ctx.app(), ctx.viewer(), id, seen, input.parse(&currency)?).await
        };
        CouponPayload::of(ctx, &coupon_id, result.await).await
    }

    /// Publishes a draft. The coupon becomes visible, and buyers can claim it within its publication window.
    async fn publish_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The coupon to change.")] input: CouponStepInput,
    ) -> ApiResult<Option<CouponPayload>> {
        step(ctx, &input, Move::Publish).await
    }

    /// Pauses a published coupon. It cannot be claimed until `resumeCoupon` is called. Existing claims stay valid.
    async fn pause_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The coupon to change.")] input: CouponStepInput,
    ) -> ApiResult<Option<CouponPayload>> {
        step(ctx, &input, Move::Pause).await
    }

    /// Resumes a paused coupon. It can be claimed again.
    async fn resume_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The coupon to change.")] input: CouponStepInput,
    ) -> ApiResult<Option<CouponPayload>> {
        step(ctx, &input, Move::Resume).await
    }

    /// Ends a coupon permanently. Existing claims stay valid.
    async fn end_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The coupon to change.")] input: CouponStepInput,
    ) -> ApiResult<Option<CouponPayload>> {
        step(ctx, &input, Move::End).await
    }
}

async fn step(ctx: &Context<'_>, input: &CouponStepInput, to: Move) -> ApiResult<Option<CouponPayload>> {
    ctx.viewer().user()?;
    let id: FaultResult<CouponId> = decode(&input.coupon_id, "couponId");
    let result = match id {
        Ok(id) => edit::step(ctx.app(), ctx.viewer(), id, input.expected_version.0, to).await,
        Err(fault) => Err(Error::Fault(fault)),
    };
    CouponPayload::of(ctx, &input.coupon_id, result).await
}

fn scopes(ids: &[ID]) -> FaultResult<Vec<Scope>> {
    const KINDS: [CouponScopeKind; 5] = [
        CouponScopeKind::Shop,
        CouponScopeKind::Product,
        CouponScopeKind::Event,
        CouponScopeKind::Tier,
        CouponScopeKind::Category,
    ];
    let scope = |(index, id): (usize, &ID)| {
        let found = split(id).and_then(|(of, target)| {
            let kind = KINDS.into_iter().find(|kind| prefix(*kind) == of)?;
            Some(Scope { kind, target })
        });
        found.ok_or_else(|| {
            Fault::invalid(
                &format!("appliesTo.{index}"),
                "must be the id of a shop, product, event, tier or category",
            )
        })
    };
    ids.iter().enumerate().map(scope).collect()
}
