//! Opening and changing shops and their members through the API.

use async_graphql::{Context, Object, SimpleObject};

use super::{
    CreateShopInput, RemoveShopMemberInput, SetShopMemberInput, Shop, ShopError, ShopMember, UpdateShopInput,
};
use crate::{
    graphql::{
        context::ContextExt,
        error::{ApiResult, outcome},
    },
    shop,
};

/// The answer to `createShop`.
#[derive(Debug, SimpleObject)]
pub struct CreateShopPayload {
    /// The new shop; null when there are errors.
    pub shop: Option<Shop>,
    /// Why it could not be done; empty when it was.
    pub errors: Vec<ShopError>,
}

/// The answer to `updateShop`.
#[derive(Debug, SimpleObject)]
pub struct UpdateShopPayload {
    /// The shop as it is now; null when there are errors.
    pub shop: Option<Shop>,
    /// Why it could not be done; empty when it was.
    pub errors: Vec<ShopError>,
}

/// The answer to `setShopMember`.
#[derive(Debug, SimpleObject)]
pub struct SetShopMemberPayload {
    /// The member; null when there are errors.
    pub member: Option<ShopMember>,
    /// Why it could not be done; empty when it was.
    pub errors: Vec<ShopError>,
}

/// The answer to `removeShopMember`.
#[derive(Debug, SimpleObject)]
pub struct RemoveShopMemberPayload {
    /// The shop without the member; null when there are errors.
    pub shop: Option<Shop>,
    /// Why it could not be done; empty when it was.
    pub errors: Vec<ShopError>,
}

/// Mutations.
#[derive(Debug, Default)]
pub struct ShopMutation;

#[Object]
impl ShopMutation {
    /// Opens a shop. Any signed-up user may, and is its owner.
    async fn create_shop(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateShopInput,
    ) -> ApiResult<CreateShopPayload> {
        ctx.viewer().user()?;
        let result = async { shop::create(ctx.app(), ctx.viewer(), input.parse()?).await };
        let (shop, errors) = outcome(result.await)?;
        Ok(CreateShopPayload { shop: shop.map(Shop), errors })
    }

    /// Changes what a shop says about itself. For its owners and managers.
    async fn update_shop(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: UpdateShopInput,
    ) -> ApiResult<UpdateShopPayload> {
        ctx.viewer().user()?;
        let result = async { shop::update(ctx.app(), ctx.viewer(), input.parse()?).await };
        let (shop, errors) = outcome(result.await)?;
        Ok(UpdateShopPayload { shop: shop.map(Shop), errors })
    }

    /// Makes a user a member of a shop, or gives a member another role. For its owners. Saying it twice is harmless.
    async fn set_shop_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SetShopMemberInput,
    ) -> ApiResult<SetShopMemberPayload> {
        ctx.viewer().user()?;
        let result = async { shop::set_member(ctx.app(), ctx.viewer(), input.parse()?).await };
        let (member, errors) = outcome(result.await)?;
        Ok(SetShopMemberPayload { member: member.map(Into::into), errors })
    }

    /// Ends a membership. For the shop's owners, and for members who leave; the last owner stays.
    async fn remove_shop_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RemoveShopMemberInput,
    ) -> ApiResult<RemoveShopMemberPayload> {
        ctx.viewer().user()?;
        let result = async { shop::remove_member(ctx.app(), ctx.viewer(), input.parse()?).await };
        let (shop, errors) = outcome(result.await)?;
        Ok(RemoveShopMemberPayload { shop: shop.map(Shop), errors })
    }
}
