//! Coupon queries, and the loaders for coupon lists.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use async_graphql::{Context, Enum, ID, InputObject, Object, dataloader::Loader};
use entity::{ClaimId, CouponId, InventoryId, claim, coupon};

use super::{Claim, Coupon, CouponConnection, Kind, State};
use crate::{
    coupon::{
        self as coupons, claim as claims,
        counts::{self, CouponCounts},
        find::{self, Field, Filter, Sort},
        rules, spend,
        terms::Scope,
    },
    error::FaultResult,
    graphql::{
        context::ContextExt,
        error::{ApiResult, found},
        id::{decode, id_or_slug},
        loader::{Batch, Shared, keyed},
        order::{self as orders, LineOf},
        page::{PageArgs, SortDirection, connection},
        scalar::Instant,
        shop::RoleIn,
    },
    inventory,
};

/// A sort order for coupons. Coupons with equal values are sorted by their ids in the same direction. A cursor is valid
/// only for the field by which its list was sorted.
#[derive(Clone, Copy, Debug, InputObject)]
pub struct CouponSort {
    /// The field to sort by.
    field: CouponSortField,
    /// The direction.
    #[graphql(default_with = "SortDirection::Ascending")]
    direction: SortDirection,
}

/// A field that coupons can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "Field")]
pub enum CouponSortField {
    /// The time of creation.
    CreatedAt,
    /// The title.
    Title,
}

/// A filter for coupons. All given conditions must hold.
#[derive(Clone, Debug, Default, InputObject)]
pub struct CouponFilter {
    /// Only coupons of the shop with this id.
    shop_id: Option<ID>,
    /// Only coupons of the shop with this slug.
    shop_slug: Option<String>,
    /// Only coupons in the category with this id or its descendants.
    category_id: Option<ID>,
    /// Only coupons in the category with this slug or its descendants.
    category_slug: Option<String>,
    /// Only coupons that are shown with the product with this id.
    product_id: Option<ID>,
    /// Only coupons that are shown with the event with this id.
    event_id: Option<ID>,
    /// Only coupons that are shown with the event with this slug.
    event_slug: Option<String>,
    /// Only coupons of these kinds.
    kind: Option<Vec<Kind>>,
    /// True for free coupons only, false for coupons with a price only.
    free: Option<bool>,
    /// Words to search for, at most eight. Each must be a word in the coupon's title, the shop's name or the product's
    /// name, or the start of such a word. Case and accents are ignored. A word of five or more letters also finds words
    /// that differ from it by one typing error after the first letter. Without `sort`, exact matches come first, then
    /// words that begin with your words, then words with a typing error. A text without letters and digits finds
    /// nothing.
    search: Option<String>,
    /// True for coupons that can be claimed or reserved now, false for the others.
    claimable: Option<bool>,
    /// Only items in one of these states.
    state: Option<Vec<State>>,
    /// Only coupons whose `updatedAt` is later than this time. Concurrent changes can become visible up to a minute
    /// late, so send a time that is a minute before your last request.
    updated_after: Option<Instant>,
}

impl CouponFilter {
    fn parse(self) -> FaultResult<Filter> {
        Ok(Filter {
            shops: id_or_slug(self.shop_id, self.shop_slug, "filter.shopId")?,
            categories: id_or_slug(self.category_id, self.category_slug, "filter.categoryId")?,
            product: self.product_id.map(|id| decode(&id, "filter.productId")).transpose()?,
            events: id_or_slug(self.event_id, self.event_slug, "filter.eventId")?,
            kinds: self.kind.unwrap_or_default().into_iter().map(Into::into).collect(),
            free: self.free,
            search: self.search,
            claimable: self.claimable,
            states: self.state.unwrap_or_default().into_iter().map(Into::into).collect(),
            updated_after: self.updated_after.map(Into::into),
        })
    }
}

/// The arguments of a list of coupons.
pub(crate) struct CouponArgs {
    pub(crate) filter: Option<CouponFilter>,
    pub(crate) sort: Option<CouponSort>,
    pub(crate) page: PageArgs,
}

/// Returns a page of the coupons that the viewer may see. `narrow` adds the conditions of the object that has the list.
pub(crate) async fn coupon_connection(
    ctx: &Context<'_>,
    args: CouponArgs,
    narrow: impl FnOnce(&mut Filter) + Send,
) -> ApiResult<CouponConnection> {
    let mut filter = args.filter.unwrap_or_default().parse()?;
    narrow(&mut filter);
    let sort = args.sort.map(|sort| Sort { field: sort.field.into(), direction: sort.direction.into() });
    let page = find::coupons(ctx.app(), ctx.viewer(), &filter, sort, args.page.window()?).await?;
    Ok(connection(page, |(key, row)| (key, Coupon::from(row))))
}

