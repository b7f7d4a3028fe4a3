//! Checks what a viewer may do and see in a shop.

use entity::{ShopId, shop::member as row};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{
    forbidden,
    rules::{self, Power},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, FaultResult, Object},
    limits::{Rule, Subject},
};

/// Checks that the viewer has the permission in the shop.
pub async fn authorise(app: &App, viewer: &Viewer, shop: ShopId, power: Power) -> FaultResult<()> {
    if !has_power(app, viewer, shop, power).await? {
        app.limits.security("foreign_shop", viewer);
        return Err(forbidden());
    }
    // Strangers are not charged to the shop: they could use up what its members need.
    if app.limits.network(viewer).is_some() {
        app.limits.take((Rule::Shop, Subject::Id(shop.0)), 1).await?;
    }
    Ok(())
}

/// Checks that the viewer has the permission in the shop that owns an object. Returns `NotFound` to viewers who may not
/// see the shop's unpublished objects.
pub(crate) async fn authorise_owner(
    app: &App,
    viewer: &Viewer,
    shop: ShopId,
    power: Power,
    object: Object,
) -> FaultResult<()> {
    viewer.user()?;
    if !shops_seen(app, viewer).await?.contains(&shop) {
        return Err(Fault::NotFound(object));
    }
    authorise(app, viewer, shop, power).await
}

/// Returns whether the viewer has the permission in the shop. A refusal is no security event.
pub(crate) async fn has_power(app: &App, viewer: &Viewer, shop: ShopId, power: Power) -> FaultResult<bool> {
    let account = viewer.user()?;
    let member = row::Entity::find_by_id((shop, account)).one(app.store.read()).await?;
    Ok(member.is_some_and(|member| rules::has(member.role, power)))
}

/// Returns the shops in which the viewer has the permission. Fails if the viewer is no user.
pub(crate) async fn with_power(app: &App, viewer: &Viewer, power: Power) -> FaultResult<Vec<ShopId>> {
    viewer.user()?;
    shops_of(app, viewer, power).await
}

/// Returns the shops whose unpublished objects the viewer may see. Empty for viewers without an account.
pub(crate) async fn shops_seen(app: &App, viewer: &Viewer) -> FaultResult<Vec<ShopId>> {
    shops_of(app, viewer, Power::Look).await
}

async fn shops_of(app: &App, viewer: &Viewer, power: Power) -> FaultResult<Vec<ShopId>> {
    let Ok(account) = viewer.account() else { return Ok(Vec::new()) };
    let rows = row::Entity::find().filter(row::Column::AccountId.eq(account)).all(app.store.read()).await?;
    Ok(rows
        .into_iter()
        .filter(|member| rules::has(member.role, power))
        .map(|member| member.shop_id)
        .collect())
}
