//! Making, changing, publishing, pausing and ending coupons through the API.

use async_graphql::{Context, ID, InputObject, MaybeUndefined, Object, SimpleObject};
use chrono::{DateTime, Utc};
use entity::{CouponId, coupon, coupon::scope::CouponScopeKind};

use super::{CodeSource, Coupon, CouponError, Kind, target::prefix};
use crate::{
    coupon::{
        details::{Change, Details},
        edit, find,
        rules::Refusal,
        state::Move,
        terms::Scope,
    },
    error::{Error, Fault, Faulty, Result},
    graphql::{
        context::ContextExt,
        error::{ApiResult, outcome},
        id::{decode, split},
        scalar::{Long, MoneyInput},
    },
    shop,
};

/// A new coupon. Its amounts are in the shop's currency.
#[derive(Debug, InputObject)]
pub struct CreateCouponInput {
    /// Whose promise it is; you must be an owner or manager of the shop.
    shop_id: ID,
    /// A product of the shop that it is shown with.
    product_id: Option<ID>,
    /// An event of the shop that it is shown with.
    event_id: Option<ID>,
    /// A tier of that event that it is shown with.
    tier_id: Option<ID>,
    /// What kind of offer it is; its product's or its event's when left out.
    category_id: Option<ID>,
    /// Display name, 1 to 200 characters.
    title: String,
    /// Description, at most 10,000 characters.
    #[graphql(default)]
    description: String,
    /// The small print, at most 10,000 characters.
    #[graphql(default)]
    terms: String,
    /// Where its picture is: an https address.
    picture_url: Option<String>,
    /// What it is worth. It never changes.
    kind: Kind,
    /// The amount off (`AMOUNT_OFF`), the fixed price (`FIXED_PRICE`) or the balance (`GIFT_CARD`).
    amount: Option<MoneyInput>,
    /// The share off (`PERCENT_OFF`), in hundredths of a percent: 1500 is 15 %.
    basis_points: Option<i32>,
    /// The most that the share off may come to.
    cap: Option<MoneyInput>,
    /// What one costs, tax included; nothing when left out.
    price: Option<MoneyInput>,
    /// The rate of the tax that the price contains, in hundredths of a percent.
    #[graphql(default)]
    tax_basis_points: i32,
    /// Where the codes of its claims come from. It never changes. Coupons with a list of codes are free and personal, and
    /// there are as many as codes.
    #[graphql(default_with = "CodeSource::Generated")]
    codes: CodeSource,
    /// Whether strangers find it in lists and by its id. Otherwise they have it by one of its codes only (`claimCode`).
    #[graphql(default = true)]
    listed: bool,
    /// How many there are, at most 100,000,000; as many as are wanted when left out.
    stock: Option<i32>,
    /// How many one buyer may claim, 1 to 1000.
    #[graphql(default = 1)]
    limit_per_buyer: i32,
    /// Shown and claimed from here; from its publication on when left out.
    publish_from: Option<DateTime<Utc>>,
    /// Shown and claimed until here.
    publish_until: Option<DateTime<Utc>>,
    /// Claims are valid from here; at once when left out.
    valid_from: Option<DateTime<Utc>>,
    /// Claims are valid until here; for ever when left out.
    valid_until: Option<DateTime<Utc>>,
    /// Claims are valid for so many days, instead of until a fixed time.
    valid_days: Option<i32>,
    /// Whether a holder may give it to somebody else.
    #[graphql(default)]
    shareable: bool,
    /// What has to be bought, of what it applies to, before discounts.
    minimum_spend: Option<MoneyInput>,
    /// Whether it applies alone only.
    #[graphql(default)]
    exclusive: bool,
    /// Of one group at most one applies to an order.
    stacking_group: Option<String>,
    /// Its place in the order in which several apply: the lowest first.
    #[graphql(default)]
    position: i32,
    /// What all its discounts together may come to.
    budget: Option<MoneyInput>,
    /// What it applies to: ids of the shop, of products, events and tiers of it, and of categories; everything of the
    /// shop when left out. An access code names the tiers that it opens, or events whose tiers it opens.
    #[graphql(default)]
    applies_to: Vec<ID>,
}

