//! Shop mutations: create, update, and change members.

use async_graphql::{Context, Object, SimpleObject};

use super::{
    CreateShopError, CreateShopInput, RemoveShopMemberInput, SetShopMemberInput, Shop, ShopMember,
    ShopMemberError, UpdateShopError, UpdateShopInput,
};
use crate::{
    error::FaultResult,
    graphql::{
        context::ContextExt,
        error::{ApiResult, edited, outcome},
        id::decode,
    },
    shop,
};

/// The result of `createShop`.
#[derive(Debug, SimpleObject)]
pub struct CreateShopPayload {
    /// The new shop. Null if `errors` is not empty.
    pub shop: Option<Shop>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<CreateShopError>,
}

/// The result of `updateShop`.
#[derive(Debug, SimpleObject)]
pub struct UpdateShopPayload {
    /// The shop after the change. With the error `STALE`, the current shop. Null with other errors.
    pub shop: Option<Shop>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<UpdateShopError>,
}

/// The result of `setShopMember`.
#[derive(Debug, SimpleObject)]
pub struct SetShopMemberPayload {
    /// The member. Null if `errors` is not empty.
    pub member: Option<ShopMember>,
    /// The shop with its new version. With the error `STALE`, the current shop. Null with other errors.
    pub shop: Option<Shop>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<ShopMemberError>,
}

/// The result of `removeShopMember`.
#[derive(Debug, SimpleObject)]
pub struct RemoveShopMemberPayload {
    /// The shop without the member. With the error `STALE`, the current shop. Null with other errors.
    pub shop: Option<Shop>,
    /// Why the mutation failed. Empty if it succeeded.
    pub errors: Vec<ShopMemberError>,
}

/// The mutations of this slice.
#[derive(Debug, Default)]
pub struct ShopMutation;

#[Object]
impl ShopMutation {
    /// Creates a shop. Any signed-up user can call it and becomes the shop's owner.
    async fn create_shop(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `createShop`.")] input: CreateShopInput,
    ) -> ApiResult<Option<CreateShopPayload>> {
        ctx.viewer().user()?;
        let key = input.idempotency_key.clone();
        let result = async { shop::create(ctx.app(), ctx.viewer(), input.parse()?, key.as_deref()).await };
        let (shop, errors) = outcome(result.await)?;
        Ok(Some(CreateShopPayload { shop: shop.map(Shop), errors }))
    }

    /// Changes the shop's own data. Requires an owner or manager.
    async fn update_shop(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `updateShop`.")] input: UpdateShopInput,
    ) -> ApiResult<Option<UpdateShopPayload>> {
        ctx.viewer().user()?;
        let id = input.shop_id.clone();
        let result = async { shop::update(ctx.app(), ctx.viewer(), input.parse()?).await };
        let current = async { shop::by_id(ctx.app(), decode(&id, "shopId")?).await };
        let (shop, errors) = edited(result.await, current).await?;
        Ok(Some(UpdateShopPayload { shop: shop.map(Shop), errors }))
    }

    /// Makes a user a member of a shop, or changes a member's role. Requires an owner. Repeated calls have no further
    /// effect.
    async fn set_shop_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `setShopMember`.")] input: SetShopMemberInput,
    ) -> ApiResult<Option<SetShopMemberPayload>> {
        ctx.viewer().user()?;
        let id = input.shop_id.clone();
        let result = async { shop::set_member(ctx.app(), ctx.viewer(), input.parse()?).await };
        let current =
            async { FaultResult::Ok((None, shop::by_id(ctx.app(), decode(&id, "shopId")?).await?)) };
        let (done, errors) = edited(result.await.map(|(member, shop)| (Some(member), shop)), current).await?;
        let (member, shop) = done.unzip();
        let member = member.flatten().map(Into::into);
        Ok(Some(SetShopMemberPayload { member, shop: shop.map(Shop), errors }))
    }

    /// Ends a membership. Requires an owner, or the member who leaves. The last owner cannot leave.
    async fn remove_shop_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Parameters of `removeShopMember`.")] input: RemoveShopMemberInput,
    ) -> ApiResult<Option<RemoveShopMemberPayload>> {
        ctx.viewer().user()?;
        let id = input.shop_id.clone();
        let result = async { shop::remove_member(ctx.app(), ctx.viewer(), input.parse()?).await };
        let current = async { shop::by_id(ctx.app(), decode(&id, "shopId")?).await };
        let (shop, errors) = edited(result.await, current).await?;
        Ok(Some(RemoveShopMemberPayload { shop: shop.map(Shop), errors }))
    }
}
