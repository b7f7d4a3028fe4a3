//! Importing and deleting seat maps, the revisions of a venue's geometry.

use std::sync::Arc;

use entity::{
    AccountId, SeatMapId, VenueId,
    venue::{self, seat_map},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use serde::Serialize;

use super::{
    SeatMap, arranged,
    edit::managed,
    find::{Revision, revision},
    plan::{self, ImportOptions, Warning},
    rules::{self, Refusal},
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Error, Fault, FaultResult, Invalid, Object, Result},
    idempotency::{Attempt, Key, claim_if_keyed_in_tx, once_if_keyed},
    store::is_missing_reference,
};

/// A plan to import.
#[derive(Clone, Debug, Serialize)]
pub struct NewPlan {
    /// The venue.
    pub venue: VenueId,
    /// The seating plan of pretix, as JSON.
    pub text: String,
    /// How it is imported.
    pub options: ImportOptions,
}

/// An imported plan.
#[derive(Clone, Debug)]
pub struct ImportedPlan {
    /// The new revision of the seat map.
    pub revision: Revision,
    /// What was repaired or guessed.
    pub warnings: Vec<Warning>,
}

/// Stores a pretix seating plan as the next revision of the venue's seat map. If the plan is invalid, returns one fault
/// per kind and stores nothing.
pub async fn import(
    app: &App,
    viewer: &Viewer,
    new: NewPlan,
    key: Option<&str>,
) -> Result<ImportedPlan, Refusal> {
    managed(app, viewer, new.venue).await?;
    let author = viewer.account()?;
    let key = Key::of_viewer(viewer, "importSeatMap", key, &new)?;
    let replay = |id| imported(app, viewer, SeatMapId(id));
    once_if_keyed(app, key.as_ref(), replay, Box::pin(insert(app, author, new, key.as_ref()))).await
}

async fn imported(app: &App, viewer: &Viewer, id: SeatMapId) -> FaultResult<ImportedPlan> {
    let warnings: Option<Option<String>> = seat_map::Entity::find_by_id(id)
        .select_only()
        .column(seat_map::Column::Warnings)
        .into_tuple()
        .one(app.store.read())
        .await?;
    let warnings = warnings.flatten().map_or(Ok(Vec::new()), |text| serde_json::from_str(&text));
    Ok(ImportedPlan {
        revision: revision(app, viewer, id).await?,
        warnings: warnings.map_err(Fault::internal)?,
    })
}

async fn insert(
    app: &App,
    author: AccountId,
    new: NewPlan,
    key: Option<&Key>,
) -> Attempt<ImportedPlan, Refusal> {
    let NewPlan { venue, text, options } = new;
    let (plan, hall, warnings) = arranged(text, options).await?.map_err(invalid)?;
    let tx = app.store.begin().await?;
    // Race: concurrent imports wait for this lock. The unique constraint guarantees distinct revision numbers.
    let locked = venue::Entity::find_by_id(venue).lock_exclusive().one(&tx).await?;
    locked.ok_or(Fault::NotFound(Object::Venue))?;
    let all = || seat_map::Entity::find().filter(seat_map::Column::VenueId.eq(venue));
    let count = all().count(&tx).await?;
    let latest: Option<i32> = all()
        .select_only()
        .column(seat_map::Column::Revision)
        .order_by_desc(seat_map::Column::Revision)
        .into_tuple()
        .one(&tx)
        .await?;
    let revision = Revision {
        id: SeatMapId(app.clock.new_uuid()),
        venue_id: venue,
        revision: rules::next_revision(latest, count).map_err(Error::Refused)?,
        name: plan.name.clone(),
        seat_count: i32::try_from(plan.seats.len()).map_err(Fault::internal)?,
        area_capacity: i32::try_from(plan.places() - plan.seats.len() as u64).map_err(Fault::internal)?,
        created_at: app.clock.now(),
    };
    claim_if_keyed_in_tx(key, &tx, revision.id.0, revision.created_at).await?;
    let stored = if warnings.is_empty() { None } else { Some(serde_json::to_string(&warnings)) };
    let row = seat_map::ActiveModel {
        id: Set(revision.id),
        venue_id: Set(revision.venue_id),
        revision: Set(revision.revision),
        name: Set(revision.name.clone()),
        seat_count: Set(revision.seat_count),
        area_capacity: Set(revision.area_capacity),
        plan: Set(plan.document.clone()),
        warnings: Set(stored.transpose().map_err(Fault::internal)?),
        created_by: Set(author),
        created_at: Set(revision.created_at),
    };
    seat_map::Entity::insert(row).exec_without_returning(&tx).await?;
    tx.commit().await?;
    let map = SeatMap { id: revision.id, venue, revision: revision.revision, plan, hall };
    app.venue.seat_maps.insert(map.id, Arc::new(map)).await;
    Ok(ImportedPlan { revision, warnings })
}

/// Deletes a seat map that no event uses. Its number may be given to a later revision. Returns the venue.
pub async fn delete(app: &App, viewer: &Viewer, id: SeatMapId) -> Result<venue::Model, Refusal> {
    viewer.user()?;
    let venue: Option<VenueId> = seat_map::Entity::find_by_id(id)
        .select_only()
        .column(seat_map::Column::VenueId)
        .into_tuple()
        .one(app.store.read())
        .await?;
    let venue = venue.ok_or(Fault::NotFound(Object::SeatMap))?;
    let venue = managed(app, viewer, venue).await.map_err(|fault| {
        if matches!(fault, Fault::NotFound(_)) { Fault::NotFound(Object::SeatMap) } else { fault }
    })?;
    let tx = app.store.begin().await?;
    unused(app, &tx, id).await?;
    let deleted = match seat_map::Entity::delete_by_id(id).exec(&tx).await {
        Ok(deleted) => deleted.rows_affected,
        // Race: an event took the seat map after the count. The foreign key kept it.
        Err(error) if is_missing_reference(&error) => {
            tx.rollback().await?;
            unused(app, app.store.read(), id).await?;
            return Err(Error::Refused(Refusal::InUse { events: 1 }));
        }
        Err(error) => return Err(Fault::from(error).into()),
    };
    if deleted == 0 {
        return Err(Fault::NotFound(Object::SeatMap).into());
    }
    tx.commit().await?;
    app.venue.seat_maps.invalidate(&id).await;
    Ok(venue)
}

/// Checks that no event uses the seat map.
async fn unused(app: &App, connection: &impl ConnectionTrait, id: SeatMapId) -> Result<(), Refusal> {
    let events = (app.venue.public_events.all_on_map)(id);
    let events = connection.query_all(&events).await.map_err(Fault::from)?;
    match u32::try_from(events.len()).unwrap_or(u32::MAX) {
        0 => Ok(()),
        events => Err(Error::Refused(Refusal::InUse { events })),
    }
}

fn invalid(faults: Vec<plan::Fault>) -> Fault {
    let invalid =
        |fault: plan::Fault| Invalid { why: fault.message(), path: vec!["plan".to_owned(), fault.path] };
    Fault::Invalid(faults.into_iter().map(invalid).collect())
}