impl CreateCouponInput {
    fn parse(self, currency: &str) -> Faulty<Details> {
        let minor =
            |money: Option<MoneyInput>, path| money.map(|money| money.minor(currency, path)).transpose();
        let is_uploaded = self.codes == CodeSource::Uploaded;
        if is_uploaded && self.stock.is_some() {
            return Err(Fault::invalid("stock", "is the number of uploaded codes"));
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
            publish_from: self.publish_from,
            publish_until: self.publish_until,
            valid_from: self.valid_from,
            valid_until: self.valid_until,
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

/// Changes to a coupon. What is left out stays as it is; what was claimed before stays as it was promised.
#[derive(Debug, InputObject)]
pub struct UpdateCouponInput {
    /// Which coupon.
    coupon_id: ID,
    /// The version that you read; if the coupon was changed since, nothing happens and the error is `STALE`.
    expected_version: Long,
    /// What kind of offer it is.
    category_id: Option<ID>,
    /// Display name, 1 to 200 characters.
    title: Option<String>,
    /// Description, at most 10,000 characters.
    description: Option<String>,
    /// The small print, at most 10,000 characters.
    terms: Option<String>,
    /// Where its picture is; null: nowhere.
    picture_url: MaybeUndefined<String>,
    /// The amount off, the fixed price or the balance.
    amount: Option<MoneyInput>,
    /// The share off, in hundredths of a percent.
    basis_points: Option<i32>,
    /// The most that the share off may come to; null: no bound.
    cap: MaybeUndefined<MoneyInput>,
    /// What one costs, tax included.
    price: Option<MoneyInput>,
    /// The rate of the tax that the price contains.
    tax_basis_points: Option<i32>,
    /// Whether strangers find it.
    listed: Option<bool>,
    /// How many there are, never fewer than are taken; null: as many as are wanted.
    stock: MaybeUndefined<i32>,
    /// How many one buyer may claim.
    limit_per_buyer: Option<i32>,
    /// Shown and claimed from here; null: from its publication on.
    publish_from: MaybeUndefined<DateTime<Utc>>,
    /// Shown and claimed until here; null: without end.
    publish_until: MaybeUndefined<DateTime<Utc>>,
    /// Claims are valid from here; null: at once.
    valid_from: MaybeUndefined<DateTime<Utc>>,
    /// Claims are valid until here; null: for ever.
    valid_until: MaybeUndefined<DateTime<Utc>>,
    /// Claims are valid for so many days; null: until `validUntil`.
    valid_days: MaybeUndefined<i32>,
    /// Whether a holder may give it to somebody else.
    shareable: Option<bool>,
    /// What has to be bought.
    minimum_spend: Option<MoneyInput>,
    /// Whether it applies alone only.
    exclusive: Option<bool>,
    /// Of one group at most one applies; null: of no group.
    stacking_group: MaybeUndefined<String>,
    /// Its place in the order in which several apply.
    position: Option<i32>,
    /// What all its discounts together may come to, never less than is spent; null: without bound.
    budget: MaybeUndefined<MoneyInput>,
    /// What it applies to, instead of what it applied to.
    applies_to: Option<Vec<ID>>,
}

impl UpdateCouponInput {
    fn parse(self, currency: &str) -> Faulty<Change> {
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
            publish_from: self.publish_from.into(),
            publish_until: self.publish_until.into(),
            valid_from: self.valid_from.into(),
            valid_until: self.valid_until.into(),
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

/// A coupon to move on in its life.
#[derive(Debug, InputObject)]
pub struct CouponStepInput {
    /// Which coupon.
    coupon_id: ID,
    /// The version that you read; if the coupon was changed since, nothing happens and the error is `STALE`.
    expected_version: Long,
}

/// What became of it.
#[derive(Debug, SimpleObject)]
pub struct CouponPayload {
    /// The coupon as it is now; null if nothing was done.
    coupon: Option<Coupon>,
    /// Why nothing was done; empty if it was.
    errors: Vec<CouponError>,
}

impl CouponPayload {
    fn of(result: Result<coupon::Model, Refusal>) -> ApiResult<Self> {
        let (coupon, errors) = outcome(result.map(Coupon::from))?;
        Ok(Self { coupon, errors })
    }
}

/// Mutations.
#[derive(Debug, Default)]
pub struct CouponMutation;

#[Object]
impl CouponMutation {
    /// Makes a draft of a coupon. Publish it next.
    async fn create_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new coupon.")] input: CreateCouponInput,
    ) -> ApiResult<CouponPayload> {
        ctx.viewer().user()?;
        let result = async {
            let id = decode(&input.shop_id, "shopId")?;
            let shop = shop::by_id(ctx.app(), id).await?;
            edit::create(ctx.app(), ctx.viewer(), id, input.parse(&shop.currency)?).await
        };
        CouponPayload::of(result.await)
    }

    /// Changes a coupon, published or not. What was claimed before stays as it was promised.
    async fn update_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to change.")] input: UpdateCouponInput,
    ) -> ApiResult<CouponPayload> {
        ctx.viewer().user()?;
        let result = async {
            let (id, seen) = (decode(&input.coupon_id, "couponId")?, input.expected_version.0);
            let currency = find::coupon(ctx.app(), ctx.viewer(), id).await?.currency;
            edit::update(ctx.app(), ctx.viewer(), id, seen, input.parse(&currency)?).await
        };
        CouponPayload::of(result.await)
    }

    /// Publishes a draft: from now on everybody sees it, and it is claimed within its publication window.
    async fn publish_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which coupon.")] input: CouponStepInput,
    ) -> ApiResult<CouponPayload> {
        step(ctx, &input, Move::Publish).await
    }

    /// Nobody claims it for now; what was claimed stays valid.
    async fn pause_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which coupon.")] input: CouponStepInput,
    ) -> ApiResult<CouponPayload> {
        step(ctx, &input, Move::Pause).await
    }

    /// A paused coupon can be claimed again.
    async fn resume_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which coupon.")] input: CouponStepInput,
    ) -> ApiResult<CouponPayload> {
        step(ctx, &input, Move::Resume).await
    }

    /// Ends a coupon for ever; what was claimed stays valid.
    async fn end_coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which coupon.")] input: CouponStepInput,
    ) -> ApiResult<CouponPayload> {
        step(ctx, &input, Move::End).await
    }
}

async fn step(ctx: &Context<'_>, input: &CouponStepInput, to: Move) -> ApiResult<CouponPayload> {
    ctx.viewer().user()?;
    let id: Faulty<CouponId> = decode(&input.coupon_id, "couponId");
    let result = match id {
        Ok(id) => edit::step(ctx.app(), ctx.viewer(), id, input.expected_version.0, to).await,
        Err(fault) => Err(Error::Fault(fault)),
    };
    CouponPayload::of(result)
}

fn scopes(ids: &[ID]) -> Faulty<Vec<Scope>> {
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
