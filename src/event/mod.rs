//! Events and their price levels.

pub mod admission;
mod copy;
mod dates;
pub mod delete;
pub mod details;
pub mod duplicate;
pub mod edit;
pub mod find;
pub mod focal_point;
pub mod list;
pub mod pricing;
pub(crate) mod public;
pub mod publish_series;
pub mod recurrence;
pub mod reservation_rules;
pub mod rules;
pub mod seat_map;
pub mod series;
mod shift;
pub(crate) mod tier_names;
pub mod tiers;

use entity::{EventId, TierId, event, tier, tier::scope};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::LockType};

use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, FaultResult, Object},
    inventory, page,
    shop::{authorise_owner, rules::Power},
    spelling,
    store::Tx,
    telemetry::log_fault,
};

/// The event, whoever may see it.
pub(crate) async fn by_id(app: &App, id: EventId) -> FaultResult<event::Model> {
    event::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Event))
}

/// The events with these ids, also drafts. Their descriptions are left empty: see [`descriptions`].
pub(crate) async fn by_ids(app: &App, ids: Vec<EventId>) -> FaultResult<Vec<event::Model>> {
    let select = event::Entity::find().filter(event::Column::Id.is_in(ids));
    Ok(page::without(select, &[event::Column::Description]).all(app.store.read()).await?)
}

/// The descriptions of the events, each with the event's id.
pub(crate) async fn descriptions(app: &App, ids: Vec<EventId>) -> FaultResult<Vec<(EventId, String)>> {
    let select = event::Entity::find().filter(event::Column::Id.is_in(ids));
    let columns = [event::Column::Id, event::Column::Description];
    Ok(select.select_only().columns(columns).into_tuple().all(app.store.read()).await?)
}

/// The event's price levels, in their order.
pub async fn tiers_of(app: &App, id: EventId) -> FaultResult<Vec<tier::Model>> {
    tiers_of_all(app, vec![id]).await
}

/// The price levels of the events, each event's in their order.
pub async fn tiers_of_all(app: &App, ids: Vec<EventId>) -> FaultResult<Vec<tier::Model>> {
    Ok(tier::Entity::find()
        .filter(tier::Column::EventId.is_in(ids))
        .order_by_asc(tier::Column::Position)
        .order_by_asc(tier::Column::Id)
        .all(app.store.read())
        .await?)
}

/// Returns the tiers with these ids, without any access check.
pub async fn tiers_by_ids(app: &App, ids: Vec<TierId>) -> FaultResult<Vec<tier::Model>> {
    Ok(tier::Entity::find().filter(tier::Column::Id.is_in(ids)).all(app.store.read()).await?)
}

/// Which seats and areas the event's price levels price.
pub async fn scopes_of(app: &App, id: EventId) -> FaultResult<Vec<scope::Model>> {
    Ok(scope::Entity::find().filter(scope::Column::EventId.eq(id)).all(app.store.read()).await?)
}

/// Which seats and areas the price levels price, sorted by name.
pub async fn scopes_of_tiers(app: &App, ids: Vec<TierId>) -> FaultResult<Vec<scope::Model>> {
    let select = scope::Entity::find().filter(scope::Column::TierId.is_in(ids));
    let mut scopes = select.all(app.store.read()).await?;
    scopes.sort_by_cached_key(|scope| (spelling::sort_key(&scope.key), scope.key.clone()));
    Ok(scopes)
}

/// The event, if the viewer may change it.
async fn managed(app: &App, viewer: &Viewer, id: EventId) -> FaultResult<event::Model> {
    viewer.user()?;
    let event = by_id(app, id).await?;
    authorise_owner(app, viewer, event.shop_id, Power::Manage, Object::Event).await?;
    Ok(event)
}

/// The event as it is until the transaction's end: changes of one event and of its price levels wait for one another.
async fn locked_in_tx(tx: &Tx, id: EventId) -> FaultResult<event::Model> {
    let event = event::Entity::find_by_id(id).lock(LockType::NoKeyUpdate).one(tx).await?;
    event.ok_or(Fault::NotFound(Object::Event))
}

async fn scopes_in_tx(tx: &Tx, id: EventId) -> FaultResult<Vec<scope::Model>> {
    Ok(scope::Entity::find().filter(scope::Column::EventId.eq(id)).all(tx).await?)
}

/// Updates the desk of this process after a committed change of the event's terms. A fault is only logged: the change is
/// committed, and the poll of all open inventories repeats the update.
async fn follow(app: &App, id: EventId) {
    if let Err(fault) = inventory::catch_up(app, id).await {
        log_fault!(&fault, event.id = %id.0, "an inventory could not follow its event yet");
    }
}
