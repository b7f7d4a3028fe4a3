//! Duplicating an event at another date.

use chrono::{DateTime, SubsecRound, Utc};
use entity::{EventId, event};
use serde::Serialize;

use super::{
    copy::{self, Draft, Template},
    details::{Details, slug_of},
    edit::random_part,
    find, managed,
    rules::Refusal,
    shift,
};
use crate::{
    app::App,
    auth::Viewer,
    error::Result,
    idempotency::{Attempt, Key, claim_if_keyed_in_tx, once_if_keyed},
};

/// A duplicate of an event.
#[derive(Clone, Debug, Serialize)]
pub struct Duplicate {
    /// The event to copy.
    pub event: EventId,
    /// The start of the copy.
    pub starts_at: DateTime<Utc>,
    /// The name of the copy. `None` is that of the event.
    pub name: Option<String>,
    /// The unique name for web addresses. `None` derives it from the name.
    pub slug: Option<String>,
}

/// Creates a draft with everything that the vendor set for the event. Its dates move with its start, in the venue's
/// local time.
pub async fn duplicate(
    app: &App,
    viewer: &Viewer,
    input: Duplicate,
    key: Option<&str>,
) -> Result<event::Model, Refusal> {
    let event = managed(app, viewer, input.event).await?;
    let key = Key::of_viewer(viewer, "duplicateEvent", key, &input)?;
    let replay = |id| find::event(app, viewer, EventId(id));
    once_if_keyed(app, key.as_ref(), replay, Box::pin(insert(app, &event, input, key.as_ref()))).await
}

async fn insert(
    app: &App,
    event: &event::Model,
    input: Duplicate,
    key: Option<&Key>,
) -> Attempt<event::Model, Refusal> {
    let zone = copy::zone(app, event).await?;
    let (now, id) = (app.clock.now(), EventId(app.clock.new_uuid()));
    let details = shift::moved(Details::of(event.clone()), zone, input.starts_at.trunc_subsecs(6), now);
    let name = input.name.unwrap_or(details.name);
    let slug = input.slug.unwrap_or_else(|| slug_of(&name, random_part(id)));
    let details = Details { slug, name, ..details }.checked()?;
    let tx = app.store.begin().await?;
    let template = Template::read_in_tx(&tx, event).await?;
    claim_if_keyed_in_tx(key, &tx, id.0, now).await?;
    let copies = template.copy_in_tx(app, &tx, vec![Draft { id, series: None, details }]).await?;
    tx.commit().await?;
    Ok(copies.into_iter().next().ok_or_else(crate::error::Fault::unavailable)?)
}
