//! Creating, changing and deleting price levels.

use entity::{
    EventId, TierId, event,
    tier::{self, scope},
};
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter,
};
use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    admission::EntryRules,
    find, follow, locked_in_tx, managed,
    pricing::{self, TIERS_MAX, TierDetails, Wanted},
    rules::{self, Refusal},
    scopes_in_tx,
};
use crate::{
    app::App,
    audit,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Object, Result},
    idempotency::{Attempt, Key, claim_if_keyed_in_tx, once_if_keyed},
    inventory, spelling,
    store::{Tx, save_versioned, violated},
    venue,
};

/// What a price level prices.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Scope {
    /// The names of categories of the plan.
    pub categories: Vec<String>,
    /// The ids of areas of the seat map.
    pub areas: Vec<Uuid>,
}

/// A new price level.
#[derive(Clone, Debug, Serialize)]
pub struct NewTier {
    /// Its name and prices.
    pub details: TierDetails,
    /// What it prices.
    pub scope: Scope,
}

/// A change of a price level. `None` leaves a value unchanged.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// Display name.
    pub name: Option<String>,
    /// Price in minor units, tax included.
    pub price: Option<i64>,
    /// Fee per place in minor units, tax included.
    pub fee: Option<i64>,
    /// The tax rate contained in both, in hundredths of a percent.
    pub tax_basis_points: Option<i32>,
    /// The sort position within the event.
    pub position: Option<i32>,
    /// Whether only buyers with an access code can buy it.
    pub hidden: Option<bool>,
    /// How often its tickets admit. `Some(None)` lets the event's rules apply.
    pub entries: Option<Option<EntryRules>>,
    /// The names of categories. They replace the previous ones.
    pub categories: Option<Vec<String>>,
    /// The ids of areas. They replace the previous ones.
    pub areas: Option<Vec<Uuid>>,
}

/// Returns the price level and its event if the viewer may see the event. Otherwise returns `NotFound`.
pub async fn seen(app: &App, viewer: &Viewer, id: TierId) -> FaultResult<(tier::Model, event::Model)> {
    let tier =
        tier::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Tier))?;
    match find::event(app, viewer, tier.event_id).await {
        Ok(event) => Ok((tier, event)),
        Err(Fault::NotFound(_)) => Err(Fault::NotFound(Object::Tier)),
        Err(fault) => Err(fault),
    }
}

/// Creates a price level of the event.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    event: EventId,
    new: NewTier,
    key: Option<&str>,
) -> Result<tier::Model, Refusal> {
    let event = managed(app, viewer, event).await?;
    let key = Key::of_viewer(viewer, "createTier", key, &(event.id, &new))?;
    let replay = |id| by_id(app, TierId(id));
    once_if_keyed(app, key.as_ref(), replay, Box::pin(insert(app, viewer, event, new, key.as_ref()))).await
}

async fn by_id(app: &App, id: TierId) -> FaultResult<tier::Model> {
    tier::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Tier))
}

async fn insert(
    app: &App,
    viewer: &Viewer,
    event: event::Model,
    NewTier { details, scope }: NewTier,
    key: Option<&Key>,
) -> Attempt<tier::Model, Refusal> {
    let details = details.checked(None)?;
    let map = venue::seat_map(app, event.seat_map_id).await?;
    let wanted = wanted(&map, &scope)?;
    let (now, id) = (app.clock.now(), TierId(app.clock.new_uuid()));
    let tx = app.store.begin().await?;
    let event = locked_in_tx(&tx, event.id).await?;
    rules::change(&event).map_err(Error::Refused)?;
    let count = tier::Entity::find().filter(tier::Column::EventId.eq(event.id)).count(&tx).await?;
    if count >= TIERS_MAX as u64 {
        return Err(Error::Refused(Refusal::TooManyTiers).into());
    }
    claim_if_keyed_in_tx(key, &tx, id.0, now).await?;
    let row = tier::ActiveModel {
        id: Set(id),
        event_id: Set(event.id),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        name_key: Set(Some(spelling::key(&details.name))),
        ..row_of(details)
    };
    let tier =
        tier::Entity::insert(row).exec_with_returning(&tx).await.map_err(|error| refused(error.into()))?;
    price_in_tx(&tx, &tier, wanted).await?;
    let details = json!({ "to": prices(&tier) });
    let entry = audit::Entry::new(audit::Action::TierCreated, id, details).of_shop(event.shop_id);
    audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
    inventory::retier_in_tx(app, &tx, event.id, &map).await?;
    tx.commit().await?;
    follow(app, event.id).await;
    Ok(tier)
}