/// Loader key: how many copies the viewer has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TakenOf(pub(super) InventoryId);

/// Loader key: the viewer's first usable claims of a coupon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ClaimsOf(pub(super) CouponId, pub(super) u32);

/// Loader key: a claim, if the viewer holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct OwnClaim(pub(crate) ClaimId);

/// Loader key: a claim, for viewers who see its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AnyClaim(pub(super) ClaimId);

impl Coupon {
    /// Returns the coupon if the viewer may see it. Drafts and unlisted coupons are visible to members of their shop
    /// only.
    pub(crate) async fn visible(ctx: &Context<'_>, id: CouponId) -> FaultResult<Option<Self>> {
        let Some(row) = ctx.loaders().one(id).await? else { return Ok(None) };
        let is_seen = rules::is_known(&row, ctx.app().clock.now())
            || ctx.loaders().one(RoleIn(row.shop_id)).await?.is_some();
        Ok(is_seen.then(|| Self::from(row)))
    }
}

impl Claim {
    /// Returns the claim if the viewer holds it, or has the access token of the order that it was bought with.
    pub(crate) async fn visible(
        ctx: &Context<'_>,
        id: ClaimId,
        token: Option<&Arc<str>>,
    ) -> FaultResult<Option<Self>> {
        if let Some(row) = ctx.loaders().one(OwnClaim(id)).await? {
            return Ok(Some(Self::from(row)));
        }
        if token.is_none() {
            return Ok(None);
        }
        let Some(row) = ctx.loaders().one(AnyClaim(id)).await? else { return Ok(None) };
        let Some(line) = row.order_line_id else { return Ok(None) };
        let Some(line) = ctx.loaders().one(LineOf(line)).await? else { return Ok(None) };
        let order = orders::Order::opened_by(ctx, line.order_id, token).await?;
        let order = order.filter(|order| order.is_own(ctx) && order.row().account_id == row.account_id);
        Ok(order.map(|order| Self::opened(row, &order)))
    }
}

/// Loader key: what a coupon applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct ScopesOf(pub(super) CouponId);

/// Loader key: how many copies of a coupon are in each state.
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
        // One query per requested number. Usually there is only one.
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

impl Loader<AnyClaim> for Batch {
    type Value = claim::Model;
    type Error = Shared;

    async fn load(&self, keys: &[AnyClaim]) -> Result<HashMap<AnyClaim, claim::Model>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        Ok(keyed(spend::by_ids(&self.app, ids).await?, |claim| AnyClaim(claim.id)))
    }
}

impl Loader<ScopesOf> for Batch {
    type Value = Vec<Scope>;
    type Error = Shared;

    async fn load(&self, keys: &[ScopesOf]) -> Result<HashMap<ScopesOf, Vec<Scope>>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let mut all: HashMap<ScopesOf, Vec<Scope>> = HashMap::new();
        for row in coupons::scopes_of(&self.app, ids).await? {
            let scope = Scope { kind: row.kind, target: row.target };
            all.entry(ScopesOf(row.coupon_id)).or_default().push(scope);
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

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct CouponQuery;

#[Object]
impl CouponQuery {
    /// Returns the coupon with this id. Null if there is none, or if you may not see it: drafts and unlisted coupons
    /// are visible to members of their shop only.
    async fn coupon(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the coupon.")] id: ID,
    ) -> ApiResult<Option<Coupon>> {
        let coupon = find::coupon(ctx.app(), ctx.viewer(), decode(&id, "id")?).await;
        Ok(found(coupon)?.map(Coupon::from))
    }

    /// Lists the coupons that you may see: listed coupons that are published or paused, within their publication
    /// window. Members of a shop see all of its coupons.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection, the filter and the sort order"
    )]
    async fn coupons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The filter. If omitted, all coupons.")] filter: Option<CouponFilter>,
        #[graphql(desc = "The sort order. If omitted, the newest come first.")] sort: Option<CouponSort>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
    ) -> ApiResult<CouponConnection> {
        coupon_connection(
            ctx,
            CouponArgs { filter, sort, page: PageArgs { after, before, first, last } },
            |_| {},
        )
        .await
    }
}
