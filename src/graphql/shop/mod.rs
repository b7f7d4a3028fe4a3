//! Shops and their members in the API.

mod audit;
mod error;
mod input;
mod mutation;

use std::{collections::HashMap, sync::Arc};

use async_graphql::{Context, Enum, ID, Object, SimpleObject, dataloader::Loader};
use entity::{ShopId, shop as row};

use self::audit::AuditConnection;
pub use self::{
    audit::{AuditAction, AuditActor, AuditEntry},
    error::{CreateShopError, ShopMemberError, UpdateShopError},
    input::{CreateShopInput, RemoveShopMemberInput, SetShopMemberInput, ShopFilter, UpdateShopInput},
    mutation::{
        CreateShopPayload, RemoveShopMemberPayload, SetShopMemberPayload, ShopMutation, UpdateShopPayload,
    },
};
use super::{
    category::{self, Category},
    context::ContextExt,
    coupon::{
        CouponArgs, CouponConnection, CouponFilter, CouponSort, ProductConnection, coupon_connection,
        product_connection,
    },
    error::{ApiResult, found, not_allowed},
    event::{EventArgs, EventConnection, EventFilter, EventSort, event_connection},
    id::{decode, encode, readable_slug},
    loader::{Batch, Shared, keyed},
    long_text::{LongText, long_text},
    order::{OrderConnection, order_connection},
    page::{Connected, PageArgs, connection},
    scalar::{CurrencyCode, Instant, Long},
};
use crate::{
    coupon::product,
    error::{Fault, Object},
    order as orders, shop,
    slug::IdOrSlug,
};

/// The role of a member in a shop. It determines the member's permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "row::ShopRole")]
pub enum ShopRole {
    /// Can do everything, including changes of members.
    Owner,
    /// Can do everything except changes of members.
    Manager,
    /// Can see sales, refund orders and check in tickets.
    Seller,
    /// Can check in tickets and redeem claims.
    Scanner,
}

/// A vendor's organisation.
#[derive(Debug)]
pub struct Shop(pub(crate) row::Model);

/// A vendor's organisation.
#[Object]
impl Shop {
    /// The global id of the shop.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// The unique name for URLs.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// The display name as plain text.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What the shop sells, as plain text, not Markdown or HTML. May be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::Shop(self.0.id)).await
    }

    /// The currency in which the shop sells. It never changes.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// The category of the shop. Null if there is none.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<Option<Category>> {
        category::of(ctx, self.0.category_id).await
    }

    /// Increases with every change of the shop or its members. Send it as `expectedVersion` when you edit the shop.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// Your role in the shop. Null if you are not a member.
    async fn viewer_role(&self, ctx: &Context<'_>) -> ApiResult<Option<ShopRole>> {
        let role = ctx.loaders().one(RoleIn(self.0.id)).await?;
        Ok(role.map(Into::into))
    }

    /// The members, at most 200, in the order in which they joined. Requires an owner or manager; otherwise the list is
    /// null with the error `FORBIDDEN`.
    async fn members(&self, ctx: &Context<'_>) -> ApiResult<Option<Vec<ShopMember>>> {
        let members = ctx.loaders().one(MembersOf(self.0.id)).await?;
        let members = members.ok_or_else(|| not_allowed(ctx.viewer()))?;
        Ok(Some(members.into_iter().map(Into::into).collect()))
    }

    /// The shop's orders, newest first. Requires an owner, manager or seller; otherwise the connection is null with the
    /// error `FORBIDDEN`.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Only orders whose `updatedAt` is later than this time. Send a time that is a minute \
                          before your last request, because concurrent changes can become visible late."
        )]
        updated_after: Option<Instant>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<Option<OrderConnection>> {
        let window = PageArgs { after, before, first, last }.window()?;
        let page = orders::of_shop(ctx.app(), ctx.viewer(), self.0.id, updated_after.map(Into::into), window)
            .await?;
        Ok(Some(order_connection(page)))
    }

    /// The shop's events that you may see: published ones, or all if you are a member.
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a connection, the filter and the sort order"
    )]
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The filter. If omitted, all of these events.")] filter: Option<EventFilter>,
        #[graphql(desc = "The sort order. If omitted, as in `Query.events`.")] sort: Option<EventSort>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<EventConnection> {
        let id = self.0.id;
        let page = PageArgs { after, before, first, last };
        event_connection(ctx, EventArgs { filter, sort, page }, |filter| filter.shops.push(IdOrSlug::Id(id)))
            .await
    }

    /// The shop's coupons that you may see: published and listed ones, or all if you are a member.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn coupons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The filter. If omitted, all of these coupons.")] filter: Option<CouponFilter>,
        #[graphql(desc = "The sort order. If omitted, the newest come first.")] sort: Option<CouponSort>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<CouponConnection> {
        let (page, id) = (PageArgs { after, before, first, last }, self.0.id);
        coupon_connection(ctx, CouponArgs { filter, sort, page }, |filter| {
            filter.shops.push(IdOrSlug::Id(id));
        })
        .await
    }

    /// The shop's catalogue of products, newest first. Coupons can refer to them; they are not sold themselves.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whether to include archived products.", default)] archived: bool,
        #[graphql(
            desc = "Only products whose `updatedAt` is later than this time. Send a time that is a minute \
                          before your last request, because concurrent changes can become visible late."
        )]
        updated_after: Option<Instant>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<ProductConnection> {
        let window = PageArgs { after, before, first, last }.window()?;
        let filter = product::Filter { archived, updated_after: updated_after.map(Into::into) };
        Ok(product_connection(product::of_shop(ctx.app(), self.0.id, filter, window).await?))
    }

    /// The changes of permissions and money in the shop, newest first. Requires an owner or manager; otherwise the
    /// connection is null with the error `FORBIDDEN`.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Returns only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only items before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of items from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of items from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<Option<AuditConnection>> {
        let window = PageArgs { after, before, first, last }.window()?;
        let page = shop::audit_log(ctx.app(), ctx.viewer(), self.0.id, window).await?;
        Ok(Some(connection(page, |row| AuditEntry::edge(row, &self.0.currency))))
    }

    /// When the shop was created.
    async fn created_at(&self) -> Instant {
        self.0.created_at.into()
    }

    /// When the shop or its members were last changed.
    async fn updated_at(&self) -> Instant {
        self.0.updated_at.into()
    }
}