/// Changes the price level if its version is still `seen`. Existing reservations keep their prices.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: TierId,
    seen: i64,
    change: Change,
) -> Result<tier::Model, Refusal> {
    let (event, map) = managed_tier(app, viewer, id).await?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let event = locked_in_tx(&tx, event.id).await?;
    rules::change(&event).map_err(Error::Refused)?;
    let tier = tier::Entity::find_by_id(id).one(&tx).await?.ok_or(Fault::NotFound(Object::Tier))?;
    if tier.version != seen {
        return Err(Fault::Stale(Object::Tier).into());
    }
    let wanted = if change.categories.is_some() || change.areas.is_some() {
        let scopes = scopes_in_tx(&tx, event.id).await?;
        let scope = replaced(&change, id, &scopes, &map);
        Some(wanted(&map, &scope)?)
    } else {
        None
    };
    let before = prices(&tier);
    let name = tier.name.clone();
    let details = changed(tier, change).checked(Some(&name))?;
    // An earlier version could store names that are now equal. Such a tier can be changed without a new name.
    let key = Some(spelling::key(&details.name)).filter(|key| *key != spelling::key(&name));
    let name_key = key.map_or(NotSet, |key| Set(Some(key)));
    let row = tier::ActiveModel { id: Set(id), name_key, updated_at: Set(now), ..row_of(details) };
    let tier = save_versioned::<tier::Entity>(&tx, row, seen, Object::Tier).await.map_err(refused)?;
    if let Some(wanted) = wanted {
        price_in_tx(&tx, &tier, wanted).await?;
    }
    if prices(&tier) != before {
        let details = json!({ "from": before, "to": prices(&tier) });
        let entry = audit::Entry::new(audit::Action::TierChanged, id, details).of_shop(event.shop_id);
        audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
    }
    inventory::retier_in_tx(app, &tx, event.id, &map).await?;
    tx.commit().await?;
    follow(app, event.id).await;
    Ok(tier)
}

/// Deletes the price level of a draft if its version is still `seen`. Returns the event.
pub async fn delete(app: &App, viewer: &Viewer, id: TierId, seen: i64) -> Result<event::Model, Refusal> {
    let (event, _) = managed_tier(app, viewer, id).await?;
    let tx = app.store.begin().await?;
    let event = locked_in_tx(&tx, event.id).await?;
    rules::delete_tier(&event).map_err(Error::Refused)?;
    scope::Entity::delete_many().filter(scope::Column::TierId.eq(id)).exec(&tx).await?;
    let deleted = tier::Entity::delete_many()
        .filter(tier::Column::Id.eq(id))
        .filter(tier::Column::Version.eq(seen))
        .exec(&tx)
        .await?;
    if deleted.rows_affected == 0 {
        return Err(Fault::Stale(Object::Tier).into());
    }
    let entry = audit::Entry::new(audit::Action::TierDeleted, id, json!({})).of_shop(event.shop_id);
    audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
    tx.commit().await?;
    Ok(event)
}

/// Returns the price, fee and tax rate for the audit log.
fn prices(tier: &tier::Model) -> Value {
    json!({ "basePrice": tier.price_minor, "fee": tier.fee_minor, "taxBasisPoints": tier.tax_basis_points })
}

