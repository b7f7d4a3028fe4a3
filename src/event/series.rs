//! Series: events that are created together from one event. `publish_series.rs` publishes them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, SubsecRound, Utc};
use chrono_tz::Tz;
use entity::{
    EventId, SeriesId,
    event::{self, Column, EventState},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use serde::Serialize;

use super::{
    copy::{self, Draft, Template},
    details::Details,
    edit::random_part,
    follow, managed,
    recurrence::{
        dates::{Dates, LeftOut, Reason},
        zone,
    },
    rules::Refusal,
    shift,
};
use crate::{
    app::App,
    auth::Viewer,
    error::{Check, Error, Fault, FaultResult, Invalid, Object, Result},
    idempotency::{Attempt, Key, claim_if_keyed_in_tx, once_if_keyed},
    inventory,
    limits::{Charges, Lane},
    store::{Tx, save_versioned},
};

/// New events of a series.
#[derive(Clone, Debug, Serialize)]
pub struct NewSeries {
    /// The event to copy.
    pub event: EventId,
    /// The dates.
    pub dates: Dates,
    /// The name of the new events. `None` is that of the event.
    pub name: Option<String>,
    /// The beginning of the new events' slugs. `None` derives them from the name.
    pub slug: Option<String>,
}

/// What a call would create.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The venue's time zone.
    pub zone: Tz,
    /// The starts and ends of the new events, in ascending order.
    pub dates: Vec<(DateTime<Utc>, DateTime<Utc>)>,
    /// The times without a new event, in ascending order.
    pub left_out: Vec<LeftOut>,
}

/// The result of a call.
#[derive(Clone, Debug)]
pub struct Created {
    /// The copied event.
    pub event: event::Model,
    /// The new events in the order of their starts.
    pub events: Vec<event::Model>,
}

/// The new events before they are written.
struct Planned {
    zone: Tz,
    drafts: Vec<Draft>,
    left_out: Vec<LeftOut>,
    /// Whether the copied event's own start is one of the dates.
    has_own_start: bool,
}

/// Returns what [`create`] would create. Writes nothing.
pub async fn preview(app: &App, viewer: &Viewer, input: &NewSeries) -> Result<Preview, Refusal> {
    let event = managed(app, viewer, input.event).await?;
    let planned = plan(app, &event, input).await?;
    let dates = planned.drafts.iter().map(|draft| (draft.details.starts_at, draft.details.ends_at));
    Ok(Preview { zone: planned.zone, dates: dates.collect(), left_out: planned.left_out })
}

/// Creates a draft for each date at which the series has no event yet, all or none of them.
///
/// The new events join the series of the copied event. If it has none, they form a new one. The copied event belongs to
/// it too if its start is one of the dates.
pub async fn create(
    app: &App,
    viewer: &Viewer,
    input: NewSeries,
    key: Option<&str>,
) -> Result<Created, Refusal> {
    let event = managed(app, viewer, input.event).await?;
    let key = Key::of_viewer(viewer, "createEvents", key, &input)?;
    let replay = |first| created_with(app, event.clone(), EventId(first));
    let attempt = insert(app, viewer, &event, input, key.as_ref());
    once_if_keyed(app, key.as_ref(), replay, Box::pin(attempt)).await
}

async fn insert(
    app: &App,
    viewer: &Viewer,
    event: &event::Model,
    input: NewSeries,
    key: Option<&Key>,
) -> Attempt<Created, Refusal> {
    let Planned { mut drafts, has_own_start, .. } = plan(app, event, &input).await?;
    // The call itself was charged as one operation.
    let more = u32::try_from(drafts.len().saturating_sub(1)).unwrap_or(u32::MAX);
    app.limits.operation(viewer, &Charges::of(Lane::Vendor, more)).await.map_err(Fault::from)?;
    let Some(first) = drafts.first().map(|draft| draft.id) else {
        return Err(Error::Refused(Refusal::NothingNew).into());
    };
    let series = event.series_id.unwrap_or_else(|| SeriesId(app.clock.new_uuid()));
    for draft in &mut drafts {
        draft.series = Some(series);
    }
    let now = app.clock.now();
    let tx = app.store.begin().await?;
    let template = Template::read_in_tx(&tx, event).await?;
    claim_if_keyed_in_tx(key, &tx, first.0, now).await?;
    // Race: another call may have extended the series since the dates were computed. Calls for one event wait here.
    let taken = starts_of(&tx, event.series_id).await?;
    if drafts.iter().any(|draft| taken.contains(&draft.details.starts_at)) {
        return Err(Fault::unavailable().into());
    }
    let joins = has_own_start && template.event.series_id.is_none();
    let events = template.copy_in_tx(app, &tx, drafts).await?;
    let event = if joins { join_in_tx(&tx, template.event, series, now).await? } else { template.event };
    tx.commit().await?;
    if joins {
        follow(app, event.id).await;
    }
    Ok(Created { event, events })
}

