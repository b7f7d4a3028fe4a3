//! Shops and their members in the API.

mod audit;
mod input;
mod mutation;

use std::{collections::HashMap, sync::Arc};

use async_graphql::{
    Context, Enum, ID, Object, SimpleObject,
    connection::{Connection, EmptyFields},
    dataloader::Loader,
};
use chrono::{DateTime, Utc};
use entity::{ShopId, shop as row};

use self::audit::AuditConnection;
pub use self::{
    audit::{AuditAction, AuditActor, AuditEntry},
    input::{CreateShopInput, RemoveShopMemberInput, SetShopMemberInput, ShopFilter, UpdateShopInput},
    mutation::{
        CreateShopPayload, RemoveShopMemberPayload, SetShopMemberPayload, ShopMutation, UpdateShopPayload,
    },
};
use super::{
    category::{self, Category},
    context::ContextExt,
    coupon::{CouponConnection, CouponOrder, ProductConnection, coupon_connection, product_connection},
    error::{ApiResult, found, user_error},
    id::{decode, encode},
    loader::{Batch, Shared, keyed},
    long_text::{LongText, long_text},
    order::{OrderConnection, order_connection},
    page::{Cursor, PageArgs, connection},
    scalar::{CurrencyCode, Long},
};
use crate::{
    coupon::{find::Filter, product},
    error::Fault,
    order as orders,
    shop::{self, Refusal},
};

user_error! {
    /// Something about shops or their members that could not be done.
    ShopError, ShopErrorCode {
        /// Another shop has this slug.
        SlugTaken,
        /// The shop would have no owner. Make somebody else an owner first.
        LastOwner,
        /// The shop has 200 members, which is the most.
        TooManyMembers,
    }
}

impl From<Refusal> for ShopError {
    fn from(refusal: Refusal) -> Self {
        let (code, message, path) = match refusal {
            Refusal::SlugTaken => {
                (ShopErrorCode::SlugTaken, "another shop has this slug", vec!["slug".to_owned()])
            }
            Refusal::LastOwner => (ShopErrorCode::LastOwner, "the shop would have no owner", Vec::new()),
            Refusal::TooManyMembers => {
                (ShopErrorCode::TooManyMembers, "the shop has as many members as it may have", Vec::new())
            }
        };
        Self { code, message: message.to_owned(), path, retryable: false }
    }
}

/// What a member may do in a shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "row::ShopRole")]
pub enum ShopRole {
    /// Everything, members included.
    Owner,
    /// Everything but changing members.
    Manager,
    /// Sees sales, refunds orders and checks tickets in.
    Seller,
    /// Checks tickets in.
    Scanner,
}

/// A vendor's organisation.
#[derive(Debug)]
pub struct Shop(pub(crate) row::Model);

/// A vendor's organisation.
#[Object]
impl Shop {
    /// Identifies the shop.
    pub async fn id(&self) -> ID {
        encode(self.0.id)
    }

    /// Its unique name for addresses.
    async fn slug(&self) -> &str {
        &self.0.slug
    }

    /// Its name.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// What it sells; may be empty.
    async fn description(&self, ctx: &Context<'_>) -> ApiResult<Arc<str>> {
        long_text(ctx, LongText::Shop(self.0.id)).await
    }

    /// The currency in which it sells; never changes.
    async fn currency(&self) -> CurrencyCode {
        CurrencyCode(self.0.currency.clone())
    }

    /// Where it stands in the category tree.
    async fn category(&self, ctx: &Context<'_>) -> ApiResult<Option<Category>> {
        category::of(ctx, self.0.category_id).await
    }

    /// Raised by each change of the shop or of its members. Give it as `expectedVersion` to change only what you have
    /// seen.
    async fn version(&self) -> Long {
        Long(self.0.version)
    }

    /// Your own role in it; null if you are no member.
    async fn viewer_role(&self, ctx: &Context<'_>) -> ApiResult<Option<ShopRole>> {
        let role = ctx.loaders().one(RoleIn(self.0.id)).await?;
        Ok(role.map(Into::into))
    }

    /// Who works for it, at most 200, in the order in which they came. For its owners and managers; null for others.
    async fn members(&self, ctx: &Context<'_>) -> ApiResult<Option<Vec<ShopMember>>> {
        let members = ctx.loaders().one(MembersOf(self.0.id)).await?;
        Ok(members.map(|members| members.into_iter().map(Into::into).collect()))
    }