/// Returns the price level's event and its seat map if the viewer may change them.
async fn managed_tier(
    app: &App,
    viewer: &Viewer,
    id: TierId,
) -> FaultResult<(event::Model, std::sync::Arc<venue::SeatMap>)> {
    viewer.user()?;
    let tier =
        tier::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Tier))?;
    let event = match managed(app, viewer, tier.event_id).await {
        Err(Fault::NotFound(_)) => return Err(Fault::NotFound(Object::Tier)),
        event => event?,
    };
    let map = venue::seat_map(app, event.seat_map_id).await?;
    Ok((event, map))
}

fn wanted(map: &venue::SeatMap, scope: &Scope) -> FaultResult<Vec<Wanted>> {
    let areas: Vec<Option<u32>> = scope.areas.iter().map(|id| map.ordinal(*id)).collect();
    pricing::wanted(&map.plan, &scope.categories, &areas)
}

/// Returns what the tier prices after the change. A kind that the change omits stays as before.
fn replaced(change: &Change, id: TierId, scopes: &[scope::Model], map: &venue::SeatMap) -> Scope {
    let own = |kind| scopes.iter().filter(move |scope| scope.tier_id == id && scope.kind == kind);
    let categories = || own(tier::ScopeKind::Category).map(|scope| scope.key.clone()).collect();
    let areas = || {
        let guids: Vec<&str> = own(tier::ScopeKind::Area).map(|scope| scope.key.as_str()).collect();
        (0..)
            .zip(&map.plan.areas)
            .filter(|(_, area)| guids.contains(&area.guid.as_str()))
            .map(|(ordinal, _)| map.place_id(ordinal))
            .collect()
    };
    Scope {
        categories: change.categories.clone().unwrap_or_else(categories),
        areas: change.areas.clone().unwrap_or_else(areas),
    }
}

fn changed(tier: tier::Model, change: Change) -> TierDetails {
    TierDetails {
        entries: change.entries.unwrap_or_else(|| EntryRules::of_tier(&tier)),
        name: change.name.unwrap_or(tier.name),
        price: change.price.unwrap_or(tier.price_minor),
        fee: change.fee.unwrap_or(tier.fee_minor),
        tax_basis_points: change.tax_basis_points.unwrap_or(tier.tax_basis_points),
        position: change.position.unwrap_or(tier.position),
        hidden: change.hidden.unwrap_or(tier.hidden),
    }
}

/// Replaces the categories and areas that the tier prices. The primary key of the scopes prevents two tiers from
/// pricing the same one.
async fn price_in_tx(tx: &Tx, tier: &tier::Model, wanted: Vec<Wanted>) -> Result<(), Refusal> {
    let scopes = scopes_in_tx(tx, tier.event_id).await?;
    pricing::price(&wanted, &scopes, tier.id).map_err(Error::Refused)?;
    scope::Entity::delete_many().filter(scope::Column::TierId.eq(tier.id)).exec(tx).await?;
    let rows = wanted.into_iter().map(|wanted| scope::ActiveModel {
        event_id: Set(tier.event_id),
        kind: Set(wanted.kind),
        key: Set(wanted.key),
        tier_id: Set(tier.id),
    });
    scope::Entity::insert_many(rows).exec_without_returning(tx).await?;
    Ok(())
}

fn refused(fault: Fault) -> Error<Refusal> {
    if violated(&fault, "tier_name_key", "tier.event_id")
        || violated(&fault, "tier_spelling_key", "tier.name_key")
    {
        Error::Refused(Refusal::TierNameTaken)
    } else {
        Error::Fault(fault)
    }
}

fn row_of(details: TierDetails) -> tier::ActiveModel {
    tier::ActiveModel {
        name: Set(details.name),
        price_minor: Set(details.price),
        fee_minor: Set(details.fee),
        tax_basis_points: Set(details.tax_basis_points),
        position: Set(details.position),
        hidden: Set(details.hidden),
        entry_period: Set(details.entries.map(|entries| entries.period)),
        entries_max: Set(details.entries.and_then(|entries| entries.max_entries)),
        reentry: Set(details.entries.is_some_and(|entries| entries.reentry)),
        ..Default::default()
    }
}
