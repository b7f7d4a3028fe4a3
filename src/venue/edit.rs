//! Creating and changing venues, and importing their seat maps.

use std::sync::Arc;

use entity::{
    AccountId, SeatMapId, ShopId, VenueId,
    venue::{self, seat_map},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    SeatMap, arranged,
    find::{Revision, revision},
    hall::Hall,
    plan::Plan,
    rules::{self, Change, Details, Refusal},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Invalid, Object, Result},
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

/// Stores a pretix seating plan as the next revision of the venue's seat map. If the plan is invalid, returns all its
/// faults and stores nothing.
pub async fn import_seat_map(
    app: &App,
    viewer: &Viewer,
    venue: VenueId,
    plan: String,
    key: Option<&str>,
) -> Result<Revision, Refusal> {
    managed(app, viewer, venue).await?;
    let author = viewer.account()?;
    let key = Key::of_viewer(viewer, "importSeatMap", key, &(venue, &plan))?;
    let replay = |id| revision(app, viewer, SeatMapId(id));
    let new = NewRevision { venue, author, plan };
    once_if_keyed(app, key.as_ref(), replay, Box::pin(insert_revision(app, new, key.as_ref()))).await
}

/// A plan to import.
struct NewRevision {
    venue: VenueId,
    author: AccountId,
    plan: String,
}

async fn insert_revision(app: &App, new: NewRevision, key: Option<&Key>) -> Attempt<Revision, Refusal> {
    let NewRevision { venue, author, plan } = new;
    let (plan, hall) = parsed(plan).await?;
    let tx = app.store.begin().await?;
    // Race: concurrent imports wait for this lock. The unique constraint guarantees distinct revision numbers.
    let locked = venue::Entity::find_by_id(venue).lock_exclusive().one(&tx).await?;
    locked.ok_or(Fault::NotFound(Object::Venue))?;
    let latest: Option<i32> = seat_map::Entity::find()
        .select_only()
        .column(seat_map::Column::Revision)
        .filter(seat_map::Column::VenueId.eq(venue))
        .order_by_desc(seat_map::Column::Revision)
        .into_tuple()
        .one(&tx)
        .await?;
    let revision = Revision {
        id: SeatMapId(app.clock.new_uuid()),
        venue_id: venue,
        revision: rules::next_revision(latest).map_err(Error::Refused)?,
        name: plan.name.clone(),
        seat_count: i32::try_from(plan.seats.len()).map_err(Fault::internal)?,
        area_capacity: i32::try_from(plan.places() - plan.seats.len() as u64).map_err(Fault::internal)?,
        created_at: app.clock.now(),
    };
    claim_if_keyed_in_tx(key, &tx, revision.id.0, revision.created_at).await?;
    let row = seat_map::ActiveModel {
        id: Set(revision.id),
        venue_id: Set(revision.venue_id),
        revision: Set(revision.revision),
        name: Set(revision.name.clone()),
        seat_count: Set(revision.seat_count),
        area_capacity: Set(revision.area_capacity),
        plan: Set(plan.document.clone()),
        created_by: Set(author),
        created_at: Set(revision.created_at),
    };
    seat_map::Entity::insert(row).exec_without_returning(&tx).await?;
    tx.commit().await?;
    let map = SeatMap { id: revision.id, venue, revision: revision.revision, plan, hall };
    app.venue.seat_maps.insert(map.id, Arc::new(map)).await;
    Ok(revision)
}

async fn by_id(app: &App, id: VenueId) -> FaultResult<venue::Model> {
    venue::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Venue))
}

/// Returns the venue if the viewer may change it. Otherwise returns a fault.
async fn managed(app: &App, viewer: &Viewer, id: VenueId) -> FaultResult<venue::Model> {
    viewer.user()?;
    let venue = by_id(app, id).await?;
    authorise_owner(app, viewer, venue.shop_id, Power::Manage, Object::Venue).await?;
    Ok(venue)
}

async fn parsed(text: String) -> FaultResult<(Plan, Arc<Hall>)> {
    arranged(text).await?.map_err(|faults| {
        let invalid =
            |fault: super::plan::Fault| Invalid { path: vec!["plan".to_owned(), fault.path], why: fault.why };
        Fault::Invalid(faults.into_iter().map(invalid).collect())
    })
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