    /// Its orders, newest first. For its owners, managers and sellers.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn orders(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
    ) -> ApiResult<OrderConnection> {
        let window = PageArgs { after, before, first, last }.window()?;
        Ok(order_connection(orders::of_shop(ctx.app(), ctx.viewer(), self.0.id, window).await?))
    }

    /// Its coupons that you may see: all that are published, and for those who work for it all.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn coupons(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "In which order.", default_with = "CouponOrder::Newest")] order_by: CouponOrder,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
    ) -> ApiResult<CouponConnection> {
        let filter = Filter { shop: Some(self.0.id), ..Filter::default() };
        coupon_connection(ctx, filter, order_by, PageArgs { after, before, first, last }).await
    }

    /// Its products, newest first.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn products(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whether to list archived ones too.", default)] archived: bool,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
    ) -> ApiResult<ProductConnection> {
        let window = PageArgs { after, before, first, last }.window()?;
        Ok(product_connection(product::of_shop(ctx.app(), self.0.id, archived, window).await?))
    }

    /// Changes of permissions and money in it, newest first. For its owners and managers.
    #[expect(clippy::too_many_arguments, reason = "the four arguments that Relay gives every connection")]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
        #[graphql(desc = "The first so many, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "The last so many, 1 to 100.")] last: Option<i32>,
    ) -> ApiResult<AuditConnection> {
        let window = PageArgs { after, before, first, last }.window()?;
        let page = shop::audit_log(ctx.app(), ctx.viewer(), self.0.id, window).await?;
        Ok(connection(page, EmptyFields, AuditEntry::edge))
    }

    /// When it was opened.
    async fn created_at(&self) -> DateTime<Utc> {
        self.0.created_at
    }
}

/// Somebody who works for a shop, as colleagues see them.
#[derive(Clone, Debug, SimpleObject)]
pub struct ShopMember {
    /// The member's account.
    pub account_id: ID,
    /// The member's name; may be empty.
    pub name: String,
    /// The member's e-mail address.
    pub email: String,
    /// What the member may do.
    pub role: ShopRole,
    /// Since when they have been a member.
    pub created_at: DateTime<Utc>,
}

impl From<shop::Member> for ShopMember {
    fn from(member: shop::Member) -> Self {
        Self {
            account_id: encode(member.account),
            name: member.name,
            email: member.email,
            role: member.role.into(),
            created_at: member.created_at,
        }
    }
}

/// A shop that you are a member of.
#[derive(Debug, SimpleObject)]
pub struct ShopMembership {
    /// What you may do in it.
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
    /// The shop that an object refers to.
    pub(crate) async fn of(ctx: &Context<'_>, id: ShopId) -> ApiResult<Self> {
        let row = ctx.loaders().one(id).await?.ok_or(Fault::NotFound("shop"))?;
        Ok(Self(row))
    }
}

/// The viewer's role in a shop, as a key of the loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RoleIn(pub(crate) ShopId);

/// The members of a shop, as a key of the loader.
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

/// What the list of shops says besides its page; counted only when asked.
#[derive(Debug)]
pub struct ShopTotals(shop::Filter);

/// What the list of shops says besides its page; counted only when asked.
#[Object]
impl ShopTotals {
    /// How many shops the whole list has. Costs a count of its own: ask for it on the first page only.
    async fn total_count(&self, ctx: &Context<'_>) -> ApiResult<u64> {
        Ok(shop::count(ctx.app(), &self.0).await?)
    }
}

/// A page of shops.
type Shops = Connection<Cursor<(String, ShopId)>, Shop, ShopTotals>;

/// Queries.
#[derive(Debug, Default)]
pub struct ShopQuery;

#[Object]
impl ShopQuery {
    /// The shops, by name.
    #[expect(clippy::too_many_arguments, reason = "the arguments of a connection and the filter")]
    async fn shops(
        &self,
        ctx: &Context<'_>,
        #[graphql(default, desc = "Which shops; all when left out.")] filter: ShopFilter,
        #[graphql(desc = "Shops after this cursor.")] after: Option<String>,
        #[graphql(desc = "Shops before this cursor.")] before: Option<String>,
        #[graphql(desc = "At most as many, from the beginning: 1 to 100, or else 20.")] first: Option<i32>,
        #[graphql(desc = "At most as many, from the end: 1 to 100.")] last: Option<i32>,
    ) -> ApiResult<Shops> {
        let window = PageArgs { after, before, first, last }.window()?;
        let filter = filter.parse()?;
        let page = shop::list(ctx.app(), &filter, window).await?;
        Ok(connection(page, ShopTotals(filter), |shop| ((shop.name.clone(), shop.id), Shop(shop))))
    }

    /// One shop; null if there is no such shop.
    async fn shop(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which shop.")] id: Option<ID>,
        #[graphql(desc = "Its unique name for addresses.")] slug: Option<String>,
    ) -> ApiResult<Option<Shop>> {
        let shop = match (id, slug) {
            (Some(id), None) => shop::by_id(ctx.app(), decode(&id, "id")?).await,
            (None, Some(slug)) => shop::by_slug(ctx.app(), &slug).await,
            (None, None) | (Some(_), Some(_)) => return Err(Fault::invalid("id", "give id or slug").into()),
        };
        Ok(found(shop)?.map(Shop))
    }
}
