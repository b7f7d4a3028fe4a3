//! Queries of coupons, and what their lists need.

use std::collections::{BTreeMap, HashMap};

use async_graphql::{Context, Enum, ID, InputObject, Object, dataloader::Loader};
use entity::{ClaimId, CouponId, InventoryId, claim, coupon};

use super::{Coupon, CouponConnection, CouponTarget, Kind, State};
use crate::{
    coupon::{
        self as coupons, claim as claims,
        counts::{self, CouponCounts},
        find::{self, Filter, Key, Order},
        spend,
    },
    error::Faulty,
    graphql::{
        context::ContextExt,
        error::{ApiResult, found},
        id::decode,
        loader::{Batch, Shared, keyed},
        page::{PageArgs, connection},
        scalar::Long,
    },
    inventory,
};

/// In which order coupons are listed. A cursor is good for the order in which it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Order")]
pub enum CouponOrder {
    /// Those that were made last come first.
    Newest,
    /// By title.
    Title,
}

/// Which coupons. All that is given must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct CouponFilter {
    /// Of this shop.
    shop: Option<ID>,
    /// In this category or one below it.
    category: Option<ID>,
    /// Shown with this product.
    product: Option<ID>,
    /// Shown with this event.
    event: Option<ID>,
    /// Of one of these kinds.
    kind: Option<Vec<Kind>>,
    /// Whether they cost nothing.
    free: Option<bool>,
    /// Words, each of which begins a word of the coupon's title, its shop's name or its product's name. At most eight
    /// words count.
    search: Option<String>,
    /// Whether one can be claimed or reserved now.
    claimable: Option<bool>,
    /// Stand at one of these.
    state: Option<Vec<State>>,
}

impl CouponFilter {
    fn parse(self) -> Faulty<Filter> {
        Ok(Filter {
            shop: self.shop.map(|id| decode(&id, "filter.shop")).transpose()?,
            category: self.category.map(|id| decode(&id, "filter.category")).transpose()?,
            product: self.product.map(|id| decode(&id, "filter.product")).transpose()?,
            event: self.event.map(|id| decode(&id, "filter.event")).transpose()?,
            kinds: self.kind.unwrap_or_default().into_iter().map(Into::into).collect(),
            free: self.free,
            search: self.search,
            claimable: self.claimable,
            states: self.state.unwrap_or_default().into_iter().map(Into::into).collect(),
        })
    }
}

/// What the list of coupons says beyond its pages.
#[derive(Debug)]
pub struct CouponTotal(Filter);

/// What the list of coupons says beyond its pages.
#[Object]
impl CouponTotal {
    /// How many coupons there are on all pages. Counted only when it is asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> ApiResult<Long> {
        let count = find::count(ctx.app(), ctx.viewer(), &self.0).await?;
        Ok(Long(i64::try_from(count).unwrap_or(i64::MAX)))
    }
}

/// A page of the coupons that the viewer may see.
pub(crate) async fn coupon_connection(
    ctx: &Context<'_>,
    filter: Filter,
    order: CouponOrder,
    args: PageArgs,
) -> ApiResult<CouponConnection> {
    let (order, window) = (Order::from(order), args.window()?);
    let page = find::coupons(ctx.app(), ctx.viewer(), &filter, order, window).await?;
    Ok(connection(page, CouponTotal(filter), |row| (Key::of(&row, order), Coupon::from(row))))
}

/// How many the viewer has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TakenOf(pub(super) InventoryId);

/// The viewer's first so many claims that are still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ClaimsOf(pub(super) CouponId, pub(super) u32);

/// A claim, if the viewer holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnClaim(pub(crate) ClaimId);

/// What a coupon applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ScopesOf(pub(super) CouponId);

/// The key of a coupon's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct CouponCountsOf(pub(super) CouponId);

impl Loader<CouponId> for Batch {
    type Value = coupon::Model;
    type Error = Shared;

