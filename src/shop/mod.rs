//! Shops, their members and what those may do.

pub mod rules;

use entity::{ShopId, shop::member};
use sea_orm::EntityTrait;

use self::rules::Power;
use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, Faulty},
};

/// Makes sure that the viewer has the power in the shop.
pub async fn authorise(app: &App, viewer: &Viewer, shop: ShopId, power: Power) -> Faulty<()> {
    let account = viewer.user()?;
    let member = member::Entity::find_by_id((shop, account)).one(app.store.read()).await?;
    match member {
        Some(member) if rules::has(member.role, power) => Ok(()),
        Some(_) | None => Err(Fault::Forbidden("your role in this shop does not allow this")),
    }
}
