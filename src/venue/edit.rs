//! Making and changing venues, and importing their seat maps.

use std::sync::Arc;

use entity::{
    SeatMapId, ShopId, VenueId,
    venue::{self, seat_map},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    SeatMap, arranged,
    find::{Revision, authorise},
    hall::Hall,
    plan::Plan,
    rules::{self, Change, Details, Refusal},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Invalid, Object, Result},
    search_text,
    shop::{self, rules::Power},
    store::save_versioned,
};

/// Makes a venue of the shop.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    shop: ShopId,
    details: Details,
) -> Result<venue::Model, Refusal> {
    shop::authorise(app, viewer, shop, Power::Manage).await?;
    let details = details.checked()?;
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let row = venue::ActiveModel {
        id: Set(VenueId(app.clock.new_uuid())),
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

/// Changes the venue, if its version is still `seen`.
pub async fn update(
    app: &App,
    viewer: &Viewer,
    id: VenueId,
    seen: i64,
    change: Change,
) -> Result<venue::Model, Refusal> {
    let venue = managed(app, viewer, id).await?;
    // What stays is taken from the row as it was read, so it must have been read at that version.
    if venue.version != seen {
        return Err(Fault::Stale(Object::Venue).into());
    }
    let details = Details::of(venue).with(change).checked()?;
    let tx = app.store.begin().await?;
    let row = venue::ActiveModel { id: Set(id), updated_at: Set(app.clock.now()), ..row_of(details) };
    let venue = save_versioned::<venue::Entity>(&tx, row, seen, Object::Venue).await?;
    search_text::refresh_in_tx(&tx, search_text::Source::Venue(id)).await?;
    tx.commit().await?;
    Ok(venue)
}

/// Stores the plan, a pretix seating plan, as the next revision of the venue's seat map. A bad plan is refused with all
/// that is wrong with it, and nothing is stored.
pub async fn import_seat_map(
    app: &App,
    viewer: &Viewer,
    venue: VenueId,
    plan: String,
) -> Result<Revision, Refusal> {
    managed(app, viewer, venue).await?;
    let author = viewer.account()?;
    let (plan, hall) = parsed(plan).await?;
    let tx = app.store.begin().await?;
    // Whoever imports at the same time waits for this lock; the unique constraint holds what it promises.
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
    app.seat_maps.insert(map.id, Arc::new(map)).await;
    Ok(revision)
}

/// The venue, if the viewer may change it.
async fn managed(app: &App, viewer: &Viewer, id: VenueId) -> FaultResult<venue::Model> {
    viewer.user()?;
    let venue =
        venue::Entity::find_by_id(id).one(app.store.read()).await?.ok_or(Fault::NotFound(Object::Venue))?;
    authorise(app, viewer, venue.shop_id, Power::Manage, Object::Venue).await?;
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