    async fn load(&self, keys: &[CouponId]) -> Result<HashMap<CouponId, coupon::Model>, Shared> {
        Ok(keyed(coupons::by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}

impl Loader<TakenOf> for Batch {
    type Value = u32;
    type Error = Shared;

    async fn load(&self, keys: &[TakenOf]) -> Result<HashMap<TakenOf, u32>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let taken = inventory::taken_of(&self.app, &self.viewer, ids).await?;
        Ok(taken.into_iter().map(|(id, taken)| (TakenOf(id), taken)).collect())
    }
}

impl Loader<ClaimsOf> for Batch {
    type Value = Vec<claim::Model>;
    type Error = Shared;

    async fn load(&self, keys: &[ClaimsOf]) -> Result<HashMap<ClaimsOf, Vec<claim::Model>>, Shared> {
        let Ok(account) = self.viewer.account() else { return Ok(HashMap::new()) };
        // One query for each number that is asked for: as a rule there is one.
        let mut by_number: BTreeMap<u32, Vec<CouponId>> = BTreeMap::new();
        for ClaimsOf(coupon, first) in keys {
            by_number.entry(*first).or_default().push(*coupon);
        }
        let mut all: HashMap<ClaimsOf, Vec<claim::Model>> = HashMap::new();
        for (first, coupons) in by_number {
            for claim in claims::live_of(&self.app, account, coupons, first).await? {
                all.entry(ClaimsOf(claim.coupon_id, first)).or_default().push(claim);
            }
        }
        Ok(all)
    }
}

impl Loader<OwnClaim> for Batch {
    type Value = claim::Model;
    type Error = Shared;

    async fn load(&self, keys: &[OwnClaim]) -> Result<HashMap<OwnClaim, claim::Model>, Shared> {
        let Ok(account) = self.viewer.account() else { return Ok(HashMap::new()) };
        let ids = keys.iter().map(|key| key.0).collect();
        let mut claims = spend::by_ids(&self.app, ids).await?;
        claims.retain(|claim| claim.account_id == account);
        Ok(keyed(claims, |claim| OwnClaim(claim.id)))
    }
}

impl Loader<ScopesOf> for Batch {
    type Value = Vec<CouponTarget>;
    type Error = Shared;

    async fn load(&self, keys: &[ScopesOf]) -> Result<HashMap<ScopesOf, Vec<CouponTarget>>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let mut all: HashMap<ScopesOf, Vec<CouponTarget>> = HashMap::new();
        for scope in coupons::scopes_of(&self.app, ids).await? {
            let target = CouponTarget::new(scope.kind, scope.target);
            all.entry(ScopesOf(scope.coupon_id)).or_default().push(target);
        }
        Ok(all)
    }
}

impl Loader<CouponCountsOf> for Batch {
    type Value = CouponCounts;
    type Error = Shared;

    async fn load(&self, keys: &[CouponCountsOf]) -> Result<HashMap<CouponCountsOf, CouponCounts>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let all = counts::of_all(&self.app, ids).await?;
        Ok(all.into_iter().map(|(id, counts)| (CouponCountsOf(id), counts)).collect())
    }
}

/// Queries.
#[derive(Debug, Default)]
pub struct CouponQuery;

#[Object]
impl CouponQuery {
    /// The coupon. Null if there is none, or if it is a draft, or not listed, and not yours to see.
    async fn coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which coupon.")] id: ID,
    ) -> ApiResult<Option<Coupon>> {
        let coupon = find::coupon(ctx.app(), ctx.viewer(), decode(&id, "id")?).await;
        Ok(found(coupon)?.map(Coupon::from))
    }

    /// The coupons that you may see: all that are listed and published or paused, within their publication windows, and for
    /// those who work for a shop all of its own.
    #[expect(clippy::too_many_arguments, reason = "connections take four of them")]
    async fn coupons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which coupons; all of them when left out.")] filter: Option<CouponFilter>,
        #[graphql(desc = "In which order.", default_with = "CouponOrder::Newest")] order_by: CouponOrder,
        #[graphql(desc = "How many from the beginning, 1 to 100; 20 when nothing is said.")] first: Option<
            i32,
        >,
        #[graphql(desc = "Only those after this cursor.")] after: Option<String>,
        #[graphql(desc = "How many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Only those before this cursor.")] before: Option<String>,
    ) -> ApiResult<CouponConnection> {
        let filter = filter.unwrap_or_default().parse()?;
        coupon_connection(ctx, filter, order_by, PageArgs { after, before, first, last }).await
    }
}