/// Adds the event to the series.
async fn join_in_tx(
    tx: &Tx,
    event: event::Model,
    series: SeriesId,
    now: DateTime<Utc>,
) -> FaultResult<event::Model> {
    let seen = event.version;
    let row = event::ActiveModel {
        id: Set(event.id),
        series_id: Set(Some(series)),
        updated_at: Set(now),
        ..Default::default()
    };
    let event = save_versioned::<event::Entity>(tx, row, seen, Object::Event).await?;
    inventory::touch_in_tx(tx, event.id, now).await?;
    Ok(event)
}

/// Returns the result of the call that created the event `first` before all others.
async fn created_with(app: &App, event: event::Model, first: EventId) -> FaultResult<Created> {
    let first = super::by_id(app, first).await?;
    let events = event::Entity::find()
        .filter(Column::SeriesId.eq(first.series_id))
        .filter(Column::CreatedAt.eq(first.created_at))
        .order_by_asc(Column::StartsAt)
        .order_by_asc(Column::Id)
        .all(app.store.read())
        .await?;
    Ok(Created { event, events })
}

/// Computes the new events.
async fn plan(app: &App, event: &event::Model, input: &NewSeries) -> Result<Planned, Refusal> {
    check_slug(input.slug.as_deref())?;
    if let Some(name) = input.name.clone() {
        // Also if no date is new, a bad name is refused.
        Details { name, ..Details::of(event.clone()) }.checked()?;
    }
    let zone = copy::zone(app, event).await?;
    let mut plan = input.dates.plan(zone, event.starts_at)?;
    // The times of a rule have whole seconds.
    let own_starts = [event.starts_at, event.starts_at.trunc_subsecs(0)];
    let has_own_start =
        event.state != EventState::Cancelled && own_starts.iter().any(|own| plan.starts.contains(own));
    let mut taken = starts_of(app.store.read(), event.series_id).await?;
    if has_own_start {
        taken.extend(own_starts);
    }
    plan.starts.retain(|start| {
        let is_new = !taken.contains(start);
        if !is_new {
            plan.left_out.push(LeftOut { local: zone::local(zone, *start), reason: Reason::InSeries });
        }
        is_new
    });
    plan.left_out.sort_unstable();
    let shared = shared_days(zone, plan.starts.iter().chain(&taken));
    let now = app.clock.now();
    let mut drafts = Vec::with_capacity(plan.starts.len());
    for start in plan.starts {
        let id = EventId(app.clock.new_uuid());
        let details = shift::moved(Details::of(event.clone()), zone, start, now);
        let name = input.name.clone().unwrap_or(details.name);
        let local = zone::local(zone, start);
        let shares_day = shared.contains(&local.date());
        let slug = shift::slug(input.slug.as_deref(), &name, random_part(id), local, shares_day);
        let details = Details { slug, name, ..details }.checked().map_err(|fault| at_date(fault, &local))?;
        drafts.push(Draft { id, series: None, details });
    }
    Ok(Planned { zone, drafts, left_out: plan.left_out, has_own_start })
}

/// The beginning of slugs must leave space for a date and a time.
fn check_slug(slug: Option<&str>) -> FaultResult<()> {
    let is_good = slug.is_none_or(|slug| slug.len() <= 60 && super::details::is_slug(slug));
    let why = "must have 1 to 60 of a-z, 0-9, and single hyphens between them";
    Check::default().that(is_good, "slug", why).done()
}

/// Names the date whose event would be invalid. The name is the vendor's own input.
fn at_date(fault: Fault, local: &chrono::NaiveDateTime) -> Fault {
    let Fault::Invalid(all) = fault else { return fault };
    let named = |invalid: Invalid| match invalid.path.first().map(String::as_str) {
        Some("name") => invalid,
        Some(field) => Invalid {
            path: vec!["dates".to_owned()],
            why: format!("{field} of the event at {local} {}", invalid.why),
        },
        None => Invalid { path: vec!["dates".to_owned()], ..invalid },
    };
    Fault::Invalid(all.into_iter().map(named).collect())
}

/// Returns the starts of the series' events that are not cancelled.
async fn starts_of(
    connection: &impl ConnectionTrait,
    series: Option<SeriesId>,
) -> FaultResult<BTreeSet<DateTime<Utc>>> {
    let Some(series) = series else { return Ok(BTreeSet::new()) };
    let events = event::Entity::find()
        .filter(Column::SeriesId.eq(series))
        .filter(Column::State.ne(EventState::Cancelled))
        .all(connection)
        .await?;
    // The times of a rule have whole seconds.
    let both = |event: event::Model| [event.starts_at, event.starts_at.trunc_subsecs(0)];
    Ok(events.into_iter().flat_map(both).collect())
}

/// Returns the local days with more than one start.
fn shared_days<'a>(zone: Tz, starts: impl Iterator<Item = &'a DateTime<Utc>>) -> BTreeSet<NaiveDate> {
    let mut counts: BTreeMap<NaiveDate, usize> = BTreeMap::new();
    for start in starts {
        *counts.entry(zone::local(zone, *start).date()).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(day, _)| day).collect()
}
