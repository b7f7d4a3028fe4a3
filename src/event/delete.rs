//! Deleting drafts of events.

use entity::{
    EventId, event,
    tier::{self, scope},
};
use futures_util::future::BoxFuture;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, SqlErr};
use serde_json::json;

use super::{
    edit::at,
    locked_in_tx, managed,
    rules::{self, Refusal},
};
use crate::{
    app::App,
    audit,
    auth::Viewer,
    error::{Error, FaultResult, Result},
    slug_owner,
    store::Tx,
};

/// Counts the objects of other slices that refer to an event or to its tiers.
pub(crate) type CountReferences = for<'a> fn(&'a Tx, EventId) -> BoxFuture<'a, FaultResult<u64>>;

/// Deletes the draft with its tiers and search words if its version is still `seen`.
///
/// Race: the row is locked, so a publication at the same time comes first or finds nothing. Foreign keys refuse a
/// reference that another transaction adds after the count.
pub(crate) async fn delete(
    app: &App,
    viewer: &Viewer,
    id: EventId,
    seen: i64,
    count_references: CountReferences,
) -> Result<(), Refusal> {
    managed(app, viewer, id).await?;
    let tx = app.store.begin().await?;
    let event = locked_in_tx(&tx, id).await?;
    at(&event, seen)?;
    rules::delete(&event).map_err(Error::Refused)?;
    let references = count_references(&tx, id).await?;
    if references > 0 {
        return Err(Error::Refused(Refusal::InUse(references)));
    }
    let details = json!({ "startsAt": event.starts_at });
    let entry = audit::Entry::new(audit::Action::EventDeleted, id, details).of_shop(event.shop_id);
    audit::record_in_tx(&tx, app, audit::By::Viewer(*viewer), entry).await?;
    if let Err(error) = delete_in_tx(&tx, &event).await {
        return Err(match error.sql_err() {
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Error::Refused(Refusal::InUse(1)),
            Some(_) | None => Error::Fault(error.into()),
        });
    }
    tx.commit().await?;
    Ok(())
}

/// Deletes the rows. The search words go with the event.
async fn delete_in_tx(tx: &Tx, event: &event::Model) -> std::result::Result<(), DbErr> {
    scope::Entity::delete_many().filter(scope::Column::EventId.eq(event.id)).exec(tx).await?;
    tier::Entity::delete_many().filter(tier::Column::EventId.eq(event.id)).exec(tx).await?;
    slug_owner::release_in_tx(tx, event.id).await?;
    event::Entity::delete_by_id(event.id).exec(tx).await?;
    Ok(())
}