/// A member of a shop, as other members see it.
#[derive(Clone, Debug, SimpleObject)]
pub struct ShopMember {
    /// The id of the member's account.
    pub account_id: ID,
    /// The member's name as plain text. May be empty.
    pub name: String,
    /// The member's e-mail address.
    pub email: String,
    /// The member's role.
    pub role: ShopRole,
    /// When the membership began.
    pub created_at: Instant,
}

impl From<shop::Member> for ShopMember {
    fn from(member: shop::Member) -> Self {
        Self {
            account_id: encode(member.account),
            name: member.name,
            email: member.email,
            role: member.role.into(),
            created_at: member.created_at.into(),
        }
    }
}

/// A shop that you are a member of.
#[derive(Debug, SimpleObject)]
pub struct ShopMembership {
    /// Your role in the shop.
    pub role: ShopRole,
    /// The shop.
    pub shop: Shop,
}

impl ShopMembership {
    pub(crate) fn new(role: row::ShopRole, shop: row::Model) -> Self {
        Self { role: role.into(), shop: Shop(shop) }
    }
}

impl Shop {
    /// Returns the shop that an object refers to.
    pub(crate) async fn of(ctx: &Context<'_>, id: ShopId) -> ApiResult<Self> {
        let row = ctx.loaders().one(id).await?.ok_or(Fault::NotFound(Object::Shop))?;
        Ok(Self(row))
    }
}

/// Loader key: the viewer's role in a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RoleIn(pub(crate) ShopId);

/// Loader key: the members of a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct MembersOf(ShopId);

impl Loader<ShopId> for Batch {
    type Value = row::Model;
    type Error = Shared;

    async fn load(&self, keys: &[ShopId]) -> Result<HashMap<ShopId, row::Model>, Shared> {
        Ok(keyed(shop::by_ids(&self.app, keys.to_vec()).await?, |row| row.id))
    }
}

impl Loader<RoleIn> for Batch {
    type Value = row::ShopRole;
    type Error = Shared;

    async fn load(&self, keys: &[RoleIn]) -> Result<HashMap<RoleIn, row::ShopRole>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let roles = shop::roles_in(&self.app, &self.viewer, ids).await?;
        Ok(roles.into_iter().map(|(id, role)| (RoleIn(id), role)).collect())
    }
}

impl Loader<MembersOf> for Batch {
    type Value = Vec<shop::Member>;
    type Error = Shared;

    async fn load(&self, keys: &[MembersOf]) -> Result<HashMap<MembersOf, Vec<shop::Member>>, Shared> {
        let ids = keys.iter().map(|key| key.0).collect();
        let members = shop::members_of(&self.app, &self.viewer, ids).await?;
        Ok(members.into_iter().map(|(id, members)| (MembersOf(id), members)).collect())
    }
}

/// A page of shops.
type ShopConnection = Connected<shop::Key, Shop>;

/// The queries of this slice.
#[derive(Debug, Default)]
pub struct ShopQuery;

#[Object]
impl ShopQuery {
    /// Lists the shops, sorted by name. A search has the best matches first.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection and the filter")]
    async fn shops(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "The filter. If omitted, all shops.")] filter: ShopFilter,
        #[graphql(desc = "Returns only shops after this cursor.")] after: Option<String>,
        #[graphql(desc = "Returns only shops before this cursor.")] before: Option<String>,
        #[graphql(desc = "Number of shops from the start, 1 to 100. Defaults to 20.")] first: Option<i32>,
        #[graphql(desc = "Number of shops from the end, 1 to 100. Do not combine with `first`.")]
        last: Option<i32>,
    ) -> ApiResult<ShopConnection> {
        let window = PageArgs { after, before, first, last }.window()?;
        let filter = filter.parse()?;
        let page = shop::list(ctx.app(), &filter, window).await?;
        Ok(connection(page, |(key, row)| (key, Shop(row))))
    }

    /// Returns a shop by its id or slug; send exactly one of the two. Null if there is none. A former slug also leads to
    /// the shop, so compare `slug` and redirect old links.
    async fn shop(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The id of the shop.")] id: Option<ID>,
        #[graphql(desc = "The unique name for URLs.")] slug: Option<String>,
    ) -> ApiResult<Option<Shop>> {
        let shop = match (id, slug) {
            (Some(id), None) => shop::by_id(ctx.app(), decode(&id, "id")?).await,
            (None, Some(slug)) => shop::by_slug(ctx.app(), &readable_slug(&slug)).await,
            (None, None) | (Some(_), Some(_)) => return Err(Fault::invalid("id", "give id or slug").into()),
        };
        Ok(found(shop)?.map(Shop))
    }
}
