//! Creating and changing venues.

use entity::{ShopId, VenueId, venue};
use sea_orm::{ActiveValue::Set, EntityTrait};

use super::rules::{Change, Details, Refusal};
use crate::{
    app::App,
    auth::Viewer,
    error::{Fault, FaultResult, Object, Result},
    idempotency::{Attempt, Key, claim_if_keyed_in_tx, once_if_keyed},
    search_text,
    shop::{self, authorise_owner, rules::Power},
    store::save_versioned,
};

/// Creates a venue of the shop. Requires [`Power::Manage`].
pub async fn create(
    app: &App,
    viewer: &Viewer,
    shop: ShopId,
    details: Details,
    key: Option<&str>,
) -> Result<venue::Model, Refusal> {
    shop::authorise(app, viewer, shop, Power::Manage).await?;
    let key = Key::of_viewer(viewer, "createVenue", key, &(shop, &details))?;
    let replay = |id| by_id(app, VenueId(id));
    once_if_keyed(app, key.as_ref(), replay, Box::pin(insert(app, shop, details, key.as_ref()))).await
}

async fn insert(
    app: &App,
    shop: ShopId,
    details: Details,
    key: Option<&Key>,
) -> Attempt<venue::Model, Refusal> {
    let details = details.checked()?;
    let (now, id) = (app.clock.now(), VenueId(app.clock.new_uuid()));
    let tx = app.store.begin().await?;
    claim_if_keyed_in_tx(key, &tx, id.0, now).await?;
    let row = venue::ActiveModel {
        id: Set(id),
        shop_id: Set(shop),
        version: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        ..row_of(details)
    };
    let venue = venue::Entity::insert(row).exec_with_returning(&tx).await?;
    tx.commit().await?;
    Ok(venue)
}

/// Changes the venue if its version is still `seen`. Otherwise returns `Stale`.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: VenueId,
    seen: i64,
    change: Change,
) -> Result<venue::Model, Refusal> {
    let venue = managed(app, viewer, id).await?;
    // Unchanged values are taken from this row, so it must have the version that the caller saw.
    if venue.version != seen {
        return Err(Fault::Stale(Object::Venue).into());
    }
    let details = Details::of(venue).with(change.checked()?);
    let tx = app.store.begin().await?;
    let row = venue::ActiveModel { id: Set(id), updated_at: Set(app.clock.now()), ..row_of(details) };
    let venue = save_versioned::<venue::Entity>(&tx, row, seen, Object::Venue).await?;
    search_text::refresh_in_tx(&tx, search_text::Source::Venue(id)).await?;
    tx.commit().await?;
    Ok(venue)
}

async fn by_id(app: &App, id: VenueId) -> FaultResult<venue::Model> {
    venue::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Venue))
}

/// Returns the venue if the viewer may change it. Otherwise returns a fault.
pub(super) async fn managed(app: &App, viewer: &Viewer, id: VenueId) -> FaultResult<venue::Model> {
    viewer.user()?;
    let venue = by_id(app, id).await?;
    authorise_owner(app, viewer, venue.shop_id, Power::Manage, Object::Venue).await?;
    Ok(venue)
}

fn row_of(details: Details) -> venue::ActiveModel {
    venue::ActiveModel {
        name: Set(details.name),
        address: Set(details.address),
        city: Set(details.city),
        country: Set(details.country),
        time_zone: Set(details.time_zone),
        ..Default::default()
    }
}
