//! Events and their price levels.

use entity::{EventId, event, tier, tier::scope};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use crate::{
    app::App,
    error::{Fault, Faulty},
};

/// The event, whoever may see it.
pub(crate) async fn by_id(app: &App, id: EventId) -> Faulty<event::Model> {
    event::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound("event"))
}

/// The event's price levels, in their order.
pub async fn tiers_of(app: &App, id: EventId) -> Faulty<Vec<tier::Model>> {
    Ok(tier::Entity::find()
        .filter(tier::Column::EventId.eq(id))
        .order_by_asc(tier::Column::Position)
        .order_by_asc(tier::Column::Id)
        .all(app.store.read())
        .await?)
}

/// Which seats and areas the event's price levels price.
pub async fn scopes_of(app: &App, id: EventId) -> Faulty<Vec<scope::Model>> {
    Ok(scope::Entity::find().filter(scope::Column::EventId.eq(id)).all(app.store.read()).await?)
}
